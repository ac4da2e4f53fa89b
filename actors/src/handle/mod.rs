//! The `Handle`: the one way for everything outside to talk to the actors. Cheap to clone.

mod history;
mod inbox;
mod journal;
mod notices;
mod view;
mod workspaces;

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use ractor::{Actor, ActorRef, RpcReplyPort};
use tokio::sync::Semaphore;

pub use journal::Receipt;
pub use view::DocumentError;
pub use workspaces::WorkspaceAccessError;

#[cfg(feature = "fault-injection")]
use crate::fault::Faults;
use crate::{
    event_bus::EventBusMessage,
    historian::HistorianMessage,
    inbox_coordinator::InboxCoordinatorMessage,
    metrics::Metrics,
    model::{Limits, Troubles},
    notifier::NotifierMessage,
    root_supervisor::{RootSupervisor, RootSupervisorMessage},
    session_supervisor::SessionSupervisorMessage,
    state_aggregator::StateAggregatorMessage,
    system::{Role, System, Unreachable, World},
    workspace_registry::WorkspaceRegistryMessage,
};

/// How long an actor may take to show that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A running daemon's actors.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) system: Arc<System>,
}

/// The actors, to be waited for and stopped. One per daemon, kept by whoever started them.
#[derive(Debug)]
pub struct Running {
    root: ActorRef<RootSupervisorMessage>,
    ended: tokio::task::JoinHandle<()>,
}

/// The actors could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the actors did not start: {0}")]
pub struct StartError(String);

impl Handle {
    /// Starts all actors. On return the state is rebuilt and everything serves.
    ///
    /// # Errors
    /// [`StartError`]: the journal cannot be read.
    pub async fn start(world: World) -> Result<(Self, Running), StartError> {
        let system = Arc::new(System::new(world));
        let (root, ended) = RootSupervisor::spawn(None, RootSupervisor, Arc::clone(&system))
            .await
            .map_err(|error| StartError(error.to_string()))?;
        Ok((Self { system }, Running { root, ended }))
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        self.system.limits()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.system.metrics
    }

    /// Measures what is not counted as it happens.
    pub fn measure(&self) {
        let (system, limits) = (&self.system, self.limits());
        let metrics = &system.metrics;
        let taken = |room: &Semaphore, of: usize| of.min(Semaphore::MAX_PERMITS) - room.available_permits();
        let gauge = |gauge: &Gauge| usize::try_from(gauge.get()).unwrap_or(0);
        metrics.used("publishing_events", taken(&system.event_room, limits.publishing_events));
        metrics.used("publishing_bytes", taken(&system.byte_room, limits.publishing_bytes));
        metrics.used("sessions", gauge(&metrics.sessions) + gauge(&metrics.streams));
        metrics.used("connections", gauge(&metrics.connections));
        metrics.used("bus_requests", gauge(&metrics.bus_requests));
        metrics.used("agents", gauge(&metrics.agents));
        metrics.used("event_ring_bytes", system.event_ring.bytes());
        metrics.used("frame_ring_bytes", gauge(&metrics.frame_ring_bytes));
    }

    /// Asks an actor whether it is there.
    ///
    /// # Errors
    /// [`Unreachable`]: not within a second.
    pub async fn ping(&self, role: Role) -> Result<(), Unreachable> {
        let system = &self.system;
        match role {
            Role::EventBus => system.call_within(PING_TIMEOUT, role, EventBusMessage::Ping).await,
            Role::StateAggregator => system.call_within(PING_TIMEOUT, role, StateAggregatorMessage::Ping).await,
            Role::WorkspaceRegistry => system.call_within(PING_TIMEOUT, role, WorkspaceRegistryMessage::Ping).await,
            Role::InboxCoordinator => system.call_within(PING_TIMEOUT, role, InboxCoordinatorMessage::Ping).await,
            Role::Notifier => system.call_within(PING_TIMEOUT, role, NotifierMessage::Ping).await,
            Role::Historian => system.call_within(PING_TIMEOUT, role, HistorianMessage::Ping).await,
            Role::SessionSupervisor => {
                let ping = |reply: RpcReplyPort<()>| SessionSupervisorMessage::Ping(reply);
                system.call_within(PING_TIMEOUT, role, ping).await
            }
        }
    }

    /// What is wrong with the daemon itself.
    pub fn troubles(&self) -> Troubles {
        self.system.health.troubles()
    }

    /// Where actors can be made to die.
    #[cfg(feature = "fault-injection")]
    pub fn faults(&self) -> &Faults {
        &self.system.faults
    }
}

impl Running {
    /// Returns when the actors have ended by themselves: restarting one of them did not help.
    pub async fn ended(&mut self) {
        let _ = (&mut self.ended).await;
    }

    /// Stops all actors in order: streams first, the picture is saved last.
    pub async fn stop(self) {
        let _ = self.root.cast(RootSupervisorMessage::Stop);
        let _ = self.ended.await;
    }
}

//! The `RootSupervisor`: starts the actors, brings back the ones that die, and stops them in order.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::task::JoinSet;

use crate::{
    event_bus::EventBus,
    historian::Historian,
    inbox_coordinator::InboxCoordinator,
    metrics::ActorLabel,
    notifier::Notifier,
    session_supervisor::SessionSupervisor,
    state_aggregator::StateAggregator,
    system::{Role, System},
    workspace_registry::WorkspaceRegistry,
};

/// Pause before the first restart; it doubles with each further one in the window.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
/// Longest pause: service must be back within a second.
const LAST_BACKOFF: Duration = Duration::from_millis(500);
/// Restarts allowed in the window. More mean that restarting does not help.
const BUDGET: usize = 30;
/// The window.
const WINDOW: Duration = Duration::from_secs(60);
/// How long an actor may take to stop: a snapshot is written then. The daemon has five seconds for all of it.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// What the supervisor is told.
#[derive(Debug)]
pub enum RootSupervisorMessage {
    /// Start an actor that has died.
    Restart(Role),
    /// Stop everything in order, then yourself.
    Stop,
}

/// The actor.
#[derive(Debug)]
pub struct RootSupervisor;

/// Its state.
#[derive(Debug)]
pub struct RootSupervisorState {
    system: Arc<System>,
    children: Vec<(Role, ActorCell)>,
    restarts: VecDeque<Instant>,
    stopping: bool,
}

impl Actor for RootSupervisor {
    type Msg = RootSupervisorMessage;
    type State = RootSupervisorState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<RootSupervisorState, ActorProcessingErr> {
        system.load_health().await?;
        let children = spawn_all(&system, &myself).await?;
        Ok(RootSupervisorState { system, children, restarts: VecDeque::new(), stopping: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut RootSupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("root-supervisor", &message);
        match message {
            RootSupervisorMessage::Restart(role) => {
                match spawn(role, &state.system, &myself).await {
                    Ok(cell) => state.children.push((role, cell)),
                    Err(error) => {
                        tracing::error!(actor = role.as_str(), %error, "actor not restarted");
                        state.schedule_restart(&myself, role);
                    }
                }
                state.system.pages.clear().await;
            }
            RootSupervisorMessage::Stop => {
                state.stop_all().await;
                myself.stop(None);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut RootSupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (id, reason) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell.get_id(), reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        if let Some(role) = state.remove(id).filter(|_| !state.stopping) {
            tracing::error!(actor = role.as_str(), reason, "actor died");
            state.schedule_restart(&myself, role);
        }
        Ok(())
    }
}

impl RootSupervisorState {
    fn remove(&mut self, id: ActorId) -> Option<Role> {
        let index = self.children.iter().position(|(_, cell)| cell.get_id() == id)?;
        Some(self.children.remove(index).0)
    }

    fn schedule_restart(&mut self, myself: &ActorRef<RootSupervisorMessage>, role: Role) {
        let now = Instant::now();
        self.restarts.retain(|at| now.duration_since(*at) < WINDOW);
        self.restarts.push_back(now);
        if self.restarts.len() > BUDGET {
            tracing::error!(
                actor = role.as_str(),
                restarts = BUDGET,
                window_s = WINDOW.as_secs(),
                "actors died too often, giving up"
            );
            myself.stop(None);
            return;
        }
        self.system.metrics.restarts.get_or_create(&ActorLabel { actor: role.as_str() }).inc();
        let doublings = u32::try_from(self.restarts.len() - 1).unwrap_or(u32::MAX).min(10);
        let pause = (FIRST_BACKOFF * 2u32.pow(doublings)).min(LAST_BACKOFF);
        myself.send_after(pause, move || RootSupervisorMessage::Restart(role));
    }

    /// The last started stops first: nobody is told of what nobody can see any more.
    async fn stop_all(&mut self) {
        self.stopping = true;
        for role in Role::ALL.into_iter().rev() {
            for (_, cell) in self.children.iter().filter(|(of, _)| *of == role) {
                if let Err(error) = cell.drain_and_wait(Some(STOP_TIMEOUT)).await {
                    tracing::warn!(actor = role.as_str(), %error, "actor did not stop in time");
                }
            }
        }
    }
}

/// Starts all actors. Those that keep a picture start side by side and read the journal together: most of a start is
/// reading.
async fn spawn_all(
    system: &Arc<System>,
    supervisor: &ActorRef<RootSupervisorMessage>,
) -> Result<Vec<(Role, ActorCell)>, ActorProcessingErr> {
    let mut children = vec![(Role::EventBus, spawn_first(Role::EventBus, system, supervisor).await?)];
    let mut starts = JoinSet::new();
    for role in Role::ALL.into_iter().filter(|role| *role != Role::EventBus) {
        let (system, supervisor) = (Arc::clone(system), supervisor.clone());
        starts.spawn(async move { (role, spawn_first(role, &system, &supervisor).await) });
    }
    while let Some(start) = starts.join_next().await {
        let (role, started) = start?;
        children.push((role, started?));
    }
    system.pages.clear().await;
    Ok(children)
}

/// Starts an actor for the first time. One that dies over an event of the journal is tried again, as it would be later.
async fn spawn_first(
    role: Role,
    system: &Arc<System>,
    supervisor: &ActorRef<RootSupervisorMessage>,
) -> Result<ActorCell, SpawnErr> {
    for _ in 0..BUDGET {
        let deaths = system.health.deaths();
        match spawn(role, system, supervisor).await {
            Err(error) if system.health.deaths() > deaths => {
                tracing::error!(actor = role.as_str(), %error, "actor died at its start");
            }
            outcome => return outcome,
        }
    }
    spawn(role, system, supervisor).await
}

async fn spawn(
    role: Role,
    system: &Arc<System>,
    supervisor: &ActorRef<RootSupervisorMessage>,
) -> Result<ActorCell, SpawnErr> {
    let (name, system, supervisor) = (Some(system.name(role)), Arc::clone(system), supervisor.get_cell());
    Ok(match role {
        Role::EventBus => EventBus::spawn_linked(name, EventBus, system, supervisor).await?.0.get_cell(),
        Role::StateAggregator => {
            StateAggregator::spawn_linked(name, StateAggregator, system, supervisor).await?.0.get_cell()
        }
        Role::WorkspaceRegistry => {
            WorkspaceRegistry::spawn_linked(name, WorkspaceRegistry, system, supervisor).await?.0.get_cell()
        }
        Role::InboxCoordinator => {
            InboxCoordinator::spawn_linked(name, InboxCoordinator, system, supervisor).await?.0.get_cell()
        }
        Role::Notifier => Notifier::spawn_linked(name, Notifier, system, supervisor).await?.0.get_cell(),
        Role::Historian => Historian::spawn_linked(name, Historian, system, supervisor).await?.0.get_cell(),
        Role::SessionSupervisor => {
            SessionSupervisor::spawn_linked(name, SessionSupervisor, system, supervisor).await?.0.get_cell()
        }
    })
}

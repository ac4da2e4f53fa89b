//! What all actors of one daemon share: the ports, the settings, and how to find each other.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use ractor::{ActorRef, Message, RpcReplyPort, rpc::CallResult};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};

use crate::{
    event_ring::EventRing,
    fault::Faults,
    health::Health,
    metrics::Metrics,
    model::{Limits, Patience, Record, Seq, notice::Policy},
    ports::{Courier, Duties, Duty, Journal, JournalError, OpenWorkspace, Workspace},
    replica::Pages,
    subscribers::Subscribers,
    view::{Part, Renderer, Subject, View},
};

/// How long a caller waits for an actor, restarts included. Longer than a commit on a slow disk, shorter than a
/// client's patience.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before an actor that was not there is looked up again: a restart takes a few milliseconds.
const LOOKUP_PAUSE: Duration = Duration::from_millis(5);

/// Settings of the actors.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bounds.
    pub limits: Limits,
    /// Shortest time between two frames: 33 ms is as often as a person sees a change.
    pub frame_interval: Duration,
    /// Shortest time between two frames of a page beside the dashboard, which are rendered whole.
    pub view_interval: Duration,
    /// Events between two snapshots: what a start has to read at most.
    pub snapshot_events: u64,
    /// How long agents at work may be silent.
    pub patience: Patience,
    /// How long a person can take an answer back; zero: it counts at once.
    pub undo: Duration,
    /// Who is told of questions.
    pub notify: NotifySettings,
}

/// Settings of the notices.
#[derive(Debug, Clone)]
pub struct NotifySettings {
    /// What each target wants to hear.
    pub policies: Vec<Policy>,
    /// How often a notice is tried before it is given up; at least once.
    pub tries: u32,
    /// Pause after the first try; it grows with each further one.
    pub first_pause: Duration,
}

/// The ports and the renderer that a daemon is built from.
pub struct World {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// A workspace of the daemon's own, where decisions are claimed: the first claim on a question wins.
    pub claims: Arc<dyn Workspace>,
    /// What this daemon does for all that share the journal.
    pub duties: Arc<dyn Duties>,
    /// Opens the agents' workspaces.
    pub open_workspace: OpenWorkspace,
    /// Carries notices to their targets.
    pub courier: Arc<dyn Courier>,
    /// Makes HTML of the picture.
    pub renderer: Renderer,
    /// The settings.
    pub settings: Settings,
}

/// The actors that there is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes events in.
    EventBus,
    /// Keeps the picture.
    StateAggregator,
    /// Tells people of questions.
    Notifier,
    /// Knows the workspaces.
    WorkspaceRegistry,
    /// Knows the questions.
    InboxCoordinator,
    /// Knows how the picture was.
    Historian,
    /// Keeps the browsers' sessions.
    SessionSupervisor,
}

impl Role {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 7] = [
        Self::EventBus,
        Self::WorkspaceRegistry,
        Self::InboxCoordinator,
        Self::Historian,
        Self::StateAggregator,
        Self::Notifier,
        Self::SessionSupervisor,
    ];

    /// The name used in logs, metrics and `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventBus => "event-bus",
            Self::StateAggregator => "state-aggregator",
            Self::WorkspaceRegistry => "workspace-registry",
            Self::InboxCoordinator => "inbox-coordinator",
            Self::Notifier => "notifier",
            Self::Historian => "historian",
            Self::SessionSupervisor => "session-supervisor",
        }
    }
}

/// Deaths of an actor over one call after which the call is given up: it may be what the actor dies of.
const CALL_DEATHS: usize = 3;

/// An actor gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// Not in time.
    #[error("{} does not answer at present; try again", .0.as_str())]
    Absent(Role),
    /// It died each time.
    #[error("{} died over this request {CALL_DEATHS} times; do not repeat it, the log says why it died", .0.as_str())]
    Died(Role),
}

/// What all actors of one daemon share.
pub struct System {
    pub(crate) world: World,
    pub(crate) metrics: Metrics,
    pub(crate) subscribers: Subscribers,
    pub(crate) event_ring: EventRing,
    pub(crate) health: Health,
    pub(crate) faults: Faults,
    /// Room for events on their way to the journal and through the actors that follow it.
    pub(crate) event_room: Arc<Semaphore>,
    /// Room for the bytes of those events.
    pub(crate) byte_room: Arc<Semaphore>,
    /// What replicas read of the journal while they start.
    pub(crate) pages: Pages,
    /// Up to where the snapshots go that were saved, by name.
    pub(crate) saved: Mutex<HashMap<&'static str, Seq>>,
    /// Part of every name: the registry of names is global to the process, the daemon is not.
    daemon: String,
}

impl System {
    /// A new daemon's.
    pub fn new(world: World) -> Self {
        let limits = &world.settings.limits;
        let room = |size: usize| Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS)));
        Self {
            metrics: Metrics::new(limits),
            subscribers: Subscribers::default(),
            event_ring: EventRing::new(limits.event_ring_bytes),
            health: Health::default(),
            faults: Faults::default(),
            event_room: room(limits.publishing_events),
            byte_room: room(limits.publishing_bytes),
            pages: Pages::default(),
            saved: Mutex::default(),
            daemon: uuid::Uuid::now_v7().to_string(),
            world,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.world.settings.limits
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        &*self.world.journal
    }

    /// Delivers consecutive records, the first of which follows the last delivered one.
    pub(crate) fn deliver(&self, records: Vec<Arc<Record>>, room: Vec<OwnedSemaphorePermit>) {
        let records: Arc<[_]> = records.into();
        self.subscribers.deliver(&records, room);
        self.event_ring.push(records);
    }

    /// True while a duty is this daemon's.
    pub(crate) fn has(&self, duty: Duty) -> bool {
        self.world.duties.has(duty)
    }

    /// Tells an actor each time this daemon may have got or lost a duty, until the task is aborted.
    pub(crate) fn tell_of_duties<M: Message>(self: &Arc<Self>, myself: ActorRef<M>, message: fn() -> M) -> AbortHandle {
        let duties = Arc::clone(&self.world.duties);
        let tell = async move {
            let mut known = 0;
            loop {
                known = duties.changed(known).await;
                if myself.cast(message()).is_err() {
                    return;
                }
            }
        };
        tokio::spawn(tell).abort_handle()
    }

    /// What is needed to render a page beside the dashboard.
    pub(crate) async fn view_of(&self, subject: Subject, part: Part) -> Result<View, JournalError> {
        let events = match subject.events() {
            Some((filter, before, limit)) => self.journal().latest(before, limit, &filter).await?,
            None => Vec::new(),
        };
        Ok(View::Of { subject, events, part })
    }

    /// The registered name of an actor.
    pub(crate) fn name(&self, role: Role) -> String {
        format!("{}/{}", self.daemon, role.as_str())
    }

    /// Sends to whoever plays the role now. `false`: nobody does.
    pub(crate) fn cast<M: Message>(&self, role: Role, message: M) -> bool {
        ActorRef::<M>::where_is(self.name(role)).is_some_and(|actor| actor.cast(message).is_ok())
    }

    /// Asks whoever plays the role, again if it dies over the question, until there is an answer, the time is up or it
    /// has died too often.
    /// The message must therefore be harmless when it is handled twice.
    pub(crate) async fn call<M, T>(&self, role: Role, message: impl Fn(RpcReplyPort<T>) -> M) -> Result<T, Unreachable>
    where
        M: Message,
        T: Send + 'static,
    {
        self.call_within(CALL_TIMEOUT, role, message).await
    }

    /// The same within a time of the caller's own.
    pub(crate) async fn call_within<M, T>(
        &self,
        limit: Duration,
        role: Role,
        message: impl Fn(RpcReplyPort<T>) -> M,
    ) -> Result<T, Unreachable>
    where
        M: Message,
        T: Send + 'static,
    {
        let deadline = tokio::time::Instant::now() + limit;
        let mut deaths = 0;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Err(Unreachable::Absent(role));
            }
            if let Some(actor) = ActorRef::<M>::where_is(self.name(role)) {
                match actor.call(&message, Some(left)).await {
                    Ok(CallResult::Success(answer)) => return Ok(answer),
                    Ok(CallResult::SenderError) => deaths += 1,
                    _ => {}
                }
            }
            if deaths == CALL_DEATHS {
                return Err(Unreachable::Died(role));
            }
            tokio::time::sleep(LOOKUP_PAUSE).await;
        }
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("daemon", &self.daemon).finish_non_exhaustive()
    }
}

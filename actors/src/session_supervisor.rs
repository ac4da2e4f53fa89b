//! The `SessionSupervisor`: keeps the browsers' sessions and hands every frame to each of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::{
    model::Seq,
    outbox::{End, Next, Outbox},
    sse_session::{SseSession, SseSessionArguments, SseSessionMessage},
    state_aggregator::Frame,
    system::System,
    view::Subject,
    view_watcher::{ViewWatcher, ViewWatcherMessage},
};

/// A browser's wish for a stream.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The last event it has seen, if it comes back.
    pub last_event_id: Option<Seq>,
    /// Which browser it is, if known: all tabs of one browser share six connections.
    pub browser: Option<String>,
    /// The page that it shows; `None`: the dashboard.
    pub subject: Option<Subject>,
}

/// A browser's stream. Dropping it ends the session, also where nobody waits for it any more.
#[derive(Debug)]
pub struct Session {
    outbox: Arc<Outbox>,
    actor: ActorRef<SseSessionMessage>,
}

impl Session {
    /// The next frame, as soon as there is one.
    ///
    /// # Errors
    /// [`End`]: the stream ends, and how.
    pub async fn next(&self) -> Result<Bytes, End> {
        loop {
            match self.outbox.next().await {
                Next::Frame(frame) => return Ok(frame),
                Next::End(end) => return Err(end),
                Next::Lagged => {
                    let _ = self.actor.cast(SseSessionMessage::Refresh);
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.actor.stop(None);
    }
}

/// There are too many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} browsers are connected, more are not allowed by `sessions`")]
pub struct TooManySessions(pub usize);

/// What the supervisor is told.
#[derive(Debug)]
pub enum SessionSupervisorMessage {
    /// Open a stream.
    Open(Opening, RpcReplyPort<Result<Session, TooManySessions>>),
    /// Hand this to every session that shows the dashboard.
    Frame(Arc<Frame>),
    /// Hand this to every session that shows this page.
    ViewFrame(Subject, Arc<Frame>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

/// The actor.
#[derive(Debug)]
pub struct SessionSupervisor;

/// Its state.
#[derive(Debug)]
pub struct SessionSupervisorState {
    system: Arc<System>,
    /// By age: ids grow.
    sessions: BTreeMap<ActorId, Entry>,
    /// One for each page beside the dashboard that a session shows.
    watchers: HashMap<Subject, ActorRef<ViewWatcherMessage>>,
}

#[derive(Debug)]
struct Entry {
    actor: ActorRef<SseSessionMessage>,
    browser: Option<String>,
    subject: Option<Subject>,
}

impl Actor for SessionSupervisor {
    type Msg = SessionSupervisorMessage;
    type State = SessionSupervisorState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<SessionSupervisorState, ActorProcessingErr> {
        system.metrics.sessions.set(0);
        Ok(SessionSupervisorState { system, sessions: BTreeMap::new(), watchers: HashMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut SessionSupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("session-supervisor", &message);
        match message {
            SessionSupervisorMessage::Open(opening, reply) => {
                let _ = reply.send(state.open(&myself, opening).await?);
            }
            SessionSupervisorMessage::Frame(frame) => {
                for watcher in state.watchers.values() {
                    let _ = watcher.cast(ViewWatcherMessage::Changed(frame.panels, frame.upto));
                }
                state.hand_out(None, &frame);
            }
            SessionSupervisorMessage::ViewFrame(subject, frame) => state.hand_out(Some(&subject), &frame),
            SessionSupervisorMessage::Ping(reply) => {
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    /// A session is never restarted: its browser reconnects.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut SessionSupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(cell, _) | SupervisionEvent::ActorTerminated(cell, _, _) = event {
            let id = cell.get_id();
            match state.sessions.remove(&id) {
                Some(session) => state.stop_watching(session.subject),
                None => state.forget_watcher(id),
            }
            state.count();
        }
        Ok(())
    }
}

impl SessionSupervisorState {
    async fn open(
        &mut self,
        myself: &ActorRef<SessionSupervisorMessage>,
        opening: Opening,
    ) -> Result<Result<Session, TooManySessions>, ActorProcessingErr> {
        let max = self.system.limits().sessions;
        if self.sessions.len() >= max {
            self.system.metrics.sessions_refused.inc();
            self.system.metrics.hit("sessions");
            return Ok(Err(TooManySessions(max)));
        }
        self.make_room_in(opening.browser.as_deref());
        let (max_bytes, queued) = (self.system.limits().session_bytes, self.system.metrics.outbox_bytes.clone());
        let outbox = Arc::new(Outbox::new(max_bytes, queued));
        let watcher = match &opening.subject {
            Some(subject) => Some(self.watcher(myself, subject).await?),
            None => None,
        };
        let arguments = SseSessionArguments {
            system: Arc::clone(&self.system),
            outbox: Arc::clone(&outbox),
            // A page beside the dashboard comes whole, whatever was seen of it.
            last_event_id: opening.last_event_id.filter(|_| watcher.is_none()),
            watcher,
        };
        // Counted before it asks for the picture: a frame that comes right after is made only for those who are counted.
        self.system.metrics.sessions.set(self.sessions.len() as i64 + 1);
        let (actor, _) = SseSession::spawn_linked(None, SseSession, arguments, myself.get_cell()).await?;
        let entry = Entry { actor: actor.clone(), browser: opening.browser, subject: opening.subject };
        self.sessions.insert(actor.get_id(), entry);
        self.count();
        Ok(Ok(Session { outbox, actor }))
    }

    /// Pauses a browser's oldest streams, so that a connection stays free for its clicks.
    fn make_room_in(&mut self, browser: Option<&str>) {
        let Some(browser) = browser else { return };
        let of_browser: Vec<_> =
            self.sessions.iter().filter(|(_, s)| s.browser.as_deref() == Some(browser)).map(|(id, _)| *id).collect();
        let surplus = (of_browser.len() + 1).saturating_sub(self.system.limits().sessions_per_browser);
        for id in of_browser.into_iter().take(surplus) {
            if let Some(session) = self.sessions.remove(&id) {
                self.system.metrics.sessions_parked.inc();
                self.system.metrics.hit("sessions_per_browser");
                let _ = session.actor.cast(SseSessionMessage::Park);
                self.stop_watching(session.subject);
            }
        }
    }

    fn hand_out(&self, subject: Option<&Subject>, frame: &Arc<Frame>) {
        for session in self.sessions.values().filter(|session| session.subject.as_ref() == subject) {
            let _ = session.actor.cast(SseSessionMessage::Frame(Arc::clone(frame)));
        }
    }

    async fn watcher(
        &mut self,
        myself: &ActorRef<SessionSupervisorMessage>,
        subject: &Subject,
    ) -> Result<ActorRef<ViewWatcherMessage>, ActorProcessingErr> {
        if let Some(watcher) = self.watchers.get(subject) {
            return Ok(watcher.clone());
        }
        let arguments = (Arc::clone(&self.system), subject.clone());
        let (watcher, _) = ViewWatcher::spawn_linked(None, ViewWatcher, arguments, myself.get_cell()).await?;
        self.watchers.insert(subject.clone(), watcher.clone());
        Ok(watcher)
    }

    /// Ends a page's watcher once no session shows the page any more.
    fn stop_watching(&mut self, subject: Option<Subject>) {
        let Some(subject) = subject else { return };
        if self.sessions.values().all(|session| session.subject.as_ref() != Some(&subject))
            && let Some(watcher) = self.watchers.remove(&subject)
        {
            watcher.stop(None);
        }
    }

    /// A watcher that died takes its sessions along: their browsers come back and get another one.
    fn forget_watcher(&mut self, id: ActorId) {
        let Some(subject) = self.watchers.iter().find(|(_, w)| w.get_id() == id).map(|(subject, _)| subject.clone())
        else {
            return;
        };
        self.watchers.remove(&subject);
        for session in self.sessions.values().filter(|session| session.subject.as_ref() == Some(&subject)) {
            session.actor.stop(None);
        }
    }

    fn count(&self) {
        self.system.metrics.sessions.set(self.sessions.len() as i64);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        task::{self, Waker},
        time::Duration,
    };

    use super::*;
    use crate::{handle::Handle, state_aggregator::StateAggregator, system::Role, testing};

    async fn until_open(handle: &Handle, wanted: i64) {
        let counted = async {
            while handle.system.metrics.sessions.get() != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted).await.expect("as many sessions as are read from");
    }

    #[tokio::test]
    async fn a_browser_that_does_not_wait_leaves_no_session() {
        let handle = Handle { system: testing::system(Arc::default()) };
        let (name, system) = (|role| Some(handle.system.name(role)), || Arc::clone(&handle.system));
        let (aggregator, _) =
            Actor::spawn(name(Role::StateAggregator), StateAggregator, system()).await.expect("starts");
        let (supervisor, _) =
            Actor::spawn(name(Role::SessionSupervisor), SessionSupervisor, system()).await.expect("starts");
        let open = || handle.open_session(Opening { last_event_id: None, browser: None, subject: None });
        let mut given_up = Box::pin(open());
        assert!(given_up.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
        drop(given_up);
        let kept = open().await.expect("it answers").expect("there is room");
        until_open(&handle, 1).await;
        drop(kept);
        until_open(&handle, 0).await;
        supervisor.stop(None);
        aggregator.stop(None);
    }
}

//! An `SseSession`: one browser's stream. It sees to it that its browser gets every change once, in order.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, rpc::CallResult};

use crate::{
    model::{Dashboard, Seq},
    outbox::{End, Outbox},
    state_aggregator::{Frame, Joined, StateAggregatorMessage},
    system::{CALL_TIMEOUT, Role, System},
    view::View,
    view_watcher::ViewWatcherMessage,
};

/// Pause before the aggregator is asked again while it restarts.
const RETRY: Duration = Duration::from_millis(100);

/// What a session starts with.
#[derive(Debug)]
pub struct SseSessionArguments {
    pub(crate) system: Arc<System>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) last_event_id: Option<Seq>,
    /// Who renders the page that it shows; `None`: the dashboard, which the aggregator renders.
    pub(crate) watcher: Option<ActorRef<ViewWatcherMessage>>,
}

/// What a session is told.
#[derive(Debug)]
pub enum SseSessionMessage {
    /// Something has changed.
    Frame(Arc<Frame>),
    /// Ask for everything anew: the reader has caught up after it had lost its queue.
    Refresh,
    /// Pause: the browser has opened too many streams.
    Park,
}

/// The actor.
#[derive(Debug)]
pub struct SseSession;

/// Its state.
#[derive(Debug)]
pub struct SseSessionState {
    system: Arc<System>,
    outbox: Arc<Outbox>,
    watcher: Option<ActorRef<ViewWatcherMessage>>,
    /// The last event its browser has seen; `None`: it needs everything.
    seen: Option<Seq>,
    /// True until the browser was brought up to date once.
    joining: bool,
}

impl Drop for SseSessionState {
    /// However the session ends, the connection ends with it, and the browser comes back.
    fn drop(&mut self) {
        self.outbox.end(End::Retry);
    }
}

impl Actor for SseSession {
    type Msg = SseSessionMessage;
    type State = SseSessionState;
    type Arguments = SseSessionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: SseSessionArguments,
    ) -> Result<SseSessionState, ActorProcessingErr> {
        let SseSessionArguments { system, outbox, last_event_id, watcher } = arguments;
        let _ = myself.cast(SseSessionMessage::Refresh);
        Ok(SseSessionState { system, outbox, watcher, seen: last_event_id, joining: true })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut SseSessionState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("sse-session", &message);
        match message {
            SseSessionMessage::Refresh => state.join(&myself).await,
            SseSessionMessage::Frame(frame) => {
                if state.joining {
                    return Ok(());
                }
                match state.seen {
                    Some(seen) if frame.after == seen => state.push(&frame),
                    Some(seen) if frame.upto <= seen => {}
                    // A frame was missed: the aggregator or its supervisor was restarted.
                    Some(_) => state.join(&myself).await,
                    // Lagging: `Refresh` comes once the reader has caught up.
                    None => {}
                }
            }
            SseSessionMessage::Park => {
                let nothing = Dashboard::new(state.system.limits());
                let parked = (state.system.world.renderer)(&nothing, &View::Parked, Timestamp::now());
                state.outbox.push(parked.unwrap_or_default());
                state.outbox.end(End::Final);
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl SseSessionState {
    async fn join(&mut self, myself: &ActorRef<SseSessionMessage>) {
        match self.everything().await {
            Some(joined) => {
                self.joining = false;
                self.seen = self.outbox.push(joined.bytes).then_some(joined.seq);
            }
            None => {
                self.joining = true;
                myself.send_after(RETRY, || SseSessionMessage::Refresh);
            }
        }
    }

    async fn everything(&self) -> Option<Joined> {
        let seen = self.seen;
        match &self.watcher {
            None => {
                self.system.call(Role::StateAggregator, |reply| StateAggregatorMessage::Join(seen, reply)).await.ok()
            }
            Some(watcher) => match watcher.call(ViewWatcherMessage::Join, Some(CALL_TIMEOUT)).await {
                Ok(CallResult::Success(joined)) => Some(joined),
                _ => None,
            },
        }
    }

    fn push(&mut self, frame: &Frame) {
        if self.outbox.push(frame.bytes.clone()) {
            self.seen = Some(frame.upto);
        } else {
            self.seen = None;
            self.system.metrics.sessions_lagged.inc();
            self.system.metrics.hit("session_bytes");
        }
    }
}

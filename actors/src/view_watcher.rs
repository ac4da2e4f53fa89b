//! A `ViewWatcher`: one page beside the dashboard that somebody looks at. It renders the page once per interval, however
//! many browsers show it, and only if something may have changed.

use std::sync::Arc;

use bytes::Bytes;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::time::Instant;

use crate::{
    model::{Panels, Seq},
    session_supervisor::SessionSupervisorMessage,
    state_aggregator::{Frame, Joined, StateAggregatorMessage},
    system::{Role, System},
    view::{Part, Subject},
};

/// What a watcher is told.
#[derive(Debug)]
pub enum ViewWatcherMessage {
    /// The picture has changed, up to an event.
    Changed(Panels, Seq),
    /// The time between two frames has passed.
    Draw,
    /// Bring a browser up to date.
    Join(RpcReplyPort<Joined>),
}

/// The actor.
#[derive(Debug)]
pub struct ViewWatcher;

/// Its state.
#[derive(Debug)]
pub struct ViewWatcherState {
    system: Arc<System>,
    subject: Subject,
    /// Frames drawn: each brings a page that shows the one before up to date, so that counting them is position enough.
    drawn: Seq,
    /// The last event that the frames are known to show, and the last that the picture is known to hold.
    shown: Seq,
    known: Seq,
    current: Bytes,
    last_draw: Instant,
    due: bool,
}

impl Actor for ViewWatcher {
    type Msg = ViewWatcherMessage;
    type State = ViewWatcherState;
    type Arguments = (Arc<System>, Subject);

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        (system, subject): Self::Arguments,
    ) -> Result<ViewWatcherState, ActorProcessingErr> {
        Ok(ViewWatcherState {
            system,
            subject,
            drawn: 0,
            shown: 0,
            known: 0,
            current: Bytes::new(),
            last_draw: Instant::now(),
            due: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut ViewWatcherState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("view-watcher", &message);
        match message {
            ViewWatcherMessage::Changed(panels, upto) => {
                state.known = upto;
                if !state.due && panels.intersects(state.subject.panels()) {
                    state.due = true;
                    let interval = state.system.world.settings.view_interval;
                    let wait = interval.saturating_sub(state.last_draw.elapsed());
                    myself.send_after(wait, || ViewWatcherMessage::Draw);
                }
            }
            ViewWatcherMessage::Draw => {
                state.due = false;
                let part = if state.shown > 0 { Part::Since(state.shown) } else { Part::Frame };
                state.draw(part).await?;
            }
            ViewWatcherMessage::Join(reply) => {
                // Whoever comes gets the whole of it; what the next frame shows of it again does no harm.
                let bytes = state.render(Part::Frame).await?.unwrap_or_default();
                let _ = reply.send(Joined { seq: state.drawn, bytes });
            }
        }
        Ok(())
    }
}

impl ViewWatcherState {
    async fn draw(&mut self, part: Part) -> Result<(), ActorProcessingErr> {
        self.last_draw = Instant::now();
        // What is drawn holds at least what is known now.
        let known = self.known;
        let Some(bytes) = self.render(part).await? else { return Ok(()) };
        self.shown = known;
        if bytes == self.current {
            return Ok(());
        }
        self.current = bytes.clone();
        let after = self.drawn;
        self.drawn += 1;
        let frame = Arc::new(Frame { after, upto: self.drawn, panels: Panels::NONE, bytes });
        let message = SessionSupervisorMessage::ViewFrame(self.subject.clone(), frame);
        self.system.cast(Role::SessionSupervisor, message);
        Ok(())
    }

    async fn render(&self, part: Part) -> Result<Option<Bytes>, ActorProcessingErr> {
        let view = self.system.view_of(self.subject.clone(), part).await?;
        let render = |reply| StateAggregatorMessage::Render(view.clone(), reply);
        Ok(self.system.call(Role::StateAggregator, render).await?)
    }
}

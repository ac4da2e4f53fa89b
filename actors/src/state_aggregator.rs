//! The `StateAggregator`: folds every event once into the one picture, and renders what changed once per frame.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::time::Instant;

use crate::{
    historian::HistorianMessage,
    model::{Board, Dashboard, Panel, Panels, Seq, Steps},
    replica::{Fold, Replica},
    session_supervisor::SessionSupervisorMessage,
    subscribers::Delivery,
    system::{Role, System},
    view::View,
};

impl Fold for Dashboard {
    const SNAPSHOT: &'static str = "dashboard-2";

    fn last_seq(&self) -> Seq {
        self.last_seq()
    }
}

/// What changed between two events, as bytes for a stream.
#[derive(Debug)]
pub struct Frame {
    /// The last event that the frame before showed.
    pub after: Seq,
    /// The last event that this frame shows.
    pub upto: Seq,
    /// The panels that it changes.
    pub panels: Panels,
    /// The frame.
    pub bytes: Bytes,
}

/// What brings a browser up to date.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The last event shown.
    pub seq: Seq,
    /// Everything, or what was missed.
    pub bytes: Bytes,
}

/// What the aggregator is told.
#[derive(Debug)]
pub enum StateAggregatorMessage {
    /// Fold these events.
    Deliver(Delivery),
    /// The time between two frames has passed.
    Frame,
    /// Render something now.
    Render(View, RpcReplyPort<Option<Bytes>>),
    /// Bring a browser up to date that has seen everything up to an event, or nothing.
    Join(Option<Seq>, RpcReplyPort<Joined>),
    /// The picture as JSON.
    Signals(RpcReplyPort<Bytes>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
    /// Die.
    #[cfg(feature = "fault-injection")]
    Panic,
}

/// The actor.
#[derive(Debug)]
pub struct StateAggregator;

/// Its state.
pub struct StateAggregatorState {
    system: Arc<System>,
    dashboard: Replica<Dashboard>,
    /// What changed since the last frame.
    dirty: Panels,
    /// The last event that the last frame showed.
    framed: Seq,
    /// The inbox as the last frame showed it.
    board: Board,
    last_frame: Instant,
    frame_due: bool,
    /// Recent frames without a gap, for browsers that come back.
    ring: VecDeque<Arc<Frame>>,
    ring_bytes: usize,
    /// The last full frame, while nothing has changed since.
    full: Option<Bytes>,
    unsaved_events: u64,
}

impl Actor for StateAggregator {
    type Msg = StateAggregatorMessage;
    type State = StateAggregatorState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<StateAggregatorState, ActorProcessingErr> {
        let mut read = 0;
        let new = Dashboard::new(system.limits());
        let dashboard = Replica::start(
            &system,
            Role::StateAggregator,
            StateAggregatorMessage::Deliver,
            new,
            |dashboard, record| {
                read += 1;
                dashboard.apply(record);
            },
        )
        .await?;
        let framed = dashboard.last_seq();
        Ok(StateAggregatorState {
            dirty: Panels::NONE,
            framed,
            board: Board::of(&dashboard),
            last_frame: Instant::now(),
            frame_due: false,
            ring: VecDeque::new(),
            ring_bytes: 0,
            full: None,
            unsaved_events: read,
            dashboard,
            system,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut StateAggregatorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            StateAggregatorMessage::Deliver(delivery) => {
                state.fold(&delivery).await?;
                drop(delivery);
                state.schedule_frame(&myself);
                state.save_sometimes();
            }
            StateAggregatorMessage::Frame => {
                state.frame_due = false;
                state.send_frame();
            }
            StateAggregatorMessage::Render(view, reply) => {
                let _ = reply.send(state.draw(&view));
            }
            StateAggregatorMessage::Join(seen, reply) => {
                let _ = reply.send(state.join(seen));
            }
            StateAggregatorMessage::Signals(reply) => {
                let signals = serde_json::to_vec(&state.dashboard.signals())?;
                let _ = reply.send(signals.into());
            }
            StateAggregatorMessage::Ping(reply) => {
                let _ = reply.send(());
            }
            #[cfg(feature = "fault-injection")]
            StateAggregatorMessage::Panic => panic!("told to"),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        state: &mut StateAggregatorState,
    ) -> Result<(), ActorProcessingErr> {
        state.dashboard.save().await;
        Ok(())
    }
}

impl StateAggregatorState {
    async fn fold(&mut self, delivery: &Delivery) -> Result<(), ActorProcessingErr> {
        let before = self.dashboard.last_seq();
        let dirty = &mut self.dirty;
        self.dashboard.admit(delivery, |dashboard, record| *dirty |= dashboard.apply(record)).await?;
        self.unsaved_events += self.dashboard.last_seq() - before;
        self.full = None;
        let metrics = &self.system.metrics;
        metrics.agents.set(self.dashboard.agents().len() as i64);
        metrics.questions_open.set(self.dashboard.inbox().open_count() as i64);
        Ok(())
    }

    /// A lone change goes out at once; under load frames keep their distance.
    fn schedule_frame(&mut self, myself: &ActorRef<StateAggregatorMessage>) {
        if self.frame_due || self.dirty.is_empty() {
            return;
        }
        let interval = self.system.world.settings.frame_interval;
        match interval.checked_sub(self.last_frame.elapsed()) {
            None | Some(Duration::ZERO) => self.send_frame(),
            Some(wait) => {
                self.frame_due = true;
                myself.send_after(wait, || StateAggregatorMessage::Frame);
            }
        }
    }

    fn has_viewers(&self) -> bool {
        self.system.metrics.sessions.get() > 0
    }

    fn send_frame(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let mut panels = std::mem::take(&mut self.dirty);
        let steps = self.step_inbox(&mut panels);
        let after = std::mem::replace(&mut self.framed, self.dashboard.last_seq());
        self.last_frame = Instant::now();
        if !self.has_viewers() {
            // Nobody looks: whoever comes gets everything.
            self.ring.clear();
            self.ring_bytes = 0;
            return;
        }
        let Some(bytes) = self.draw(&View::Delta { panels, after, steps }) else { return };
        self.system.metrics.frames.inc();
        self.system.metrics.frame_bytes.inc_by(bytes.len() as u64);
        let frame = Arc::new(Frame { after, upto: self.framed, panels, bytes });
        self.remember(&frame);
        self.system.cast(Role::SessionSupervisor, SessionSupervisorMessage::Frame(frame));
    }

    /// What changed in the inbox since the last frame, by an agent's new name too; `None`: the whole is shorter.
    fn step_inbox(&mut self, panels: &mut Panels) -> Option<Steps> {
        if !panels.contains(Panel::Inbox) && !panels.contains(Panel::Agents) {
            return None;
        }
        let board = Board::of(&self.dashboard);
        let shown = std::mem::replace(&mut self.board, board);
        if shown != self.board {
            *panels |= Panels::of(Panel::Inbox);
        }
        shown.steps_to(&self.board)
    }

    fn remember(&mut self, frame: &Arc<Frame>) {
        self.ring_bytes += frame.bytes.len();
        self.ring.push_back(Arc::clone(frame));
        while self.ring_bytes > self.system.limits().frame_ring_bytes {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.bytes.len();
        }
    }

    /// Brings a browser to the boundary between two frames, so that the next frame fits without overlap.
    fn join(&mut self, seen: Option<Seq>) -> Joined {
        self.send_frame();
        let seq = self.framed;
        let bytes = seen.and_then(|seen| self.missed(seen)).or_else(|| self.full()).unwrap_or_default();
        Joined { seq, bytes }
    }

    /// The frames after `seen`, if all of them are still there and they cost less than everything.
    fn missed(&self, seen: Seq) -> Option<Bytes> {
        if seen == self.framed {
            // Something must be sent: the first frame is how a page knows that it is connected.
            return self.draw(&View::Delta { panels: Panels::NONE, after: seen, steps: None });
        }
        let start = self.ring.iter().position(|frame| frame.after == seen && frame.upto > seen)?;
        let frames = self.ring.range(start..);
        let size: usize = frames.clone().map(|frame| frame.bytes.len()).sum();
        let full = self.full.as_ref().map_or(usize::MAX, Bytes::len);
        (size < full).then(|| frames.flat_map(|frame| frame.bytes.iter().copied()).collect())
    }

    /// Many browsers that come at once share one full frame.
    fn full(&mut self) -> Option<Bytes> {
        if self.full.is_none() {
            self.full = self.draw(&View::Full);
        }
        self.full.clone()
    }

    fn draw(&self, view: &View) -> Option<Bytes> {
        (self.system.world.renderer)(&self.dashboard, view, Timestamp::now())
    }

    fn save_sometimes(&mut self) {
        if self.unsaved_events < self.system.world.settings.snapshot_events {
            return;
        }
        self.unsaved_events = 0;
        self.dashboard.save_aside();
        self.system.cast(Role::Historian, HistorianMessage::Keep(Box::new(Dashboard::clone(&self.dashboard))));
    }
}

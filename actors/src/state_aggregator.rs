//! The `StateAggregator`: folds every event once into the one picture, and renders what changed once per frame.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::{task::AbortHandle, time::Instant};
use tracing::{Instrument, Span, debug_span};

use crate::{
    historian::HistorianMessage,
    model::{Board, Dashboard, Graph, Limits, Listed, Panel, Panels, Seq, Steps},
    replica::{Fold, Replica},
    session_supervisor::SessionSupervisorMessage,
    subscribers::Delivery,
    system::{Role, System},
    view::{LISTED_AGENTS, View},
};

impl Fold for Dashboard {
    const SNAPSHOT: &'static str = "dashboard-3";

    fn last_seq(&self) -> Seq {
        self.last_seq()
    }

    fn skip(&mut self, seq: Seq) {
        self.skip(seq);
    }

    fn limit(&mut self, limits: &Limits) {
        self.limit(limits);
    }

    fn saved(system: &System, seq: Seq) {
        system.cast(Role::Historian, HistorianMessage::Keep(seq));
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
    /// Time alone may have changed where an agent stands.
    Tick,
    /// Something is wrong with the daemon, or is well again.
    Health,
    /// Render something now.
    Render(View, RpcReplyPort<Option<Bytes>>),
    /// Bring a browser up to date that has seen everything up to an event, or nothing.
    Join(Option<Seq>, RpcReplyPort<Joined>),
    /// The picture as JSON.
    Signals(RpcReplyPort<Bytes>),
    /// One agent as JSON.
    Agent(String, RpcReplyPort<Option<Bytes>>),
    /// One graph as JSON, or all without their nodes.
    Graphs(Option<String>, RpcReplyPort<Option<Bytes>>),
    /// Save a snapshot; the reply is up to where it goes.
    Save(RpcReplyPort<Option<Seq>>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
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
    /// The last event before the last frame that no event was the cause of. Who has seen no later event may or may not
    /// have seen that frame.
    timed: Option<Seq>,
    /// Wakes the aggregator when time alone may change something.
    alarm: Option<(Timestamp, AbortHandle)>,
    /// What the last frame showed of the lists. `None`: nobody has looked since they changed.
    shown: Option<Shown>,
    last_frame: Instant,
    frame_due: bool,
    /// From the first change that the next frame will show until it is sent.
    frame_span: Span,
    /// Recent frames without a gap, for browsers that come back.
    ring: VecDeque<Arc<Frame>>,
    ring_bytes: usize,
    /// The last full frame, while nothing has changed since.
    full: Option<Bytes>,
}

/// Lists, of which a frame tells only how they changed.
struct Shown {
    inbox: Board,
    agents: Listed,
}

impl Shown {
    fn of(dashboard: &Dashboard) -> Self {
        Self { inbox: Board::of(dashboard), agents: dashboard.listed(LISTED_AGENTS) }
    }
}

/// Longest sleep toward a change, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Drop for StateAggregatorState {
    fn drop(&mut self) {
        if let Some((_, alarm)) = self.alarm.take() {
            alarm.abort();
        }
    }
}

impl Actor for StateAggregator {
    type Msg = StateAggregatorMessage;
    type State = StateAggregatorState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<StateAggregatorState, ActorProcessingErr> {
        let new = Dashboard::new(system.limits());
        let message = StateAggregatorMessage::Deliver;
        let mut dashboard = Replica::start(&system, Role::StateAggregator, message, new, |dashboard, record| {
            dashboard.apply(record);
        })
        .await?;
        let patience = system.world.settings.patience;
        dashboard.adjust(|dashboard| dashboard.set_patience(patience));
        let framed = dashboard.last_seq();
        dashboard.beside().tell(system.health.troubles());
        let mut state = StateAggregatorState {
            timed: Some(framed),
            alarm: None,
            dirty: Panels::NONE,
            framed,
            shown: None,
            last_frame: Instant::now(),
            frame_due: false,
            frame_span: Span::none(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            full: None,
            dashboard,
            system,
        };
        state.pass_time(&myself);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut StateAggregatorState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("state-aggregator", &message);
        match message {
            StateAggregatorMessage::Deliver(delivery) => {
                let span = debug_span!(parent: &delivery.span, "fold", from = delivery.from, to = delivery.to);
                state.fold(&delivery).instrument(span.clone()).await?;
                state.begin_frame(&span);
                drop(delivery);
                state.set_alarm(&myself);
                state.schedule_frame(&myself);
            }
            StateAggregatorMessage::Tick => {
                state.alarm = None;
                state.pass_time(&myself);
            }
            StateAggregatorMessage::Frame => {
                state.frame_due = false;
                state.send_frame();
            }
            StateAggregatorMessage::Health => {
                state.dirty |= state.dashboard.beside().tell(state.system.health.troubles());
                state.full = None;
                state.schedule_frame(&myself);
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
            StateAggregatorMessage::Agent(agent_id, reply) => {
                let agent = state.dashboard.agent(&agent_id).map(serde_json::to_vec).transpose()?;
                let _ = reply.send(agent.map(Bytes::from));
            }
            StateAggregatorMessage::Graphs(graph_id, reply) => {
                let graphs = state.dashboard.graphs();
                let json = match graph_id {
                    Some(graph_id) => graphs.get(&graph_id).map(Graph::to_json),
                    None => Some(graphs.to_json()),
                };
                let _ = reply.send(json.map(|json| json.to_string().into()));
            }
            StateAggregatorMessage::Save(reply) => {
                state.dashboard.save_aside(move |saved| _ = reply.send(saved));
            }
            StateAggregatorMessage::Ping(reply) => {
                let _ = reply.send(());
            }
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
        let dirty = &mut self.dirty;
        self.dashboard.admit(delivery, |dashboard, record| *dirty |= dashboard.apply(record)).await?;
        self.full = None;
        let metrics = &self.system.metrics;
        metrics.agents.set(self.dashboard.agents().len() as i64);
        metrics.questions_open.set(self.dashboard.inbox().open_count() as i64);
        Ok(())
    }

    fn begin_frame(&mut self, cause: &Span) {
        if self.dirty.is_empty() {
            return;
        }
        if self.frame_span.is_none() {
            self.frame_span = debug_span!(parent: cause, "frame", upto = tracing::field::Empty);
        } else {
            self.frame_span.follows_from(cause);
        }
    }

    fn pass_time(&mut self, myself: &ActorRef<StateAggregatorMessage>) {
        let changed = self.dashboard.adjust(|dashboard| dashboard.pass_time(Timestamp::now()));
        if !changed.is_empty() {
            self.full = None;
            self.dirty |= changed;
        }
        self.set_alarm(myself);
        self.schedule_frame(myself);
    }

    fn set_alarm(&mut self, myself: &ActorRef<StateAggregatorMessage>) {
        let Some(next) = self.dashboard.next_change() else { return };
        if self.alarm.as_ref().is_some_and(|(at, _)| *at <= next) {
            return;
        }
        let left = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default();
        let timer = myself.send_after(left.min(LONGEST_SLEEP), || StateAggregatorMessage::Tick);
        if let Some((_, earlier)) = self.alarm.replace((next, timer.abort_handle())) {
            earlier.abort();
        }
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
        let after = std::mem::replace(&mut self.framed, self.dashboard.last_seq());
        if after == self.framed && panels.contains(Panel::Agents) {
            self.timed = Some(after);
        }
        self.last_frame = Instant::now();
        let span = std::mem::replace(&mut self.frame_span, Span::none());
        span.record("upto", self.framed);
        let _entered = span.enter();
        if !self.has_viewers() {
            // Nobody looks: whoever comes gets everything, and until then an event costs no list.
            self.shown = None;
            self.ring.clear();
            self.ring_bytes = 0;
            self.system.metrics.frame_ring_bytes.set(0);
            return;
        }
        let (steps, listed) = self.step(&mut panels);
        let Some(bytes) = self.draw(&View::Delta { panels, after, steps, listed }) else { return };
        self.system.metrics.frames.inc();
        self.system.metrics.frame_bytes.inc_by(bytes.len() as u64);
        let frame = Arc::new(Frame { after, upto: self.framed, panels, bytes });
        self.remember(&frame);
        self.system.cast(Role::SessionSupervisor, SessionSupervisorMessage::Frame(frame));
    }

    /// What changed in the inbox since the last frame, by an agent's new name too (`None`: the whole is shorter), and
    /// the list of agents as it was, where that changes.
    fn step(&mut self, panels: &mut Panels) -> (Option<Steps>, Listed) {
        let agents = panels.contains(Panel::Agents);
        if !agents && !panels.contains(Panel::Inbox) {
            return (None, Listed::default());
        }
        let Some(shown) = &mut self.shown else {
            self.shown = Some(Shown::of(&self.dashboard));
            return (None, Listed::default());
        };
        let board = std::mem::replace(&mut shown.inbox, Board::of(&self.dashboard));
        if board != shown.inbox {
            *panels |= Panels::of(Panel::Inbox);
        }
        let listed = if agents {
            std::mem::replace(&mut shown.agents, self.dashboard.listed(LISTED_AGENTS))
        } else {
            Listed::default()
        };
        (board.steps_to(&shown.inbox), listed)
    }

    fn remember(&mut self, frame: &Arc<Frame>) {
        self.ring_bytes += frame.bytes.len();
        self.ring.push_back(Arc::clone(frame));
        while self.ring_bytes > self.system.limits().frame_ring_bytes {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.bytes.len();
        }
        self.system.metrics.frame_ring_bytes.set(self.ring_bytes as i64);
    }

    /// Brings a browser to the boundary between two frames, so that the next frame fits without overlap.
    fn join(&mut self, seen: Option<Seq>) -> Joined {
        self.send_frame();
        self.shown.get_or_insert_with(|| Shown::of(&self.dashboard));
        let seq = self.framed;
        let bytes = seen.and_then(|seen| self.missed(seen)).or_else(|| self.full()).unwrap_or_default();
        Joined { seq, bytes }
    }

    /// The frames after `seen`, if all of them are still there and they cost less than everything.
    fn missed(&self, seen: Seq) -> Option<Bytes> {
        if self.timed.is_some_and(|timed| seen <= timed) {
            return None;
        }
        // Troubles move no position: they may have come or gone meanwhile. Besides, something must be sent: the first
        // frame is how a page knows that it is connected.
        let (panels, listed) = (Panels::of(Panel::Troubles), Listed::default());
        let last = self.draw(&View::Delta { panels, after: self.framed, steps: None, listed })?;
        if seen == self.framed {
            return Some(last);
        }
        let start = self.ring.iter().position(|frame| frame.after == seen && frame.upto > seen)?;
        let frames = self.ring.range(start..);
        let size: usize = frames.clone().map(|frame| frame.bytes.len()).sum();
        let full = self.full.as_ref().map_or(usize::MAX, Bytes::len);
        (size < full).then(|| frames.map(|frame| &frame.bytes).chain([&last]).flatten().copied().collect())
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
}

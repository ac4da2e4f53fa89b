//! What is counted, for `/metrics`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Which actor a count is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ActorLabel {
    /// Its name.
    pub actor: &'static str,
}

/// One daemon's counts. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Events journaled.
    pub events_accepted: Counter,
    /// Events that stood in the journal already.
    pub events_duplicate: Counter,
    /// Spans received that tell of no generative AI.
    pub spans_ignored: Counter,
    /// Spans received that were broken.
    pub spans_rejected: Counter,
    /// Requests refused because too many events were on their way.
    pub publish_refused: Counter,
    /// Commits of the journal.
    pub journal_commits: Counter,
    /// Commits that failed.
    pub journal_failures: Counter,
    /// Questions answered through this daemon.
    pub answers: Counter,
    /// Open questions.
    pub questions_open: Gauge,
    /// Agents in memory.
    pub agents: Gauge,
    /// Browsers connected.
    pub sessions: Gauge,
    /// Raw event streams connected.
    pub streams: Gauge,
    /// Connections open.
    pub connections: Gauge,
    /// Connections refused because there were too many.
    pub connections_refused: Counter,
    /// Connections ended because the client sent or took nothing for too long.
    pub connections_timed_out: Counter,
    /// Streams refused because there were too many.
    pub sessions_refused: Counter,
    /// Queues of slow browsers dropped for a fresh full frame.
    pub sessions_lagged: Counter,
    /// Streams paused because their browser had opened too many.
    pub sessions_parked: Counter,
    /// Frames rendered.
    pub frames: Counter,
    /// Bytes of those frames, once each.
    pub frame_bytes: Counter,
    /// Events that an actor goes on without.
    pub events_put_aside: Gauge,
    /// Restarts of actors.
    pub restarts: Family<ActorLabel, Counter>,
    /// Workspaces watched.
    pub workspaces: Gauge,
}

impl Metrics {
    /// Lists every count under its public name.
    pub fn register(&self, registry: &mut Registry) {
        let m = self.clone();
        registry.register("events_accepted", "Events journaled", m.events_accepted);
        registry.register("events_duplicate", "Events already in the journal", m.events_duplicate);
        registry.register("spans_ignored", "Spans that tell of no generative AI", m.spans_ignored);
        registry.register("spans_rejected", "Spans that were broken", m.spans_rejected);
        registry.register("publish_refused", "Requests refused for lack of room", m.publish_refused);
        registry.register("journal_commits", "Commits of the journal", m.journal_commits);
        registry.register("journal_failures", "Failed commits of the journal", m.journal_failures);
        registry.register("answers", "Questions answered through this daemon", m.answers);
        registry.register("questions_open", "Open questions", m.questions_open);
        registry.register("agents", "Agents in memory", m.agents);
        registry.register("sessions", "Browsers connected", m.sessions);
        registry.register("streams", "Raw event streams connected", m.streams);
        registry.register("connections", "Connections open", m.connections);
        registry.register("connections_refused", "Connections refused for their number", m.connections_refused);
        registry.register("connections_timed_out", "Connections ended for idling", m.connections_timed_out);
        registry.register("sessions_refused", "Streams refused for their number", m.sessions_refused);
        registry.register("sessions_lagged", "Queues of slow browsers dropped", m.sessions_lagged);
        registry.register("sessions_parked", "Streams paused for their number in one browser", m.sessions_parked);
        registry.register("frames", "Frames rendered", m.frames);
        registry.register("frame_bytes", "Bytes of rendered frames", m.frame_bytes);
        registry.register("events_put_aside", "Events that an actor died over twice", m.events_put_aside);
        registry.register("actor_restarts", "Restarts of actors", m.restarts);
        registry.register("workspaces", "Workspaces watched", m.workspaces);
    }
}

//! What is counted, for `/metrics`.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use serde_json::Value;

use crate::{
    model::{Limits, Seq},
    ports::Extent,
};

/// Which actor a count is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ActorLabel {
    /// Its name.
    pub actor: &'static str,
}

/// Which of the [`Limits`] a count is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// Its name.
    pub limit: String,
}

/// Which target of notices a count is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TargetLabel {
    /// Its name.
    pub target: String,
}

/// Which snapshot a count is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SnapshotLabel {
    /// Its name.
    pub snapshot: &'static str,
}

/// Seconds, from a commit on a fast disk (under a millisecond) to one that makes people wait (over ten seconds).
#[derive(Debug, Clone)]
pub struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.000_5, 2.0, 16)))
    }
}

impl Latency {
    /// Counts one.
    pub fn observe(&self, elapsed: Duration) {
        self.0.observe(elapsed.as_secs_f64());
    }
}

/// One daemon's counts. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Events journaled.
    pub events_accepted: Counter,
    /// Events that stood in the journal already.
    pub events_duplicate: Counter,
    /// Events deleted by retention.
    pub events_pruned: Counter,
    /// Spans received that tell of no generative AI.
    pub spans_ignored: Counter,
    /// Spans received that were broken.
    pub spans_rejected: Counter,
    /// What agents published on the message bus and is no event.
    pub bus_refused: Counter,
    /// Requests of agents on the message bus that wait for an answer.
    pub bus_requests: Gauge,
    /// Requests refused because too many events were on their way.
    pub publish_refused: Counter,
    /// Commits of the journal.
    pub journal_commits: Counter,
    /// Commits that failed.
    pub journal_failures: Counter,
    /// How long commits took.
    pub commit_latency: Latency,
    /// Events in the journal.
    pub journal_events: Gauge,
    /// Bytes in use in its file.
    pub journal_bytes: Gauge,
    /// When its oldest event came in, in seconds since 1970; 0 while there is none.
    pub journal_oldest: Gauge,
    /// The first position from which on nothing is missing.
    pub journal_first_seq: Gauge,
    /// The newest position.
    pub journal_last_seq: Gauge,
    /// The last event in each snapshot.
    pub snapshot_seq: Family<SnapshotLabel, Gauge>,
    /// When each snapshot was saved by this daemon, in seconds since 1970.
    pub snapshot_saved: Family<SnapshotLabel, Gauge>,
    /// Questions answered through this daemon.
    pub answers: Counter,
    /// How long answers took until they were durable.
    pub answer_latency: Latency,
    /// Open questions.
    pub questions_open: Gauge,
    /// Decisions kept on questions, open and closed.
    pub claims: Gauge,
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
    /// Bytes that wait for browsers to read them.
    pub outbox_bytes: Gauge,
    /// Frames rendered.
    pub frames: Counter,
    /// Bytes of those frames, once each.
    pub frame_bytes: Counter,
    /// Events that an actor goes on without.
    pub events_put_aside: Gauge,
    /// Bytes of frames kept for browsers that come back.
    pub frame_ring_bytes: Gauge,
    /// Restarts of actors.
    pub restarts: Family<ActorLabel, Counter>,
    /// Workspaces watched.
    pub workspaces: Gauge,
    /// Notices delivered.
    pub notices_sent: Family<TargetLabel, Counter>,
    /// Tries to deliver a notice that failed.
    pub notice_failures: Family<TargetLabel, Counter>,
    /// Notices given up.
    pub notices_dead: Family<TargetLabel, Counter>,
    /// Notices given up that no person has decided on.
    pub dead_letters: Gauge,
    /// What was refused, dropped or put off, by the limit that wanted it.
    pub limit_hits: Family<LimitLabel, Counter>,
    limits: Family<LimitLabel, Gauge>,
    limit_used: Family<LimitLabel, Gauge>,
}

impl Metrics {
    /// Counts with every limit among them: none of them can be forgotten.
    pub fn new(limits: &Limits) -> Self {
        let metrics = Self::default();
        if let Ok(Value::Object(limits)) = serde_json::to_value(limits) {
            for (name, value) in limits {
                let label = LimitLabel { limit: name };
                metrics.limits.get_or_create(&label).set(value.as_i64().unwrap_or(i64::MAX));
                metrics.limit_hits.get_or_create(&label).inc_by(0);
            }
        }
        metrics
    }

    /// Counts what a limit has refused.
    pub fn hit(&self, limit: &str) {
        self.limit_hits.get_or_create(&LimitLabel { limit: limit.to_owned() }).inc();
    }

    /// Says how much of a limit is taken.
    pub fn used(&self, limit: &str, used: usize) {
        let label = LimitLabel { limit: limit.to_owned() };
        self.limit_used.get_or_create(&label).set(i64::try_from(used).unwrap_or(i64::MAX));
    }

    /// Notes how much the journal holds.
    pub fn note_extent(&self, extent: &Extent) {
        let gauge = |gauge: &Gauge, value: u64| gauge.set(value.cast_signed());
        gauge(&self.journal_events, extent.events);
        gauge(&self.journal_bytes, extent.bytes);
        gauge(&self.journal_first_seq, extent.first_seq);
        gauge(&self.journal_last_seq, extent.last_seq);
        self.journal_oldest.set(extent.oldest.map_or(0, Timestamp::as_second));
    }

    pub(crate) fn note_snapshot(&self, snapshot: &'static str, seq: Seq) {
        let label = SnapshotLabel { snapshot };
        self.snapshot_seq.get_or_create(&label).set(seq.cast_signed());
        self.snapshot_saved.get_or_create(&label).set(Timestamp::now().as_second());
    }

    /// Lists every count under its public name.
    pub fn register(&self, registry: &mut Registry) {
        let m = self.clone();
        registry.register("events_accepted", "Events journaled", m.events_accepted);
        registry.register("events_duplicate", "Events already in the journal", m.events_duplicate);
        registry.register("events_pruned", "Events deleted by retention", m.events_pruned);
        registry.register("spans_ignored", "Spans that tell of no generative AI", m.spans_ignored);
        registry.register("spans_rejected", "Spans that were broken", m.spans_rejected);
        registry.register("bus_refused", "What came over the message bus and is no event", m.bus_refused);
        registry.register("bus_requests", "Requests over the message bus that wait for an answer", m.bus_requests);
        registry.register("publish_refused", "Requests refused for lack of room", m.publish_refused);
        registry.register("journal_commits", "Commits of the journal", m.journal_commits);
        registry.register("journal_failures", "Failed commits of the journal", m.journal_failures);
        registry.register_with_unit("commit", "How long commits took", Unit::Seconds, m.commit_latency.0);
        registry.register("journal_events", "Events in the journal", m.journal_events);
        registry.register(
            "journal_bytes",
            "Bytes in use in the journal's file, but for the values of workspaces",
            m.journal_bytes,
        );
        let help = "When the oldest event came in, since 1970";
        registry.register_with_unit("journal_oldest_timestamp", help, Unit::Seconds, m.journal_oldest);
        registry.register("journal_first_seq", "Position from which on nothing is missing", m.journal_first_seq);
        registry.register("journal_last_seq", "Newest position", m.journal_last_seq);
        registry.register("snapshot_seq", "Last event in the snapshot", m.snapshot_seq);
        let help = "When the snapshot was saved, since 1970";
        registry.register_with_unit("snapshot_saved_timestamp", help, Unit::Seconds, m.snapshot_saved);
        registry.register("answers", "Questions answered through this daemon", m.answers);
        registry.register_with_unit("answer", "How long answers took", Unit::Seconds, m.answer_latency.0);
        registry.register("questions_open", "Open questions", m.questions_open);
        registry.register("claims", "Decisions kept on questions", m.claims);
        registry.register("agents", "Agents in memory", m.agents);
        registry.register("sessions", "Browsers connected", m.sessions);
        registry.register("streams", "Raw event streams connected", m.streams);
        registry.register("connections", "Connections open", m.connections);
        registry.register("connections_refused", "Connections refused for their number", m.connections_refused);
        registry.register("connections_timed_out", "Connections ended for idling", m.connections_timed_out);
        registry.register("sessions_refused", "Streams refused for their number", m.sessions_refused);
        registry.register("sessions_lagged", "Queues of slow browsers dropped", m.sessions_lagged);
        registry.register("sessions_parked", "Streams paused for their number in one browser", m.sessions_parked);
        registry.register("outbox_bytes", "Bytes that wait for browsers to read them", m.outbox_bytes);
        registry.register("frames", "Frames rendered", m.frames);
        registry.register("frame_bytes", "Bytes of rendered frames", m.frame_bytes);
        registry.register("events_put_aside", "Events that an actor died over twice", m.events_put_aside);
        registry.register("frame_ring_bytes", "Bytes of frames kept for reconnects", m.frame_ring_bytes);
        registry.register("actor_restarts", "Restarts of actors", m.restarts);
        registry.register("workspaces", "Workspaces watched", m.workspaces);
        registry.register("notices_sent", "Notices delivered", m.notices_sent);
        registry.register("notice_failures", "Failed tries to deliver a notice", m.notice_failures);
        registry.register("notices_dead", "Notices given up", m.notices_dead);
        registry.register("dead_letters", "Notices given up that wait for a person", m.dead_letters);
        registry.register("limit", "The limits, as they are set", m.limits);
        registry.register("limit_used", "How much of a limit is taken", m.limit_used);
        registry.register("limit_hits", "What a limit has refused, dropped or put off", m.limit_hits);
    }
}

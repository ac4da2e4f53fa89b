//! Every bound on what the outside may send or make us keep, each with its reason.

use serde::{Deserialize, Serialize};

/// The bounds of one daemon. Every field is a setting of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one event's JSON. A model's whole answer fits; a file does not belong into an event.
    pub event_bytes: usize,
    /// Bytes of one request's body, so that a request cannot exhaust the memory.
    pub body_bytes: usize,
    /// Bytes of the bodies that are arriving at once: many large requests together must not exhaust the memory either.
    pub arriving_bytes: usize,
    /// Events in one request: with `body_bytes`, what one commit may have to carry.
    pub batch_events: usize,
    /// Bytes of an id (event, agent, graph, node, session, message, workspace): ids become keys and path segments.
    pub id_bytes: usize,
    /// Bytes of a question's text: what a person can read before answering.
    pub question_bytes: usize,
    /// Options of one question: what a person can choose from.
    pub options: usize,
    /// Bytes of an answer or of a person's message to an agent.
    pub answer_bytes: usize,
    /// Questions one agent may have open, so that a runaway agent cannot bury the others' questions.
    pub open_questions_per_agent: usize,
    /// Messages that one agent has not taken yet: beyond it nobody reads them.
    pub messages_per_agent: usize,
    /// Closed questions kept in memory for late readers; the journal keeps the story of all.
    pub closed_questions: usize,
    /// Agents kept in memory; beyond it the longest finished ones are forgotten first.
    pub agents: usize,
    /// Graphs kept in memory; beyond it the longest silent finished ones are forgotten first.
    pub graphs: usize,
    /// Nodes kept of one graph: what a picture can still show. Beyond it they are counted only.
    pub graph_nodes: usize,
    /// Events waiting for the journal. Beyond it a publisher hears "busy" and retries.
    pub publishing_events: usize,
    /// Bytes of the events waiting for the journal, for the same reason.
    pub publishing_bytes: usize,
    /// Connections at once, streams included. Each costs a file handle and a few kilobytes.
    pub connections: usize,
    /// Browsers and raw streams connected at once; and, counted apart, MCP sessions.
    pub sessions: usize,
    /// Streams of one browser: it opens at most six connections to a host and needs one for its clicks.
    pub sessions_per_browser: usize,
    /// Requests of agents that speak NATS, waiting for an answer at once. Each costs a few kilobytes.
    pub bus_requests: usize,
    /// Bytes waiting for one slow reader before they are dropped for one fresh full frame.
    pub session_bytes: usize,
    /// Bytes of recent frames kept for browsers that reconnect.
    pub frame_ring_bytes: usize,
    /// Bytes of recent events kept for the raw streams while there are any. A reader that is further behind costs a
    /// query of the journal.
    pub event_ring_bytes: usize,
    /// Bytes of one workspace value.
    pub value_bytes: usize,
    /// Seconds a `?wait=` poll may last: below the idle timeouts of common proxies.
    pub wait_s: u64,
    /// Seconds a client may take to send a request's head, or to begin the next request of a connection. Whoever sends
    /// a byte a second to hold connections is cut off.
    pub head_s: u64,
    /// Seconds a request's body may take to arrive, for the same reason.
    pub body_s: u64,
    /// Seconds a reader may take nothing at all while something waits for it. A slow reader is not cut off; whoever
    /// takes nothing for so long is asleep, and comes back by itself.
    pub stall_s: u64,
}

impl Limits {
    /// No bounds: for reading back what was checked when it came in.
    pub const UNBOUNDED: Self = Self {
        event_bytes: usize::MAX,
        body_bytes: usize::MAX,
        arriving_bytes: usize::MAX,
        batch_events: usize::MAX,
        id_bytes: usize::MAX,
        question_bytes: usize::MAX,
        options: usize::MAX,
        answer_bytes: usize::MAX,
        open_questions_per_agent: usize::MAX,
        messages_per_agent: usize::MAX,
        closed_questions: usize::MAX,
        agents: usize::MAX,
        graphs: usize::MAX,
        graph_nodes: usize::MAX,
        publishing_events: usize::MAX,
        publishing_bytes: usize::MAX,
        connections: usize::MAX,
        sessions: usize::MAX,
        sessions_per_browser: usize::MAX,
        bus_requests: usize::MAX,
        session_bytes: usize::MAX,
        frame_ring_bytes: usize::MAX,
        event_ring_bytes: usize::MAX,
        value_bytes: usize::MAX,
        wait_s: u64::MAX,
        head_s: u64::MAX,
        body_s: u64::MAX,
        stall_s: u64::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 256 << 10,
            body_bytes: 8 << 20,
            arriving_bytes: 128 << 20,
            batch_events: 10_000,
            id_bytes: 256,
            question_bytes: 16 << 10,
            options: 100,
            answer_bytes: 64 << 10,
            open_questions_per_agent: 100,
            messages_per_agent: 1_000,
            closed_questions: 1_000,
            agents: 10_000,
            graphs: 1_000,
            graph_nodes: 2_500,
            publishing_events: 50_000,
            publishing_bytes: 64 << 20,
            connections: 8_000,
            sessions: 5_000,
            sessions_per_browser: 4,
            bus_requests: 10_000,
            session_bytes: 1 << 20,
            frame_ring_bytes: 4 << 20,
            event_ring_bytes: 4 << 20,
            value_bytes: 1 << 20,
            wait_s: 55,
            head_s: 30,
            body_s: 30,
            stall_s: 300,
        }
    }
}

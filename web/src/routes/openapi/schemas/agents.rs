//! Agents, the picture of all of them, and the messages to one.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::{AnsweredBy, Event, Question};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AgentState {
    Started,
    Blocked,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    agent_id: String,
    name: String,
    state: AgentState,
    graph_id: Option<String>,
    workspace_id: Option<String>,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    last_event_at: String,
    last_seq: u64,
    events: u64,
    detail: Option<String>,
    workspace_trouble: Option<String>,
    session_id: Option<String>,
    /// Since when it is silent: its latest sign of life, or the end of its latest wait for a person.
    #[schema(format = DateTime)]
    heard_at: String,
    /// True while a turn of it is under way.
    working: bool,
    /// Its tool calls under way, the oldest first.
    calls: Vec<Call>,
    /// Since when it waits for a person.
    #[schema(format = DateTime)]
    blocked_since: Option<String>,
    /// Milliseconds of the waits that are over.
    blocked_ms: u64,
    /// True while an answer to it has not been picked up.
    unread_answer: bool,
    usage: Usage,
    /// Where it stands now, time taken into account.
    standing: Standing,
}

/// A tool call under way.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    id: Option<String>,
    tool: Option<String>,
    #[schema(format = DateTime)]
    since: String,
}

/// What an agent's model has cost, where its events tell.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cost_usd: f64,
}

/// Where an agent stands: `stalled` is one that should be at work and has been silent for too long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Waiting,
    Stalled,
    Failed,
    TimedOut,
    Answered,
    Running,
    Idle,
    Cancelled,
    Completed,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    total: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentResult {
    seq: u64,
    agent_id: String,
    name: String,
    content: String,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// The live picture.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// The latest 200, oldest first.
    events: Vec<Event>,
    /// The open questions, the most pressing first.
    blocked: Vec<Question>,
    #[serde(rename = "agentStates")]
    agent_states: BTreeMap<String, Agent>,
    progress: Progress,
    /// The latest 50, newest first.
    results: Vec<AgentResult>,
    last_seq: u64,
}

/// Which agent works in which workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    agent_id: String,
    workspace_id: String,
    /// The workspace's file; absent for an embedded one.
    path: Option<String>,
}

/// How far a message has come: durable, in the workspace's inbox, taken out by the agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageState {
    Sent,
    Written,
    Delivered,
}

/// A message from a person to an agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserMessage {
    message_id: String,
    agent_id: String,
    workspace_id: String,
    kind: MessageKind,
    content: String,
    sent_by: AnsweredBy,
    #[schema(format = DateTime)]
    sent_at: String,
    #[schema(format = DateTime)]
    written_at: Option<String>,
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    state: MessageState,
}

/// What is wanted: that the agent reads something, or that it stops.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageKind {
    Message,
    StopRequest,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageList {
    messages: Vec<UserMessage>,
}

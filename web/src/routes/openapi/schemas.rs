//! What is sent and received, for the document: the model knows no HTTP, so that its types are described here. Replies
//! are described to the last field (`deny_unknown_fields`), so that a field that was forgotten here is found.

#![allow(dead_code, reason = "these are descriptions; what is described lives in the model")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What an event is about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Category {
    Agent,
    Tool,
    Model,
    User,
    Graph,
}

/// A journaled event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// Its position in the journal: 1, 2, 3, …
    seq: u64,
    id: String,
    #[schema(format = DateTime)]
    timestamp: String,
    category: Category,
    #[schema(pattern = "^[a-z][a-z0-9_]{0,63}$")]
    action: String,
    agent_id: Option<String>,
    graph_id: Option<String>,
    node_id: Option<String>,
    session_id: Option<String>,
    #[schema(value_type = Object)]
    payload: Value,
}

/// An event as an agent sends it. Fields that are not listed are kept under `payload.extra`. An object with a `type`
/// instead of `category` and `action` is read in the later dialect (`AgentStartEvent`, `ToolCallEvent`, …).
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewEvent {
    category: Category,
    #[schema(pattern = "^[a-z][a-z0-9_]{0,63}$")]
    action: String,
    /// Sent again, it is accepted and ignored. Default: a new one.
    #[schema(min_length = 1, max_length = 256)]
    id: Option<String>,
    /// RFC 3339 or Unix seconds. Default: now.
    timestamp: Option<Time>,
    /// Needed in the category `agent`.
    #[schema(min_length = 1, max_length = 256)]
    agent_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    graph_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    node_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    session_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

/// RFC 3339 or Unix seconds, between 1970 and 9999.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Time {
    Text(String),
    Seconds(f64),
}

/// One event or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum NewEvents {
    One(Box<NewEvent>),
    Many(Vec<NewEvent>),
}

/// A page of events, oldest first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventPage {
    events: Vec<Event>,
    /// Ask for the next page with `after` set to this.
    last_seq: u64,
    /// From here on nothing is missing; 1 until old events were deleted.
    first_seq: u64,
}

/// Why a question was asked. A `confirmation` or a `tool_call` without `options` and `response_schema` is answered by a
/// `Decision`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    InputRequired,
    Confirmation,
    ToolCall,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Urgency {
    Low,
    Normal,
    High,
    Critical,
}

/// What happens when nobody answers in time. `deny`: the answer becomes `deny`, or, where a `Decision` is asked for, a
/// rejection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnDeadline {
    Expire,
    Wait,
    Default,
    Deny,
}

/// `answered`: decided and durable; `delivered`: the agent has it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Open,
    Answered,
    Delivered,
    Expired,
    Cancelled,
}

/// By which way an answer came.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Door {
    Browser,
    Cli,
    Http,
    Mcp,
    Policy,
    External,
}

/// Who gave an answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnsweredBy {
    who: String,
    door: Door,
}

/// A question as it is asked.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewQuestion {
    #[schema(min_length = 1, max_length = 256)]
    agent_id: String,
    #[schema(min_length = 1)]
    question: String,
    /// The same id with the same question is the same question again. Default: a new one.
    #[schema(min_length = 1, max_length = 256)]
    msg_id: Option<String>,
    /// Where the answer goes. Default: the agent's own workspace.
    #[schema(min_length = 1, max_length = 256)]
    workspace_id: Option<String>,
    /// What helps to decide: a text or any JSON.
    context: Option<Value>,
    reason: Option<Reason>,
    /// The answers to choose from; none: a free text.
    #[schema(max_items = 100)]
    options: Option<Vec<NewOption>>,
    /// Texts shown instead of options, by option; the same as their `label`.
    labels: Option<BTreeMap<String, String>>,
    /// What options lead to, by option; the same as their `effect`.
    effects: Option<BTreeMap<String, String>>,
    /// Several options may be chosen.
    multiple: Option<bool>,
    /// An own text will do instead of an option, or beside several. Default: true.
    allow_other: Option<bool>,
    /// The tool of a `tool_call`.
    #[schema(max_length = 256)]
    tool_name: Option<String>,
    /// The arguments of a `tool_call`, which a person may change. Given, they make the reason `tool_call`.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Map<String, Value>>,
    /// The text that is to be confirmed, which a person may change.
    proposal: Option<String>,
    /// A JSON Schema of the answer; a flat one becomes a form.
    #[schema(value_type = Option<Object>)]
    response_schema: Option<Value>,
    urgency: Option<Urgency>,
    /// Seconds until the deadline.
    #[schema(exclusive_minimum = 0.0, maximum = 315360000.0)]
    timeout: Option<f64>,
    /// The deadline, instead of `timeout`.
    expires_at: Option<Time>,
    on_deadline: Option<OnDeadline>,
    /// The answer that `on_deadline: default` gives.
    default: Option<Value>,
}

/// An answer that can still be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Held {
    answered_by: AnsweredBy,
    #[schema(format = DateTime)]
    responded_at: String,
    /// When it goes to the agent.
    #[schema(format = DateTime)]
    deliver_at: String,
}

/// A text, or a text with what is shown for it and what it leads to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum NewOption {
    Text(String),
    Described(DescribedOption),
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DescribedOption {
    /// What the answer holds.
    #[schema(min_length = 1)]
    value: String,
    label: Option<String>,
    effect: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Approve,
    Edit,
    Reject,
}

/// The answer to a confirmation or a tool call. Given as a word alone (`approve`, `reject`) it is read back as this.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    decision: Verdict,
    /// With `edit`: all arguments, as they shall be.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Map<String, Value>>,
    /// With `edit`: the proposal as it shall be.
    proposal: Option<String>,
    reason: Option<String>,
}

/// A question with its life so far.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    msg_id: String,
    agent_id: String,
    workspace_id: String,
    question: String,
    context: Value,
    reason: Reason,
    options: Vec<String>,
    labels: BTreeMap<String, String>,
    effects: BTreeMap<String, String>,
    multiple: bool,
    allow_other: bool,
    tool_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    arguments: Option<Map<String, Value>>,
    proposal: Option<String>,
    response_schema: Value,
    urgency: Urgency,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    on_deadline: OnDeadline,
    default: Value,
    status: Status,
    /// A text; an array of texts for `multiple`; a `Decision`; anything the `response_schema` allows.
    answer: Option<Value>,
    answered_by: Option<AnsweredBy>,
    #[schema(format = DateTime)]
    responded_at: Option<String>,
    /// An answer that can still be taken back, see the setting `undo_s`: until then the question stays open.
    held: Option<Held>,
    /// When the answer reached the workspace's inbox.
    #[schema(format = DateTime)]
    written_at: Option<String>,
    /// When the agent picked the answer up.
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    /// Why it is not open any more, where that is not an answer.
    closed_reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuestionList {
    questions: Vec<Question>,
}

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

/// How many nodes of a graph are in which state; `pending` ones have not begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphProgress {
    total: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    /// They wait for a person.
    waiting: u64,
    running: u64,
    pending: u64,
}

/// How far a graph is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphSummary {
    graph_id: String,
    name: String,
    /// The action of its latest event of the category `graph`.
    state: Option<String>,
    progress: GraphProgress,
    edge_count: u64,
    /// Nodes and edges beyond what the daemon keeps: counted only.
    nodes_hidden: u64,
    edges_hidden: u64,
    #[schema(format = DateTime)]
    first_at: String,
    #[schema(format = DateTime)]
    last_at: String,
    last_seq: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphList {
    graphs: Vec<GraphSummary>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activity {
    Ran,
    Waited,
}

/// A stretch of time in which a node ran, or waited for a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    activity: Activity,
    #[schema(format = DateTime)]
    from: String,
    /// Absent while it lasts.
    #[schema(format = DateTime)]
    to: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    node_id: String,
    name: Option<String>,
    /// The agent that works on it; absent where others only name the node.
    agent_id: Option<String>,
    /// Absent while it has not begun.
    state: Option<AgentState>,
    /// In order, without overlap.
    spans: Vec<Span>,
    /// Earlier spans that are no longer kept.
    spans_forgotten: u64,
    last_seq: u64,
}

/// What comes after what, by `node_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edge {
    from: String,
    to: String,
}

/// A graph with its nodes and edges.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Graph {
    graph_id: String,
    name: String,
    /// The action of its latest event of the category `graph`.
    state: Option<String>,
    progress: GraphProgress,
    edge_count: u64,
    /// Nodes and edges beyond what the daemon keeps: counted only.
    nodes_hidden: u64,
    edges_hidden: u64,
    #[schema(format = DateTime)]
    first_at: String,
    #[schema(format = DateTime)]
    last_at: String,
    last_seq: u64,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

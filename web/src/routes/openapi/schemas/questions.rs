//! Questions, and what a person may say to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Time;

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
    Link,
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
#[serde(deny_unknown_fields)]
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
    /// What the agent works on, as in its events.
    #[schema(min_length = 1, max_length = 256)]
    graph_id: Option<String>,
    /// The agent's place in it.
    #[schema(min_length = 1, max_length = 256)]
    node_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    session_id: Option<String>,
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
    /// When it was asked. Default: now.
    created_at: Option<Value>,
    /// Without effect: an entry of an outbox has it.
    status: Option<Value>,
    on_deadline: Option<OnDeadline>,
    /// The answer that `on_deadline: default` gives.
    default: Option<Value>,
}

/// An answer as a form sends it. Beside these fields there are `f0`, `f1`, …, those of a form by their places.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AnswerForm {
    msg_id: Option<String>,
    workspace_id: Option<String>,
    /// An option, a text, or the word of a `Decision`.
    answer: Option<String>,
    /// An own text instead of an option.
    other: Option<String>,
    /// Why, with a `Decision`.
    reason: Option<String>,
    /// The proposal as it shall be.
    proposal: Option<String>,
    who: Option<String>,
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

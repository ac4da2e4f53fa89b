//! What the tools take. The comments are the descriptions that a model reads.

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A question, as `POST questions` takes it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The question, complete in itself: the person has not read your conversation.
    question: String,
    /// The answers to choose from. Leave it out for a free text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    options: Vec<Choice>,
    /// Let several of the options be chosen; the answer is then a list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    multiple: bool,
    /// The person may write an answer of their own instead of an option, or beside several. True if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allow_other: Option<bool>,
    /// With the reason tool_call: the tool you want to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_name: Option<String>,
    /// With the reason tool_call: what you want to use it with. The person may change it; use what the answer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<Map<String, Value>>,
    /// With the reason confirmation: a text to be confirmed, such as a message to send. The person may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposal: Option<String>,
    /// A flat JSON Schema of type object that the answer has to fit: the person is given a form. Instead of options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_schema: Option<Map<String, Value>>,
    /// What helps to decide: what you found out, what each answer leads to, the diff or the command in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Why you ask: to know something, to get a yes or no, or to be allowed to use a tool. Without options, a
    /// confirmation or tool_call is answered with an object: `decision` is approve, edit or reject; an edit has the
    /// whole `arguments` or the `proposal` as they shall be; there may be a `reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["input_required", "confirmation", "tool_call"]))]
    reason: Option<String>,
    /// How much it hurts to let the question wait. Normal if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["low", "normal", "high", "critical"]))]
    urgency: Option<String>,
    /// Seconds until the deadline. Without it the question waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    /// At the deadline: close the question unanswered (expire, the usual), keep it open (wait), take the default for
    /// the answer (default), or take it for denied (deny).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["expire", "wait", "default", "deny"]))]
    on_deadline: Option<String>,
    /// The answer that `on_deadline: default` gives; it has to be an answer that the question allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    /// An id of your own. Asking again with the same id, after an interruption say, is the same question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) msg_id: Option<String>,
}

/// An answer to choose: a text, or one with what it leads to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Choice {
    /// The text.
    Text(String),
    /// The text with what is shown for it.
    Described {
        /// What the answer holds.
        value: String,
        /// What is shown instead of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// What the choice leads to, in one sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<String>,
    },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    /// The id that ask_user_async returned.
    pub(super) msg_id: String,
    /// Seconds to wait for an answer if there is none yet; 50 at most, 0 if left out.
    #[serde(default)]
    pub(super) wait: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Notice {
    /// One or two sentences, plain text.
    pub(super) message: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// What the event is about.
    #[schemars(extend("enum" = ["agent", "tool", "model", "graph"]))]
    pub(super) category: String,
    /// What happened, in one lower-case word such as started, progress, completed, failed, called.
    #[schemars(extend("pattern" = "^[a-z][a-z0-9_]*$"))]
    pub(super) action: String,
    /// What there is to say about it. The dashboard knows `name` (agent:started), `done` and `total` and `message`
    /// (agent:progress), `result` (agent:completed), `error` (agent:failed), and `name` of a tool.
    #[serde(default)]
    pub(super) payload: Map<String, Value>,
}

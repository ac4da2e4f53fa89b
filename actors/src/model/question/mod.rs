//! A question as it is asked: its fields, wherever they come from.
//!
//! - `options`: what there is to choose from. `answer`: which answers it takes; `decision`, `form` and `input`, `schema`:
//!   by their kinds. `record`: its life.

mod answer;
mod decision;
mod form;
mod input;
mod options;
mod record;
mod schema;
mod spread;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Event, Invalid, Limits, actions,
    text::{check_id, parse_timestamp},
};
pub use answer::{Answer, AnsweredBy, Door, Kind};
pub use decision::{Decision, Verdict};
pub use form::{Field, Form};
pub use input::{Choice, Format, Input};
pub use options::Notes;
use options::Options;
pub(in crate::model) use record::SENT_FOR;
pub use record::{Held, QuestionRecord, Status};
pub use spread::Spread;

/// Longest time a question may wait, in seconds: ten years, far below where time stamps end.
const LONGEST_TIMEOUT_S: f64 = 315_360_000.0;
/// The fields in which questions that are alike may differ: whose they are and how long they can wait.
const OF_ONE: [&str; 8] =
    ["msg_id", "agent_id", "workspace_id", "created_at", "expires_at", "urgency", "on_deadline", "default"];

/// What names a question: a `msg_id` is unique within its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuestionKey {
    /// The message's id.
    pub msg_id: String,
    /// The workspace it was asked in.
    pub workspace_id: String,
}

/// Why a question was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The agent needs to know something.
    #[default]
    InputRequired,
    /// The agent wants a yes or a no, perhaps to a `proposal`.
    Confirmation,
    /// The agent wants to use the tool `tool_name` with `arguments`.
    ToolCall,
}

/// How much it hurts to let a question wait. Ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Whenever there is time.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Before the others.
    High,
    /// At once.
    Critical,
}

/// What happens when the deadline passes without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDeadline {
    /// The question closes unanswered.
    #[default]
    Expire,
    /// The question stays open: the deadline is only shown.
    Wait,
    /// The `default` becomes the answer, marked as given by policy.
    Default,
    /// [`Question::denial`] becomes the answer, marked as given by policy.
    Deny,
}

/// A question as it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Its id, unique within its workspace.
    pub msg_id: String,
    /// Who asks.
    pub agent_id: String,
    /// Where the answer goes.
    pub workspace_id: String,
    /// The question's text.
    pub question: String,
    /// What helps to decide: a text or any JSON.
    #[serde(default)]
    pub context: Value,
    /// Why it is asked.
    #[serde(default)]
    pub reason: Reason,
    /// The answers to choose from. Beside a `response_schema` they are short for what it allows.
    #[serde(default)]
    pub options: Vec<String>,
    /// What is shown instead of an option, for those that have such a text.
    #[serde(default)]
    pub labels: Notes,
    /// What an option leads to, for those that tell.
    #[serde(default)]
    pub effects: Notes,
    /// True where several options may be chosen.
    #[serde(default)]
    pub multiple: bool,
    /// True where an own text will do instead of an option, or beside several.
    #[serde(default = "is_usual")]
    pub allow_other: bool,
    /// The tool that the agent wants to use.
    #[serde(default)]
    pub tool_name: Option<String>,
    /// What it wants to use it with; a person may change them.
    #[serde(default)]
    pub arguments: Option<Map<String, Value>>,
    /// The text that is to be confirmed; a person may change it.
    #[serde(default)]
    pub proposal: Option<String>,
    /// What an answer must look like: a JSON Schema, best a flat one.
    #[serde(default)]
    pub response_schema: Value,
    /// How much it hurts to let it wait.
    #[serde(default)]
    pub urgency: Urgency,
    /// When it was asked.
    pub created_at: Timestamp,
    /// The deadline.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// What happens at the deadline.
    #[serde(default)]
    pub on_deadline: OnDeadline,
    /// The answer that `on_deadline: default` gives.
    #[serde(default)]
    pub default: Value,
}

impl Question {
    /// Reads a question's fields: a request's body, an outbox entry, an `agent:blocked` payload. What names it, and
    /// when it was asked, is known to the caller; a `created_at` in the fields counts only if it is a full time.
    ///
    /// # Errors
    /// [`Invalid`] names the field or the limit.
    pub fn from_fields(
        key: QuestionKey,
        agent_id: &str,
        seen_at: Timestamp,
        fields: &Map<String, Value>,
        limits: &Limits,
    ) -> Result<Self, Invalid> {
        let mut question = Self::read(key, agent_id, seen_at, fields, limits)?;
        question.check_consistent()?;
        if question.on_deadline == OnDeadline::Default {
            let accepted = question.accept(question.default.clone(), limits);
            question.default = accepted.map_err(|e| Invalid::field("default", format!("is no answer: {e}")))?;
        }
        let event = question.to_event(seen_at).to_json();
        Invalid::over(event.len(), limits.event_bytes, "the question", "event_bytes")?;
        Ok(question)
    }

    /// Reads the fields. What they mean together is not checked.
    fn read(
        key: QuestionKey,
        agent_id: &str,
        seen_at: Timestamp,
        fields: &Map<String, Value>,
        limits: &Limits,
    ) -> Result<Self, Invalid> {
        check_id(&key.msg_id, "msg_id", limits)?;
        check_id(&key.workspace_id, "workspace_id", limits)?;
        check_id(agent_id, "agent_id", limits)?;
        // Python's `datetime.now().isoformat()` has no zone: such a time says nothing, the discovery has to do.
        let created_at =
            fields.get("created_at").and_then(|v| parse_timestamp(v, "created_at").ok()).unwrap_or(seen_at);
        let Options { values: options, labels, effects } = Options::read(fields, limits)?;
        let arguments = arguments_of(fields)?;
        Ok(Self {
            msg_id: key.msg_id,
            agent_id: agent_id.to_owned(),
            workspace_id: key.workspace_id,
            question: text_of(fields, limits)?,
            context: fields.get("context").cloned().unwrap_or_default(),
            reason: reason_of(fields, arguments.is_some())?,
            options,
            labels,
            effects,
            multiple: word(fields, "multiple", "must be true or false")?,
            allow_other: word::<Option<bool>>(fields, "allow_other", "must be true or false")?.unwrap_or(true),
            tool_name: short_text(fields, "tool_name", ("id_bytes", limits.id_bytes))?,
            arguments,
            proposal: short_text(fields, "proposal", ("answer_bytes", limits.answer_bytes))?,
            response_schema: fields.get("response_schema").cloned().unwrap_or_default(),
            urgency: word(fields, "urgency", "must be low, normal, high or critical")?,
            created_at,
            expires_at: deadline_of(fields, created_at)?,
            on_deadline: word(fields, "on_deadline", "must be expire, wait, default or deny")?,
            default: fields.get("default").cloned().unwrap_or_default(),
        })
    }

    /// Reads the question of an `agent:blocked` event.
    ///
    /// # Errors
    /// [`Invalid`] names the field or the limit.
    pub fn from_event(event: &Event, limits: &Limits) -> Result<Self, Invalid> {
        let (key, agent_id) = Self::named_by(event)?;
        Self::from_fields(key, agent_id, event.timestamp, &event.payload, limits)
    }

    /// The same of an event that the journal holds: it was checked when it came in, and is not again. A limit that was
    /// lowered since must not hide it, and a start must not cost what taking it in has.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn from_journal(event: &Event) -> Result<Self, Invalid> {
        let (key, agent_id) = Self::named_by(event)?;
        let mut question = Self::read(key, agent_id, event.timestamp, &event.payload, &Limits::UNBOUNDED)?;
        if question.on_deadline == OnDeadline::Default && question.asks_for_decision() {
            question.default = question.decided(&question.default)?;
        }
        Ok(question)
    }

    fn named_by(event: &Event) -> Result<(QuestionKey, &str), Invalid> {
        let agent_id = event.agent_id.as_deref().unwrap_or_default();
        let msg_id = match event.payload.get("msg_id") {
            None | Some(Value::Null) => event.id.clone(),
            Some(Value::String(id)) => id.clone(),
            Some(_) => return Err(Invalid::field("msg_id", "must be a text")),
        };
        let workspace_id = event.text("workspace_id").filter(|id| !id.is_empty()).unwrap_or(agent_id).to_owned();
        Ok((QuestionKey { msg_id, workspace_id }, agent_id))
    }

    fn check_consistent(&self) -> Result<(), Invalid> {
        if self.multiple && self.options.is_empty() {
            return Err(Invalid::field("multiple", "needs `options` to choose from"));
        }
        if self.response_schema.is_null() {
            return Ok(());
        }
        if !self.response_schema.is_object() {
            return Err(Invalid::field("response_schema", "must be a json schema object"));
        }
        schema::compile(&self.response_schema).map(drop)
    }

    /// What names it.
    pub fn key(&self) -> QuestionKey {
        QuestionKey { msg_id: self.msg_id.clone(), workspace_id: self.workspace_id.clone() }
    }

    /// A hash of everything that a person goes by when answering: questions that are alike take the same answer for
    /// the same reasons.
    pub fn likeness(&self) -> String {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(self) else { return String::new() };
        for own in OF_ONE {
            fields.remove(own);
        }
        Uuid::new_v5(&Uuid::NAMESPACE_OID, Value::Object(fields).to_string().as_bytes()).simple().to_string()
    }

    /// The `agent:blocked` event that opens it.
    pub fn to_event(&self, now: Timestamp) -> Event {
        let payload = serde_json::to_value(self).expect("a question has only string keys");
        let key = [self.workspace_id.as_str(), self.msg_id.as_str()];
        Event::of_agent(&self.agent_id, actions::BLOCKED, now, &key, payload)
    }
}

fn text_of(fields: &Map<String, Value>, limits: &Limits) -> Result<String, Invalid> {
    let Some(Value::String(text)) = fields.get("question") else {
        return Err(Invalid::field("question", "must be a text"));
    };
    Invalid::over(text.len(), limits.question_bytes, "the question", "question_bytes")?;
    if text.trim().is_empty() {
        return Err(Invalid::field("question", "must not be empty"));
    }
    Ok(text.clone())
}

fn short_text(
    fields: &Map<String, Value>,
    name: &'static str,
    (limit, max): (&'static str, usize),
) -> Result<Option<String>, Invalid> {
    let text: Option<String> = word(fields, name, "must be a text")?;
    Invalid::over(text.as_ref().map_or(0, String::len), max, name, limit)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn arguments_of(fields: &Map<String, Value>) -> Result<Option<Map<String, Value>>, Invalid> {
    match fields.get("arguments") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(arguments)) => Ok(Some(arguments.clone())),
        Some(_) => Err(Invalid::field("arguments", "must be an object")),
    }
}

/// Arguments speak for themselves: they are a tool's.
fn reason_of(fields: &Map<String, Value>, has_arguments: bool) -> Result<Reason, Invalid> {
    let given = word::<Option<Reason>>(fields, "reason", "must be input_required, confirmation or tool_call")?;
    Ok(given.unwrap_or(if has_arguments { Reason::ToolCall } else { Reason::InputRequired }))
}

/// Browsers send every line break as CR LF, whatever was there or was typed, and know no NUL.
pub fn field_text(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}")
}

/// `expires_at`, or `timeout` seconds after the question was asked; neither: no deadline.
fn deadline_of(fields: &Map<String, Value>, created_at: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    if let Some(value) = fields.get("expires_at").filter(|v| !v.is_null()) {
        return parse_timestamp(value, "expires_at").map(Some);
    }
    let problem = || Invalid::field("timeout", "must be seconds, more than 0 and at most ten years");
    match fields.get("timeout") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let seconds = value.as_f64().filter(|s| *s > 0.0 && *s <= LONGEST_TIMEOUT_S).ok_or_else(problem)?;
            created_at.checked_add(SignedDuration::from_secs_f64(seconds)).map(Some).map_err(|_| problem())
        }
    }
}

fn is_usual() -> bool {
    true
}

/// A field that is one of a few words, or absent.
fn word<T: DeserializeOwned + Default>(
    fields: &Map<String, Value>,
    name: &'static str,
    problem: &'static str,
) -> Result<T, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => T::deserialize(value).map_err(|_| Invalid::field(name, problem)),
    }
}

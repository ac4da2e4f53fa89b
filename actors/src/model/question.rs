//! A question, its life, and which answers it takes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Event, Invalid, Limits, actions,
    text::{check_id, parse_timestamp},
};

/// Longest time a question may wait, in seconds: ten years, far below where time stamps end.
const LONGEST_TIMEOUT_S: f64 = 315_360_000.0;

/// What names a question: a `msg_id` is unique within its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuestionKey {
    /// The message's id.
    pub msg_id: String,
    /// The workspace it was asked in.
    pub workspace_id: String,
}

/// Why a question was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The agent needs to know something.
    #[default]
    InputRequired,
    /// The agent wants a yes or a no.
    Confirmation,
    /// The agent wants to use a tool.
    ToolCall,
}

/// How much it hurts to let a question wait. Ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// "deny" becomes the answer, marked as given by policy.
    Deny,
}

/// By which way an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// The dashboard.
    Browser,
    /// The command line.
    Cli,
    /// The JSON API.
    Http,
    /// A model context protocol client.
    Mcp,
    /// The question's own deadline policy.
    Policy,
    /// Somebody who wrote into the workspace without Remora.
    External,
}

impl Door {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Cli => "cli",
            Self::Http => "http",
            Self::Mcp => "mcp",
            Self::Policy => "policy",
            Self::External => "external",
        }
    }
}

/// Who gave an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredBy {
    /// The person, as far as known.
    pub who: String,
    /// The way it came.
    pub door: Door,
}

/// An answer with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// A text; an array of texts for `multiple`; anything the `response_schema` allows.
    pub answer: Value,
    /// Who gave it.
    pub answered_by: AnsweredBy,
    /// When it was decided.
    pub responded_at: Timestamp,
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
    /// The answers to choose from; empty: a free text.
    #[serde(default)]
    pub options: Vec<String>,
    /// True where several options may be chosen.
    #[serde(default)]
    pub multiple: bool,
    /// What an answer must look like: a flat JSON Schema.
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
        check_id(&key.msg_id, "msg_id", limits)?;
        check_id(&key.workspace_id, "workspace_id", limits)?;
        check_id(agent_id, "agent_id", limits)?;
        // Python's `datetime.now().isoformat()` has no zone: such a time says nothing, the discovery has to do.
        let created_at =
            fields.get("created_at").and_then(|v| parse_timestamp(v, "created_at").ok()).unwrap_or(seen_at);
        let question = Self {
            msg_id: key.msg_id,
            agent_id: agent_id.to_owned(),
            workspace_id: key.workspace_id,
            question: text_of(fields, limits)?,
            context: fields.get("context").cloned().unwrap_or_default(),
            reason: word(fields, "reason", "must be input_required, confirmation or tool_call")?,
            options: options_of(fields, limits)?,
            multiple: word(fields, "multiple", "must be true or false")?,
            response_schema: fields.get("response_schema").cloned().unwrap_or_default(),
            urgency: word(fields, "urgency", "must be low, normal, high or critical")?,
            created_at,
            expires_at: deadline_of(fields, created_at)?,
            on_deadline: word(fields, "on_deadline", "must be expire, wait, default or deny")?,
            default: fields.get("default").cloned().unwrap_or_default(),
        };
        question.check_consistent(limits)?;
        Ok(question)
    }

    /// Reads the question of an `agent:blocked` event.
    ///
    /// # Errors
    /// [`Invalid`] names the field or the limit.
    pub fn from_event(event: &Event, limits: &Limits) -> Result<Self, Invalid> {
        let agent_id = event.agent_id.as_deref().unwrap_or_default();
        let msg_id = match event.payload.get("msg_id") {
            None | Some(Value::Null) => event.id.clone(),
            Some(Value::String(id)) => id.clone(),
            Some(_) => return Err(Invalid::field("msg_id", "must be a text")),
        };
        let workspace_id = event.text("workspace_id").filter(|id| !id.is_empty()).unwrap_or(agent_id).to_owned();
        let key = QuestionKey { msg_id, workspace_id };
        Self::from_fields(key, agent_id, event.timestamp, &event.payload, limits)
    }

    fn check_consistent(&self, limits: &Limits) -> Result<(), Invalid> {
        if self.multiple && self.options.is_empty() {
            return Err(Invalid::field("multiple", "needs `options` to choose from"));
        }
        if !self.response_schema.is_null() {
            if !self.response_schema.is_object() {
                return Err(Invalid::field("response_schema", "must be a json schema object"));
            }
            jsonschema::validator_for(&self.response_schema)
                .map_err(|e| Invalid::field("response_schema", format!("is no usable json schema: {e}")))?;
        }
        if self.on_deadline == OnDeadline::Default {
            self.check(&self.default, limits).map_err(|e| Invalid::field("default", format!("is no answer: {e}")))?;
        }
        Ok(())
    }

    /// What names it.
    pub fn key(&self) -> QuestionKey {
        QuestionKey { msg_id: self.msg_id.clone(), workspace_id: self.workspace_id.clone() }
    }

    /// The `agent:blocked` event that opens it.
    pub fn to_event(&self, now: Timestamp) -> Event {
        let payload = serde_json::to_value(self).expect("a question has only string keys");
        let key = [self.workspace_id.as_str(), self.msg_id.as_str()];
        Event::of_agent(&self.agent_id, actions::BLOCKED, now, &key, payload)
    }

    /// Checks an answer against what was asked for.
    ///
    /// # Errors
    /// [`Invalid`] says what an answer must be.
    pub fn check(&self, answer: &Value, limits: &Limits) -> Result<(), Invalid> {
        Invalid::over(answer.to_string().len(), limits.answer_bytes, "the answer", "answer_bytes")?;
        if !self.response_schema.is_null() {
            return jsonschema::validate(&self.response_schema, answer)
                .map_err(|e| Invalid::field("answer", format!("does not fit the response_schema: {e}")));
        }
        match answer {
            Value::String(text) if !self.multiple => self.check_text(text),
            Value::Array(chosen) if self.multiple && !chosen.is_empty() => {
                chosen.iter().try_for_each(|one| match one {
                    Value::String(text) => self.check_text(text),
                    _ => Err(Invalid::field("answer", "must be an array of texts")),
                })
            }
            _ if self.multiple => Err(Invalid::field("answer", "must be an array of at least one option")),
            _ => Err(Invalid::field("answer", "must be a text")),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::field("answer", "must not be empty"));
        }
        if !self.options.is_empty() && !self.options.iter().any(|option| option == text) {
            let offered = serde_json::to_string(&self.options).unwrap_or_default();
            return Err(Invalid::field("answer", format!("must be one of {offered}")));
        }
        Ok(())
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

fn options_of(fields: &Map<String, Value>, limits: &Limits) -> Result<Vec<String>, Invalid> {
    let options = match fields.get("options") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(options)) => options,
        Some(_) => return Err(Invalid::field("options", "must be an array of texts")),
    };
    Invalid::over(options.len(), limits.options, "the list of options", "options")?;
    options
        .iter()
        .map(|option| match option {
            Value::String(text) if text.trim().is_empty() => {
                Err(Invalid::field("options", "must not hold an empty text"))
            }
            Value::String(text) => {
                Invalid::over(text.len(), limits.question_bytes, "an option", "question_bytes").map(|()| text.clone())
            }
            _ => Err(Invalid::field("options", "must be an array of texts")),
        })
        .collect()
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

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has answered yet.
    Open,
    /// The answer is durable; the agent has not picked it up yet.
    Answered,
    /// The agent has the answer.
    Delivered,
    /// Nobody answered in time.
    Expired,
    /// The asker no longer wants an answer.
    Cancelled,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A question with its life so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionRecord {
    /// What was asked.
    #[serde(flatten)]
    pub question: Question,
    /// Where it stands.
    pub status: Status,
    /// The answer, once there is one.
    #[serde(flatten)]
    pub answer: Option<Answer>,
    /// When the answer reached the workspace's inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// When the agent picked the answer up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Why it is not open any more, where that is not an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_reason: Option<String>,
}

impl QuestionRecord {
    /// A question that was just asked.
    pub fn new(question: Question) -> Self {
        Self { question, status: Status::Open, answer: None, written_at: None, delivered_at: None, closed_reason: None }
    }

    /// True where the answer still has to be written into the workspace, even if the agent has it by another way.
    pub fn is_unwritten(&self) -> bool {
        matches!(self.status, Status::Answered | Status::Delivered) && self.written_at.is_none()
    }

    /// The value that the agent reads under `inbox:response:{msg_id}`.
    pub fn response(&self) -> Option<Value> {
        let answer = self.answer.as_ref()?;
        Some(json!({
            "answer": answer.answer,
            "responded_at": answer.responded_at,
            "answered_by": answer.answered_by,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(fields: Value) -> Result<Question, Invalid> {
        let Value::Object(fields) = fields else { panic!("an object") };
        let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
        Question::from_fields(key, "a", Timestamp::UNIX_EPOCH, &fields, &Limits::default())
    }

    #[test]
    fn the_python_outbox_entry_is_read() {
        let q = question(json!({"question": "Which?", "options": null, "status": "pending",
            "created_at": "2026-02-24T09:37:15.123456", "timeout": 300}))
        .expect("valid");
        assert_eq!(q.created_at, Timestamp::UNIX_EPOCH, "a time without a zone does not count");
        assert_eq!(q.expires_at.map(Timestamp::as_second), Some(300));
    }

    #[test]
    fn wrong_fields_are_named() {
        for (fields, name) in [
            (json!({}), "question"),
            (json!({"question": " "}), "question"),
            (json!({"question": "x".repeat(17 << 10)}), "question_bytes"),
            (json!({"question": "q", "options": "yes"}), "options"),
            (json!({"question": "q", "options": vec!["x"; 101]}), "options"),
            (json!({"question": "q", "multiple": true}), "multiple"),
            (json!({"question": "q", "urgency": "now"}), "urgency"),
            (json!({"question": "q", "timeout": -1}), "timeout"),
            (json!({"question": "q", "timeout": 1e300}), "timeout"),
            (json!({"question": "q", "on_deadline": "default"}), "default"),
            (json!({"question": "q", "response_schema": {"type": 5}}), "response_schema"),
        ] {
            let error = question(fields).expect_err(name).to_string();
            assert!(error.contains(name), "{error} should name {name}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_an_answer() {
        let limits = Limits::default();
        let text = question(json!({"question": "q"})).expect("valid");
        let one = question(json!({"question": "q", "options": ["yes", "no"]})).expect("valid");
        let many = question(json!({"question": "q", "options": ["a", "b"], "multiple": true})).expect("valid");
        let form = question(json!({"question": "q", "response_schema":
            {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}))
        .expect("valid");
        for (question, answer, good) in [
            (&text, json!("anything"), true),
            (&text, json!(" "), false),
            (&text, json!(5), false),
            (&text, json!("x".repeat(65 << 10)), false),
            (&one, json!("yes"), true),
            (&one, json!("maybe"), false),
            (&one, json!(["yes"]), false),
            (&many, json!(["a", "b"]), true),
            (&many, json!([]), false),
            (&many, json!(["c"]), false),
            (&many, json!("a"), false),
            (&form, json!({"n": 3}), true),
            (&form, json!({"n": "three"}), false),
        ] {
            assert_eq!(question.check(&answer, &limits).is_ok(), good, "{answer}");
        }
    }

    proptest! {
        #[test]
        fn no_fields_make_it_panic(name in "question|options|timeout|expires_at|default|on_deadline|response_schema|created_at",
            value in any_json(), answer in any_json()) {
            let mut fields = json!({"question": "q"});
            fields[name] = value;
            if let Ok(question) = question(fields) {
                let _ = question.check(&answer, &Limits::default());
            }
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "deny|wait|default|object|string|type|enum|required|\\$ref".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let keys = "type|properties|enum|pattern|required|items|[a-z]{1,4}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(keys, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn an_event_carries_the_whole_question() {
        let asked = question(json!({"question": "q", "options": ["x"], "context": {"k": 1}, "timeout": 5,
            "reason": "tool_call", "urgency": "high", "on_deadline": "deny"}))
        .expect("valid");
        let event = asked.to_event(Timestamp::UNIX_EPOCH);
        assert_eq!(Question::from_event(&event, &Limits::default()), Ok(asked));
    }
}

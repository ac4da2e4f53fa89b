//! An event: what an agent, a tool, a model, a person or a graph did.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Limits, Payload, text};

/// The position of an event in the journal: 1, 2, 3, … without gaps.
pub type Seq = u64;

/// Actions that change Remora's picture. Any other lower-case word is journaled and shown as it is.
pub mod actions {
    #![allow(missing_docs, reason = "each constant is its own word")]
    pub const STARTED: &str = "started";
    pub const BLOCKED: &str = "blocked";
    pub const RESUMED: &str = "resumed";
    pub const COMPLETED: &str = "completed";
    pub const FAILED: &str = "failed";
    pub const CANCELLED: &str = "cancelled";
    pub const TIMED_OUT: &str = "timed_out";
    pub const PROGRESS: &str = "progress";
    /// The agent has nothing to do until somebody tells it to.
    pub const IDLE: &str = "idle";
    /// A person has answered and may still take it back; the payload's `held` says until when.
    pub const ANSWER_HELD: &str = "answer_held";
    /// The person took the answer back: the question waits again.
    pub const ANSWER_UNDONE: &str = "answer_undone";
    /// The answer has reached the workspace's inbox.
    pub const ANSWER_WRITTEN: &str = "answer_written";
    /// The agent has picked the answer up.
    pub const ANSWER_DELIVERED: &str = "answer_delivered";
    /// Nobody answered in time.
    pub const QUESTION_EXPIRED: &str = "question_expired";
    /// The asker no longer wants an answer.
    pub const QUESTION_CANCELLED: &str = "question_cancelled";
    /// A workspace was registered by a person or a program rather than by `started`.
    pub const WORKSPACE_REGISTERED: &str = "workspace_registered";
    /// A workspace was unregistered.
    pub const WORKSPACE_UNREGISTERED: &str = "workspace_unregistered";
    /// A workspace cannot be read or written at present; the payload's `detail` says why.
    pub const WORKSPACE_TROUBLE: &str = "workspace_trouble";
    /// A workspace that was in trouble works again.
    pub const WORKSPACE_RECOVERED: &str = "workspace_recovered";
    /// A person's message has reached the workspace's inbox.
    pub const MESSAGE_WRITTEN: &str = "message_written";
    /// The agent has taken a person's message out of its inbox.
    pub const MESSAGE_DELIVERED: &str = "message_delivered";
    /// A person wrote to an agent.
    pub const MESSAGED: &str = "messaged";
    /// A target was told of a question; the payload's `parts` say what.
    pub const NOTIFIED: &str = "notified";
    /// A target could not be told; the payload's `reason` says why.
    pub const NOTICE_FAILED: &str = "notice_failed";
    /// A person wants a notice that failed to be tried again.
    pub const NOTICE_RETRIED: &str = "notice_retried";
    /// A person lets a notice go that failed.
    pub const NOTICE_DISMISSED: &str = "notice_dismissed";
    /// A person asked an agent to stop.
    pub const STOP_REQUESTED: &str = "stop_requested";
}

/// Bytes of most events' JSON beside the payload.
const ENVELOPE_BYTES: usize = 384;

/// Who or what an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// An agent's life.
    Agent,
    /// A tool an agent used.
    Tool,
    /// A language model an agent asked.
    Model,
    /// A person.
    User,
    /// A graph of agents.
    Graph,
}

impl Category {
    /// All categories, in the order in which they are documented.
    pub const ALL: [Self; 5] = [Self::Agent, Self::Tool, Self::Model, Self::User, Self::Graph];

    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Model => "model",
            Self::User => "user",
            Self::Graph => "graph",
        }
    }
}

impl std::str::FromStr for Category {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str() == word)
            .ok_or_else(|| Invalid::field("category", "must be one of agent, tool, model, user, graph"))
    }
}

/// Why something from outside was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The text is not JSON.
    #[error("not valid json: {0}")]
    Json(String),
    /// A field has a value that it must not have.
    #[error("field `{field}` {problem}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it, and what it should be.
        problem: String,
    },
    /// An answer does not fit what its question asks for.
    #[error("field `answer` does not fit the response_schema: {}", told(.0))]
    Answer(Vec<FieldError>),
    /// Something is larger than a setting allows.
    #[error("{what} is over the limit `{limit}` of {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The setting.
        limit: &'static str,
        /// The setting's value.
        max: usize,
    },
}

/// What is wrong with one field of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The property's name; `None`: the answer as a whole.
    pub field: Option<String>,
    /// What it should be, to stand after the name.
    pub problem: String,
}

fn told(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| match &error.field {
        Some(field) => format!("`{field}` {}", error.problem),
        None => error.problem.clone(),
    };
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Invalid {
    /// A field's value is wrong.
    pub fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Field { field, problem: problem.into() }
    }

    /// Refuses `size` where it is over `max`.
    ///
    /// # Errors
    /// [`Invalid::TooLarge`], naming the limit.
    pub fn over(size: usize, max: usize, what: &'static str, limit: &'static str) -> Result<(), Self> {
        if size > max { Err(Self::TooLarge { what, limit, max }) } else { Ok(()) }
    }
}

/// One event, validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique in the journal. The same id again is the same event again.
    pub id: String,
    /// When it happened, by the emitter's clock.
    pub timestamp: Timestamp,
    /// Who or what it is about.
    pub category: Category,
    /// What happened: `[a-z][a-z0-9_]{0,63}`.
    pub action: String,
    /// The agent. Always there for the category `agent`.
    pub agent_id: Option<String>,
    /// The graph the agent belongs to.
    pub graph_id: Option<String>,
    /// The node of the graph.
    pub node_id: Option<String>,
    /// The run or conversation.
    pub session_id: Option<String>,
    /// Everything else.
    pub payload: Payload,
}

impl Event {
    /// A new event of Remora's own, about an agent.
    ///
    /// `key` names the step it records: the same step repeated after a crash makes the same id, so the journal
    /// takes it once.
    pub fn of_agent(agent_id: &str, action: &str, now: Timestamp, key: &[&str], payload: Value) -> Self {
        let Value::Object(payload) = payload else { unreachable!("payloads are written as objects") };
        Self {
            id: Self::stable_id(action, key),
            timestamp: now,
            category: Category::Agent,
            action: action.to_owned(),
            agent_id: Some(agent_id.to_owned()),
            graph_id: None,
            node_id: None,
            session_id: None,
            payload: payload.into(),
        }
    }

    /// The id that `action` on the thing named by `key` always gets.
    pub fn stable_id(action: &str, key: &[&str]) -> String {
        let mut name = action.to_owned();
        for part in key {
            name.push('\0');
            name.push_str(part);
        }
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }

    /// `category:action`, the name that patterns match.
    pub fn kind(&self) -> String {
        format!("{}:{}", self.category.as_str(), self.action)
    }

    /// True for `category:action`.
    pub fn is(&self, category: Category, action: &str) -> bool {
        self.category == category && self.action == action
    }

    /// A text field of the payload.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.payload.get(field).and_then(Value::as_str)
    }

    /// The event as one line of JSON: as it is journaled, streamed and exported. It is what [`Serialize`] writes; with the
    /// names as they stand here it takes little more than half of the time.
    pub fn to_json(&self) -> Bytes {
        let mut json = Vec::with_capacity(ENVELOPE_BYTES + self.payload.as_str().len());
        write_field(&mut json, b"{\"id\":", &self.id);
        write_field(&mut json, b",\"timestamp\":", &self.timestamp);
        write_field(&mut json, b",\"category\":", &self.category);
        write_field(&mut json, b",\"action\":", &self.action);
        write_field(&mut json, b",\"agent_id\":", &self.agent_id);
        write_field(&mut json, b",\"graph_id\":", &self.graph_id);
        write_field(&mut json, b",\"node_id\":", &self.node_id);
        write_field(&mut json, b",\"session_id\":", &self.session_id);
        write_field(&mut json, b",\"payload\":", &self.payload);
        json.push(b'}');
        json.into()
    }
}

fn write_field(json: &mut Vec<u8>, name: &[u8], value: &impl Serialize) {
    json.extend_from_slice(name);
    serde_json::to_writer(json, value).expect("an event has only string keys and memory takes any text");
}

/// An event that was parsed but may still lack an id and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Given by the emitter, or made by whoever completes the draft.
    pub id: Option<String>,
    /// Given by the emitter, or "now".
    pub timestamp: Option<Timestamp>,
    pub(crate) event: Event,
}

impl Draft {
    /// Reads one event in either dialect.
    ///
    /// # Errors
    /// [`Invalid`] says which field is wrong or which limit is exceeded.
    pub fn parse(json: &[u8], limits: &Limits) -> Result<Self, Invalid> {
        text::parse_draft(json, limits)
    }

    /// Whom it is about, and what happened.
    pub fn subject(&self) -> (Option<&str>, Category, &str) {
        (self.event.agent_id.as_deref(), self.event.category, &self.event.action)
    }

    /// True for what only a person does: answering, and writing to an agent.
    pub fn speaks_for_a_person(&self) -> bool {
        let acts = [actions::RESUMED, actions::ANSWER_HELD, actions::ANSWER_UNDONE];
        self.event.category == Category::User || acts.iter().any(|act| self.event.is(Category::Agent, act))
    }

    /// Fills what the emitter left out.
    pub fn complete(self, now: Timestamp, new_id: impl FnOnce() -> String) -> Event {
        let id = self.id.unwrap_or_else(new_id);
        let mut event = Event { id, timestamp: self.timestamp.unwrap_or(now), ..self.event };
        if event.is(Category::Agent, actions::BLOCKED) && !event.payload.contains_key("msg_id") {
            let id = event.id.clone();
            event.payload = event.payload.edited(|fields| drop(fields.insert("msg_id".to_owned(), id.into())));
        }
        event
    }
}

/// An event in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its position.
    pub seq: Seq,
    /// The event.
    pub event: Arc<Event>,
    /// The event as it stands in the journal, shared by every reader.
    pub json: Bytes,
}

impl Record {
    /// An event with its position.
    pub fn new(seq: Seq, event: impl Into<Arc<Event>>, json: Bytes) -> Arc<Self> {
        Arc::new(Self { seq, event: event.into(), json })
    }

    /// Reads a record back from a journal.
    ///
    /// # Errors
    /// The text is not one that [`Event::to_json`] wrote.
    pub fn from_json(seq: Seq, json: Bytes) -> Result<Arc<Self>, serde_json::Error> {
        Ok(Self::new(seq, serde_json::from_slice::<Event>(&json)?, json))
    }

    /// Writes the event's JSON with its `seq` as first field.
    pub fn write_with_seq(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        out.extend_from_slice(self.seq.to_string().as_bytes());
        out.push(b',');
        out.extend_from_slice(&self.json[1..]);
    }
}

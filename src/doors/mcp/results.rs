//! What the tools return. The comments are the descriptions that a model reads.

use remora_actors::model::{Answer, Door, QuestionRecord, Status};
use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use serde_json::Value;

/// What became of a question.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    /// The question's id.
    msg_id: String,
    /// Only `answered` comes with an answer.
    status: OutcomeStatus,
    /// The answer: a text, a list of texts where several could be chosen, an object where a decision was asked for or a
    /// schema was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<String>,
    /// By which way: browser, cli, http or mcp are a person's, policy is the question's own deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    door: Option<String>,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    responded_at: Option<String>,
    /// What this means, in words.
    note: String,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum OutcomeStatus {
    /// There is an answer.
    Answered,
    /// Nobody has answered yet.
    Open,
    /// Nobody answered in time.
    Expired,
    /// The question was withdrawn.
    Cancelled,
    /// There is no question of this id.
    Unknown,
}

impl Outcome {
    pub(super) fn unknown(msg_id: String) -> Self {
        let note = "there is no question of this id: it was never asked, or was closed long ago".to_owned();
        let (answer, answered_by, door, responded_at) = (None, None, None, None);
        Self { msg_id, status: OutcomeStatus::Unknown, answer, answered_by, door, responded_at, note }
    }
}

impl From<QuestionRecord> for Outcome {
    fn from(record: QuestionRecord) -> Self {
        let why = record.closed_reason.unwrap_or_else(|| "the question was closed".to_owned());
        let (status, note) = match (record.status, &record.answer) {
            (Status::Answered | Status::Delivered, Some(answer)) => (OutcomeStatus::Answered, origin(answer)),
            (Status::Expired, _) => (OutcomeStatus::Expired, format!("{why}; this is no consent")),
            (Status::Cancelled, _) => (OutcomeStatus::Cancelled, format!("{why}; this is no consent")),
            _ => (OutcomeStatus::Open, "nobody has answered yet; look again with check_answer".to_owned()),
        };
        let answer = record.answer.filter(|_| status == OutcomeStatus::Answered);
        Self {
            msg_id: record.question.msg_id,
            status,
            answered_by: answer.as_ref().map(|answer| answer.answered_by.who.clone()),
            door: answer.as_ref().map(|answer| answer.answered_by.door.as_str().to_owned()),
            responded_at: answer.as_ref().map(|answer| answer.responded_at.to_string()),
            answer: answer.map(|answer| answer.answer),
            note,
        }
    }
}

fn origin(answer: &Answer) -> String {
    match answer.answered_by.door {
        Door::Policy => "nobody answered in time; this is what the question said to take then".to_owned(),
        _ => "a person's answer".to_owned(),
    }
}

/// A question that was asked and is not waited for.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Asked {
    /// What check_answer takes.
    pub(super) msg_id: String,
    /// How to go on.
    pub(super) note: String,
}

/// An event that was recorded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Recorded {
    /// The event's id.
    pub(super) event_id: String,
    /// Its position in the journal.
    pub(super) seq: u64,
}

/// Messages that wait no longer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Messages {
    /// Oldest first; empty where nobody has written.
    pub(super) messages: Vec<Message>,
}

/// What a person wrote.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Message {
    /// The message's id.
    pub(super) message_id: String,
    /// `stop_request`: a person wants you to stop. Finish safely, say so, and end your work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    /// The text.
    pub(super) content: Value,
    /// When it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_at: Option<String>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_by: Option<String>,
}

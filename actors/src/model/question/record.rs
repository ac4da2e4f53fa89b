//! A question's life.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, AnsweredBy, Question};

/// How long an answered question keeps its place among those that wait, while whoever answered still looks there.
pub(in crate::model) const SENT_FOR: SignedDuration = SignedDuration::from_secs(30);

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

/// An answer that whoever gave it may still take back. What it says is not told before it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Who gave it.
    pub answered_by: AnsweredBy,
    /// When it was given.
    pub responded_at: Timestamp,
    /// When it counts.
    pub deliver_at: Timestamp,
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
    /// An answer that can still be taken back: until it counts the question is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
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
        Self {
            question,
            status: Status::Open,
            answer: None,
            held: None,
            written_at: None,
            delivered_at: None,
            closed_reason: None,
        }
    }

    /// True where it waits for a person.
    pub fn waits(&self) -> bool {
        self.status == Status::Open && self.held.is_none()
    }

    /// True where the answer can still be taken back, or was given a moment before `now`.
    pub fn is_just_answered(&self, now: Option<Timestamp>) -> bool {
        let is_new = |at: Timestamp| now.is_none_or(|now| now.duration_since(at) <= SENT_FOR);
        match self.status {
            Status::Open => self.held.is_some(),
            Status::Answered | Status::Delivered => self.answer.as_ref().is_some_and(|a| is_new(a.responded_at)),
            Status::Expired | Status::Cancelled => false,
        }
    }

    /// Since when an answer is on its way that the agent does not have yet; for one that can still be taken back, when
    /// it sets out.
    pub fn on_its_way(&self) -> Option<Timestamp> {
        match self.status {
            Status::Open => self.held.as_ref().map(|held| held.deliver_at),
            Status::Answered if self.closed_reason.is_none() => self.answer.as_ref().map(|a| a.responded_at),
            _ => None,
        }
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

//! What people write to agents without having been asked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::AnsweredBy;

/// What a person wants of an agent that did not ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// That it reads something.
    #[default]
    Message,
    /// That it stops.
    StopRequest,
}

/// A message from a person that an agent did not ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserMessage {
    /// Its id.
    pub message_id: String,
    /// To whom.
    pub agent_id: String,
    /// Where it goes.
    pub workspace_id: String,
    /// What is wanted.
    #[serde(default)]
    pub kind: MessageKind,
    /// The text.
    pub content: String,
    /// From whom.
    pub sent_by: AnsweredBy,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it reached the workspace's inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// When the agent took it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// It is durable, and on its way into the workspace.
    Sent,
    /// It stands in the workspace's inbox.
    Written,
    /// The agent took it out.
    Delivered,
}

impl MessageState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Written => "written",
            Self::Delivered => "delivered",
        }
    }
}

impl UserMessage {
    /// How far it has come.
    pub fn state(&self) -> MessageState {
        match (self.written_at, self.delivered_at) {
            (_, Some(_)) => MessageState::Delivered,
            (Some(_), None) => MessageState::Written,
            (None, None) => MessageState::Sent,
        }
    }
}

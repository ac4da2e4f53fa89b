//! What the coordinator is told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ractor::RpcReplyPort;
use serde_json::{Map, Value};

use super::{Ask, AskError, Asked, Cancel, FindError, Respond, RespondError, SendError, SendMessage, Target};
use crate::{
    model::{QuestionKey, QuestionRecord, Seq, Status, UserMessage},
    subscribers::Delivery,
    workspace_registry::Watched,
};

/// A message to the coordinator.
#[derive(Debug)]
pub enum InboxCoordinatorMessage {
    /// Follow these events.
    Deliver(Delivery),
    /// An agent asks through Remora.
    Ask(Box<Ask>, RpcReplyPort<Result<Asked, AskError>>),
    /// Somebody answers.
    Respond(Box<Respond>, RpcReplyPort<Result<QuestionRecord, RespondError>>),
    /// Nobody wants an answer any more.
    Cancel(Box<Cancel>, RpcReplyPort<Result<QuestionRecord, RespondError>>),
    /// Somebody takes an answer back.
    Undo(Target, RpcReplyPort<Result<QuestionRecord, RespondError>>),
    /// One question.
    Find(Target, RpcReplyPort<Result<QuestionRecord, FindError>>),
    /// The questions of a status, or all.
    List(Option<Status>, RpcReplyPort<Vec<QuestionRecord>>),
    /// One question, once it is not open any more.
    Wait(QuestionKey, RpcReplyPort<QuestionRecord>),
    /// A person writes to an agent; the reply is the message's id.
    SendMessage(Box<SendMessage>, RpcReplyPort<Result<String, SendError>>),
    /// The messages that people sent to an agent, the oldest first.
    Messages(String, RpcReplyPort<Vec<UserMessage>>),
    /// The agent has the answer.
    PickedUp {
        /// Which.
        key: QuestionKey,
        /// Told the question afterwards.
        reply: Option<RpcReplyPort<QuestionRecord>>,
    },
    /// A workspace's outbox holds a question.
    OutboxQuestion {
        /// Which.
        key: QuestionKey,
        /// Whose workspace it is.
        agent_id: String,
        /// The outbox entry.
        fields: Map<String, Value>,
    },
    /// A workspace's inbox holds an answer.
    InboxResponse {
        /// To which question.
        key: QuestionKey,
        /// The inbox entry.
        response: Value,
    },
    /// An answer was written into the workspace.
    Written {
        /// To which question.
        key: QuestionKey,
        /// When.
        at: Timestamp,
    },
    /// The agent has marked its question as timed out.
    GaveUp {
        /// Which.
        key: QuestionKey,
    },
    /// A message was written into the workspace.
    MessageWritten {
        /// To whom.
        agent_id: String,
        /// Which.
        message_id: String,
    },
    /// The agent has taken a message out of its inbox.
    MessageTaken {
        /// Who.
        agent_id: String,
        /// Which.
        message_id: String,
    },
    /// A workspace cannot be used, or can be again.
    Trouble {
        /// Whose.
        agent_id: String,
        /// Which.
        workspace_id: String,
        /// Why; `None`: it works again.
        detail: Option<String>,
        /// Since when.
        at: Timestamp,
    },
    /// Watch a workspace.
    Watch(Watched),
    /// Stop watching a workspace.
    Unwatch(String),
    /// A deadline may have passed.
    Deadline,
    /// This daemon may have got or lost a duty.
    Duties,
    /// Try again to journal what could not be journaled.
    Flush,
    /// Complete what an earlier run left undone.
    Recover,
    /// Save a snapshot; the reply is up to where it goes.
    Save(RpcReplyPort<Option<Seq>>),
    /// The ids of all questions and messages that are not done with.
    Unfinished(RpcReplyPort<BTreeSet<String>>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

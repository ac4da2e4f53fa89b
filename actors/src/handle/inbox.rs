//! Questions, answers and messages.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::Handle;
use crate::{
    inbox_coordinator::{
        Ask, AskError, Asked, Cancel, FindError, InboxCoordinatorMessage, Respond, RespondError, SendError,
        SendMessage, Target,
    },
    model::{AnsweredBy, MessageKind, QuestionKey, QuestionRecord, Status, UserMessage},
    system::{Role, Unreachable},
};

const COORDINATOR: Role = Role::InboxCoordinator;

impl Handle {
    /// Puts a question.
    ///
    /// # Errors
    /// Outer: the coordinator does not answer; asking again with the same id is harmless. Inner: [`AskError`].
    pub async fn ask(&self, ask: Ask) -> Result<Result<Asked, AskError>, Unreachable> {
        let message = |reply| InboxCoordinatorMessage::Ask(Box::new(ask.clone()), reply);
        self.system.call(COORDINATOR, message).await
    }

    /// Answers a question. On success the decision is durable.
    ///
    /// # Errors
    /// Outer: the coordinator does not answer. Inner: [`RespondError`].
    pub async fn respond(
        &self,
        target: Target,
        answer: Value,
        answered_by: AnsweredBy,
    ) -> Result<Result<QuestionRecord, RespondError>, Unreachable> {
        let respond = Respond { target, answer, answered_by, claim_id: Uuid::now_v7().to_string() };
        let message = |reply| InboxCoordinatorMessage::Respond(Box::new(respond.clone()), reply);
        self.system.call(COORDINATOR, message).await
    }

    /// Ends a question without an answer.
    ///
    /// # Errors
    /// Outer: the coordinator does not answer. Inner: [`RespondError`].
    pub async fn cancel(&self, cancel: Cancel) -> Result<Result<QuestionRecord, RespondError>, Unreachable> {
        let message = |reply| InboxCoordinatorMessage::Cancel(Box::new(cancel.clone()), reply);
        self.system.call(COORDINATOR, message).await
    }

    /// Takes an answer back while that is possible. On success the question waits again, durably.
    ///
    /// # Errors
    /// Outer: the coordinator does not answer. Inner: [`RespondError`].
    pub async fn undo(&self, target: Target) -> Result<Result<QuestionRecord, RespondError>, Unreachable> {
        self.system.call(COORDINATOR, |reply| InboxCoordinatorMessage::Undo(target.clone(), reply)).await
    }

    /// One question.
    ///
    /// # Errors
    /// Outer: the coordinator does not answer. Inner: [`FindError`].
    pub async fn question(&self, target: Target) -> Result<Result<QuestionRecord, FindError>, Unreachable> {
        self.system.call(COORDINATOR, |reply| InboxCoordinatorMessage::Find(target.clone(), reply)).await
    }

    /// The questions of a status, the most pressing first if they are open; or all.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn questions(&self, status: Option<Status>) -> Result<Vec<QuestionRecord>, Unreachable> {
        self.system.call(COORDINATOR, |reply| InboxCoordinatorMessage::List(status, reply)).await
    }

    /// One question, once it is not open any more or the time is up. An answer returned here counts as picked up.
    ///
    /// # Errors
    /// Outer: the coordinator does not answer. Inner: [`FindError`].
    pub async fn wait(
        &self,
        target: Target,
        limit: Duration,
    ) -> Result<Result<QuestionRecord, FindError>, Unreachable> {
        match self.wait_unread(target, limit).await? {
            Ok(record) if record.status == Status::Answered => Ok(Ok(self.picked_up(record.question.key()).await?)),
            other => Ok(other),
        }
    }

    /// The same, and an answer does not count as picked up until [`Handle::picked_up`].
    ///
    /// # Errors
    /// Outer: the coordinator does not answer. Inner: [`FindError`].
    pub async fn wait_unread(
        &self,
        target: Target,
        limit: Duration,
    ) -> Result<Result<QuestionRecord, FindError>, Unreachable> {
        let found = match self.question(target).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let key = found.question.key();
        let wait = |reply| InboxCoordinatorMessage::Wait(key.clone(), reply);
        Ok(Ok(match found.status {
            Status::Open => self.system.call_within(limit, COORDINATOR, wait).await.unwrap_or(found),
            _ => found,
        }))
    }

    /// Notes that an answered question's answer has reached its agent, and returns the question.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn picked_up(&self, key: QuestionKey) -> Result<QuestionRecord, Unreachable> {
        let picked_up = |reply| InboxCoordinatorMessage::PickedUp { key: key.clone(), reply: Some(reply) };
        self.system.call(COORDINATOR, picked_up).await
    }

    /// Writes to an agent, or asks it to stop. On success the message is durable; its id is returned. An agent that
    /// has not seen a request to stop yet gets no second one: the id is that of the first.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_message(
        &self,
        agent_id: &str,
        kind: MessageKind,
        content: &str,
        sent_by: AnsweredBy,
    ) -> Result<String, SendError> {
        let message = SendMessage {
            message_id: Uuid::now_v7().to_string(),
            agent_id: agent_id.to_owned(),
            kind,
            content: content.to_owned(),
            sent_by,
        };
        let send = |reply| InboxCoordinatorMessage::SendMessage(Box::new(message.clone()), reply);
        self.system.call(COORDINATOR, send).await?
    }

    /// The messages that people sent to an agent and that are still kept, the oldest first.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn messages(&self, agent_id: &str) -> Result<Vec<UserMessage>, Unreachable> {
        self.system.call(COORDINATOR, |reply| InboxCoordinatorMessage::Messages(agent_id.to_owned(), reply)).await
    }
}

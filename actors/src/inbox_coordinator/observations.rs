//! What watchers and the registry tell the coordinator.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{InboxCoordinatorMessage, InboxCoordinatorState, Outcome, claim::Over};
use crate::model::{Event, Question, QuestionKey, Status, actions, check_id};

/// Characters of a refusal that are journaled.
const REFUSAL_CHARS: usize = 1_000;

impl InboxCoordinatorState {
    /// Handles what a watcher or the registry has seen.
    pub(super) async fn observe(&mut self, message: InboxCoordinatorMessage) {
        match message {
            InboxCoordinatorMessage::OutboxQuestion { key, agent_id, fields } => {
                self.found_question(key, agent_id, &fields).await;
            }
            InboxCoordinatorMessage::InboxResponse { key, response } => self.accept_external(&key, &response).await,
            InboxCoordinatorMessage::Written { key, at } => self.note_on(&key, actions::ANSWER_WRITTEN, at).await,
            InboxCoordinatorMessage::PickedUp { key, reply } => {
                if self.inbox.get(&key).is_some_and(|record| record.status == Status::Answered) {
                    self.note_on(&key, actions::ANSWER_DELIVERED, Timestamp::now()).await;
                }
                if let (Some(reply), Some(record)) = (reply, self.inbox.get(&key)) {
                    let _ = reply.send(record.clone());
                }
            }
            InboxCoordinatorMessage::GaveUp { key } => self.give_up(&key).await,
            InboxCoordinatorMessage::MessageWritten { agent_id, message_id } => {
                self.note_on_message(&agent_id, actions::MESSAGE_WRITTEN, &message_id).await;
            }
            InboxCoordinatorMessage::MessageTaken { agent_id, message_id } => {
                self.note_on_message(&agent_id, actions::MESSAGE_DELIVERED, &message_id).await;
            }
            InboxCoordinatorMessage::Trouble { workspace_id, detail, .. }
                if self.inbox.trouble_of(&workspace_id) == detail.as_deref() => {}
            InboxCoordinatorMessage::Trouble { agent_id, workspace_id, detail, at } => {
                let action = if detail.is_some() { actions::WORKSPACE_TROUBLE } else { actions::WORKSPACE_RECOVERED };
                let payload = json!({"workspace_id": workspace_id, "detail": detail});
                let key = [workspace_id.as_str(), &at.to_string()];
                self.record(vec![Event::of_agent(&agent_id, action, at, &key, payload)]).await;
            }
            InboxCoordinatorMessage::Watch(watched) => self.watch(watched).await,
            InboxCoordinatorMessage::Unwatch(workspace_id) => self.unwatch(&workspace_id),
            _ => {}
        }
    }

    async fn found_question(&mut self, key: QuestionKey, agent_id: String, fields: &Map<String, Value>) {
        if let Some(known) = self.inbox.get(&key) {
            if known.status == Status::Cancelled {
                self.tell_cancelled(known);
            }
            return;
        }
        let limits = self.system.limits();
        // Several agents may share a workspace: an entry may say whose it is.
        let named =
            fields.get("agent_id").and_then(Value::as_str).filter(|id| check_id(id, "agent_id", limits).is_ok());
        let agent_id = named.map_or(agent_id, str::to_owned);
        let now = Timestamp::now();
        let event = match Question::from_fields(key.clone(), &agent_id, now, fields, limits) {
            Ok(question) => question.to_event(now),
            Err(error) => {
                let msg_id = Some(&key.msg_id).filter(|id| check_id(id, "msg_id", limits).is_ok());
                // It may repeat what was asked.
                let error: String = error.to_string().chars().take(REFUSAL_CHARS).collect();
                tracing::warn!(agent_id, msg_id, error, "outbox question refused");
                let payload = json!({"msg_id": msg_id, "workspace_id": key.workspace_id, "error": error});
                let named = [key.workspace_id.as_str(), key.msg_id.as_str()];
                Event::of_agent(&agent_id, "question_refused", now, &named, payload)
            }
        };
        self.record(vec![event]).await;
    }

    /// The agent's own clock has run out: nobody will read an answer any more.
    async fn give_up(&mut self, key: &QuestionKey) {
        let Some(record) = self.inbox.get(key) else { return };
        match record.status {
            Status::Open => {
                let expired = Outcome::Expired { at: Timestamp::now() };
                if let Err(error) = self.decide(key, expired, Over::HeldAnswer).await {
                    tracing::warn!(msg_id = key.msg_id, %error, "question not closed");
                }
            }
            Status::Answered => self.note_on(key, actions::QUESTION_EXPIRED, Timestamp::now()).await,
            _ => {}
        }
    }

    async fn note_on(&mut self, key: &QuestionKey, action: &str, at: Timestamp) {
        let Some(record) = self.inbox.get(key) else { return };
        let mut payload = json!({"msg_id": key.msg_id, "workspace_id": key.workspace_id});
        if action == actions::QUESTION_EXPIRED {
            payload["reason"] = "the agent gave up before it read the answer".into();
        }
        let named = [key.workspace_id.as_str(), key.msg_id.as_str()];
        let event = Event::of_agent(&record.question.agent_id, action, at, &named, payload);
        self.record(vec![event]).await;
    }

    async fn note_on_message(&mut self, agent_id: &str, action: &str, message_id: &str) {
        let payload = json!({"message_id": message_id});
        self.record(vec![Event::of_agent(agent_id, action, Timestamp::now(), &[message_id], payload)]).await;
    }
}

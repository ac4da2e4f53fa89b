//! A `WorkspaceWatcher`: sees what an agent writes into its workspace, and writes answers and messages into it.
//!
//! It decides nothing. What it finds goes to the `InboxCoordinator`, which knows whether it is new.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    inbox_coordinator::InboxCoordinatorMessage,
    model::{MessageKind, QuestionKey, QuestionRecord, UserMessage},
    ports::{Workspace, WorkspaceError, keys},
    system::{Role, System},
    workspace_registry::Watched,
};

/// Pauses between tries while a workspace cannot be used: the first for an agent's own short lock, the last so that a
/// lock held for hours costs nothing and its end is still noticed within a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// Trouble that lasts shorter is an agent at work and not worth a word.
const TROUBLE_AFTER: Duration = Duration::from_millis(500);

/// The status of an outbox entry that gets no answer.
const CANCELLED: &str = "cancelled";

/// What a watcher starts with.
#[derive(Debug, Clone)]
pub struct WorkspaceWatcherArguments {
    pub(crate) system: Arc<System>,
    pub(crate) watched: Watched,
}

/// What a watcher is told.
#[derive(Debug)]
pub enum WorkspaceWatcherMessage {
    /// Something may have changed.
    Scan,
    /// Try again what could not be done.
    Retry,
    /// Write an answer.
    Answer(Box<QuestionRecord>),
    /// Write a person's message.
    Message(Box<UserMessage>),
    /// Tell the agent that its question gets no answer.
    Cancelled(Box<QuestionRecord>),
    /// Stop once everything is written.
    Finish,
}

/// The actor.
#[derive(Debug)]
pub struct WorkspaceWatcher;

/// Its state.
pub struct WorkspaceWatcherState {
    system: Arc<System>,
    watched: Watched,
    /// Waits for changes beside the actor.
    changes: JoinHandle<()>,
    /// Outbox and inbox entries as they were reported last: bounded by what the workspace holds.
    reported: HashMap<String, Value>,
    /// Writes that are not done yet, by key: bounded by the open questions and messages.
    unwritten: BTreeMap<String, Write>,
    /// Whose messages lie in the inbox, by their ids.
    messages: BTreeMap<String, String>,
    /// Receipts of messages that the journal knows as written: they are removed.
    receipts: Vec<String>,
    failing_since: Option<Instant>,
    trouble: Option<String>,
    has_worked: bool,
    pause: Duration,
    retry_due: bool,
    finishing: bool,
}

enum Write {
    Cancelled(Box<QuestionRecord>),
    Answer(Box<QuestionRecord>),
    Message(Box<UserMessage>),
}

impl Drop for WorkspaceWatcherState {
    fn drop(&mut self) {
        self.changes.abort();
    }
}

impl Actor for WorkspaceWatcher {
    type Msg = WorkspaceWatcherMessage;
    type State = WorkspaceWatcherState;
    type Arguments = WorkspaceWatcherArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: WorkspaceWatcherArguments,
    ) -> Result<WorkspaceWatcherState, ActorProcessingErr> {
        let WorkspaceWatcherArguments { system, watched } = arguments;
        // What changed before may have been told to a watcher that did not live to look.
        let _ = myself.cast(WorkspaceWatcherMessage::Scan);
        let workspace = Arc::clone(&watched.workspace);
        let changes = tokio::spawn(async move {
            loop {
                workspace.changed().await;
                if myself.cast(WorkspaceWatcherMessage::Scan).is_err() {
                    break;
                }
            }
        });
        Ok(WorkspaceWatcherState {
            system,
            watched,
            changes,
            reported: HashMap::new(),
            unwritten: BTreeMap::new(),
            messages: BTreeMap::new(),
            receipts: Vec::new(),
            failing_since: None,
            trouble: None,
            has_worked: false,
            pause: FIRST_PAUSE,
            retry_due: false,
            finishing: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut WorkspaceWatcherState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("workspace-watcher", &message);
        match message {
            WorkspaceWatcherMessage::Scan => {}
            WorkspaceWatcherMessage::Retry => state.retry_due = false,
            WorkspaceWatcherMessage::Answer(record) => {
                let key = format!("{}{}", keys::RESPONSE, record.question.msg_id);
                state.unwritten.insert(key, Write::Answer(record));
            }
            WorkspaceWatcherMessage::Message(message) => {
                if message.written_at.is_some() {
                    state.receipts.push(receipt_of(&message.message_id));
                    state.messages.insert(message.message_id, message.agent_id);
                } else {
                    let key = format!("{}{}", keys::USER_MESSAGE, message.message_id);
                    state.unwritten.insert(key, Write::Message(message));
                }
            }
            WorkspaceWatcherMessage::Cancelled(record) => {
                let key = format!("{}{}", keys::QUESTION, record.question.msg_id);
                state.unwritten.insert(key, Write::Cancelled(record));
            }
            WorkspaceWatcherMessage::Finish => state.finishing = true,
        }
        let outcome = state.work().await;
        state.note(outcome, &myself);
        if state.finishing && state.unwritten.is_empty() {
            myself.stop(None);
        }
        Ok(())
    }
}

impl WorkspaceWatcherState {
    fn workspace(&self) -> &dyn Workspace {
        &*self.watched.workspace
    }

    fn tell(&self, message: InboxCoordinatorMessage) {
        self.system.cast(Role::InboxCoordinator, message);
    }

    fn key_of(&self, msg_id: &str) -> QuestionKey {
        QuestionKey { msg_id: msg_id.to_owned(), workspace_id: self.watched.registration.workspace_id.clone() }
    }

    /// Writes first: an answer is worth more than a look around.
    async fn work(&mut self) -> Result<(), WorkspaceError> {
        while let Some(entry) = self.unwritten.first_entry() {
            let key = entry.key().clone();
            match entry.get() {
                Write::Answer(record) => {
                    let record = record.clone();
                    self.write_answer(&key, &record).await?;
                }
                Write::Cancelled(record) => {
                    let record = record.clone();
                    self.mark_cancelled(&key, &record).await?;
                }
                Write::Message(message) => {
                    let message = message.clone();
                    self.write_message(&key, &message).await?;
                }
            }
            self.unwritten.remove(&key);
        }
        self.scan_questions().await?;
        self.scan_messages().await?;
        while let Some(receipt) = self.receipts.last() {
            self.workspace().delete(receipt).await?;
            self.receipts.pop();
        }
        Ok(())
    }

    async fn write_answer(&mut self, key: &str, record: &QuestionRecord) -> Result<(), WorkspaceError> {
        let Some(response) = record.response() else { return Ok(()) };
        let question = record.question.key();
        let written = self.workspace().compare_and_set(key, None, &response).await?;
        let found = if written { Some(response.clone()) } else { self.workspace().get(key).await? };
        match found {
            // Also what a daemon wrote that did not live to say so.
            Some(found) if found == response => {
                self.tell(InboxCoordinatorMessage::Written { key: question, at: Timestamp::now() });
                self.reported.insert(key.to_owned(), response);
            }
            Some(found) => self.tell(InboxCoordinatorMessage::InboxResponse { key: question, response: found }),
            // The agent took it away between the two calls: it has it.
            None => self.tell(InboxCoordinatorMessage::PickedUp { key: question, reply: None }),
        }
        Ok(())
    }

    /// Marks the outbox entry, where the question came from one and its agent has not ended it itself.
    async fn mark_cancelled(&mut self, key: &str, record: &QuestionRecord) -> Result<(), WorkspaceError> {
        let Some(entry) = self.workspace().get(key).await? else { return Ok(()) };
        if status_of(&entry) == Some("pending") {
            let mut marked = entry.clone();
            marked["status"] = CANCELLED.into();
            marked["closed_reason"] = json!(record.closed_reason);
            self.workspace().compare_and_set(key, Some(&entry), &marked).await?;
        }
        Ok(())
    }

    async fn write_message(&mut self, key: &str, message: &UserMessage) -> Result<(), WorkspaceError> {
        let mut value = json!({"content": message.content, "sent_at": message.sent_at, "sent_by": message.sent_by});
        if message.kind != MessageKind::Message {
            value["kind"] = json!(message.kind);
        }
        // After a crash between this write and its event the receipt says that the agent has it, or had it.
        self.workspace().set_once(key, &value, &receipt_of(&message.message_id)).await?;
        self.messages.insert(message.message_id.clone(), message.agent_id.clone());
        self.tell(InboxCoordinatorMessage::MessageWritten {
            agent_id: message.agent_id.clone(),
            message_id: message.message_id.clone(),
        });
        Ok(())
    }

    async fn scan_questions(&mut self) -> Result<(), WorkspaceError> {
        let asked = self.workspace().list(keys::QUESTION).await?;
        let answered: HashMap<_, _> = self.workspace().list(keys::RESPONSE).await?.into_iter().collect();
        let is_asked = |key: &String| asked.binary_search_by(|(there, _)| there.cmp(key)).is_ok();
        self.reported.retain(|key, _| answered.contains_key(key) || is_asked(key));
        for (key, entry) in asked {
            let Some(msg_id) = key.strip_prefix(keys::QUESTION) else { continue };
            let is_new = self.reported.get(&key) != Some(&entry);
            let status = status_of(&entry);
            if is_new && status == Some("pending") {
                self.report_question(msg_id, &entry);
            }
            if matches!(status, Some("pending" | "answered")) {
                self.report_response(msg_id, &answered);
            }
            if is_new {
                self.report_end(msg_id, status);
                self.reported.insert(key, entry);
            }
        }
        Ok(())
    }

    fn report_question(&self, msg_id: &str, entry: &Value) {
        let Value::Object(fields) = entry else { return };
        self.tell(InboxCoordinatorMessage::OutboxQuestion {
            key: self.key_of(msg_id),
            agent_id: self.watched.registration.agent_id.clone(),
            fields: fields.clone(),
        });
    }

    /// An answer that lies in the inbox, whoever wrote it.
    fn report_response(&mut self, msg_id: &str, answered: &HashMap<String, Value>) {
        let key = format!("{}{msg_id}", keys::RESPONSE);
        let Some(response) = answered.get(&key).filter(|response| self.reported.get(&key) != Some(response)) else {
            return;
        };
        self.tell(InboxCoordinatorMessage::InboxResponse { key: self.key_of(msg_id), response: response.clone() });
        self.reported.insert(key, response.clone());
    }

    fn report_end(&self, msg_id: &str, status: Option<&str>) {
        let key = self.key_of(msg_id);
        match status {
            Some("pending" | CANCELLED) => {}
            Some("answered") => self.tell(InboxCoordinatorMessage::PickedUp { key, reply: None }),
            Some("timeout") => self.tell(InboxCoordinatorMessage::GaveUp { key }),
            _ => tracing::warn!(
                workspace_id = key.workspace_id,
                msg_id,
                "outbox entry ignored: it must be an object whose status is pending, answered or timeout"
            ),
        }
    }

    async fn scan_messages(&mut self) -> Result<(), WorkspaceError> {
        if self.messages.is_empty() {
            return Ok(());
        }
        let there: HashMap<_, _> = self.workspace().list(keys::USER_MESSAGE).await?.into_iter().collect();
        let is_gone = |id: &str| !there.contains_key(&format!("{}{id}", keys::USER_MESSAGE));
        let taken: Vec<_> = self.messages.extract_if(.., |message_id, _| is_gone(message_id)).collect();
        for (message_id, agent_id) in taken {
            self.tell(InboxCoordinatorMessage::MessageTaken { agent_id, message_id });
        }
        Ok(())
    }

    /// Keeps trying while there is trouble, and says so once it lasts.
    fn note(&mut self, outcome: Result<(), WorkspaceError>, myself: &ActorRef<WorkspaceWatcherMessage>) {
        let Err(error) = outcome else {
            self.pause = FIRST_PAUSE;
            self.failing_since = None;
            // Also the first time: an earlier run may have told of trouble that is over.
            if self.trouble.take().is_some() || !std::mem::replace(&mut self.has_worked, true) {
                self.report_trouble(None);
            }
            return;
        };
        if matches!(error, WorkspaceError::Missing { .. }) && !self.system.world.duties.is_alone() {
            // It may lie on another daemon's machine.
            return self.retry_later(myself);
        }
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let detail = error.to_string();
        if since.elapsed() >= TROUBLE_AFTER && self.trouble.as_ref() != Some(&detail) {
            self.trouble = Some(detail.clone());
            self.report_trouble(Some(detail));
        }
        self.retry_later(myself);
    }

    fn retry_later(&mut self, myself: &ActorRef<WorkspaceWatcherMessage>) {
        if !self.retry_due {
            self.retry_due = true;
            myself.send_after(self.pause, || WorkspaceWatcherMessage::Retry);
            self.pause = (self.pause * 2).min(LAST_PAUSE);
        }
    }

    fn report_trouble(&self, detail: Option<String>) {
        let registration = &self.watched.registration;
        self.tell(InboxCoordinatorMessage::Trouble {
            agent_id: registration.agent_id.clone(),
            workspace_id: registration.workspace_id.clone(),
            detail,
            at: Timestamp::now(),
        });
    }
}

fn receipt_of(message_id: &str) -> String {
    format!("{}{message_id}", keys::RECEIPT)
}

fn status_of(entry: &Value) -> Option<&str> {
    entry.get("status").and_then(Value::as_str)
}

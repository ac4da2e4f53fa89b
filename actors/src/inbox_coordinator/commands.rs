//! What people and agents ask of the coordinator.

use std::{fmt, sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{Claim, InboxCoordinatorMessage, InboxCoordinatorState, Outcome, claim::Over};
use crate::{
    model::{
        Answer, AnsweredBy, Category, Door, Event, Invalid, Limits, MessageKind, Question, QuestionKey, QuestionRecord,
        Registration, Status, actions, check_id,
    },
    ports::WorkspaceError,
    publish::PublishError,
    system::{Role, Unreachable},
    workspace_registry::WorkspaceRegistryMessage,
};

/// Time between an answer's end of waiting and the deadline, in which it has to reach its agent.
const DELIVERY: SignedDuration = SignedDuration::from_secs(1);

/// A question put through Remora.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks.
    pub agent_id: String,
    /// Its id; the same id with the same question is the same question again.
    pub msg_id: String,
    /// Where the answer goes; `None`: the agent's workspace.
    pub workspace_id: Option<String>,
    /// The record's other fields.
    pub fields: Map<String, Value>,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The agent takes none.
    #[error("the agent has {0} messages that it has not taken yet, more are not allowed by `messages_per_agent`")]
    TooMany(usize),
    /// It could not be journaled.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The coordinator does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// A question that was put.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The question.
    pub record: QuestionRecord,
    /// False where it had been asked before.
    pub is_new: bool,
}

/// Why a question was not put.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It is no proper question.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another question has this id.
    #[error("another question has the msg_id `{0}` in this workspace; choose another or leave it out")]
    Conflict(String),
    /// The agent has asked too much.
    #[error("the agent has {0} questions open, more are not allowed by `open_questions_per_agent`")]
    TooMany(usize),
    /// It could not be journaled.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Which question is meant.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// By its id; `None`: the agent's only open question.
    pub msg_id: Option<String>,
    /// By its agent.
    pub agent_id: Option<String>,
    /// By its workspace.
    pub workspace_id: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.msg_id {
            Some(msg_id) => write!(f, "question `{msg_id}`")?,
            None => f.write_str("open question")?,
        }
        if let Some(agent_id) = &self.agent_id {
            write!(f, " of agent `{agent_id}`")?;
        }
        if let Some(workspace_id) = &self.workspace_id {
            write!(f, " in workspace `{workspace_id}`")?;
        }
        Ok(())
    }
}

/// Why no question, or not one, was found.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("there is no {0}, or it was closed long ago")]
    Unknown(Target),
    /// There are several.
    #[error("{} questions fit; name one by `msg_id` and `workspace_id`", .0.len())]
    Ambiguous(Vec<QuestionRecord>),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Respond {
    /// To which question.
    pub target: Target,
    /// The answer.
    pub answer: Value,
    /// From whom.
    pub answered_by: AnsweredBy,
    /// Names this attempt, so that repeating it after a lost reply is harmless.
    pub claim_id: String,
}

/// A question that shall end without an answer.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Which.
    pub target: Target,
    /// Who does not want an answer any more, and why, for people to read.
    pub reason: String,
    /// True where the asker itself wants none: then an answer that can still be taken back does not count either.
    pub by_asker: bool,
}

/// Why an answer was not taken, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// No question, or not one, was found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The question is not open any more.
    #[error("the question is {} already", .0.status.as_str())]
    Closed(Box<QuestionRecord>),
    /// There is no answer that could be taken back.
    #[error("there is no answer to take back: the question is {}", .0.status.as_str())]
    NotHeld(Box<QuestionRecord>),
    /// It is no answer to this question.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It could not be made durable.
    #[error("the answer could not be stored: {0}")]
    Store(#[from] WorkspaceError),
}

/// A message from a person to an agent.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// Its id; sending it again is harmless.
    pub message_id: String,
    /// To whom.
    pub agent_id: String,
    /// What is wanted.
    pub kind: MessageKind,
    /// The text.
    pub content: String,
    /// From whom.
    pub sent_by: AnsweredBy,
}

impl InboxCoordinatorState {
    /// Handles what wants a reply; gives back what does not.
    pub(super) async fn command(&mut self, message: InboxCoordinatorMessage) -> Option<InboxCoordinatorMessage> {
        match message {
            InboxCoordinatorMessage::Ask(ask, reply) => {
                let _ = reply.send(self.ask(*ask).await);
            }
            InboxCoordinatorMessage::Respond(respond, reply) => {
                let _ = reply.send(self.respond(*respond).await);
            }
            InboxCoordinatorMessage::Cancel(cancel, reply) => {
                let _ = reply.send(self.cancel(*cancel).await);
            }
            InboxCoordinatorMessage::Undo(target, reply) => {
                let _ = reply.send(self.undo(&target).await);
            }
            InboxCoordinatorMessage::Find(target, reply) => {
                let _ = reply.send(self.find(&target).cloned());
            }
            InboxCoordinatorMessage::List(status, reply) => {
                let wanted = |record: &&QuestionRecord| status.is_none_or(|status| status == record.status);
                let _ = reply.send(match status {
                    Some(Status::Open) => self.inbox.open().into_iter().cloned().collect(),
                    _ => self.inbox.iter().filter(wanted).cloned().collect(),
                });
            }
            InboxCoordinatorMessage::Wait(key, reply) => match self.inbox.get(&key) {
                Some(record) if record.status == Status::Open => {
                    let waiters = self.waiters.entry(key).or_default();
                    waiters.retain(|waiter| !waiter.is_closed());
                    waiters.push(reply);
                }
                Some(record) => {
                    let _ = reply.send(record.clone());
                }
                None => {}
            },
            InboxCoordinatorMessage::SendMessage(message, reply) => {
                let _ = reply.send(self.send_message(*message).await);
            }
            InboxCoordinatorMessage::Messages(agent_id, reply) => {
                let of_agent = self.inbox.messages().filter(|message| message.agent_id == agent_id);
                let _ = reply.send(of_agent.cloned().collect());
            }
            other => return Some(other),
        }
        None
    }

    async fn ask(&mut self, ask: Ask) -> Result<Asked, AskError> {
        let Ask { agent_id, msg_id, workspace_id, fields } = ask;
        check_id(&agent_id, "agent_id", self.system.limits())?;
        let workspace_id = match workspace_id {
            Some(id) => id,
            None => self.workspace_of(&agent_id).await?,
        };
        let system = Arc::clone(&self.system);
        let limits = system.limits();
        let key = QuestionKey { msg_id, workspace_id };
        let now = Timestamp::now();
        // The same fields, read as of the moment when they were first read.
        let is_same = |known: &QuestionRecord| {
            let again = Question::from_fields(key.clone(), &agent_id, known.question.created_at, &fields, limits)?;
            if again == known.question { Ok(()) } else { Err(AskError::Conflict(again.msg_id)) }
        };
        if let Some(known) = self.inbox.get(&key) {
            return is_same(known).map(|()| Asked { record: known.clone(), is_new: false });
        }
        let question = Question::from_fields(key.clone(), &agent_id, now, &fields, limits)?;
        if self.inbox.open_of(&agent_id).len() >= limits.open_questions_per_agent {
            return Err(AskError::TooMany(limits.open_questions_per_agent));
        }
        let event = placed(question.to_event(now), &fields, limits)?;
        self.publish(vec![event]).await?;
        let Some(record) = self.inbox.get(&key) else {
            return Ok(Asked { record: QuestionRecord::new(question), is_new: true });
        };
        // Another daemon may have taken it in at the same moment.
        is_same(record)?;
        Ok(Asked { record: record.clone(), is_new: record.question == question })
    }

    async fn workspace_of(&self, agent_id: &str) -> Result<String, PublishError> {
        let resolve = |reply| WorkspaceRegistryMessage::Resolve(agent_id.to_owned(), reply);
        let found: Result<Registration, Unreachable> = self.system.call(Role::WorkspaceRegistry, resolve).await;
        Ok(found?.workspace_id)
    }

    fn find(&self, target: &Target) -> Result<&QuestionRecord, FindError> {
        let fits = |record: &&QuestionRecord| {
            let question = &record.question;
            target.workspace_id.as_ref().is_none_or(|id| *id == question.workspace_id)
                && target.agent_id.as_ref().is_none_or(|id| *id == question.agent_id)
        };
        let found: Vec<_> = match (&target.msg_id, &target.agent_id) {
            (Some(msg_id), _) => self.inbox.by_msg_id(msg_id).filter(fits).collect(),
            (None, Some(agent_id)) => {
                self.inbox.open_of(agent_id).iter().filter_map(|key| self.inbox.get(key)).filter(fits).collect()
            }
            (None, None) => Vec::new(),
        };
        match found.as_slice() {
            [] => Err(FindError::Unknown(target.clone())),
            [one] => Ok(one),
            many => Err(FindError::Ambiguous(many.iter().map(|record| (*record).clone()).collect())),
        }
    }

    async fn respond(&mut self, respond: Respond) -> Result<QuestionRecord, RespondError> {
        let began = Instant::now();
        let Respond { target, answer, answered_by, claim_id } = respond;
        let record = self.find(&target)?.clone();
        let key = record.question.key();
        let answer = match record.status {
            Status::Open => record.question.accept(answer, self.system.limits())?,
            _ => answer,
        };
        let now = Timestamp::now();
        let deliver_at = self.hold_until(&record.question, answered_by.door, now);
        let answer = Answer { answer, answered_by, responded_at: now };
        let mine = Claim { claim_id, deliver_at, ..Claim::new(Outcome::Answered(answer)) };
        let won = match record.status {
            Status::Open => self.claim(&key, mine.clone(), Over::Nothing).await?,
            // Closed, but perhaps by this very attempt, whose reply was lost.
            _ => match self.claimed(&key).await? {
                Some(claim) if claim.claim_id == mine.claim_id => claim,
                _ => return Err(RespondError::Closed(Box::new(record))),
            },
        };
        self.complete(&key, &won).await;
        let record = match self.inbox.get(&key) {
            Some(record) if !record.waits() => record.clone(),
            _ => won.applied_to(record),
        };
        if won.claim_id != mine.claim_id {
            return Err(RespondError::Closed(Box::new(record)));
        }
        self.system.metrics.answers.inc();
        self.system.metrics.answer_latency.observe(began.elapsed());
        Ok(record)
    }

    /// Until when a person can take an answer back; `None`: it counts at once. The deadline never overtakes it.
    fn hold_until(&self, question: &Question, door: Door, now: Timestamp) -> Option<Timestamp> {
        let by_person = matches!(door, Door::Browser | Door::Cli | Door::Http);
        let until = now.checked_add(self.system.world.settings.undo).ok().filter(|until| by_person && *until > now)?;
        let latest = question.expires_at.map_or(Timestamp::MAX, |deadline| deadline - DELIVERY);
        Some(until.min(latest)).filter(|until| *until > now)
    }

    async fn cancel(&mut self, cancel: Cancel) -> Result<QuestionRecord, RespondError> {
        let record = self.find(&cancel.target)?.clone();
        match record.status {
            Status::Open => {}
            // Asking for it again is harmless.
            Status::Cancelled => return Ok(record),
            _ => return Err(RespondError::Closed(Box::new(record))),
        }
        let key = record.question.key();
        let over = if cancel.by_asker { Over::HeldAnswer } else { Over::Nothing };
        let won = self.claim(&key, Claim::new(Outcome::cancelled(&cancel.reason)), over).await?;
        self.complete(&key, &won).await;
        let record = won.applied_to(record);
        if record.status == Status::Cancelled { Ok(record) } else { Err(RespondError::Closed(Box::new(record))) }
    }

    async fn undo(&mut self, target: &Target) -> Result<QuestionRecord, RespondError> {
        let record = self.find(target)?.clone();
        let key = record.question.key();
        if !self.undo_claim(&key).await? {
            return Err(RespondError::NotHeld(Box::new(record)));
        }
        Ok(self.inbox.get(&key).cloned().unwrap_or(record))
    }

    async fn send_message(&mut self, message: SendMessage) -> Result<String, SendError> {
        let stops = message.kind == MessageKind::StopRequest;
        if let Some(pending) = self.inbox.stop_requested(&message.agent_id).filter(|_| stops) {
            // Once is enough: it is still on its way.
            return Ok(pending.message_id.clone());
        }
        let limit = self.system.limits().messages_per_agent;
        if !stops && self.inbox.untaken(&message.agent_id) >= limit {
            return Err(SendError::TooMany(limit));
        }
        let workspace_id = self.workspace_of(&message.agent_id).await?;
        let payload = json!({
            "message_id": message.message_id,
            "workspace_id": workspace_id,
            "content": message.content,
            "sent_by": message.sent_by,
        });
        let key = [message.message_id.as_str()];
        let action = if stops { actions::STOP_REQUESTED } else { actions::MESSAGED };
        let event = Event::of_agent(&message.agent_id, action, Timestamp::now(), &key, payload);
        self.publish(vec![Event { category: Category::User, ..event }]).await?;
        Ok(message.message_id)
    }
}

/// The event of a question, with the places that its asker has named beside it.
fn placed(event: Event, fields: &Map<String, Value>, limits: &Limits) -> Result<Event, Invalid> {
    let place = |name: &'static str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => check_id(id, name, limits).map(|()| Some(id.clone())),
        Some(_) => Err(Invalid::field(name, "must be a text")),
    };
    let (graph_id, node_id, session_id) = (place("graph_id")?, place("node_id")?, place("session_id")?);
    Ok(Event { graph_id, node_id, session_id, ..event })
}

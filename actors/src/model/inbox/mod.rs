//! All questions and messages between people and agents, and what keeps them from arriving, folded from the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AgentState, Answer, AnsweredBy, Category, Door, Event, Limits, Question, QuestionKey, QuestionRecord, Record, Seq,
    Status, actions,
};

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

/// Every question that is open or recently closed, and every message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Inbox {
    questions: BTreeMap<QuestionKey, QuestionRecord>,
    /// Open questions by agent: the key's agent comes first, so that one agent's stand together.
    open: BTreeSet<(String, QuestionKey)>,
    /// Answered ones whose answer was not picked up yet, in the same way.
    unread: BTreeSet<(String, QuestionKey)>,
    /// Closed questions, the longest closed first.
    closed: VecDeque<QuestionKey>,
    messages: VecDeque<UserMessage>,
    /// Workspaces that cannot be used, and why.
    troubles: BTreeMap<String, String>,
    last_seq: Seq,
    keep_closed: usize,
}

/// How an inbox is stored: JSON objects have only texts as keys.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    questions: Vec<QuestionRecord>,
    closed: VecDeque<QuestionKey>,
    messages: VecDeque<UserMessage>,
    troubles: BTreeMap<String, String>,
    last_seq: Seq,
    keep_closed: usize,
}

impl From<Stored> for Inbox {
    fn from(stored: Stored) -> Self {
        let questions: BTreeMap<_, _> = stored.questions.into_iter().map(|r| (r.question.key(), r)).collect();
        let by_agent = |wanted: fn(&QuestionRecord) -> bool| {
            let found = questions.iter().filter(|(_, record)| wanted(record));
            found.map(|(key, record)| (record.question.agent_id.clone(), key.clone())).collect()
        };
        let (open, unread) = (by_agent(|record| record.status == Status::Open), by_agent(is_unread));
        let Stored { closed, messages, troubles, last_seq, keep_closed, .. } = stored;
        Self { questions, open, unread, closed, messages, troubles, last_seq, keep_closed }
    }
}

impl From<Inbox> for Stored {
    fn from(inbox: Inbox) -> Self {
        let Inbox { questions, closed, messages, troubles, last_seq, keep_closed, .. } = inbox;
        Self { questions: questions.into_values().collect(), closed, messages, troubles, last_seq, keep_closed }
    }
}

impl Inbox {
    /// An empty inbox.
    pub fn new(limits: &Limits) -> Self {
        Self {
            questions: BTreeMap::new(),
            open: BTreeSet::new(),
            unread: BTreeSet::new(),
            closed: VecDeque::new(),
            messages: VecDeque::new(),
            troubles: BTreeMap::new(),
            last_seq: 0,
            keep_closed: limits.closed_questions,
        }
    }

    /// Folds one event and returns the questions it changed. An event folded already changes nothing.
    pub fn apply(&mut self, record: &Record) -> Vec<QuestionKey> {
        if record.seq <= self.last_seq {
            return Vec::new();
        }
        self.last_seq = record.seq;
        let event = &record.event;
        match (event.category, event.action.as_str()) {
            (Category::Agent, actions::BLOCKED) => self.ask(event),
            (Category::Agent, actions::RESUMED) => self.answer(event),
            (Category::Agent, actions::ANSWER_WRITTEN) => self.write(event),
            (Category::Agent, actions::ANSWER_DELIVERED) => self.deliver(event),
            (Category::Agent, actions::QUESTION_EXPIRED) => self.close_named(event, Status::Expired),
            (Category::Agent, actions::QUESTION_CANCELLED) => self.close_named(event, Status::Cancelled),
            (Category::Agent, action) if AgentState::terminal(action).is_some() => self.close_all(event),
            (Category::User, actions::MESSAGED | actions::STOP_REQUESTED) => self.send(event),
            (Category::Agent, actions::MESSAGE_WRITTEN) => {
                self.mark_message(event, |message, at| message.written_at = message.written_at.or(Some(at)))
            }
            (Category::Agent, actions::MESSAGE_DELIVERED) => {
                self.mark_message(event, |message, at| message.delivered_at = message.delivered_at.or(Some(at)))
            }
            (Category::Agent, actions::WORKSPACE_TROUBLE | actions::WORKSPACE_RECOVERED) => self.note_trouble(event),
            _ => Vec::new(),
        }
    }

    fn note_trouble(&mut self, event: &Event) -> Vec<QuestionKey> {
        let Some(workspace_id) = event.text("workspace_id") else { return Vec::new() };
        match event.text("detail") {
            Some(detail) => self.troubles.insert(workspace_id.to_owned(), detail.to_owned()),
            None => self.troubles.remove(workspace_id),
        };
        while self.troubles.len() > self.keep_closed {
            self.troubles.pop_first();
        }
        Vec::new()
    }

    fn ask(&mut self, event: &Event) -> Vec<QuestionKey> {
        // What the journal holds was checked when it came in; a limit lowered since must not hide it.
        let Ok(question) = Question::from_event(event, &Limits::UNBOUNDED) else { return Vec::new() };
        let key = question.key();
        if self.questions.contains_key(&key) {
            return Vec::new();
        }
        self.open.insert((question.agent_id.clone(), key.clone()));
        self.questions.insert(key.clone(), QuestionRecord::new(question));
        vec![key]
    }

    fn answer(&mut self, event: &Event) -> Vec<QuestionKey> {
        let Some(key) = self.named_by(event) else { return Vec::new() };
        let Some(record) = self.questions.get_mut(&key) else { return Vec::new() };
        let answered_by = event
            .payload
            .get("answered_by")
            .and_then(|v| AnsweredBy::deserialize(v).ok())
            .unwrap_or_else(|| AnsweredBy { who: "unknown".to_owned(), door: Door::External });
        let external = answered_by.door == Door::External;
        // What stands in the workspace is what the agent reads: it outweighs an answer that was not written yet.
        let outweighed = external && record.is_unwritten() && record.status == Status::Answered;
        if record.answer.is_some() && !outweighed {
            return Vec::new();
        }
        let picked_up = external && event.payload.get("picked_up") != Some(&Value::Bool(false));
        record.answer = Some(Answer {
            answer: event.payload.get("answer").cloned().unwrap_or_default(),
            answered_by,
            responded_at: event.timestamp,
        });
        record.status = if picked_up { Status::Delivered } else { Status::Answered };
        record.written_at = external.then_some(event.timestamp);
        record.delivered_at = picked_up.then_some(event.timestamp);
        self.settle(&key);
        vec![key]
    }

    fn write(&mut self, event: &Event) -> Vec<QuestionKey> {
        self.update(event, |record| {
            let unwritten = record.is_unwritten();
            if unwritten {
                record.written_at = Some(event.timestamp);
            }
            unwritten
        })
    }

    fn deliver(&mut self, event: &Event) -> Vec<QuestionKey> {
        self.update(event, |record| {
            let answered = record.status == Status::Answered;
            if answered {
                record.status = Status::Delivered;
                record.delivered_at = Some(event.timestamp);
            }
            answered
        })
    }

    fn close_named(&mut self, event: &Event, status: Status) -> Vec<QuestionKey> {
        let reason = event.text("reason").unwrap_or(status.as_str()).to_owned();
        self.update(event, |record| close(record, status, &reason))
    }

    /// An agent that has ended waits for nothing any more.
    fn close_all(&mut self, event: &Event) -> Vec<QuestionKey> {
        let Some(agent_id) = &event.agent_id else { return Vec::new() };
        let status = if event.action == actions::TIMED_OUT { Status::Expired } else { Status::Cancelled };
        let reason = format!("the agent has {}", event.action.replace('_', " "));
        let mut changed = Vec::new();
        for key in self.open_of(agent_id) {
            if self.questions.get_mut(&key).is_some_and(|record| close(record, status, &reason)) {
                self.settle(&key);
                changed.push(key);
            }
        }
        changed
    }

    fn update(&mut self, event: &Event, change: impl FnOnce(&mut QuestionRecord) -> bool) -> Vec<QuestionKey> {
        let Some(key) = self.named_by(event) else { return Vec::new() };
        if !self.questions.get_mut(&key).is_some_and(change) {
            return Vec::new();
        }
        self.settle(&key);
        vec![key]
    }

    /// The question an event speaks of: by its `msg_id`, narrowed by workspace and agent where they are given; without
    /// a `msg_id` the only open question of its agent.
    fn named_by(&self, event: &Event) -> Option<QuestionKey> {
        let Some(msg_id) = event.text("msg_id") else {
            let open = self.open_of(event.agent_id.as_deref()?);
            return (open.len() == 1).then(|| open[0].clone());
        };
        let workspace_id = event.text("workspace_id");
        let mut found = self.by_msg_id(msg_id).filter(|record| {
            workspace_id.is_none_or(|id| id == record.question.workspace_id)
                && event.agent_id.as_ref().is_none_or(|id| *id == record.question.agent_id)
        });
        let first = found.next()?.question.key();
        found.next().is_none().then_some(first)
    }

    /// Brings the indexes in line with a question that has changed.
    fn settle(&mut self, key: &QuestionKey) {
        let Some(record) = self.questions.get(key) else { return };
        let entry = (record.question.agent_id.clone(), key.clone());
        if is_unread(record) {
            self.unread.insert(entry.clone());
        } else {
            self.unread.remove(&entry);
        }
        if record.status == Status::Open {
            self.open.insert(entry);
            return;
        }
        self.open.remove(&entry);
        if !is_settled(record) || self.closed.contains(key) {
            return;
        }
        self.closed.push_back(key.clone());
        while self.closed.len() > self.keep_closed {
            let Some(oldest) = self.closed.pop_front() else { break };
            // A late answer may still be on its way into the workspace.
            if self.questions.get(&oldest).is_some_and(|record| !record.is_unwritten()) {
                self.questions.remove(&oldest);
            }
        }
    }

    fn send(&mut self, event: &Event) -> Vec<QuestionKey> {
        let (Some(agent_id), Some(content)) = (event.agent_id.as_deref(), event.text("content")) else {
            return Vec::new();
        };
        let sent_by = event.payload.get("sent_by").and_then(|v| AnsweredBy::deserialize(v).ok());
        self.messages.push_back(UserMessage {
            message_id: event.text("message_id").unwrap_or(&event.id).to_owned(),
            agent_id: agent_id.to_owned(),
            workspace_id: event.text("workspace_id").unwrap_or(agent_id).to_owned(),
            kind: if event.action == actions::STOP_REQUESTED { MessageKind::StopRequest } else { MessageKind::Message },
            content: content.to_owned(),
            sent_by: sent_by.unwrap_or_else(|| AnsweredBy { who: "unknown".to_owned(), door: Door::External }),
            sent_at: event.timestamp,
            written_at: None,
            delivered_at: None,
        });
        while self.messages.len() > self.keep_closed {
            self.messages.pop_front();
        }
        Vec::new()
    }

    fn mark_message(&mut self, event: &Event, mark: impl Fn(&mut UserMessage, Timestamp)) -> Vec<QuestionKey> {
        let id = event.text("message_id");
        if let Some(message) = self.messages.iter_mut().find(|message| Some(message.message_id.as_str()) == id) {
            mark(message, event.timestamp);
        }
        Vec::new()
    }

    /// One question.
    pub fn get(&self, key: &QuestionKey) -> Option<&QuestionRecord> {
        self.questions.get(key)
    }

    /// The questions of a `msg_id`: one, unless two workspaces chose the same id.
    pub fn by_msg_id(&self, msg_id: &str) -> impl Iterator<Item = &QuestionRecord> {
        let from = QuestionKey { msg_id: msg_id.to_owned(), workspace_id: String::new() };
        self.questions.range(from..).map(|(_, record)| record).take_while(move |r| r.question.msg_id == msg_id)
    }

    /// The open questions of an agent.
    pub fn open_of(&self, agent_id: &str) -> Vec<QuestionKey> {
        of_agent(&self.open, agent_id).cloned().collect()
    }

    /// True while a question of the agent is open.
    pub fn asks(&self, agent_id: &str) -> bool {
        of_agent(&self.open, agent_id).next().is_some()
    }

    /// True while an answer to the agent has not been picked up.
    pub fn has_unread_answer(&self, agent_id: &str) -> bool {
        of_agent(&self.unread, agent_id).next().is_some()
    }

    /// How many questions are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The open questions, the most pressing first: by urgency, then deadline, then age.
    pub fn open(&self) -> Vec<&QuestionRecord> {
        let mut open: Vec<_> = self.open.iter().filter_map(|(_, key)| self.questions.get(key)).collect();
        open.sort_by_key(|record| {
            let q = &record.question;
            (std::cmp::Reverse(q.urgency), q.expires_at.unwrap_or(Timestamp::MAX), q.created_at)
        });
        open
    }

    /// Every question kept, open or not.
    pub fn iter(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.questions.values()
    }

    /// Answered questions whose agents have not picked the answer up yet.
    pub fn waiting_for_pickup(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.questions.values().filter(|record| is_unread(record))
    }

    /// The most recently closed questions, newest first.
    pub fn recently_closed(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.closed.iter().rev().filter_map(|key| self.questions.get(key))
    }

    /// The messages kept, oldest first.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &UserMessage> {
        self.messages.iter()
    }

    /// The request to stop that an agent has not seen yet.
    pub fn stop_requested(&self, agent_id: &str) -> Option<&UserMessage> {
        self.messages.iter().rev().find(|message| {
            message.kind == MessageKind::StopRequest && message.agent_id == agent_id && message.delivered_at.is_none()
        })
    }

    /// What keeps a workspace from being used, if anything does.
    pub fn trouble_of(&self, workspace_id: &str) -> Option<&str> {
        self.troubles.get(workspace_id).map(String::as_str)
    }

    /// The last event folded.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }
}

/// One agent's part of an index.
fn of_agent<'a>(index: &'a BTreeSet<(String, QuestionKey)>, agent_id: &'a str) -> impl Iterator<Item = &'a QuestionKey> {
    let nothing = QuestionKey { msg_id: String::new(), workspace_id: String::new() };
    let from = (agent_id.to_owned(), nothing);
    index.range(from..).take_while(move |(agent, _)| agent == agent_id).map(|(_, key)| key)
}

/// True while an answer has not been picked up and still may be.
fn is_unread(record: &QuestionRecord) -> bool {
    record.status == Status::Answered && record.closed_reason.is_none()
}

/// True once nothing more is expected to happen to a question.
fn is_settled(record: &QuestionRecord) -> bool {
    match record.status {
        Status::Open => false,
        Status::Answered => record.closed_reason.is_some(),
        Status::Delivered | Status::Expired | Status::Cancelled => true,
    }
}

/// An answer that was given stays given: only the reason is noted beside it.
fn close(record: &mut QuestionRecord, status: Status, reason: &str) -> bool {
    let changes = matches!(record.status, Status::Open | Status::Answered) && record.closed_reason.is_none();
    if changes {
        record.closed_reason = Some(reason.to_owned());
        if record.status == Status::Open {
            record.status = status;
        }
    }
    changes
}

#[cfg(test)]
mod tests;

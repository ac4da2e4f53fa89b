//! All questions and messages between people and agents, and what keeps them from arriving, folded from the journal.

mod message;
mod query;
mod reading;
mod stored;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AgentState, Answer, AnsweredBy, Category, Door, Event, Held, Limits, Question, QuestionKey, QuestionRecord, Record,
    Seq, Status, actions,
};
pub use message::{MessageKind, MessageState, UserMessage};
pub use query::{InboxPage, InboxQuery};
use reading::of_agent;
use window::{Rank, Window};

/// Every question that is open or recently closed, and every message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "stored::Stored")]
pub struct Inbox {
    #[serde(serialize_with = "stored::questions")]
    questions: BTreeMap<QuestionKey, QuestionRecord>,
    /// Open questions by agent: the key's agent comes first, so that one agent's stand together.
    #[serde(skip_serializing)]
    open: BTreeSet<(String, QuestionKey)>,
    /// Answered ones whose answer was not picked up yet, in the same way.
    #[serde(skip_serializing)]
    unread: BTreeSet<(String, QuestionKey)>,
    /// Which questions the dashboard shows as cards.
    window: Window,
    /// How many waiting questions are alike, by their likeness.
    #[serde(skip_serializing)]
    alike: BTreeMap<String, usize>,
    /// Closed questions, the longest closed first.
    closed: VecDeque<QuestionKey>,
    messages: VecDeque<UserMessage>,
    /// Workspaces that cannot be used, and why.
    troubles: BTreeMap<String, String>,
    last_seq: Seq,
    keep_closed: usize,
}

impl Inbox {
    /// An empty inbox.
    pub fn new(limits: &Limits) -> Self {
        Self {
            questions: BTreeMap::new(),
            open: BTreeSet::new(),
            unread: BTreeSet::new(),
            window: Window::default(),
            alike: BTreeMap::new(),
            closed: VecDeque::new(),
            messages: VecDeque::new(),
            troubles: BTreeMap::new(),
            last_seq: 0,
            keep_closed: limits.closed_questions,
        }
    }

    /// Keeps what these limits allow, from the next event on.
    pub fn limit(&mut self, limits: &Limits) {
        self.keep_closed = limits.closed_questions;
    }

    /// Passes over an event that cannot be folded.
    pub fn skip(&mut self, seq: Seq) {
        self.last_seq = self.last_seq.max(seq);
    }

    /// Folds one event and returns the questions it changed. An event folded already changes nothing.
    pub fn apply(&mut self, record: &Record) -> Vec<QuestionKey> {
        if record.seq <= self.last_seq {
            return Vec::new();
        }
        self.last_seq = record.seq;
        let event = &record.event;
        let changed = self.fold(event);
        if !changed.is_empty() {
            self.window.tidy(event.timestamp);
        }
        changed
    }

    fn fold(&mut self, event: &Event) -> Vec<QuestionKey> {
        match (event.category, event.action.as_str()) {
            (Category::Agent, actions::BLOCKED) => self.ask(event),
            (Category::Agent, actions::ANSWER_HELD) => self.hold(event),
            (Category::Agent, actions::ANSWER_UNDONE) => self.undo(event),
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
        let Ok(question) = Question::from_journal(event) else { return Vec::new() };
        let key = question.key();
        if self.questions.contains_key(&key) {
            return Vec::new();
        }
        self.questions.insert(key.clone(), QuestionRecord::new(question));
        self.settle(&key, false);
        vec![key]
    }

    /// Somebody has answered, but may still take it back.
    fn hold(&mut self, event: &Event) -> Vec<QuestionKey> {
        let held = event.payload.get("held").and_then(|held| Held::deserialize(held).ok());
        self.update(event, |record| {
            let holds = record.waits() && held.is_some();
            if holds {
                record.held = held;
            }
            holds
        })
    }

    fn undo(&mut self, event: &Event) -> Vec<QuestionKey> {
        self.update(event, |record| record.held.take().is_some())
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
        let waited = record.waits();
        let picked_up = external && event.payload.get("picked_up") != Some(&Value::Bool(false));
        record.answer = Some(Answer {
            answer: event.payload.get("answer").cloned().unwrap_or_default(),
            answered_by,
            responded_at: event.timestamp,
        });
        record.status = if picked_up { Status::Delivered } else { Status::Answered };
        record.written_at = external.then_some(event.timestamp);
        record.delivered_at = picked_up.then_some(event.timestamp);
        record.held = None;
        self.settle(&key, waited);
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
        self.update(event, |record| {
            let closes = close(record, status, &reason);
            // Decided: an answer that did not count yet does not count any more. An agent's end decides nothing.
            record.held = record.held.take().filter(|_| !closes);
            closes
        })
    }

    /// An agent that has ended waits for nothing any more.
    fn close_all(&mut self, event: &Event) -> Vec<QuestionKey> {
        let Some(agent_id) = &event.agent_id else { return Vec::new() };
        let status = if event.action == actions::TIMED_OUT { Status::Expired } else { Status::Cancelled };
        let reason = format!("the agent has {}", event.action.replace('_', " "));
        let mut changed = Vec::new();
        let unread = of_agent(&self.unread, agent_id).cloned();
        for key in self.open_of(agent_id).into_iter().chain(unread.collect::<Vec<_>>()) {
            if self.change(&key, |record| close(record, status, &reason)) {
                changed.push(key);
            }
        }
        changed
    }

    fn update(&mut self, event: &Event, change: impl FnOnce(&mut QuestionRecord) -> bool) -> Vec<QuestionKey> {
        let Some(key) = self.named_by(event) else { return Vec::new() };
        if self.change(&key, change) { vec![key] } else { Vec::new() }
    }

    fn change(&mut self, key: &QuestionKey, change: impl FnOnce(&mut QuestionRecord) -> bool) -> bool {
        let Some(record) = self.questions.get_mut(key) else { return false };
        let waited = record.waits();
        let changed = change(record);
        if changed {
            self.settle(key, waited);
        }
        changed
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

    /// Brings the indexes in line with a question that has changed; `waited`: whether it waited for a person before.
    fn settle(&mut self, key: &QuestionKey, waited: bool) {
        let Some(record) = self.questions.get(key) else { return };
        let rank = Rank::of(&record.question);
        if record.waits() != waited {
            let likeness = record.question.likeness();
            let alike = self.alike.entry(likeness.clone()).or_default();
            *alike = if waited { *alike - 1 } else { *alike + 1 };
            if *alike == 0 {
                self.alike.remove(&likeness);
            }
        }
        if record.waits() {
            self.window.enter(rank);
        } else {
            self.window.leave(&rank, record.on_its_way());
        }
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
        // One that its agent has not taken yet stays: how many those may be is up to whoever takes messages in.
        let surplus = self.messages.len().saturating_sub(self.keep_closed);
        for _ in 0..surplus {
            let Some(taken) = self.messages.iter().position(|message| message.delivered_at.is_some()) else { break };
            self.messages.remove(taken);
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

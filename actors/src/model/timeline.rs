//! An agent's story: its events, brought together into what happened. A tool's call and its end are one entry, and so
//! are a question with its answer, and a person's message with how far it came.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Category, Record, Usage, actions,
    call::{self, CallName, Step},
};

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A tool call.
    Tool,
    /// A model's answer.
    Model,
    /// A question to a person, by its `msg_id`.
    Question(String),
    /// A person's message to the agent, by its `message_id`.
    Message(String),
    /// A single event.
    Event,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is about.
    pub kind: EntryKind,
    /// Its events, at least one, in order.
    pub records: Vec<Arc<Record>>,
    /// The turn that it happened in, counted from the first event of the story; 0: before any turn.
    pub turn: usize,
    name: CallName,
    ended: bool,
}

impl Entry {
    /// Its first event.
    pub fn first(&self) -> &Record {
        &self.records[0]
    }

    /// Its last event.
    pub fn last(&self) -> &Record {
        self.records.last().unwrap_or(&self.records[0])
    }

    /// When it began, as far as is known here.
    pub fn began(&self) -> Timestamp {
        self.first().event.timestamp
    }

    /// The tool, or the model.
    pub fn subject(&self) -> Option<&str> {
        let model = || self.records.iter().find_map(|record| record.event.text("model"));
        match self.kind {
            EntryKind::Tool => self.name.tool.as_deref(),
            EntryKind::Model => model(),
            _ => None,
        }
    }

    /// True while a call is under way.
    pub fn is_running(&self) -> bool {
        matches!(self.kind, EntryKind::Tool | EntryKind::Model) && !self.ended
    }

    /// How long it took, once it is over: as its end tells, else from its beginning to its end.
    pub fn duration(&self) -> Option<SignedDuration> {
        if !self.ended {
            return None;
        }
        let told = self.last().event.payload.get("duration_ms").and_then(Value::as_f64).filter(|ms| *ms >= 0.0);
        let told = told.and_then(|ms| SignedDuration::try_from_secs_f64(ms / 1e3).ok());
        let seen = (self.records.len() > 1).then(|| self.last().event.timestamp.duration_since(self.began()));
        told.or(seen.filter(|seen| !seen.is_negative()))
    }

    /// What went wrong.
    pub fn error(&self) -> Option<String> {
        let event = &self.last().event;
        let failed = event.action == actions::FAILED || event.payload.get("is_error") == Some(&Value::Bool(true));
        let calls = matches!(self.kind, EntryKind::Tool | EntryKind::Model);
        (failed && calls).then(|| {
            let fields = ["error", "message", "reason", "output_preview", "output", "result"];
            let told = fields.iter().find_map(|field| event.payload.get(*field).filter(|value| !value.is_null()));
            match told {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => "failed".to_owned(),
            }
        })
    }

    /// What a model's answer cost.
    pub fn usage(&self) -> Usage {
        if self.kind == EntryKind::Model { Usage::of(&self.last().event) } else { Usage::default() }
    }

    fn is_open(&self, kind: &EntryKind) -> bool {
        !self.ended && self.kind == *kind
    }
}

/// Brings events of one agent together, oldest first. The end of a call whose beginning is not among them is an entry
/// of its own.
pub fn timeline(events: &[Arc<Record>]) -> Vec<Entry> {
    let mut story = Story::default();
    for record in events {
        story.tell(record);
    }
    story.entries
}

#[derive(Default)]
struct Story {
    entries: Vec<Entry>,
    /// Where the entry of a question or a message stands.
    named: HashMap<(bool, String), usize>,
    turn: usize,
    /// What the model calls the turn under way.
    turn_name: Option<Value>,
}

impl Story {
    fn tell(&mut self, record: &Arc<Record>) {
        self.count_turns(record);
        let event = &record.event;
        match (event.category, event.action.as_str()) {
            (Category::Tool, _) => self.tell_call(EntryKind::Tool, record),
            (Category::Model, "request" | "response" | actions::FAILED) => self.tell_call(EntryKind::Model, record),
            (Category::User, actions::MESSAGED | actions::STOP_REQUESTED)
            | (Category::Agent, actions::MESSAGE_WRITTEN | actions::MESSAGE_DELIVERED) => {
                let id = event.text("message_id").unwrap_or(&event.id).to_owned();
                self.tell_named(false, id.clone(), EntryKind::Message(id), record);
            }
            (
                Category::Agent,
                actions::BLOCKED
                | actions::RESUMED
                | actions::ANSWER_HELD
                | actions::ANSWER_UNDONE
                | actions::ANSWER_WRITTEN
                | actions::ANSWER_DELIVERED
                | actions::QUESTION_EXPIRED
                | actions::QUESTION_CANCELLED,
            ) if event.text("msg_id").is_some() => {
                let id = event.text("msg_id").unwrap_or_default().to_owned();
                self.tell_named(true, id.clone(), EntryKind::Question(id), record);
            }
            _ => self.push(EntryKind::Event, record, CallName { id: None, tool: None }, true),
        }
    }

    /// A turn begins with the agent, with a person's prompt, and with a model request of another number.
    fn count_turns(&mut self, record: &Record) {
        let event = &record.event;
        let begins = match (event.category, event.action.as_str()) {
            (Category::Agent, actions::STARTED) | (Category::Model, "kernel_started") => {
                self.turn_name = None;
                event.category == Category::Agent
            }
            (Category::Agent, actions::PROGRESS) => event.text("hook") == Some("UserPromptSubmit"),
            (Category::Model, "request") => {
                let name = event.payload.get("turn").cloned();
                let another = name.is_some() && name != self.turn_name;
                let first = another && self.turn_name.is_none() && self.turn > 0;
                if another {
                    self.turn_name = name;
                }
                another && !first
            }
            _ => false,
        };
        self.turn += usize::from(begins);
    }

    fn tell_call(&mut self, kind: EntryKind, record: &Arc<Record>) {
        let (event, name) = (&record.event, CallName::of(&record.event));
        let open: Vec<_> = (0..self.entries.len()).filter(|index| self.entries[*index].is_open(&kind)).collect();
        let under_way: Vec<_> = open.iter().map(|index| &self.entries[*index].name).collect();
        let step = call::step_of(event);
        let found = match step {
            Some(Step::Begins) => call::begun(&under_way, event, &name),
            Some(Step::Ends) => call::ended(&under_way, &name),
            // Something on the way, such as a request for a permission.
            None => call::ended(&under_way, &name).filter(|_| name.id.is_some()),
        };
        let ended = step != Some(Step::Begins);
        match found.map(|found| open[found]) {
            Some(index) => {
                let entry = &mut self.entries[index];
                entry.records.push(Arc::clone(record));
                entry.ended = step == Some(Step::Ends);
            }
            None => self.push(kind, record, name, ended),
        }
    }

    fn tell_named(&mut self, is_question: bool, id: String, kind: EntryKind, record: &Arc<Record>) {
        match self.named.get(&(is_question, id.clone())) {
            Some(index) => self.entries[*index].records.push(Arc::clone(record)),
            None => {
                self.named.insert((is_question, id), self.entries.len());
                self.push(kind, record, CallName { id: None, tool: None }, true);
            }
        }
    }

    fn push(&mut self, kind: EntryKind, record: &Arc<Record>, name: CallName, ended: bool) {
        self.entries.push(Entry { kind, records: vec![Arc::clone(record)], turn: self.turn, name, ended });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Draft, Event, Limits};

    fn told(events: &[(i64, &str, Value)]) -> Vec<Entry> {
        let records = events.iter().enumerate().map(|(index, (second, kind, payload))| {
            let (category, action) = kind.split_once(':').expect("category:action");
            let at = Timestamp::from_second(*second).expect("in range");
            let event = Event::of_agent("a", action, at, &[], payload.clone());
            let event = Event { category: category.parse().expect("a category"), ..event };
            let json = event.to_json();
            Record::new(index as u64 + 1, event, json)
        });
        timeline(&records.collect::<Vec<_>>())
    }

    #[test]
    fn calls_are_one_entry_with_a_duration_or_an_error() {
        let entries = told(&[
            (0, "tool:called", json!({"tool_name": "read", "call_id": "1"})),
            (1, "tool:called", json!({"tool_name": "test", "call_id": "2"})),
            (3, "tool:failed", json!({"tool_name": "test", "call_id": "2", "error": "exit 1", "duration_ms": 1500})),
            (4, "tool:completed", json!({"tool_name": "read", "call_id": "1"})),
            (5, "tool:called", json!({"tool_name": "lint"})),
        ]);
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (entry.subject(), entry.duration().map(|d| d.as_millis()), entry.error(), entry.is_running()))
            .collect();
        assert_eq!(
            seen,
            [
                (Some("read"), Some(4_000), None, false),
                (Some("test"), Some(1_500), Some("exit 1".to_owned()), false),
                (Some("lint"), None, None, true),
            ]
        );
    }

    #[test]
    fn an_end_without_its_beginning_stands_alone() {
        let entries = told(&[
            (0, "tool:completed", json!({"tool_name": "read", "call_id": "1", "duration_ms": 20})),
            (1, "tool:permission_requested", json!({"tool_name": "rm"})),
        ]);
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].duration().map(|d| d.as_millis()), Some(20));
        assert!(!entries[1].is_running() && entries[1].duration().is_none());
    }

    #[test]
    fn a_question_and_its_answer_are_one_entry() {
        let entries = told(&[
            (0, "agent:blocked", json!({"msg_id": "m", "question": "Go?"})),
            (1, "tool:called", json!({"tool_name": "x"})),
            (7, "agent:answer_held", json!({"msg_id": "m", "held": {}})),
            (8, "agent:answer_undone", json!({"msg_id": "m"})),
            (9, "agent:resumed", json!({"msg_id": "m", "answer": "yes"})),
            (10, "agent:answer_delivered", json!({"msg_id": "m"})),
            (11, "user:messaged", json!({"message_id": "m", "content": "hi"})),
            (12, "agent:message_delivered", json!({"message_id": "m"})),
        ]);
        let shape: Vec<_> = entries.iter().map(|entry| (entry.kind.clone(), entry.records.len())).collect();
        let (question, message) = (EntryKind::Question("m".to_owned()), EntryKind::Message("m".to_owned()));
        assert_eq!(shape, [(question, 5), (EntryKind::Tool, 1), (message, 2)]);
    }

    #[test]
    fn turns_are_counted_as_they_are_told() {
        let turns: Vec<_> = told(&[
            (0, "agent:started", json!({})),
            (1, "model:kernel_started", json!({})),
            (2, "model:request", json!({"turn": 1})),
            (3, "model:response", json!({"turn": 1, "usage": {"prompt_tokens": 9, "completion_tokens": 2}})),
            (4, "model:request", json!({"turn": 2})),
            (5, "agent:progress", json!({"hook": "UserPromptSubmit"})),
        ])
        .iter()
        .map(|entry| (entry.turn, entry.usage().input))
        .collect();
        assert_eq!(turns, [(1, 0), (1, 0), (1, 9), (2, 0), (3, 0)]);
    }

    #[test]
    fn both_dialects_tell_what_a_model_cost() {
        let usage = |json: &str| {
            let draft = Draft::parse(json.as_bytes(), &Limits::default()).expect("an event");
            Usage::of(&draft.complete(Timestamp::UNIX_EPOCH, String::new))
        };
        let theirs =
            usage(r#"{"type":"ModelResponseEvent","turn":4,"usage":{"prompt_tokens":1935,"completion_tokens":70}}"#);
        assert_eq!((theirs.input, theirs.output), (1_935, 70));
        let ours = usage(
            r#"{"category":"model","action":"response","payload":{"usage":{"input_tokens":5,"output_tokens":6,
            "cache_read_input_tokens":7,"cache_creation_input_tokens":8},"cost_usd":0.25}}"#,
        );
        assert_eq!(ours, Usage { input: 5, output: 6, cache_read: 7, cache_write: 8, cost_usd: 0.25 });
        assert!(usage(r#"{"category":"model","action":"response","payload":{"usage":"much"}}"#).is_nothing());
    }
}

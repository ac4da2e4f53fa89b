//! Notices: telling people who do not look at the page that a question waits, comes near its deadline, or has expired.
//!
//! - [`Policy`]: what a target wants to hear, and when; `quiet`: when it wants to be left alone; `rate`: how often.
//! - [`Ledger`]: what there is to tell and what was told, folded from the journal.
//! - `plan`: which notices are due, from the ledger, the policies and the time.
//! - [`DeadLetters`]: what could not be delivered.

mod ledger;
mod letters;
mod plan;
mod policy;
mod quiet;
mod rate;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Category, Event, QuestionKey, QuestionRecord, actions};
pub use ledger::Ledger;
pub use letters::{DeadLetter, DeadLetters};
pub use plan::{Plan, Underway};
pub use policy::{AgentPattern, Near, Policy};
pub use quiet::QuietHours;
pub use rate::Rate;

/// What there is to tell of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// It waits for an answer.
    Opened,
    /// Its deadline comes near, and it still waits.
    Near,
    /// Its deadline has passed without a person's answer.
    Expired,
}

impl NoticeKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Near => "near",
            Self::Expired => "expired",
        }
    }
}

/// One thing to tell of one question. A target hears it once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part {
    /// What.
    pub kind: NoticeKind,
    /// Of which question.
    #[serde(flatten)]
    pub key: QuestionKey,
}

impl Part {
    fn of(kind: NoticeKind, record: &QuestionRecord) -> Self {
        Self { kind, key: record.question.key() }
    }
}

/// What a target is told at once: usually one thing, several where an agent asks faster than the target wants to hear.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Names it: the same notice sent again has the same id, so that its receiver can tell.
    pub id: String,
    /// To whom.
    pub target: String,
    /// When it became due.
    pub at: Timestamp,
    /// The agent that asks.
    pub agent_id: String,
    /// What the agent calls itself.
    pub agent_name: String,
    /// What is told, the most pressing first. Never empty.
    pub items: Vec<Item>,
}

/// One thing told, with the question as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What is told.
    pub kind: NoticeKind,
    /// The question.
    pub record: QuestionRecord,
}

impl Item {
    fn part(&self) -> Part {
        Part::of(self.kind, &self.record)
    }
}

impl Notice {
    fn new(target: &str, at: Timestamp, agent_id: &str, agent_name: &str, items: Vec<Item>) -> Self {
        let parts: Vec<_> = items.iter().map(Item::part).collect();
        Self {
            id: id_of(target, &parts),
            target: target.to_owned(),
            at,
            agent_id: agent_id.to_owned(),
            agent_name: agent_name.to_owned(),
            items,
        }
    }

    /// A notice about one question that nobody need remember, to try a target out.
    pub fn trial(target: &str, record: QuestionRecord, at: Timestamp) -> Self {
        let agent_id = record.question.agent_id.clone();
        Self::new(target, at, &agent_id, &agent_id, vec![Item { kind: NoticeKind::Opened, record }])
    }

    /// What it tells, part by part.
    pub fn parts(&self) -> Vec<Part> {
        self.items.iter().map(Item::part).collect()
    }

    /// The event that says that it was delivered.
    pub fn delivered(&self, event_id: String, now: Timestamp) -> Event {
        self.event(event_id, actions::NOTIFIED, now, json!({}))
    }

    /// The event that says that it was given up, and why.
    pub fn given_up(&self, event_id: String, now: Timestamp, reason: &str, tries: u32) -> Event {
        self.event(event_id, actions::NOTICE_FAILED, now, json!({"reason": reason, "tries": tries}))
    }

    fn event(&self, id: String, action: &str, now: Timestamp, more: Value) -> Event {
        let mut payload = json!({"notice": self.id, "target": self.target, "parts": self.parts()});
        if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
            payload.extend(more);
        }
        let event = Event::of_agent(&self.agent_id, action, now, &[], payload);
        Event { id, category: Category::User, ..event }
    }
}

fn id_of(target: &str, parts: &[Part]) -> String {
    let mut name = vec![target];
    for part in parts {
        name.extend([part.kind.as_str(), &part.key.workspace_id, &part.key.msg_id]);
    }
    Event::stable_id("notice", &name)
}

/// What an event says of a notice.
#[derive(Debug, Deserialize)]
struct Told {
    notice: String,
    target: String,
    parts: Vec<Part>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    tries: u32,
}

impl Told {
    fn of(event: &Event) -> Option<Self> {
        serde_json::from_str(event.payload.as_str()).ok()
    }
}

//! What could not be delivered, until a person tries again or lets it go.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{Category, Event, actions},
    Part, Told,
};

/// Dead letters kept: more than a person looks through. Beyond it the oldest go.
const KEPT: usize = 100;

/// A notice that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The notice.
    pub id: String,
    /// Who did not hear it.
    pub target: String,
    /// The agent it is about.
    pub agent_id: String,
    /// What it told.
    pub parts: Vec<Part>,
    /// Why the last try failed.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// The dead letters, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters(VecDeque<DeadLetter>);

impl DeadLetters {
    /// Folds one event. The letter that left the list, if one did; whether the list looks different now.
    pub fn apply(&mut self, event: &Event) -> (Option<DeadLetter>, bool) {
        if event.category != Category::User {
            return (None, false);
        }
        match event.action.as_str() {
            actions::NOTICE_FAILED => (None, self.add(event)),
            actions::NOTICE_RETRIED | actions::NOTICE_DISMISSED => {
                let gone = event.text("notice").and_then(|id| self.remove(id));
                let changed = gone.is_some();
                (gone, changed)
            }
            _ => (None, false),
        }
    }

    fn add(&mut self, event: &Event) -> bool {
        let Some(told) = Told::of(event) else { return false };
        self.remove(&told.notice);
        self.0.push_back(DeadLetter {
            id: told.notice,
            target: told.target,
            agent_id: event.agent_id.clone().unwrap_or_default(),
            parts: told.parts,
            reason: told.reason,
            tries: told.tries,
            at: event.timestamp,
        });
        while self.0.len() > KEPT {
            self.0.pop_front();
        }
        true
    }

    fn remove(&mut self, id: &str) -> Option<DeadLetter> {
        let index = self.0.iter().position(|letter| letter.id == id)?;
        self.0.remove(index)
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&DeadLetter> {
        self.0.iter().find(|letter| letter.id == id)
    }

    /// All of them, the newest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &DeadLetter> {
        self.0.iter().rev()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

//! What is wrong with the daemon itself, for people to see.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, Record, Seq};

/// An event that an actor cannot fold: it died over it twice, and goes on without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PutAside {
    /// The event's position.
    pub seq: Seq,
    /// `category:action` of the event.
    pub kind: String,
    /// The event's agent.
    pub agent_id: Option<String>,
    /// The actor that goes on without it.
    pub actor: String,
    /// What the actor died with. May hold an agent's words.
    pub error: String,
    /// When.
    pub at: Timestamp,
}

impl PutAside {
    /// An event that an actor died over.
    pub fn new(actor: &str, record: &Record, error: &str, at: Timestamp) -> Self {
        let event: &Event = &record.event;
        Self {
            seq: record.seq,
            kind: event.kind(),
            agent_id: event.agent_id.clone(),
            actor: actor.to_owned(),
            error: error.to_owned(),
            at,
        }
    }
}

/// Everything that is wrong at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Troubles {
    /// Why the journal takes nothing; `None`: it works.
    pub journal: Option<String>,
    /// Events put aside, the latest last.
    pub put_aside: Vec<PutAside>,
}

//! What everything on the bus is called.
//!
//! With the prefix `remora`:
//!
//! | name | what |
//! |---|---|
//! | stream `remora-events`, subjects `remora.journal.>` | the journal; only daemons write there |
//! | stream `remora-inbox`, subjects `remora.events.>` | what agents publish, until a daemon has journaled it |
//! | subjects `remora.refused.<agent_id>` | what of that is no event, and why |
//! | subjects `remora.ask`, `remora.ask.<agent_id>` | questions, as requests |
//! | subjects `remora.messages.<agent_id>` | an agent's messages, taken out by request |
//! | buckets `remora-…` | the workspaces and what the daemons agree on |
//!
//! The journal has subjects of its own, since whatever stands there counts as validated.

use std::fmt;

/// Longest prefix: what it begins must fit into a subject and into a name of a stream.
const MAX_CHARS: usize = 32;

/// The names of one Remora, which all begin alike, so that several can share a NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(String);

impl Names {
    /// Names that begin with `prefix`: 1 to 32 letters, digits, `_` or `-`. `None`: it is something else.
    pub fn new(prefix: &str) -> Option<Self> {
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        ((1..=MAX_CHARS).contains(&prefix.len()) && is_plain).then(|| Self(prefix.to_owned()))
    }

    /// The journal's stream.
    pub fn journal_stream(&self) -> String {
        format!("{self}-events")
    }

    /// Where the journal's subjects begin, without the dot behind.
    pub fn journal_subject(&self) -> String {
        format!("{self}.journal")
    }

    /// The stream of what agents publish.
    pub fn inbox_stream(&self) -> String {
        format!("{self}-inbox")
    }

    /// Where the subjects begin on which agents publish, without the dot behind.
    pub fn events_subject(&self) -> String {
        format!("{self}.events")
    }

    /// Where the subjects begin on which agents hear what was refused, without the dot behind.
    pub fn refused_subject(&self) -> String {
        format!("{self}.refused")
    }

    /// The subject of questions.
    pub fn ask_subject(&self) -> String {
        format!("{self}.ask")
    }

    /// Where the subjects of the agents' messages begin, without the dot behind.
    pub fn messages_subject(&self) -> String {
        format!("{self}.messages")
    }

    /// A key-value bucket.
    pub fn bucket(&self, name: &str) -> String {
        format!("{self}-{name}")
    }

    /// The group in which the daemons share the agents' requests.
    pub fn queue_group(&self) -> String {
        format!("{self}-daemons")
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_can_stand_in_a_subject_and_in_a_name() {
        for prefix in ["remora", "Team_2-b", "x"] {
            assert!(Names::new(prefix).is_some(), "{prefix}");
        }
        for prefix in ["", "a.b", "a*", "a>", "a b", "ä", &"a".repeat(MAX_CHARS + 1)] {
            assert!(Names::new(prefix).is_none(), "{prefix}");
        }
    }
}

//! How a snapshot holds an agent. There may be ten thousand of them in one, it is written every few thousand events and
//! read at each start: so the names are short, what is as with most agents is left out, and times are nanoseconds.

use std::sync::Arc;

use jiff::{Timestamp, fmt::serde::timestamp::nanosecond};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Agent, AgentState, Call, Standing, Usage};
use crate::model::Seq;

#[derive(Serialize, Deserialize)]
#[serde(remote = "Agent")]
struct Stored {
    #[serde(rename = "i")]
    agent_id: Arc<str>,
    #[serde(rename = "n")]
    name: Arc<str>,
    #[serde(rename = "s")]
    state: AgentState,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    graph_id: Option<Arc<str>>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    session_id: Option<Arc<str>>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    workspace_id: Option<Arc<str>>,
    #[serde(rename = "b", with = "nanosecond::required")]
    started_at: Timestamp,
    #[serde(rename = "l", with = "nanosecond::required")]
    last_event_at: Timestamp,
    #[serde(rename = "q")]
    last_seq: Seq,
    #[serde(rename = "e")]
    events: u64,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    detail: Option<Arc<str>>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    workspace_trouble: Option<Arc<str>>,
    #[serde(rename = "h", with = "nanosecond::required")]
    heard_at: Timestamp,
    #[serde(rename = "w", default, skip_serializing_if = "is_default")]
    working: bool,
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    calls: Vec<Call>,
    #[serde(rename = "p", default, with = "nanosecond::optional", skip_serializing_if = "is_default")]
    blocked_since: Option<Timestamp>,
    #[serde(rename = "m", default, skip_serializing_if = "is_default")]
    blocked_ms: u64,
    #[serde(rename = "a", default, skip_serializing_if = "is_default")]
    unread_answer: bool,
    #[serde(rename = "u", default, skip_serializing_if = "is_default")]
    usage: Usage,
    /// Follows from the others and the time.
    #[serde(skip)]
    standing: Standing,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// An agent on its way into a snapshot.
pub(in crate::model) struct Written<'a>(pub(in crate::model) &'a Agent);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored::serialize(self.0, serializer)
    }
}

/// An agent out of a snapshot.
pub(in crate::model) struct Read(pub(in crate::model) Agent);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer).map(Self)
    }
}

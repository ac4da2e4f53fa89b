//! Events, as they are sent and as they are journaled.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What an event is about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Category {
    Agent,
    Tool,
    Model,
    User,
    Graph,
}

/// A journaled event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// Its position in the journal: 1, 2, 3, …
    seq: u64,
    id: String,
    #[schema(format = DateTime)]
    timestamp: String,
    category: Category,
    #[schema(pattern = "^[a-z][a-z0-9_]{0,63}$")]
    action: String,
    agent_id: Option<String>,
    graph_id: Option<String>,
    node_id: Option<String>,
    session_id: Option<String>,
    #[schema(value_type = Object)]
    payload: Value,
}

/// An event as an agent sends it. Fields that are not listed are kept under `payload.extra`. An object with a `type`
/// instead of `category` and `action` is read in the later dialect (`AgentStartEvent`, `ToolCallEvent`, …).
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewEvent {
    category: Category,
    #[schema(pattern = "^[a-z][a-z0-9_]{0,63}$")]
    action: String,
    /// Sent again, it is accepted and ignored. Default: a new one.
    #[schema(min_length = 1, max_length = 256)]
    id: Option<String>,
    /// RFC 3339 or Unix seconds. Default: now.
    timestamp: Option<Time>,
    /// Needed in the category `agent`.
    #[schema(min_length = 1, max_length = 256)]
    agent_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    graph_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    node_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    session_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

/// RFC 3339 or Unix seconds, between 1970 and 9999.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Time {
    Text(String),
    Seconds(f64),
}

/// One event or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum NewEvents {
    One(Box<NewEvent>),
    Many(Vec<NewEvent>),
}

/// A page of events, oldest first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventPage {
    events: Vec<Event>,
    /// Ask for the next page with `after` set to this.
    last_seq: u64,
    /// From here on nothing is missing; 1 until old events were deleted.
    first_seq: u64,
}

/// What a search has found so far, newest first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundEvents {
    events: Vec<Event>,
    /// Search on with `before` set to this; null: everything was looked at.
    older: Option<u64>,
}

//! Which events belong to one call of a tool or of a model: its beginning and its end.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Category, Event, actions};

/// Where the dialects name a call: the later dialect, the hooks of Claude Code, and the spans of OpenTelemetry; and where
/// they name the tool.
const FIELDS: [&str; 7] = ["call_id", "tool_call_id", "tool_use_id", "span_id", "tool_name", "tool", "name"];

/// What tells one call from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallName {
    /// Its id, where the emitter gives it one.
    pub id: Option<String>,
    /// The tool.
    pub tool: Option<String>,
}

/// What an event says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is under way.
    Begins,
    /// It is over.
    Ends,
}

impl CallName {
    /// The name that an event gives its call.
    pub fn of(event: &Event) -> Self {
        let [a, b, c, d, tool_name, tool, name] = event.payload.texts(FIELDS);
        Self { id: a.or(b).or(c).or(d), tool: tool_name.or(tool).or(name) }
    }

    /// True where the two can be the same call: by their ids, or, where one has none, by the tool.
    pub fn fits(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.tool.is_none() || other.tool.is_none() || self.tool == other.tool,
        }
    }
}

/// What an event of the category `tool` or `model` says of a call; `None`: nothing.
pub(super) fn step_of(event: &Event) -> Option<Step> {
    match (event.category, event.action.as_str()) {
        (Category::Tool, "called" | actions::STARTED) | (Category::Model, "request") => Some(Step::Begins),
        (Category::Tool, actions::COMPLETED | actions::FAILED | actions::CANCELLED | actions::TIMED_OUT | "denied")
        | (Category::Model, "response" | actions::FAILED) => Some(Step::Ends),
        _ => None,
    }
}

/// Which of the calls under way an event says once more has begun: the one of its id; without one, `started` tells of
/// what was `called`, and another `called` of another call.
pub(super) fn begun(under_way: &[&CallName], event: &Event, name: &CallName) -> Option<usize> {
    match name.id {
        Some(_) => under_way.iter().position(|call| call.id == name.id),
        None if event.action == actions::STARTED => under_way.iter().position(|call| call.fits(name)),
        None => None,
    }
}

/// Which of the calls under way has ended: the one of its id, else the oldest that fits.
pub(super) fn ended(under_way: &[&CallName], name: &CallName) -> Option<usize> {
    let by_id = under_way.iter().position(|call| name.id.is_some() && call.id == name.id);
    by_id.or_else(|| under_way.iter().position(|call| call.fits(name)))
}

/// True where a model's answer ends its turn: it asks for no tool.
pub(super) fn ends_turn(event: &Event) -> bool {
    let payload = &event.payload;
    let counted = |field: &str| payload.get(field).and_then(Value::as_u64).is_some_and(|count| count > 0);
    let listed = |field: &str| payload.get(field).and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
    let for_tools = |reason: &Value| reason.as_str().is_some_and(|reason| reason.starts_with("tool"));
    let stopped_for_tools = ["finish_reason", "stop_reason"].iter().any(|f| payload.get(*f).is_some_and(for_tools))
        || payload.get("finish_reasons").and_then(Value::as_array).is_some_and(|reasons| reasons.iter().any(for_tools));
    !(counted("tool_calls_count") || listed("tool_calls") || stopped_for_tools)
}

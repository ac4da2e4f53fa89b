//! The later dialect: one JSON object with a `type`, as the Python agents' logs are written.

use heck::ToSnakeCase;
use serde_json::{Map, Value};

use super::Invalid;

/// Fields that the native form has at its top level.
const TOP_LEVEL: [&str; 6] = ["id", "timestamp", "agent_id", "graph_id", "node_id", "session_id"];

/// Whether the later dialect has a type of this name. Of others only the name tells something.
pub fn knows_type(kind: &str) -> bool {
    kind_of(kind, false).is_some()
}

/// Turns an object with a `type` into the native form's fields.
///
/// # Errors
/// The `type` is no name of an event.
pub(super) fn translate(mut fields: Map<String, Value>) -> Result<Map<String, Value>, Invalid> {
    let Some(Value::String(kind)) = fields.shift_remove("type") else {
        return Err(Invalid::field("type", "must be a text"));
    };
    let is_error = fields.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    let known = kind_of(&kind, is_error).map(|(category, action)| (category, action.to_owned()));
    let (category, action) =
        known.or_else(|| meant(&kind, fields.get("agent_id").is_some_and(|id| !id.is_null()))).ok_or_else(|| {
            Invalid::field("type", "is no event's (`AgentStartEvent`); use `category` and `action` instead")
        })?;
    for (theirs, ours) in renamed(&kind) {
        // Where both spellings stand, the native one wins and the other stays as it is.
        if !fields.contains_key(*ours)
            && let Some(value) = fields.shift_remove(*theirs)
        {
            fields.insert((*ours).to_owned(), value);
        }
    }
    let mut native = Map::new();
    native.insert("category".to_owned(), category.into());
    native.insert("action".to_owned(), action.into());
    for name in TOP_LEVEL {
        if let Some(value) = fields.shift_remove(name) {
            native.insert(name.to_owned(), value);
        }
    }
    let mut payload = match fields.shift_remove("payload") {
        Some(Value::Object(payload)) => payload,
        Some(other) => Map::from_iter([("payload".to_owned(), other)]),
        None => Map::new(),
    };
    payload.extend(fields);
    native.insert("payload".to_owned(), Value::Object(payload));
    Ok(native)
}

fn kind_of(kind: &str, is_error: bool) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        "AgentStartEvent" => ("agent", "started"),
        "AgentCompleteEvent" => ("agent", "completed"),
        "AgentErrorEvent" => ("agent", "failed"),
        "AgentSkippedEvent" => ("agent", "skipped"),
        "AgentMessageEvent" => ("agent", "message"),
        "HumanInputRequestEvent" => ("agent", "blocked"),
        "HumanInputResponseEvent" => ("agent", "resumed"),
        "GraphStartEvent" => ("graph", "started"),
        "GraphCompleteEvent" => ("graph", "completed"),
        "GraphErrorEvent" => ("graph", "failed"),
        "ToolCallEvent" => ("tool", "called"),
        "ToolResultEvent" if is_error => ("tool", "failed"),
        "ToolResultEvent" => ("tool", "completed"),
        "ModelRequestEvent" => ("model", "request"),
        "ModelResponseEvent" => ("model", "response"),
        "KernelStartEvent" => ("model", "kernel_started"),
        "KernelEndEvent" => ("model", "kernel_ended"),
        "TurnCompleteEvent" => ("model", "turn_completed"),
        "FileSavedEvent" => ("user", "file_saved"),
        "ContentChangedEvent" => ("user", "content_changed"),
        "ManualTriggerEvent" => ("user", "manual_trigger"),
        _ => return None,
    })
}

/// What a type says by its name that is none of those above: a log may come from a newer program, and loses nothing here.
fn meant(kind: &str, has_agent: bool) -> Option<(&'static str, String)> {
    let words = kind.strip_suffix("Event").filter(|words| words.starts_with(|c: char| c.is_ascii_uppercase()))?;
    let words = words.to_snake_case();
    let (subject, rest) = words.split_once('_').unwrap_or((&words, ""));
    let category = match subject {
        "tool" => "tool",
        "model" => "model",
        "graph" => "graph",
        "user" => "user",
        "kernel" | "turn" => return Some(("model", words)),
        "human" => return Some(("user", words)),
        "agent" if has_agent => "agent",
        // Nobody's is the whole run's.
        _ => return Some((if has_agent { "agent" } else { "graph" }, words)),
    };
    Some((category, if rest.is_empty() { words.clone() } else { rest.to_owned() }))
}

fn renamed(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "AgentStartEvent" => &[("node_name", "name")],
        "AgentCompleteEvent" | "GraphCompleteEvent" => &[("result_summary", "result")],
        "AgentMessageEvent" => &[("from_agent", "agent_id")],
        "ManualTriggerEvent" => &[("to_agent", "agent_id")],
        "HumanInputRequestEvent" => &[("request_id", "msg_id")],
        "HumanInputResponseEvent" => &[("request_id", "msg_id"), ("response", "answer")],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::{Draft, Limits};
    use super::*;

    fn native(value: &Value) -> Value {
        let draft = Draft::parse(value.to_string().as_bytes(), &Limits::default()).expect("known type");
        let mut event = serde_json::to_value(draft.complete(Timestamp::UNIX_EPOCH, String::new)).expect("an object");
        event.as_object_mut().expect("an object").remove("id");
        event
    }

    #[test]
    fn a_start_names_its_agent() {
        assert_eq!(
            native(&json!({"type": "AgentStartEvent", "graph_id": "g", "agent_id": "a", "node_name": "lint",
                "timestamp": 10.5})),
            json!({"timestamp": "1970-01-01T00:00:10.5Z", "category": "agent", "action": "started", "agent_id": "a",
                "graph_id": "g", "node_id": null, "session_id": null, "payload": {"name": "lint"}})
        );
    }

    #[test]
    fn an_answer_need_not_name_its_agent() {
        let event = native(&json!({"type": "HumanInputResponseEvent", "request_id": "m", "response": "yes"}));
        assert_eq!(
            event["payload"],
            json!({"msg_id": "m", "answer": "yes",
            "answered_by": {"who": "unknown", "door": "external"}})
        );
        assert_eq!(event["agent_id"], Value::Null);
    }

    #[test]
    fn a_tool_result_may_be_an_error() {
        for (is_error, action) in [(true, "failed"), (false, "completed")] {
            assert_eq!(native(&json!({"type": "ToolResultEvent", "is_error": is_error}))["action"], action);
        }
    }

    #[test]
    fn an_unknown_type_is_taken_by_its_name() {
        for (kind, category, action) in [
            ("CheckpointSavedEvent", "agent", "checkpoint_saved"),
            ("AgentPausedEvent", "agent", "paused"),
            ("KernelErrorEvent", "model", "kernel_error"),
            ("HumanInputTimeoutEvent", "user", "human_input_timeout"),
            ("ToolHTTPErrorEvent", "tool", "http_error"),
            ("GraphEvent", "graph", "graph"),
        ] {
            let event = native(&json!({"type": kind, "agent_id": "a", "where": 7}));
            assert_eq!((&event["category"], &event["action"]), (&json!(category), &json!(action)), "{kind}");
            assert_eq!(event["payload"]["where"], 7);
        }
        for of_the_run in
            [json!({"type": "CheckpointSavedEvent"}), json!({"type": "CheckpointSavedEvent", "agent_id": null})]
        {
            let event = native(&of_the_run);
            assert_eq!((&event["category"], &event["action"]), (&json!("graph"), &json!("checkpoint_saved")));
        }
    }

    #[test]
    fn what_names_no_event_is_refused() {
        for kind in [r#""robot""#, r#""Event""#, r#""robotEvent""#, r#""ÄpfelEvent""#, r#""Zu kühlEvent""#, "5"] {
            let event = format!(r#"{{"type":{kind}}}"#);
            assert!(Draft::parse(event.as_bytes(), &Limits::default()).is_err(), "{kind}");
        }
    }
}

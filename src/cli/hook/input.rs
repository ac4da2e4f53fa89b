//! What Claude Code tells a hook, and the event that it becomes.
//!
//! The formats are those of the "Hooks reference" at <https://code.claude.com/docs/en/hooks>, as of September 2026
//! (Claude Code 2.1): the common fields `session_id`, `transcript_path`, `cwd`, `permission_mode` and
//! `hook_event_name`, inside a subagent also `agent_id` and `agent_type`, and each hook's own fields. A hook that is
//! not known here becomes an event all the same.

use remora_actors::model::Event;
use serde_json::{Map, Value, json};

use super::shorten::{PAYLOAD_BYTES, TEXT_BYTES, shorten};
use crate::cli::terminal;

/// Fields that have a place of their own in an event.
const OWN_PLACE: [&str; 3] = ["session_id", "hook_event_name", "agent_id"];
/// Characters of a prompt or a command that a headline shows.
const HEADLINE_CHARS: usize = 200;

/// Characters of an unknown hook's name: an action may have 64.
const ACTION_CHARS: usize = 50;

/// One call of a hook.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    fields: Map<String, Value>,
}

impl Input {
    /// Reads what stands on standard input.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let fields = serde_json::from_slice(json).map_err(|error| format!("not a hook's JSON object: {error}"))?;
        let input = Self { fields };
        for name in ["session_id", "hook_event_name"] {
            if input.text(name).is_none_or(str::is_empty) {
                return Err(format!("not a hook's input: it has no `{name}`"));
            }
        }
        Ok(input)
    }

    /// Which hook it is, such as `PreToolUse`.
    pub(super) fn name(&self) -> &str {
        self.text("hook_event_name").unwrap_or_default()
    }

    /// A field that is a text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    /// The tool's input; an empty object where there is none.
    pub(super) fn tool_input(&self) -> Map<String, Value> {
        self.fields.get("tool_input").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The tool's name.
    pub(super) fn tool_name(&self) -> &str {
        self.text("tool_name").unwrap_or("a tool")
    }

    /// A session is an agent, and each subagent of it is one.
    pub(super) fn agent(&self) -> String {
        let session = self.text("session_id").unwrap_or_default();
        match self.subagent() {
            Some(subagent) => format!("{session}:{subagent}"),
            None => session.to_owned(),
        }
    }

    fn subagent(&self) -> Option<&str> {
        self.text("agent_id").filter(|id| !id.is_empty())
    }

    /// The id of what this hook is about, the same whenever the hook is run for it again. `None` where the input
    /// names nothing that happens only once.
    pub(super) fn stable_id(&self, purpose: &str) -> Option<String> {
        let tool_use_id = self.text("tool_use_id").filter(|id| !id.is_empty())?;
        let key = [self.text("session_id").unwrap_or_default(), self.name(), tool_use_id];
        Some(Event::stable_id(&format!("claude-code {purpose}"), &key))
    }

    /// What happened, as the daemon takes it in.
    pub(super) fn event(&self) -> Value {
        let (category, action) = self.kind();
        let fields: Map<_, _> =
            self.fields.iter().filter(|(name, _)| !OWN_PLACE.contains(&name.as_str())).map(own).collect();
        let mut payload = shorten(&fields.into(), TEXT_BYTES, &mut PAYLOAD_BYTES.clone());
        if let Value::Object(payload) = &mut payload {
            payload.insert("hook".to_owned(), self.name().into());
            payload.extend(self.headline().map(|(name, text)| (name.to_owned(), text.into())));
            if self.name() == "SessionStart" {
                // Nobody has told it yet what to do.
                payload.insert("idle".to_owned(), true.into());
            }
            // The session is the node that its subagents hang from in the graph's picture.
            let parent = self.subagent().and(self.text("session_id"));
            payload.extend(parent.map(|session| ("parent_agent_id".to_owned(), session.into())));
        }
        json!({
            "id": self.stable_id("event").unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
            "category": category,
            "action": action,
            "agent_id": self.agent(),
            // A session with its subagents is a graph; a session alone is just an agent.
            "graph_id": self.subagent().and(self.text("session_id")),
            "session_id": self.text("session_id"),
            "payload": payload,
        })
    }

    fn kind(&self) -> (&'static str, String) {
        let (category, action) = match self.name() {
            "SessionStart" => ("agent", "started"),
            "SessionEnd" => ("agent", "completed"),
            "SubagentStart" if self.subagent().is_some() => ("agent", "started"),
            "SubagentStop" if self.subagent().is_some() => ("agent", "completed"),
            "UserPromptSubmit" => ("agent", "progress"),
            "Stop" => ("agent", "idle"),
            "Notification" => ("agent", "message"),
            "PreToolUse" => ("tool", "called"),
            "PostToolUse" => ("tool", "completed"),
            "PostToolUseFailure" => ("tool", "failed"),
            "PermissionRequest" => ("tool", "permission_requested"),
            "PermissionDenied" => ("tool", "denied"),
            other => return ("agent", format!("hook_{}", snake_case(other))),
        };
        (category, action.to_owned())
    }

    /// What the dashboard shows of it, where that is not a field of the input already.
    fn headline(&self) -> Option<(&'static str, String)> {
        let last_message = || self.text("last_assistant_message").map(|text| shorten_text(text, TEXT_BYTES));
        Some(match self.name() {
            "SessionStart" => {
                let folder = self.text("cwd").and_then(|cwd| cwd.rsplit(['/', '\\']).find(|part| !part.is_empty()));
                ("name", format!("{} (Claude Code)", folder.unwrap_or("session")))
            }
            "SessionEnd" => ("result", format!("session ended: {}", self.text("reason").unwrap_or("other"))),
            "SubagentStart" => ("name", format!("{} (subagent)", self.text("agent_type").unwrap_or("subagent"))),
            "SubagentStop" => ("result", last_message()?),
            "UserPromptSubmit" => {
                ("message", format!("works on: {}", one_line(self.text("prompt").unwrap_or_default())))
            }
            "Stop" => ("message", "waits for the next prompt".to_owned()),
            _ => return None,
        })
    }
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn shorten_text(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

/// The first line of a text, or as much as a headline has room for.
pub(super) fn one_line(text: &str) -> String {
    terminal::shorten(text.trim().lines().next().unwrap_or_default(), HEADLINE_CHARS)
}

/// `PreCompact` as `pre_compact`, within what an action may be.
fn snake_case(name: &str) -> String {
    let mut action = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !action.is_empty() {
            action.push('_');
        }
        action.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    action.truncate(ACTION_CHARS);
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, fields: &Value) -> Input {
        let mut all = json!({"session_id": "s1", "cwd": "/home/me/shop", "hook_event_name": name});
        all.as_object_mut().expect("valid").extend(fields.as_object().expect("valid").clone());
        Input::parse(all.to_string().as_bytes()).expect("valid")
    }

    #[test]
    fn each_hook_becomes_its_event() {
        for (name, more, kind, shown) in [
            (
                "SessionStart",
                json!({"source": "startup"}),
                "agent:started",
                json!({"name": "shop (Claude Code)", "idle": true}),
            ),
            (
                "UserPromptSubmit",
                json!({"prompt": "Fix it\nnow"}),
                "agent:progress",
                json!({"message": "works on: Fix it"}),
            ),
            ("PreToolUse", json!({"tool_name": "Bash"}), "tool:called", json!({"tool_name": "Bash"})),
            ("PostToolUse", json!({"tool_response": {"x": 1}}), "tool:completed", json!({"tool_response": {"x": 1}})),
            ("PostToolUseFailure", json!({"error": "exit 1"}), "tool:failed", json!({"error": "exit 1"})),
            ("PermissionRequest", json!({}), "tool:permission_requested", json!({})),
            ("PermissionDenied", json!({"reason": "no"}), "tool:denied", json!({"reason": "no"})),
            ("Notification", json!({"message": "idle"}), "agent:message", json!({"message": "idle"})),
            ("Stop", json!({}), "agent:idle", json!({"message": "waits for the next prompt"})),
            ("SubagentStop", json!({}), "agent:hook_subagent_stop", json!({})),
            ("SessionEnd", json!({"reason": "logout"}), "agent:completed", json!({"result": "session ended: logout"})),
            ("PreCompact", json!({"trigger": "auto"}), "agent:hook_pre_compact", json!({"trigger": "auto"})),
            ("Blocked", json!({}), "agent:hook_blocked", json!({})),
        ] {
            let event = input(name, &more).event();
            let made =
                format!("{}:{}", event["category"].as_str().unwrap_or("?"), event["action"].as_str().unwrap_or("?"));
            assert_eq!(made, kind);
            assert_eq!((&event["agent_id"], &event["graph_id"]), (&json!("s1"), &Value::Null));
            for (field, value) in shown.as_object().expect("valid") {
                assert_eq!(&event["payload"][field], value, "{name}");
            }
            assert_eq!((&event["payload"]["hook"], &event["payload"]["session_id"]), (&json!(name), &Value::Null));
        }
    }

    #[test]
    fn a_subagent_is_an_agent_of_the_sessions_graph() {
        let subagent = json!({"agent_id": "x", "agent_type": "Explore", "last_assistant_message": "done"});
        let of = |name: &str| input(name, &subagent).event();
        let started = of("SubagentStart");
        assert_eq!((&started["agent_id"], &started["graph_id"]), (&json!("s1:x"), &json!("s1")));
        assert_eq!(started["payload"]["name"], "Explore (subagent)");
        assert_eq!(
            (&of("SubagentStop")["action"], &of("SubagentStop")["payload"]["result"]),
            (&json!("completed"), &json!("done"))
        );
        assert_eq!(of("PreToolUse")["agent_id"], "s1:x");
    }

    #[test]
    fn a_repeated_hook_makes_the_same_event() {
        let id = |name: &str, tool_use: &str| input(name, &json!({"tool_use_id": tool_use})).event()["id"].clone();
        assert_eq!(id("PreToolUse", "toolu_1"), id("PreToolUse", "toolu_1"));
        assert_ne!(id("PreToolUse", "toolu_1"), id("PostToolUse", "toolu_1"));
        assert_ne!(id("PreToolUse", "toolu_1"), id("PreToolUse", "toolu_2"));
        assert_ne!(id("Stop", ""), id("Stop", ""), "nothing tells two stops apart");
    }

    #[test]
    fn what_is_no_hooks_input_is_refused() {
        for text in ["", "{", "[]", "5", "{}", r#"{"session_id":"s"}"#, r#"{"session_id":5,"hook_event_name":"Stop"}"#]
        {
            assert!(Input::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn any_name_makes_a_proper_action() {
        for (name, action) in [("PreCompact", "pre_compact"), ("a b-c", "a_b_c"), ("Ünicode", "_nicode")] {
            assert_eq!(snake_case(name), action);
        }
        assert!(format!("hook_{}", snake_case(&"X".repeat(1_000))).len() <= 64);
    }
}

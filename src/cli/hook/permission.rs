//! A tool call that waits for a person: the question it becomes, and the decision that Claude Code is told.
//!
//! The decisions are those of the "Hooks reference" at <https://code.claude.com/docs/en/hooks>, as of September 2026:
//! `hookSpecificOutput.permissionDecision` after `PreToolUse`, `hookSpecificOutput.decision.behavior` after
//! `PermissionRequest`; `updatedInput` replaces the tool's whole input. Printing nothing leaves the call to Claude
//! Code's own rules and prompt.
//!
//! The question carries the tool's name and its input as arguments; a person answers with a [`Decision`].

use std::time::Duration;

use remora_actors::model::{Answer, Decision, QuestionRecord, Verdict};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    input::{Input, one_line},
    shorten::{PAYLOAD_BYTES, shorten},
};

/// Tools that ask the person at the terminal themselves: approving them says nothing.
const INTERACTIVE: [&str; 3] = ["AskUserQuestion", "ExitPlanMode", "EndConversation"];
/// Fields of a tool's input that tell best what it is about, the best first.
const TELLING: [&str; 8] = ["command", "file_path", "notebook_path", "url", "query", "pattern", "path", "description"];

/// Which tools a person is asked about: names separated by `,` or `|`; `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tools(Vec<String>);

impl std::str::FromStr for Tools {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<_> = text.split([',', '|']).map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Err("expected names of tools such as Bash,Write or mcp__github__*".to_owned());
        }
        let strange = |c: char| !(c.is_ascii_alphanumeric() || "_-*.:".contains(c));
        if let Some(name) = names.iter().find(|name| name.contains(strange)) {
            return Err(format!("{name:?} is no name of a tool; `*` stands for any characters"));
        }
        Ok(Self(names.into_iter().map(str::to_owned).collect()))
    }
}

impl std::fmt::Display for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl Tools {
    pub(super) fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    fn include(&self, tool: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, tool))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            // The shortest stretch for this star first; a name is short.
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}

/// When a person is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Policy {
    /// Before each call of these tools.
    pub(super) before: Option<Tools>,
    /// Where Claude Code would ask at its own prompt.
    pub(super) prompts: bool,
}

impl Policy {
    /// True where a person decides about this call.
    pub(super) fn asks(&self, input: &Input) -> bool {
        let tool = input.tool_name();
        !INTERACTIVE.contains(&tool)
            && match input.name() {
                "PreToolUse" => self.before.as_ref().is_some_and(|tools| tools.include(tool)),
                "PermissionRequest" => self.prompts,
                _ => false,
            }
    }
}

/// The question about a tool call. The same call asks the same question, however often its hook is run.
pub(super) fn question(input: &Input, wait: Duration) -> Value {
    let tool_input = input.tool_input();
    let telling = TELLING.iter().find_map(|field| tool_input.get(*field)?.as_str()).map(one_line);
    let about = telling.filter(|text| !text.is_empty()).map(|text| format!(": {text}")).unwrap_or_default();
    json!({
        "msg_id": input.stable_id("question").unwrap_or_else(|| Uuid::now_v7().to_string()),
        "agent_id": input.agent(),
        "question": format!("May Claude Code use {}{about}", input.tool_name()),
        "reason": "tool_call",
        "tool_name": input.tool_name(),
        "arguments": shown(tool_input),
        "timeout": wait.as_secs_f64(),
    })
}

/// A tool's input as a person sees it: without the ends of long texts.
fn shown(tool_input: Map<String, Value>) -> Value {
    shorten(&tool_input.into(), PAYLOAD_BYTES, &mut PAYLOAD_BYTES.clone())
}

/// The whole input after a person has edited what was shown of it: what was left alone is as it was, to the last byte.
fn edited(tool_input: &Map<String, Value>, arguments: Map<String, Value>) -> Map<String, Value> {
    let shown = shown(tool_input.clone());
    let mut whole = tool_input.clone();
    whole.retain(|name, _| shown.get(name).is_none() || arguments.contains_key(name));
    let changes = arguments.into_iter().filter(|(name, value)| shown.get(name) != Some(value));
    whole.extend(changes);
    whole
}

/// What Claude Code is told. `None`: nothing, because nobody has decided.
pub(super) fn decision(input: &Input, record: &QuestionRecord) -> Option<Value> {
    let Answer { answer, answered_by, .. } = record.answer.as_ref()?;
    let Decision { decision, arguments, reason, .. } = Decision::read(answer)?;
    let (who, door) = (&answered_by.who, answered_by.door.as_str());
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let (word, told) = match decision {
        Verdict::Approve | Verdict::Edit => ("allow", reason.unwrap_or_else(|| format!("approved by {who} ({door})"))),
        Verdict::Reject => ("deny", reason.unwrap_or_else(|| format!("denied by {who} ({door})"))),
    };
    let edited =
        arguments.filter(|_| decision == Verdict::Edit).map(|arguments| edited(&input.tool_input(), arguments));
    let mut output = match input.name() {
        "PermissionRequest" if decision != Verdict::Reject => json!({"decision": {"behavior": word}}),
        "PermissionRequest" => json!({"decision": {"behavior": word, "message": told}}),
        _ => json!({"permissionDecision": word, "permissionDecisionReason": told}),
    };
    if let Some(edited) = edited {
        match output.get_mut("decision") {
            Some(decision) => decision["updatedInput"] = edited.into(),
            None => output["updatedInput"] = edited.into(),
        }
    }
    output["hookEventName"] = input.name().into();
    Some(json!({"hookSpecificOutput": output}))
}

#[cfg(test)]
mod tests {
    use remora_actors::model::{Limits, Question, QuestionKey};

    use super::*;

    fn call(hook: &str, tool: &str, tool_input: &Value) -> Input {
        let fields = json!({"session_id": "s", "hook_event_name": hook, "tool_name": tool, "tool_input": tool_input,
            "tool_use_id": "toolu_1"});
        Input::parse(fields.to_string().as_bytes()).expect("valid")
    }

    fn answered(answer: &Value) -> QuestionRecord {
        let record = json!({"msg_id": "m", "agent_id": "s", "workspace_id": "s", "question": "q", "status": "answered",
            "created_at": "2026-01-01T00:00:00Z", "answer": answer, "responded_at": "2026-01-01T00:00:01Z",
            "answered_by": {"who": "alice", "door": "browser"}});
        serde_json::from_value(record).expect("valid")
    }

    #[test]
    fn tools_are_named_or_meant_by_a_star() {
        let tools: Tools = "Bash, Write|mcp__git*__push".parse().expect("valid");
        for (tool, included) in
            [("Bash", true), ("Write", true), ("mcp__github__push", true), ("BashOutput", false), ("bash", false)]
        {
            assert_eq!(tools.include(tool), included, "{tool}");
        }
        assert!(Tools::all().include("anything"));
        assert_eq!(tools.to_string().parse(), Ok(tools));
        for text in ["", " , ", "Bash(rm)", "a b", "$(x)", "'"] {
            assert!(text.parse::<Tools>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_person_is_asked_only_where_it_was_wanted() {
        let policy =
            |before: Option<&str>, prompts| Policy { before: before.map(|t| t.parse().expect("valid")), prompts };
        for (policy, hook, tool, asks) in [
            (policy(None, false), "PreToolUse", "Bash", false),
            (policy(Some("Bash"), false), "PreToolUse", "Bash", true),
            (policy(Some("Bash"), false), "PreToolUse", "Read", false),
            (policy(Some("Bash"), false), "PostToolUse", "Bash", false),
            (policy(Some("Bash"), false), "PermissionRequest", "Bash", false),
            (policy(None, true), "PermissionRequest", "Read", true),
            (policy(None, true), "PreToolUse", "Read", false),
            (policy(Some("*"), true), "PreToolUse", "AskUserQuestion", false),
        ] {
            assert_eq!(policy.asks(&call(hook, tool, &json!({}))), asks, "{policy:?} {hook} {tool}");
        }
    }

    #[test]
    fn the_question_is_one_that_the_daemon_takes() {
        let input = call("PreToolUse", "Bash", &json!({"command": "rm -rf build\nls", "description": "Clean up"}));
        let fields = question(&input, Duration::from_secs(60));
        assert_eq!(fields["question"], "May Claude Code use Bash: rm -rf build");
        assert_eq!(fields["arguments"]["description"], "Clean up");
        assert_eq!(fields["msg_id"], question(&input, Duration::from_secs(1))["msg_id"]);
        let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
        let fields = fields.as_object().expect("valid");
        let question = Question::from_fields(key, "s", jiff::Timestamp::UNIX_EPOCH, fields, &Limits::default());
        let question = question.expect("valid");
        for (answer, good) in [
            (json!("approve"), true),
            (json!("deny"), true),
            (json!({"decision": "reject", "reason": "no"}), true),
            (json!({"decision": "edit", "arguments": {"command": "ls"}}), true),
            (json!("perhaps"), false),
            (json!({"decision": "perhaps"}), false),
            (json!({"reason": "no"}), false),
        ] {
            assert_eq!(question.accept(answer.clone(), &Limits::default()).is_ok(), good, "{answer}");
        }
    }

    #[test]
    fn an_edit_changes_only_what_was_edited() {
        let long = "x".repeat(PAYLOAD_BYTES * 2);
        let input = json!({"file_path": "a", "mode": 7, "content": long});
        let input = input.as_object().expect("an object");
        let mut arguments = shown(input.clone()).as_object().cloned().expect("an object");
        assert!(arguments["content"].as_str().expect("a text").len() < long.len());
        arguments["file_path"] = "b".into();
        arguments.shift_remove("mode");
        assert_eq!(Value::Object(edited(input, arguments)), json!({"file_path": "b", "content": long}));
    }

    #[test]
    fn the_decision_is_as_claude_code_reads_it() {
        let tool_input = json!({"command": "rm -rf /", "timeout": 5});
        let edited = json!({"command": "ls", "timeout": 5});
        let edit = json!({"decision": "edit", "arguments": edited});
        let deny = json!({"decision": "reject", "reason": "too bold"});
        for (hook, answer, expected) in [
            (
                "PreToolUse",
                json!("approve"),
                json!({"permissionDecision": "allow", "permissionDecisionReason": "approved by alice (browser)"}),
            ),
            (
                "PreToolUse",
                edit.clone(),
                json!({"permissionDecision": "allow", "permissionDecisionReason": "approved by alice (browser)",
                    "updatedInput": edited}),
            ),
            ("PreToolUse", deny.clone(), json!({"permissionDecision": "deny", "permissionDecisionReason": "too bold"})),
            ("PermissionRequest", edit, json!({"decision": {"behavior": "allow", "updatedInput": edited}})),
            ("PermissionRequest", deny, json!({"decision": {"behavior": "deny", "message": "too bold"}})),
        ] {
            let mut expected = expected;
            expected["hookEventName"] = hook.into();
            let told = decision(&call(hook, "Bash", &tool_input), &answered(&answer)).expect("decided");
            assert_eq!(told, json!({"hookSpecificOutput": expected}));
        }
        // What a coordinator of another kind wrote into the workspace decides nothing.
        assert_eq!(decision(&call("PreToolUse", "Bash", &tool_input), &answered(&json!("maybe"))), None);
    }
}

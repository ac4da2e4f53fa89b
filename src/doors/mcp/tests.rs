use serde_json::{Value, json};

use super::*;
use crate::doors::mcp::{args::Question, results::Outcome};

#[test]
fn a_clients_name_becomes_part_of_an_id() {
    for (name, expected) in [
        ("Claude Code", "claude-code"),
        ("mcp", "mcp"),
        ("a/b\nc%é", "a-b-c--"),
        ("", "mcp"),
        ("///", "mcp"),
        (&"x".repeat(300), &"x".repeat(NAME_BYTES)),
    ] {
        assert_eq!(program(Some(&Implementation::new(name, "1"))), expected);
    }
    assert_eq!(program(None), "mcp");
}

#[test]
fn an_address_may_name_the_agent() {
    for (query, expected) in [
        ("agent=reviewer", Some("reviewer")),
        ("x=1&agent=team%2Fa+1", Some("team/a 1")),
        ("agent=", None),
        ("agents=a", None),
        ("", None),
    ] {
        assert_eq!(agent_of(query).as_deref(), expected, "{query}");
    }
}

#[test]
fn a_question_is_sent_as_the_api_takes_it() {
    let given = json!({"question": "Which?", "options": ["a", {"value": "b", "effect": "does b"}],
        "multiple": true, "allow_other": false, "timeout": 60.0,
        "on_deadline": "default", "default": ["a"], "msg_id": "m1"});
    let question: Question = serde_json::from_value(given.clone()).expect("valid");
    assert_eq!(json!(question), given);
    let question: Question = serde_json::from_value(json!({"question": "Why?"})).expect("valid");
    assert_eq!(json!(question), json!({"question": "Why?"}), "what was left out is left to the daemon");
    assert!(serde_json::from_value::<Question>(json!({"question": "q", "urgent": true})).is_err());
}

#[test]
fn outcomes_are_told_apart() {
    let answer = |door: &str| {
        json!({"answer": "yes", "answered_by": {"who": "alice", "door": door},
        "responded_at": "2026-01-01T00:01:00Z"})
    };
    let outcome = |status: &str, more: Value| {
        let mut record = json!({"msg_id": "m", "agent_id": "a", "workspace_id": "a", "question": "q",
            "created_at": "2026-01-01T00:00:00Z", "status": status});
        record.as_object_mut().expect("valid").extend(more.as_object().expect("valid").clone());
        json!(Outcome::from(serde_json::from_value::<remora_actors::model::QuestionRecord>(record).expect("valid")))
    };
    let by_person = outcome("delivered", answer("browser"));
    assert_eq!(
        (&by_person["status"], &by_person["answer"], &by_person["answered_by"]),
        (&json!("answered"), &json!("yes"), &json!("alice"))
    );
    let by_policy = outcome("answered", answer("policy"));
    assert_ne!(by_person["note"], by_policy["note"]);
    for (status, needle) in [("open", "check_answer"), ("expired", "no consent"), ("cancelled", "no consent")] {
        let outcome = outcome(status, json!({"closed_reason": "the asker has given up"}));
        assert_eq!((&outcome["status"], &outcome["answer"]), (&json!(status), &Value::Null));
        assert!(outcome["note"].as_str().is_some_and(|note| note.contains(needle)), "{outcome}");
    }
    assert_eq!(json!(Outcome::unknown("m".to_owned()))["status"], "unknown");
}

#[test]
fn every_argument_and_result_is_described() {
    for tool in McpServer::tool_router().list_all() {
        let output = tool.output_schema.as_deref().unwrap_or_else(|| panic!("{} has no result", tool.name));
        for schema in [&*tool.input_schema, output] {
            assert_eq!(schema.get("type"), Some(&json!("object")), "{}", tool.name);
            for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                assert!(field.get("description").is_some(), "{name} of {}", tool.name);
            }
        }
    }
}

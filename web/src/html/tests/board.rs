//! A dashboard on which everything happens once.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use remora_actors::model::{Category, Dashboard, Event, Limits, PutAside, Record, Troubles};
use serde_json::{Value, json};

use super::super::clock::Clock;

/// Rendered two minutes after the first event.
pub(in super::super) fn clock() -> Clock {
    Clock { now: at(120), zone: TimeZone::UTC }
}

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-02-24T09:37:15.120Z".parse().expect("a time");
    start + SignedDuration::from_secs(second)
}

/// Folds events one second apart.
pub(super) fn fold(events: Vec<Event>) -> (Dashboard, Vec<Arc<Record>>) {
    let mut dashboard = Dashboard::new(&Limits::default());
    let records: Vec<_> =
        events.into_iter().enumerate().map(|(index, event)| record(index as u64 + 1, event)).collect();
    for record in &records {
        dashboard.apply(record);
    }
    (dashboard, records)
}

/// Folds events with their own times.
pub(in super::super) fn fold_as_they_are(events: Vec<Event>) -> Dashboard {
    let mut dashboard = Dashboard::new(&Limits::default());
    for (seq, event) in (1..).zip(events) {
        let json = event.to_json();
        dashboard.apply(&Record::new(seq, event, json));
    }
    dashboard
}

/// The same dashboard of a daemon that has troubles of its own.
pub(super) fn troubled((mut dashboard, records): (Dashboard, Vec<Arc<Record>>), words: &Words<'_>) -> Dashboard {
    let put_aside = PutAside::new("state-aggregator", &records[0], &(words.say)("no such index: 7"), at(60));
    dashboard.tell(Troubles { journal: Some((words.say)("database or disk is full")), put_aside: vec![put_aside] });
    dashboard
}

pub(super) fn record(seq: u64, event: Event) -> Arc<Record> {
    let event = Event { timestamp: at(seq as i64), ..event };
    let json = event.to_json();
    Record::new(seq, event, json)
}

pub(in super::super) fn agent_event(agent_id: &str, action: &str, payload: Value) -> Event {
    Event { graph_id: Some("nightly".to_owned()), ..Event::of_agent(agent_id, action, at(0), &[], payload) }
}

pub(super) fn tool_event(agent_id: &str, action: &str, payload: Value) -> Event {
    Event { category: Category::Tool, ..agent_event(agent_id, action, payload) }
}

/// Every text that an agent or a person chose goes through `say`, every id through `name`.
pub(super) struct Words<'a> {
    pub(super) say: &'a dyn Fn(&str) -> String,
    pub(super) name: &'a dyn Fn(&str) -> String,
}

/// What people would write.
pub(super) const BELIEVABLE: Words<'static> = Words { say: &str::to_owned, name: &str::to_owned };

/// The agent whose page has the most on it.
pub(super) const LINTER: &str = "lint-7";

/// Agents in every state, a question of every kind, and each end that a question can have.
pub(super) fn everything(words: &Words<'_>) -> Vec<Event> {
    let Words { say, name } = words;
    let agent = |id: &str, action: &str, payload: Value| Event {
        graph_id: Some(name("nightly")),
        ..Event::of_agent(&name(id), action, at(0), &[], payload)
    };
    let started = |id: &str, called: &str| {
        let after = if id == LINTER { json!(name("plan-1")) } else { json!([name(LINTER)]) };
        let workspace_id = name(&format!("ws-{id}"));
        agent(id, "started", json!({"name": say(called), "workspace_id": workspace_id, "depends_on": after}))
    };
    let asks = |id: &str, msg_id: &str, mut fields: Value| {
        fields["msg_id"] = name(msg_id).into();
        fields["workspace_id"] = name(&format!("ws-{id}")).into();
        agent(id, "blocked", fields)
    };
    let about = |id: &str, action: &str, msg_id: &str, more: Value| {
        let mut payload = json!({"msg_id": name(msg_id), "workspace_id": name(&format!("ws-{id}"))});
        payload.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        agent(id, action, payload)
    };
    let by = |who: &str, door: &str, answer: &str| json!({"answer": say(answer), "answered_by": {"who": say(who), "door": door}});
    let user = |id: &str, payload: Value| Event { category: Category::User, ..agent(id, "messaged", payload) };
    vec![
        started(LINTER, "Linter"),
        started("test-1", "Test writer"),
        started("docs-1", "Docs"),
        started("audit-1", "Dependency audit"),
        started("bench-1", "Benchmarks"),
        started("types-1", "Type checker"),
        started("notes-1", "Release notes"),
        started("api-1", "API design"),
        Event {
            category: Category::Tool,
            ..agent(
                "docs-1",
                "called",
                json!({"tool_name": say("read_file"), "arguments": {"path": say("src/main.rs")}}),
            )
        },
        Event { category: Category::Model, ..agent("docs-1", "request", json!({"turn": 1, "model": say("qwen3-4b")})) },
        asks(
            LINTER,
            "m1",
            json!({"question": say("Rewrite 48 files with cargo fmt?"), "options": [say("yes"), say("no") + "!"],
            "urgency": "high", "timeout": 300, "context": {"diff": say("48 files changed")}, "reason": "tool_call", "response_schema": {"type": "object"}}),
        ),
        asks(
            "test-1",
            "m2",
            json!({"question": say("Which database?\n\nStaging is faster."), "context": say("Both work.")}),
        ),
        asks(
            "audit-1",
            "m3",
            json!({"question": say("Which endpoints may break?"), "options": [say("GET /users"), say("PUT /users") + "!"],
            "multiple": true, "urgency": "low", "timeout": 60, "on_deadline": "deny"}),
        ),
        asks(
            "bench-1",
            "m4",
            json!({"question": say("Release parameters?"), "timeout": 7200, "on_deadline": "default",
            "response_schema": {"type": "object", "title": say("Release")}, "default": {"version": say("2.4.0")},
            "reason": "confirmation"}),
        ),
        agent("bench-1", "workspace_trouble", json!({"detail": say("the file is locked by another process")})),
        asks(
            "docs-1",
            "m9",
            json!({"question": say("# Send it?\n\n> *Nobody* has **read** it,\n> ~~yet~~.\n\n3. `one`\n- [two](https://example.org)\n\n\
                ```\ncode\n```\n\n|a|\n|-|\n|b|\n\n---\n## Why\n### Because"), "reason": "confirmation",
                "proposal": say("Dear all,\nit is done."), "context": say("Both work.")}),
        ),
        asks(
            "docs-1",
            "m10",
            json!({"question": say("May I?"), "reason": "tool_call", "tool_name": say("Bash"), "arguments":
                {name("command"): say("rm -rf build"), "timeout": 5, "force": true, "env": {"A": say("b")}}}),
        ),
        asks(
            "docs-1",
            "m13",
            json!({"question": say("May I?"), "reason": "tool_call", "tool_name": say("Edit"), "arguments":
                {"path": say("a.py"), "edits": [{name("old"): say("b()"), "new": say("if a:\n    b()") + "\n"}]}}),
        ),
        asks(
            "audit-1",
            "m11",
            json!({"question": say("Which?"), "allow_other": false, "options": [
                {"value": say("a"), "label": say("Plan A"), "effect": say("is quick")}, {"value": say("b") + "!"}]}),
        ),
        asks("audit-1", "m12", json!({"question": say("Parameters?"), "response_schema": release(words)})),
        asks(
            "docs-1",
            "m5",
            json!({"question": say("Publish the changelog?"), "options": [say("yes")], "on_deadline": "wait",
                "timeout": 9}),
        ),
        about("docs-1", "resumed", "m5", by("ann", "browser", "yes")),
        asks(LINTER, "m6", json!({"question": say("Repeat the slow benchmark?")})),
        about(LINTER, "resumed", "m6", by("bob", "cli", "no")),
        about(LINTER, "answer_written", "m6", json!({})),
        about(LINTER, "answer_delivered", "m6", json!({})),
        asks("notes-1", "m7", json!({"question": say("Is this finding relevant?")})),
        agent("notes-1", "completed", json!({"result": say("12 tests written.\n\nNot covered: recovery.").repeat(40)})),
        asks("types-1", "m8", json!({"question": say("Which version?")})),
        about("types-1", "question_expired", "m8", json!({"reason": say("nobody answered in time")})),
        agent("types-1", "failed", json!({"error": say("no answer from the model within 120 s")})),
        agent("api-1", "cancelled", json!({"reason": say("stopped by ann")})),
        user(
            LINTER,
            json!({"content": say("Skip generated files."), "message_id": name("u1"),
                "sent_by": {"who": say("ann"), "door": "browser"}}),
        ),
        Event { category: Category::Graph, agent_id: None, ..agent("", "stalled", json!({})) },
        agent(LINTER, "progress", json!({"message": say("12 of 40 files")})),
    ]
}

/// A schema with a field of every kind.
fn release(words: &Words<'_>) -> Value {
    let Words { say, name } = words;
    json!({"type": "object", "required": ["version", "note", "days", name("channel")], "properties": {
        "version": {"type": "string", "maxLength": 20, "title": say("Version"), "examples": [say("2.4.0")]},
        "note": {"type": "string", "description": say("What is new?"), "default": say("Nothing.")},
        "mail": {"type": "string", "format": "email"}, "page": {"type": "string", "format": "uri"},
        "day": {"type": "string", "format": "date", "default": "2026-02-24"},
        "at": {"type": "string", "format": "date-time", "default": "2026-02-24T09:37:00Z"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "share": {"type": "number", "multipleOf": 0.5},
        "draft": {"type": "boolean", "description": say("Only a try"), "default": true},
        name("channel"): {"oneOf": [{"const": say("beta"), "title": say("Beta"), "description": say("for the bold")},
            {"const": 5}]},
        "region": {"enum": [say("eu"), "us"], "default": "us"},
        "days": {"type": "array", "items": {"enum": ["mo", "tu", say("we")]}, "minItems": 1},
        "more": {"type": "object", "default": {"k": say("v")}},
    }})
}

//! CloudEvents in, events out; and what comes of those that are none.

use jiff::Timestamp;
use proptest::prelude::*;
use remora_actors::model::Event;
use serde_json::{Value, json};
use warp::http::HeaderMap;

use super::*;

fn structured_event(fields: &Value) -> Result<Event, Invalid> {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/agents/a"});
    let (Some(event_fields), Value::Object(fields)) = (event.as_object_mut(), fields) else { panic!("objects") };
    event_fields.extend(fields.clone());
    structured(event.to_string().as_bytes(), &Limits::default()).map(completed)
}

/// Every event has an id of its own.
fn completed(draft: Draft) -> Event {
    draft.complete(Timestamp::UNIX_EPOCH, || panic!("no id"))
}

fn kind(event: &Event) -> String {
    format!("{}:{}", event.category.as_str(), event.action)
}

#[test]
fn the_type_tells_the_kind() {
    for (given, expected) in [
        ("agent.started", "agent:started"),
        ("com.example.tool.called", "tool:called"),
        ("model:request", "model:request"),
        ("org.example/agent/timed_out", "agent:timed_out"),
        // These must not end an agent.
        ("com.example.order.completed", "agent:message"),
        ("completed", "agent:message"),
        ("agent.Started", "agent:message"),
        ("agent.", "agent:message"),
    ] {
        let event = structured_event(&json!({"type": given, "subject": "a"})).expect(given);
        assert_eq!(kind(&event), expected, "{given}");
    }
}

#[test]
fn attributes_become_fields_and_the_data_the_payload() {
    let event = structured_event(&json!({"type": "agent.started", "subject": "lint-7", "time": "2026-02-24T09:37:15Z",
        "graphid": "g1", "traceparent": "00-ab", "data": {"name": "Linter"}}))
    .expect("valid");
    assert_eq!(event.timestamp.to_string(), "2026-02-24T09:37:15Z");
    assert_eq!((event.agent_id.as_deref(), event.graph_id.as_deref()), (Some("lint-7"), Some("g1")));
    assert_eq!(event.payload["name"], "Linter");
    assert_eq!(
        event.payload["cloudevent"],
        json!({"id": "1", "source": "/agents/a", "type": "agent.started", "subject": "lint-7", "traceparent": "00-ab"})
    );
}

#[test]
fn source_and_id_together_name_an_event() {
    let id = |fields: Value| structured_event(&fields).expect("valid").id;
    let one = id(json!({"type": "x", "id": "1", "source": "s"}));
    assert_eq!(one, id(json!({"type": "y", "id": "1", "source": "s", "data": 5})));
    assert_ne!(one, id(json!({"type": "x", "id": "2", "source": "s"})));
    assert_ne!(one, id(json!({"type": "x", "id": "1", "source": "t"})));
}

#[test]
fn an_agent_is_named_by_subject_or_data_or_source() {
    for (fields, expected) in [
        (json!({"type": "agent.started", "subject": "s", "data": {"agent_id": "d"}}), "s"),
        (json!({"type": "agent.started", "data": {"agent_id": "d"}}), "d"),
        (json!({"type": "agent.started"}), "/agents/a"),
    ] {
        assert_eq!(structured_event(&fields).expect("valid").agent_id.as_deref(), Some(expected));
    }
}

#[test]
fn data_in_a_dialect_of_ours_is_read_as_such() {
    let native = json!({"category": "tool", "action": "called", "agent_id": "n", "payload": {"tool_name": "ls"}});
    let later = json!({"type": "AgentStartEvent", "agent_id": "l", "node_name": "Linter"});
    for (fields, expected, agent) in [
        (json!({"type": "com.example.log", "data": native}), "tool:called", "n"),
        (json!({"type": "com.example.log", "data": later}), "agent:started", "l"),
        (json!({"type": "com.example.AgentErrorEvent", "data": {"agent_id": "e"}}), "agent:failed", "e"),
        (json!({"type": "com.example.log", "data": {"type": "PushEvent"}}), "agent:message", "/agents/a"),
    ] {
        let event = structured_event(&fields).expect("valid");
        assert_eq!((kind(&event).as_str(), event.agent_id.as_deref()), (expected, Some(agent)));
        assert_eq!(event.payload["cloudevent"]["source"], "/agents/a");
    }
}

#[test]
fn data_that_is_no_object_keeps_its_name() {
    let payload = |fields: Value| structured_event(&fields).expect("valid").payload;
    assert_eq!(payload(json!({"type": "x", "data": "text"}))["data"], "text");
    assert_eq!(payload(json!({"type": "x", "data": [1]}))["data"], json!([1]));
    assert_eq!(payload(json!({"type": "x", "data_base64": "AQI="}))["data_base64"], "AQI=");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (fields, name) in [
        (json!({}), "type"),
        (json!({"type": ""}), "type"),
        (json!({"type": 5}), "type"),
        (json!({"type": "x", "id": ""}), "id"),
        (json!({"type": "x", "source": null}), "source"),
        (json!({"type": "x", "source": "a\nb"}), "source"),
        (json!({"type": "x", "specversion": "0.3"}), "specversion"),
        (json!({"type": "x", "time": "yesterday"}), "timestamp"),
        (json!({"type": "x", "subject": "a\u{0}"}), "agent_id"),
        (json!({"type": "x", "data": 1, "data_base64": "AQ=="}), "data"),
        (json!({"type": "agent.blocked", "subject": "a"}), "question"),
    ] {
        let error = structured_event(&fields).expect_err(name).to_string();
        assert!(error.contains(name), "{error} should name {name}");
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

fn binary(more: &[(&'static str, &str)], body: &[u8]) -> Result<Event, Invalid> {
    let base = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "agent.started")];
    let mut read = read(&headers(&[&base[..], more].concat()), body, &Limits::default()).expect("a cloudevent");
    read.remove(0).1.map(completed)
}

#[test]
fn the_binary_mode_says_the_same_as_the_structured_one() {
    let sent = binary(&[("ce-subject", "J%C3%BCrgen"), ("content-type", "application/json")], br#"{"name":"x"}"#);
    let sent = sent.expect("valid");
    assert_eq!(sent.agent_id.as_deref(), Some("Jürgen"));
    assert_eq!(sent.payload["name"], "x");
    assert_eq!(sent.id, structured_event(&json!({"type": "agent.started", "source": "/s"})).expect("valid").id);
    assert_eq!(binary(&[("content-type", "text/plain")], b"hello").expect("text").payload["data"], "hello");
    assert_eq!(binary(&[], b"").expect("no data").payload["cloudevent"]["source"], "/s");
}

#[test]
fn binary_bodies_must_be_what_they_say() {
    assert!(matches!(binary(&[("content-type", "application/json")], b"{"), Err(Invalid::Json(_))));
    assert!(binary(&[("content-type", "image/png")], b"\x89PNG\xff").is_err());
    assert!(binary(&[("ce-subject", "%ff")], b"").is_err());
}

#[test]
fn a_batch_is_read_one_by_one() {
    let good = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "x"});
    let body = json!([good, {"id": "2"}, 5]).to_string();
    let read = read(&headers(&[("content-type", BATCH)]), body.as_bytes(), &Limits::default()).expect("an array");
    let bad: Vec<_> = read.iter().filter(|(_, event)| event.is_err()).map(|(number, _)| *number).collect();
    assert_eq!((read.len(), bad), (3, vec![2, 3]));
}

#[test]
fn anything_else_is_no_cloudevent() {
    let limits = Limits::default();
    let json = headers(&[("content-type", "application/json")]);
    assert_eq!(read(&json, b"{}", &limits).expect_err("no mode").status().as_u16(), 415);
    assert_eq!(
        read(&headers(&[("content-type", BATCH)]), b"{}", &limits).expect_err("no array").status().as_u16(),
        400
    );
    let deep = "[".repeat(100_000);
    assert_eq!(read(&headers(&[("content-type", BATCH)]), deep.as_bytes(), &limits).expect_err("deep").status(), 400);
}

proptest! {
    #[test]
    fn no_event_makes_it_panic(id: String, source: String, kind: String, subject: Option<String>, time: Option<String>,
        data: Option<i64>) {
        let _ = structured_event(&json!({"id": id, "source": source, "type": kind, "subject": subject, "time": time,
            "data": data}));
    }

    #[test]
    fn no_body_makes_it_panic(body: Vec<u8>) {
        for kind in [STRUCTURED, BATCH] {
            let _ = read(&headers(&[("content-type", kind)]), &body, &Limits::default());
        }
        let _ = binary(&[], &body);
    }
}

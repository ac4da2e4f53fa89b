//! CloudEvents over HTTP, as the official SDK sends them and as nobody should.

use serde_json::{Value, json};

use crate::support::{Daemon, Packages, Process, fixture, http::text};

static CLOUDEVENTS: Packages = Packages::new(&["cloudevents==2.2.0"]);
const PATH: &str = "/api/v1/cloudevents";

#[tokio::test]
async fn the_official_sdk_is_understood_in_all_three_modes() {
    let daemon = Daemon::start().await;
    let mut sender = CLOUDEVENTS.python();
    sender.arg(fixture("cloudevents_sender.py")).arg(daemon.url(""));
    let sent = Process::spawn(sender).wait().await.expect(0);
    let replies: Vec<Value> = sent.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies[0]["accepted"], 1);
    assert_eq!(replies[1]["duplicates"], 1, "the same event in another mode");
    assert_eq!(replies[2]["accepted"], 3);

    let events = daemon.api.journal("*").await;
    let kinds: Vec<_> = events.iter().map(|e| format!("{}:{}", text(e, "category"), text(e, "action"))).collect();
    assert_eq!(kinds, ["agent:started", "tool:called", "agent:message", "agent:completed"]);
    for event in &events {
        assert_eq!(event["agent_id"], "Jürgen 1");
        assert_eq!(event["timestamp"], "2026-02-24T09:37:15Z");
    }
    assert_eq!((&events[0]["payload"]["name"], &events[0]["graph_id"]), (&json!("Jürgen"), &json!("g1")));
    assert_eq!(events[2]["payload"]["order"], 5);
    assert_eq!(events[2]["payload"]["cloudevent"]["type"], "com.example.order.shipped");
    let state = daemon.api.state_at(4).await;
    assert_eq!(state["agentStates"]["Jürgen 1"]["state"], "completed");
    assert_eq!(state["results"][0]["content"], "done");
}

#[tokio::test]
async fn the_good_ones_of_a_batch_are_kept() {
    let daemon = Daemon::start().await;
    let good = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "agent.started", "subject": "a"});
    let batch = json!([good, {"specversion": "1.0", "id": "2", "source": "s"}]).to_string();
    let reply = daemon.api.post_raw(PATH, "application/cloudevents-batch+json", batch).await;
    let problem = reply.problem(422, &["type"]);
    assert_eq!((&problem["accepted"], &problem["errors"][0]["line"]), (&json!(1), &json!(2)));
    assert_eq!(daemon.api.journal("*").await.len(), 1);
    daemon.api.post_raw(PATH, "application/cloudevents-batch+json", "[]").await.expect(200);
}

#[tokio::test]
async fn what_is_no_cloudevent_is_refused_and_leaves_nothing() {
    let daemon = Daemon::start().await;
    let structured = "application/cloudevents+json";
    let event = |more: &Value| {
        let mut event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "agent.started"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event.to_string()
    };
    for (kind, body, status, needle) in [
        ("application/json", "{}".to_owned(), 415, "cloudevents"),
        (structured, "{".to_owned(), 400, "json"),
        (structured, "[]".to_owned(), 400, "object"),
        (structured, "[".repeat(100_000), 400, "json"),
        (structured, event(&json!({"specversion": "2.0"})), 422, "specversion"),
        (structured, event(&json!({"id": 5})), 422, "id"),
        (structured, event(&json!({"time": "noon"})), 422, "timestamp"),
        (structured, event(&json!({"subject": "x".repeat(300)})), 413, "id_bytes"),
        (structured, event(&json!({"data": "x".repeat(300 << 10)})), 413, "event_bytes"),
        (structured, event(&json!({"type": "agent.blocked"})), 422, "question"),
        ("application/cloudevents-batch+json", "{}".to_owned(), 400, "json"),
    ] {
        daemon.api.post_raw(PATH, kind, body).await.problem(status, &[needle]);
    }
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
}

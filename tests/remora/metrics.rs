//! What the daemon counts: every limit, every refusal, every request.

use remora_actors::model::Limits;
use serde_json::{Value, json};

use crate::support::{Api, Daemon, Stream, http::event, wait_until};

async fn metrics(api: &Api) -> String {
    api.get("/metrics").await.expect(200).body
}

/// The value of one line, `name{labels}`.
fn value(metrics: &str, line: &str) -> Option<f64> {
    metrics.lines().find_map(|candidate| candidate.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

async fn counts(api: &Api, line: &str, at_least: f64) {
    wait_until(&format!("{line} is {at_least}"), async || {
        value(&metrics(api).await, line).filter(|value| *value >= at_least)
    })
    .await;
}

#[tokio::test]
async fn every_limit_is_told_with_what_it_refused() {
    let daemon = Daemon::start().await;
    let metrics = metrics(&daemon.api).await;
    let Value::Object(limits) = serde_json::to_value(Limits::default()).unwrap() else { panic!("an object") };
    for (limit, max) in limits {
        let told = value(&metrics, &format!("remora_limit{{limit=\"{limit}\"}}"));
        assert_eq!(told, max.as_f64(), "{limit}");
        assert_eq!(value(&metrics, &format!("remora_limit_hits_total{{limit=\"{limit}\"}}")), Some(0.0), "{limit}");
    }
    for used in ["publishing_events", "publishing_bytes", "sessions", "agents", "frame_ring_bytes"] {
        assert!(value(&metrics, &format!("remora_limit_used{{limit=\"{used}\"}}")).is_some(), "{used}");
    }
}

#[tokio::test]
async fn what_a_limit_refuses_is_counted() {
    let limits = ["event_bytes=1000", "body_bytes=4000", "batch_events=3", "open_questions_per_agent=1", "sessions=1"];
    let daemon = Daemon::setup().args(limits.iter().flat_map(|limit| ["--limit", limit])).start().await;
    let api = &daemon.api;
    let large = event("tool", "called", "a", &json!({"text": "x".repeat(1_500)}));
    api.post("/api/v1/events", &large).await.problem(413, &["event_bytes"]);
    let small = event("tool", "called", "a", &json!({}));
    api.post("/api/v1/events", &json!([small, large])).await.problem(422, &["event_bytes"]);
    counts(api, "remora_limit_hits_total{limit=\"event_bytes\"}", 2.0).await;
    api.post("/api/v1/events", &json!("x".repeat(5_000))).await.problem(413, &["body_bytes"]);
    counts(api, "remora_limit_hits_total{limit=\"body_bytes\"}", 1.0).await;
    api.post("/api/v1/events", &json!(vec![small; 4])).await.problem(413, &["batch_events"]);
    counts(api, "remora_limit_hits_total{limit=\"batch_events\"}", 1.0).await;
    api.ask_text("a", "One?").await;
    let second = json!({"agent_id": "a", "question": "Two?"});
    api.post("/api/v1/questions", &second).await.problem(429, &["open_questions_per_agent"]);
    counts(api, "remora_limit_hits_total{limit=\"open_questions_per_agent\"}", 1.0).await;
    let _stream = Stream::open(api, "/api/v1/events/stream").await;
    api.get("/api/v1/events/stream").await.problem(503, &["sessions"]);
    counts(api, "remora_limit_hits_total{limit=\"sessions\"}", 1.0).await;
    counts(api, "remora_limit_used{limit=\"sessions\"}", 1.0).await;
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status_whatever_they_name() {
    let daemon = Daemon::start().await;
    let api = &daemon.api;
    let msg_id = api.ask_text("a", "Sure?").await;
    api.question(&msg_id).await;
    for n in 0..3 {
        api.get(&format!("/api/v1/questions/none-{n}")).await.expect(404);
        api.get(&format!("/nothing/{n}")).await.expect(404);
    }
    api.get("/").await.expect(200);
    for line in [
        r#"remora_http_requests_total{route="/api/v1/questions",method="POST",status="201"}"#,
        r#"remora_http_requests_total{route="/api/v1/questions/{msg_id}",method="GET",status="200"}"#,
        r#"remora_http_requests_total{route="/",method="GET",status="200"}"#,
    ] {
        counts(api, line, 1.0).await;
    }
    counts(api, r#"remora_http_requests_total{route="unknown",method="GET",status="404"}"#, 6.0).await;
    assert!(!metrics(api).await.contains("none-1"), "what a sender named is no count of its own");
}

#[tokio::test]
async fn the_journal_the_answers_and_the_snapshots_are_measured() {
    let daemon = Daemon::setup().args(["--housekeeping-s", "1", "--snapshot-events", "5"]).start().await;
    let api = &daemon.api;
    let msg_id = api.ask_text("a", "Sure?").await;
    api.answer(&msg_id, &json!("yes")).await.expect(200);
    let events: Vec<_> = (0..10).map(|n| event("tool", "called", "a", &json!({"n": n}))).collect();
    api.emit(&json!(events)).await;
    for (line, at_least) in [
        ("remora_journal_events", 12.0),
        ("remora_journal_last_seq", 12.0),
        ("remora_journal_first_seq", 1.0),
        ("remora_journal_bytes", 1_000.0),
        ("remora_journal_oldest_timestamp_seconds", 1.7e9),
        ("remora_claims", 1.0),
        ("remora_answers_total", 1.0),
        ("remora_answer_seconds_count", 1.0),
        ("remora_commit_seconds_count", 3.0),
    ] {
        counts(api, line, at_least).await;
    }
    let snapshot = wait_until("a snapshot is told of", async || {
        let metrics = metrics(api).await;
        let (_, after) = metrics.split_once("remora_snapshot_seq{snapshot=\"dashboard-")?;
        Some(after.split_once('"')?.0.to_owned())
    });
    let line = format!("remora_snapshot_saved_timestamp_seconds{{snapshot=\"dashboard-{}\"}}", snapshot.await);
    counts(api, &line, 1.7e9).await;
}

#[tokio::test]
async fn what_waits_for_a_browser_is_measured() {
    let daemon = Daemon::start().await;
    let mut stream = Stream::open(&daemon.api, "/events").await;
    stream.next().await.unwrap();
    let text = metrics(&daemon.api).await;
    for name in ["remora_outbox_bytes", "remora_frame_ring_bytes", "remora_workspaces", "remora_streams"] {
        assert!(value(&text, name).is_some(), "{name}");
    }
    assert_eq!(value(&text, "remora_sessions"), Some(1.0));
}

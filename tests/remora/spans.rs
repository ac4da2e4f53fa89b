//! The daemon's own spans, as a collector of somebody else's sees them.

use serde_json::{Value, json};

use crate::support::{Daemon, Packages, Process, Stream, fixture, http::event};

static OPENTELEMETRY: Packages = Packages::new(&["opentelemetry-proto==1.45.2"]);

/// What a span is part of, up to the beginning.
fn lineage<'a>(spans: &'a [Value], span: &'a Value) -> Vec<&'a str> {
    let mut names = vec![span["name"].as_str().unwrap()];
    let mut child = span;
    while let Some(parent) = spans.iter().find(|parent| parent["id"] == child["parent"]) {
        names.push(parent["name"].as_str().unwrap());
        assert_eq!(parent["trace"], child["trace"]);
        child = parent;
    }
    names
}

#[tokio::test]
async fn a_trace_leads_from_the_request_to_the_frame() {
    let mut receiver = OPENTELEMETRY.python();
    receiver.arg(fixture("otlp_receiver.py"));
    let mut receiver = Process::spawn(receiver);
    let endpoint = receiver.line().await;
    let mut daemon = Daemon::setup().args(["--otlp-endpoint", &endpoint]).start().await;
    // Without somebody who looks there are no frames.
    let mut page = Stream::open(&daemon.api, "/events").await;
    page.next().await.unwrap();
    daemon.api.start_agent("traced").await;
    page.until("the agent is shown", |frame| frame.data.contains("traced").then_some(())).await;
    // What was not sent yet is sent at the end.
    assert!(daemon.terminate().await.success());
    let finished = receiver.interrupt().await;
    let spans: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(spans.iter().all(|span| span["service"] == "remora" && span["path"] == "/v1/traces"), "{spans:?}");
    let frames: Vec<_> = spans.iter().filter(|span| span["name"] == "frame").map(|f| lineage(&spans, f)).collect();
    assert!(frames.contains(&vec!["frame", "fold", "commit", "publish", "request"]), "{frames:?} of {spans:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    // A daemon that has ended: nobody listens there.
    let mut gone = Daemon::start().await;
    let endpoint = gone.url("");
    assert!(gone.terminate().await.success());
    let mut daemon = Daemon::setup().args(["--otlp-endpoint", &endpoint]).start().await;
    daemon.api.emit(&event("agent", "started", "a", &json!({}))).await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn another_remora_is_a_collector_too() {
    let receiver = Daemon::start().await;
    let mut daemon = Daemon::setup().args(["--otlp-endpoint", &receiver.url("")]).start().await;
    daemon.api.start_agent("a").await;
    assert!(daemon.terminate().await.success());
    let metrics = receiver.api.get("/metrics").await.expect(200).body;
    let ignored = metrics.lines().find_map(|line| line.strip_prefix("remora_spans_ignored_total "));
    assert!(ignored.is_some_and(|count| count != "0"), "{metrics}");
    // The daemon's own doing is no agent's.
    assert!(receiver.api.journal("*").await.is_empty());
}

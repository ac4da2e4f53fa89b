//! OpenTelemetry: an agent that was instrumented for something else shows up, and broken exports harm nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Daemon, Packages, Process, fixture, http::text, repository, wait_until};

static OPENTELEMETRY: Packages =
    Packages::new(&["opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2"]);
const PATH: &str = "/v1/traces";
const JSON: &str = "application/json";

fn kinds(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| format!("{}:{}", text(event, "category"), text(event, "action"))).collect()
}

/// A span in OTLP's JSON, of the trace `01…01`.
fn span(id: u8, parent: Option<u8>, attributes: &Value) -> Value {
    let attributes: Vec<_> = attributes.as_object().unwrap().iter().collect();
    let attributes: Vec<_> =
        attributes.into_iter().map(|(key, text)| json!({"key": key, "value": {"stringValue": text}})).collect();
    json!({
        "traceId": "01".repeat(16), "spanId": format!("{id:02x}").repeat(8), "name": format!("span {id}"),
        "parentSpanId": parent.map_or(String::new(), |id| format!("{id:02x}").repeat(8)),
        "startTimeUnixNano": "1772166824000000000", "endTimeUnixNano": "1772166825000000000",
        "attributes": attributes,
    })
}

fn export(spans: &[Value]) -> String {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

#[tokio::test]
async fn an_instrumented_agent_shows_up_without_a_line_of_code() {
    let daemon = Daemon::start().await;
    let mut agent = OPENTELEMETRY.python();
    agent.arg(repository().join("examples/opentelemetry/agent.py"));
    agent.env("OTEL_EXPORTER_OTLP_ENDPOINT", daemon.url("")).env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let ran = Process::spawn(agent).wait().await.expect(0);
    assert!(ran.stdout.contains("Sunny"), "{ran:?}");

    let events = daemon.api.journal("*").await;
    let expected = [
        "agent:started",
        "model:request",
        "model:response",
        "tool:called",
        "tool:failed",
        "tool:called",
        "tool:completed",
        "model:request",
        "model:response",
        "agent:completed",
    ];
    assert_eq!(kinds(&events), expected);
    assert!(events.iter().all(|event| event["agent_id"] == "forecaster-1"), "{events:#?}");
    assert_eq!(events[2]["payload"]["usage"], json!({"input_tokens": 6, "output_tokens": 5}));
    assert_eq!(events[4]["payload"]["error"], "LookupError: no station in Atlantis");
    assert_eq!(events[6]["payload"]["result"], json!({"sky": "clear", "celsius": 24}));
    let state = daemon.api.state_at(10).await;
    let shown = &state["agentStates"]["forecaster-1"];
    assert_eq!((&shown["state"], &shown["name"]), (&json!("completed"), &json!("Forecaster")));
    assert_eq!(state["results"][0]["content"], "Sunny, 24 degrees in Lisbon.");
}

#[tokio::test]
async fn spans_that_are_sent_again_change_nothing() {
    let daemon = Daemon::start().await;
    let mut sender = OPENTELEMETRY.python();
    sender.arg(fixture("otlp_sender.py")).arg(daemon.url(""));
    let sent = Process::spawn(sender).wait().await.expect(0);
    assert_eq!(sent.stdout, "SUCCESS\nSUCCESS\nSUCCESS\n");
    let events = daemon.api.journal("*").await;
    assert_eq!(kinds(&events), ["agent:started", "model:request", "model:response", "agent:completed"]);
    assert!(events.iter().all(|event| event["agent_id"] == "a"), "also behind a span of no interest: {events:#?}");
    let metrics = daemon.api.get("/metrics").await.expect(200).body;
    assert!(metrics.contains("remora_spans_ignored_total 3"), "{metrics}");
}

#[tokio::test]
async fn a_span_finds_its_agent_in_an_earlier_request() {
    let daemon = Daemon::start().await;
    let agent = span(1, None, &json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}));
    let late = span(2, Some(1), &json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ls"}));
    for spans in [agent, late] {
        let reply = daemon.api.post_raw(PATH, JSON, export(&[spans])).await.expect(200);
        assert_eq!((reply.header("content-type"), reply.json()), (JSON, json!({})));
    }
    let tools = daemon.api.journal("tool:*").await;
    assert_eq!(kinds(&tools), ["tool:called", "tool:completed"]);
    assert!(tools.iter().all(|event| event["agent_id"] == "a"), "{tools:#?}");
}

#[tokio::test]
async fn broken_spans_are_counted_and_the_others_taken() {
    let daemon = Daemon::start().await;
    let mut nameless = span(1, None, &json!({"gen_ai.operation.name": "invoke_agent"}));
    nameless["spanId"] = json!("");
    let tool = span(2, None, &json!({"gen_ai.operation.name": "execute_tool", "gen_ai.agent.name": "a"}));
    let reply = daemon.api.post_raw(PATH, JSON, export(&[nameless, tool])).await.expect(200).json();
    assert_eq!(reply["partialSuccess"]["rejectedSpans"], "1");
    assert!(text(&reply["partialSuccess"], "errorMessage").contains("span id"), "{reply}");
    assert_eq!(daemon.api.journal("*").await.len(), 2);
}

#[tokio::test]
async fn more_events_than_spans_find_room_where_as_many_spans_do() {
    let limits = ["--limit", "batch_events=2", "--limit", "publishing_events=2"];
    let daemon = Daemon::setup().args(limits).start().await;
    let tool = |id| span(id, None, &json!({"gen_ai.operation.name": "execute_tool", "gen_ai.agent.name": "a"}));
    // An exporter tries again, too.
    wait_until("the spans are taken", async || {
        let reply = daemon.api.post_raw(PATH, JSON, export(&[tool(1), tool(2)])).await;
        (reply.status == 200).then_some(())
    })
    .await;
    let kinds = kinds(&daemon.api.journal("*").await);
    assert_eq!(kinds, ["tool:called", "tool:called", "tool:completed", "tool:completed"]);
}

#[tokio::test]
async fn what_is_no_export_is_refused_and_leaves_nothing() {
    let daemon = Daemon::start().await;
    let post = async |kind: &str, encoding: Option<&str>, body: Vec<u8>| {
        let request = daemon.api.request(Method::POST, PATH).header("content-type", kind).body(body);
        Api::send(encoding.iter().fold(request, |request, name| request.header("content-encoding", *name))).await
    };
    let protobuf = "application/x-protobuf";
    post("text/plain", None, b"{}".to_vec()).await.problem(415, &["protobuf"]);
    for (kind, encoding, body, status) in [
        (JSON, None, b"{".to_vec(), 400),
        (JSON, None, br#"{"resourceSpans": 5}"#.to_vec(), 400),
        (JSON, None, "[".repeat(100_000).into_bytes(), 400),
        (JSON, None, export(&[json!({"startTimeUnixNano": "-1"})]).into_bytes(), 400),
        (JSON, None, vec![b' '; 9 << 20], 413),
        (JSON, Some("gzip"), b"{}".to_vec(), 400),
        (JSON, Some("br"), b"{}".to_vec(), 415),
        (protobuf, None, vec![0xff; 100], 400),
        // Groups inside groups, as deep as the body is long.
        (protobuf, None, vec![0x0b; 100_000], 400),
    ] {
        let reply = post(kind, encoding, body).await.expect(status);
        // A body over the limit is refused before anybody looks at what it is.
        if status != 413 {
            assert_eq!(reply.header("content-type"), kind);
        }
    }
    // Nothing is a good export of nothing.
    let empty = post(protobuf, None, Vec::new()).await.expect(200);
    assert_eq!((empty.header("content-type"), empty.body.as_str()), (protobuf, ""));
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
    daemon.api.get("/readyz").await.expect(200);
}

//! Spans in, events out; and what comes of spans that nobody sane would send.

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, ArrayValue, KeyValue, any_value},
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};
use proptest::prelude::*;
use prost::Message;
use remora_actors::model::Event;
use serde_json::{Value, json};
use std::io::Write;

use super::*;

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn span(id: u8, parent: u8, attributes: &[(&str, &str)]) -> Span {
    let texts = attributes.iter().map(|(key, text)| attribute(key, any_value::Value::StringValue((*text).to_owned())));
    Span {
        trace_id: vec![7; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: format!("span {id}"),
        start_time_unix_nano: 1_700_000_000_000_000_000 + u64::from(id) * 1_000_000,
        end_time_unix_nano: 1_700_000_001_000_000_000 - u64::from(id) * 1_000_000,
        attributes: texts.collect(),
        ..Span::default()
    }
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

fn convert(spans: Vec<Span>, lineage: &mut Lineage) -> Converted {
    let limits = Limits::default();
    converted(&owned(&request(spans), lineage, &limits).expect("few spans"), &limits)
}

/// Every event has an id of its own.
fn completed(draft: Draft) -> Event {
    draft.complete(Timestamp::UNIX_EPOCH, || panic!("no id"))
}

fn events(converted: Converted) -> Vec<Event> {
    converted.drafts.into_iter().map(completed).collect()
}

fn kinds(events: &[Event]) -> Vec<String> {
    let agent = |event: &Event| event.agent_id.clone().unwrap_or_default();
    events.iter().map(|event| format!("{}:{} {}", event.category.as_str(), event.action, agent(event))).collect()
}

const AGENT: (&str, &str) = ("gen_ai.operation.name", "invoke_agent");
const TOOL: (&str, &str) = ("gen_ai.operation.name", "execute_tool");
const CHAT: (&str, &str) = ("gen_ai.operation.name", "chat");

#[test]
fn a_run_becomes_the_life_of_an_agent() {
    let spans = vec![
        span(4, 3, &[TOOL, ("gen_ai.tool.name", "search"), ("gen_ai.tool.call.arguments", r#"{"q":"x"}"#)]),
        span(3, 2, &[("http.method", "GET")]),
        span(2, 1, &[CHAT, ("gen_ai.request.model", "m-1")]),
        span(1, 0, &[AGENT, ("gen_ai.agent.id", "a1"), ("gen_ai.agent.name", "Ada")]),
    ];
    let converted = convert(spans, &mut Lineage::default());
    assert_eq!((converted.ignored, converted.rejected), (1, 0));
    let events = events(converted);
    let expected = ["agent:started a1", "model:request a1", "tool:called a1", "tool:completed a1", "model:response a1"];
    assert_eq!(kinds(&events), [&expected[..], &["agent:completed a1"]].concat());
    assert_eq!(events[0].payload["name"], "Ada");
    assert_eq!(events[2].payload["arguments"], json!({"q": "x"}));
    assert_eq!(events[0].id, format!("otel-{}-{}-start", "07".repeat(16), "01".repeat(8)));
    assert_eq!(events[5].payload["result"], "completed after 1.0 s");
}

#[test]
fn the_same_spans_make_the_same_ids() {
    let spans = || vec![span(1, 0, &[AGENT, ("gen_ai.agent.name", "a")]), span(2, 1, &[CHAT])];
    let ids = |lineage: &mut Lineage| events(convert(spans(), lineage)).into_iter().map(|e| e.id).collect::<Vec<_>>();
    let mut lineage = Lineage::default();
    assert_eq!(ids(&mut lineage), ids(&mut lineage));
}

#[test]
fn the_nearest_agent_owns_a_span_also_across_requests() {
    let mut lineage = Lineage::default();
    let agents = vec![
        span(1, 0, &[AGENT, ("gen_ai.agent.name", "outer")]),
        span(2, 1, &[AGENT, ("gen_ai.agent.name", "inner")]),
    ];
    convert(agents, &mut lineage);
    let late = convert(vec![span(3, 2, &[TOOL]), span(4, 1, &[TOOL])], &mut lineage);
    let kinds = kinds(&events(late));
    assert_eq!(kinds, ["tool:called inner", "tool:called outer", "tool:completed outer", "tool:completed inner"]);
}

#[test]
fn a_span_without_ancestors_names_its_agent_itself_or_is_its_services() {
    let mut own = request(vec![span(1, 0, &[TOOL, ("gen_ai.agent.name", "solo")]), span(2, 9, &[TOOL])]);
    let service = attribute("service.name", any_value::Value::StringValue("shop".to_owned()));
    own.resource_spans[0].resource.get_or_insert_default().attributes.push(service);
    let limits = Limits::default();
    let owned = owned(&own, &mut Lineage::default(), &limits).expect("few");
    let mut kinds = kinds(&events(converted(&owned, &limits)));
    kinds.sort();
    assert_eq!(kinds, ["tool:called shop", "tool:called solo", "tool:completed shop", "tool:completed solo"]);
}

#[test]
fn a_loop_of_parents_ends() {
    let converted = convert(vec![span(1, 2, &[TOOL]), span(2, 1, &[TOOL])], &mut Lineage::default());
    assert_eq!(converted.drafts.len(), 4);
}

#[test]
fn a_workflow_is_a_graph_of_its_agents() {
    let workflow = ("gen_ai.operation.name", "invoke_workflow");
    let spans = vec![
        span(1, 0, &[workflow, ("gen_ai.workflow.name", "nightly")]),
        span(2, 1, &[AGENT, ("gen_ai.agent.name", "a")]),
    ];
    let events = events(convert(spans, &mut Lineage::default()));
    assert_eq!(kinds(&events), ["graph:started ", "agent:started a", "agent:completed a", "graph:completed "]);
    assert!(events.iter().all(|event| event.graph_id.as_deref() == Some("nightly")));
}

#[test]
fn errors_are_told_in_their_own_words() {
    let mut failed = span(1, 0, &[AGENT, ("gen_ai.agent.name", "a"), ("error.type", "timeout")]);
    let error_of = |span: &Span| {
        let events = events(convert(vec![span.clone()], &mut Lineage::default()));
        assert_eq!(events[1].action, "failed");
        events[1].payload["error"].clone()
    };
    assert_eq!(error_of(&failed), "timeout");
    failed.status = Some(Status { code: 2, message: "the model did not answer".to_owned() });
    assert_eq!(error_of(&failed), "the model did not answer");
}

#[test]
fn the_last_words_and_the_tokens_are_read() {
    let messages = json!([{"role": "assistant", "parts": [{"type": "text", "content": "Done: 3 files."}]}]);
    let mut run = span(1, 0, &[AGENT, ("gen_ai.output.messages", &messages.to_string())]);
    run.attributes.push(attribute("gen_ai.usage.input_tokens", any_value::Value::IntValue(12)));
    let events = events(convert(vec![run], &mut Lineage::default()));
    assert_eq!(events[1].payload["result"], "Done: 3 files.");
    assert_eq!(events[1].payload["usage"], json!({"input_tokens": 12}));
}

#[test]
fn a_broken_span_harms_no_other() {
    let mut nameless = span(1, 0, &[TOOL]);
    nameless.trace_id = vec![0; 16];
    let spans = vec![nameless, span(2, 0, &[AGENT, ("gen_ai.agent.id", "a\nb")]), span(3, 0, &[TOOL])];
    let converted = convert(spans, &mut Lineage::default());
    assert_eq!((converted.rejected, converted.drafts.len()), (2, 2));
    let reply = ExportTraceServiceResponse::decode(&Encoding::Protobuf.success(&converted)[..]).expect("protobuf");
    assert_eq!(reply.partial_success.expect("something is missing").rejected_spans, 2);
    let reply: Value = serde_json::from_slice(&Encoding::Json.success(&converted)).expect("json");
    assert_eq!(reply["partialSuccess"]["rejectedSpans"], "2");
}

#[test]
fn a_long_prompt_is_left_out_and_the_event_stays() {
    let long = "x".repeat(Limits::default().event_bytes);
    let events = events(convert(vec![span(1, 0, &[CHAT, ("gen_ai.input.messages", &long)])], &mut Lineage::default()));
    assert_eq!(events.len(), 2);
    assert!(events[1].payload.contains_key("attributes_left_out"));
}

#[test]
fn too_many_spans_are_refused_as_a_whole() {
    let limits = Limits { batch_events: 2, ..Limits::default() };
    let request = request(vec![span(1, 0, &[]), span(2, 0, &[]), span(3, 0, &[])]);
    assert!(matches!(
        owned(&request, &mut Lineage::default(), &limits),
        Err(Invalid::TooLarge { limit: "batch_events", .. })
    ));
}

#[test]
fn json_and_protobuf_say_the_same() {
    let request = request(vec![span(1, 0, &[AGENT, ("gen_ai.agent.id", "a")])]);
    let json = serde_json::to_vec(&request).expect("json");
    assert_eq!(Encoding::Json.read(&json).expect("readable"), request);
    assert_eq!(Encoding::Protobuf.read(&request.encode_to_vec()).expect("readable"), request);
}

#[test]
fn a_small_body_cannot_unpack_into_a_large_one() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![0; 1 << 20]).expect("in memory");
    let bomb = gzip.finish().expect("in memory");
    assert_eq!(unpacked(&bomb, 1 << 20).expect("just fits").len(), 1 << 20);
    assert_eq!(unpacked(&bomb, (1 << 20) - 1).expect_err("too large").status().as_u16(), 413);
    assert_eq!(unpacked(&bomb[..bomb.len() / 2], 1 << 20).expect_err("broken off").status().as_u16(), 400);
    assert_eq!(unpacked(b"no gzip", 1 << 20).expect_err("no gzip").status().as_u16(), 400);
}

/// A text attribute inside so many arrays.
fn nested(depth: usize) -> any_value::Value {
    (0..depth).fold(any_value::Value::BoolValue(true), |inner, _| {
        any_value::Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(inner) }] })
    })
}

#[test]
fn deep_nesting_is_refused_or_carried() {
    for depth in [1, 20, 40, 60, 400] {
        let mut deep = span(1, 0, &[TOOL]);
        deep.attributes.push(attribute("deep", nested(depth)));
        if let Ok(read) = Encoding::Protobuf.read(&request(vec![deep]).encode_to_vec()) {
            let limits = Limits::default();
            let owned = owned(&read, &mut Lineage::default(), &limits).expect("one span");
            assert_eq!(converted(&owned, &limits).drafts.len(), 2, "{depth}");
        }
    }
    let deep = format!(r#"{{"resourceSpans":{}1{}}}"#, "[".repeat(9000), "]".repeat(9000));
    assert_eq!(Encoding::Json.read(deep.as_bytes()).expect_err("too deep").status().as_u16(), 400);
}

fn any_attribute() -> impl Strategy<Value = KeyValue> {
    let keys = ["gen_ai.operation.name", "gen_ai.agent.id", "gen_ai.tool.name", "gen_ai.output.messages", "error.type"];
    let values = prop_oneof![
        prop_oneof![Just("invoke_agent".to_owned()), Just("chat".to_owned()), any::<String>()]
            .prop_map(any_value::Value::StringValue),
        any::<i64>().prop_map(any_value::Value::IntValue),
        any::<f64>().prop_map(any_value::Value::DoubleValue),
        any::<Vec<u8>>().prop_map(any_value::Value::BytesValue),
        (0..30usize).prop_map(nested),
    ];
    (proptest::sample::select(keys.to_vec()), values).prop_map(|(key, value)| attribute(key, value))
}

prop_compose! {
    fn any_span()(trace_id in prop::collection::vec(0..2u8, 15..18), span_id in prop::collection::vec(0..2u8, 7..10),
        parent_span_id in prop::collection::vec(0..2u8, 7..10), name: String, start_time_unix_nano: u64,
        end_time_unix_nano: u64, code: i32, attributes in prop::collection::vec(any_attribute(), 0..8)) -> Span {
        Span { trace_id, span_id, parent_span_id, name, start_time_unix_nano, end_time_unix_nano, attributes,
            status: Some(Status { code, message: String::new() }), ..Span::default() }
    }
}

proptest! {
    #[test]
    fn no_span_makes_it_panic_and_each_is_accounted_for(spans in prop::collection::vec(any_span(), 0..20)) {
        let sent = spans.len() as u64;
        let converted = convert(spans, &mut Lineage::default());
        let taken = sent - converted.ignored - converted.rejected;
        prop_assert!((taken..=taken * 2).contains(&(converted.drafts.len() as u64)));
        prop_assert_eq!(converted.first_error.is_some(), converted.rejected > 0);
    }

    #[test]
    fn no_body_makes_it_panic(body: Vec<u8>) {
        let _ = Encoding::Protobuf.read(&body);
        let _ = Encoding::Json.read(&body);
        let _ = unpacked(&body, 1000);
    }
}

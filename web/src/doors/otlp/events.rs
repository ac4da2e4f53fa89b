//! Which events a span becomes: one for its start and one for its end.

use jiff::Timestamp;
use remora_actors::model::{Draft, Invalid, Limits};
use serde_json::{Map, Value, json};

use super::{
    attributes::{self, hex},
    lineage::{Owner, SpanKey},
    span::{GenAi, Operation},
};

/// What the specification calls a service that says nothing of itself.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The two ends of a span.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Start,
    End,
}

/// The events of one span. Their ids follow from the span's, so that a span that is sent again changes nothing.
///
/// # Errors
/// An id is too long or none, or a time lies beyond what can be written.
pub(super) fn of(
    genai: &GenAi<'_>,
    key: SpanKey,
    owner: &Owner,
    service: Option<&str>,
    limits: &Limits,
) -> Result<Vec<Draft>, Invalid> {
    let ends: &[End] = match genai.operation {
        // To create an agent is a moment of its life, no run.
        Operation::CreateAgent => &[End::End],
        _ => &[End::Start, End::End],
    };
    let source = Source { genai, key, owner, service };
    ends.iter().map(|end| source.draft(*end, limits)).collect()
}

struct Source<'a> {
    genai: &'a GenAi<'a>,
    key: SpanKey,
    owner: &'a Owner,
    service: Option<&'a str>,
}

impl Source<'_> {
    fn draft(&self, end: End, limits: &Limits) -> Result<Draft, Invalid> {
        let mut event = self.event(end)?;
        match parsed(&event, limits) {
            // Long prompts and answers: what happened counts more than every word of it.
            Err(Invalid::TooLarge { limit: "event_bytes", .. }) => {
                if let Some(payload) = event.get_mut("payload").and_then(Value::as_object_mut) {
                    payload.shift_remove("attributes");
                    payload.insert("attributes_left_out".to_owned(), "over the limit `event_bytes`".into());
                }
                parsed(&event, limits)
            }
            result => result,
        }
    }

    fn event(&self, end: End) -> Result<Value, Invalid> {
        let Self { genai, key, .. } = self;
        let span = genai.span;
        let (nanos, suffix) = match end {
            End::Start => (span.start_time_unix_nano, "start"),
            End::End => (span.end_time_unix_nano, "end"),
        };
        let (category, action) = self.kind(end);
        let graph_id = match genai.operation {
            Operation::InvokeWorkflow => Some(genai.workflow()),
            _ => self.owner.graph_id.as_deref().map(str::to_owned),
        };
        let agent_id = (genai.operation != Operation::InvokeWorkflow).then(|| self.agent_id());
        Ok(json!({
            "id": format!("otel-{}-{}-{suffix}", hex(&key.trace_id), hex(&key.span_id)),
            "timestamp": timestamp(nanos)?,
            "category": category,
            "action": action,
            "agent_id": agent_id,
            "graph_id": graph_id,
            "session_id": genai.text("gen_ai.conversation.id"),
            "payload": self.payload(end),
        }))
    }

    fn kind(&self, end: End) -> (&'static str, &'static str) {
        let outcome = |good| if self.genai.error().is_some() { "failed" } else { good };
        match (self.genai.operation, end) {
            (Operation::CreateAgent, _) => ("agent", outcome("created")),
            (Operation::InvokeAgent, End::Start) => ("agent", "started"),
            (Operation::InvokeAgent, End::End) => ("agent", outcome("completed")),
            (Operation::InvokeWorkflow, End::Start) => ("graph", "started"),
            (Operation::InvokeWorkflow, End::End) => ("graph", outcome("completed")),
            (Operation::Tool, End::Start) => ("tool", "called"),
            (Operation::Tool, End::End) => ("tool", outcome("completed")),
            (Operation::Model, End::Start) => ("model", "request"),
            (Operation::Model, End::End) => ("model", outcome("response")),
        }
    }

    /// The nearest agent above, else the one that the span names, else the service.
    fn agent_id(&self) -> String {
        let own = matches!(self.genai.operation, Operation::CreateAgent | Operation::InvokeAgent);
        let above = self.owner.agent_id.as_deref();
        let named = self.genai.agent();
        let found = if own { named.or(self.service) } else { above.or(named).or(self.service) };
        found.unwrap_or(UNKNOWN_SERVICE).to_owned()
    }

    fn payload(&self, end: End) -> Map<String, Value> {
        let Self { genai, service, .. } = self;
        let mut payload = Payload::default();
        let name = || genai.text("gen_ai.agent.name").unwrap_or(genai.span.name.as_str()).into();
        match genai.operation {
            Operation::CreateAgent | Operation::InvokeAgent => {
                payload.put("name", Some(name()));
                payload.put("description", genai.value("gen_ai.agent.description"));
                payload.put("parent_agent_id", self.owner.parent_agent_id.as_deref().map(Value::from));
            }
            Operation::InvokeWorkflow => payload.put("name", Some(genai.workflow().into())),
            Operation::Tool => {
                payload.put("tool_name", Some(genai.tool().into()));
                payload.put("call_id", genai.value("gen_ai.tool.call.id"));
            }
            Operation::Model => {
                payload.put("provider", genai.value("gen_ai.provider.name").or_else(|| genai.value("gen_ai.system")));
            }
        }
        payload.put("model", genai.value("gen_ai.request.model"));
        match end {
            End::Start => payload.put("arguments", genai.value("gen_ai.tool.call.arguments")),
            End::End => self.outcome(&mut payload),
        }
        payload.put("service", service.map(Value::from));
        payload.put("trace_id", Some(hex(&self.key.trace_id).into()));
        payload.put("span_id", Some(hex(&self.key.span_id).into()));
        let parent = &genai.span.parent_span_id;
        payload.put("parent_span_id", (!parent.is_empty()).then(|| hex(parent).into()));
        if end == End::End {
            payload.put("attributes", Some(Value::Object(attributes::all(&genai.span.attributes))));
        }
        payload.0
    }

    fn outcome(&self, payload: &mut Payload) {
        let genai = self.genai;
        payload.put("duration_ms", genai.duration_ms().map(Value::from));
        payload.put("response_model", genai.value("gen_ai.response.model"));
        payload.put("usage", genai.usage());
        payload.put("finish_reasons", genai.value("gen_ai.response.finish_reasons"));
        payload.put("error_type", genai.value("error.type"));
        match (genai.error(), genai.operation) {
            (Some(error), _) => payload.put("error", Some(error.into())),
            (None, Operation::InvokeAgent) => {
                payload.put("result", Some(genai.output().unwrap_or_else(|| self.summary()).into()));
            }
            (None, Operation::Tool) => payload.put("result", genai.value("gen_ai.tool.call.result")),
            (None, _) => {}
        }
    }

    /// What can be said of a run whose words were not recorded.
    fn summary(&self) -> String {
        let seconds = self.genai.duration_ms().map_or(String::new(), |ms| format!(" after {:.1} s", ms / 1e3));
        format!("completed{seconds}")
    }
}

/// The fields that are known, in the order in which they are read.
#[derive(Default)]
struct Payload(Map<String, Value>);

impl Payload {
    fn put(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
    }
}

fn parsed(event: &Value, limits: &Limits) -> Result<Draft, Invalid> {
    Draft::parse(event.to_string().as_bytes(), limits)
}

/// 0 means that the time is not known; the event then happens when it arrives.
fn timestamp(nanos: u64) -> Result<Option<String>, Invalid> {
    if nanos == 0 {
        return Ok(None);
    }
    let timestamp = Timestamp::from_nanosecond(i128::from(nanos));
    timestamp.map(|at| Some(at.to_string())).map_err(|error| Invalid::field("time_unix_nano", error.to_string()))
}

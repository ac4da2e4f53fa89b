//! What a span tells, in the words of the [semantic conventions for generative AI]: the names of version 1.44.0, in
//! which they are still "in development", and the older ones that instrumentations still write.
//!
//! [semantic conventions for generative AI]: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/

use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use serde_json::{Map, Value};

use super::attributes::{self, hex};

/// What was done during a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    CreateAgent,
    InvokeAgent,
    InvokeWorkflow,
    Tool,
    Model,
}

/// A span about generative AI.
#[derive(Debug)]
pub(super) struct GenAi<'a> {
    pub(super) span: &'a Span,
    pub(super) operation: Operation,
}

impl<'a> GenAi<'a> {
    /// `None`: the span is about something else.
    pub(super) fn read(span: &'a Span) -> Option<Self> {
        let has = |key| attributes::text(&span.attributes, key).is_some();
        let operation = match attributes::text(&span.attributes, "gen_ai.operation.name") {
            Some("create_agent") => Operation::CreateAgent,
            Some("invoke_agent") => Operation::InvokeAgent,
            Some("invoke_workflow") => Operation::InvokeWorkflow,
            Some("execute_tool" | "retrieval") => Operation::Tool,
            Some("chat" | "text_completion" | "generate_content" | "embeddings") => Operation::Model,
            // Older instrumentations name no operation; newer ones may name one of their own.
            _ if has("gen_ai.tool.name") => Operation::Tool,
            _ if has("gen_ai.request.model") => Operation::Model,
            _ => return None,
        };
        Some(Self { span, operation })
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        attributes::text(&self.span.attributes, key).filter(|text| !text.is_empty())
    }

    pub(super) fn value(&self, key: &str) -> Option<Value> {
        attributes::structured(&self.span.attributes, key)
    }

    /// The agent that the span itself names: by its id, which is unique, else by its name.
    pub(super) fn agent(&self) -> Option<&'a str> {
        self.text("gen_ai.agent.id").or_else(|| self.text("gen_ai.agent.name"))
    }

    /// The graph that the span is: by its name, else each run is one of its own.
    pub(super) fn workflow(&self) -> String {
        self.text("gen_ai.workflow.name").map_or_else(|| hex(&self.span.trace_id), str::to_owned)
    }

    /// What a person would call the tool.
    pub(super) fn tool(&self) -> &'a str {
        self.text("gen_ai.tool.name").or_else(|| self.text("gen_ai.data_source.id")).unwrap_or(self.span.name.as_str())
    }

    /// What went wrong, if something did.
    pub(super) fn error(&self) -> Option<&'a str> {
        let failed = self.span.status.as_ref().filter(|status| status.code == StatusCode::Error as i32);
        let kind = self.text("error.type");
        if failed.is_none() && kind.is_none() {
            return None;
        }
        let message = failed.map(|status| status.message.as_str()).filter(|message| !message.is_empty());
        let exception = || {
            let event = self.span.events.iter().rev().find(|event| event.name == "exception")?;
            attributes::text(&event.attributes, "exception.message").filter(|message| !message.is_empty())
        };
        Some(message.or_else(exception).or(kind).unwrap_or("error"))
    }

    /// Milliseconds from start to end, where both are known.
    pub(super) fn duration_ms(&self) -> Option<f64> {
        let Span { start_time_unix_nano: start, end_time_unix_nano: end, .. } = *self.span;
        (start > 0 && end >= start).then(|| (end - start) as f64 / 1e6)
    }

    /// The tokens used, under the names of the API's answers.
    pub(super) fn usage(&self) -> Option<Value> {
        let names = [
            ("input_tokens", ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"]),
            ("output_tokens", ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"]),
        ];
        let used: Map<String, Value> = names
            .into_iter()
            .filter_map(|(name, keys)| Some((name.to_owned(), keys.into_iter().find_map(|key| self.value(key))?)))
            .collect();
        (!used.is_empty()).then_some(Value::Object(used))
    }

    /// The texts of the last message that came out.
    pub(super) fn output(&self) -> Option<String> {
        let messages = self.value("gen_ai.output.messages").or_else(|| self.value("gen_ai.completion"))?;
        let last = match &messages {
            Value::String(text) => return Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Array(messages) => messages.last()?,
            other => other,
        };
        let parts = last.get("parts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let texts: Vec<_> = parts
            .iter()
            .filter(|part| part.get("type").is_some_and(|kind| kind == "text"))
            .filter_map(|part| part.get("content").and_then(Value::as_str))
            .collect();
        let plain = || last.get("content").and_then(Value::as_str).map(str::to_owned);
        if texts.is_empty() { plain() } else { Some(texts.join("\n")) }
    }
}

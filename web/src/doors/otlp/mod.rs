//! OpenTelemetry traces over OTLP/HTTP 1.x, as the [specification] has it: protobuf or JSON, gzipped or not.
//!
//! - `body`: from a request's bytes to spans, and the replies.
//! - [`lineage`]: which agent a span belongs to.
//! - `span`: what is read out of one span; `events`: which events it becomes; `attributes`: values as JSON.
//!
//! [specification]: https://opentelemetry.io/docs/specs/otlp/#otlphttp

mod attributes;
mod body;
mod events;
pub(crate) mod lineage;
mod span;
#[cfg(test)]
mod tests;

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use remora_actors::model::{Draft, Invalid, Limits};

pub(crate) use body::{Encoding, unpacked};
use lineage::{Lineage, Link, Owner, SpanKey};
use span::GenAi;

/// What became of a request's spans.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    /// The events, oldest first.
    pub(crate) drafts: Vec<Draft>,
    /// Spans that tell of no generative AI.
    pub(crate) ignored: u64,
    /// Spans that are broken, and what is wrong with the first of them.
    pub(crate) rejected: u64,
    pub(crate) first_error: Option<String>,
}

/// A span with the name of the service it comes from.
struct Sourced<'a> {
    span: &'a Span,
    service: Option<&'a str>,
}

/// The spans of a request with their owners: the one step that needs to remember earlier requests.
pub(crate) struct Owned<'a> {
    spans: Vec<(Sourced<'a>, Option<(SpanKey, Owner)>)>,
}

/// Finds out whose the spans are.
///
/// # Errors
/// There are more than `batch_events` of them.
pub(crate) fn owned<'a>(
    request: &'a ExportTraceServiceRequest,
    lineage: &mut Lineage,
    limits: &Limits,
) -> Result<Owned<'a>, Invalid> {
    let sourced = |resource: &'a opentelemetry_proto::tonic::trace::v1::ResourceSpans| {
        let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let service = attributes::text(attributes, "service.name").filter(|name| !name.is_empty());
        let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
        spans.map(move |span| Sourced { span, service })
    };
    // One more than the limit is enough to know that it is exceeded.
    let spans: Vec<_> = request.resource_spans.iter().flat_map(sourced).take(limits.batch_events + 1).collect();
    Invalid::over(spans.len(), limits.batch_events, "the number of spans", "batch_events")?;
    let keys: Vec<_> = spans.iter().map(|sourced| SpanKey::of(sourced.span)).collect();
    // All are known before the first is asked for: a child comes before its parent, because it ends before it.
    for (sourced, key) in spans.iter().zip(&keys) {
        if let Some(key) = key {
            lineage.insert(*key, Link::of(sourced.span, limits));
        }
    }
    let owner = |key: Option<SpanKey>| key.map(|key| (key, lineage.owner(key)));
    Ok(Owned { spans: spans.into_iter().zip(keys.into_iter().map(owner)).collect() })
}

/// Turns spans into events.
pub(crate) fn converted(owned: &Owned<'_>, limits: &Limits) -> Converted {
    let mut converted = Converted::default();
    for (Sourced { span, service }, key) in &owned.spans {
        let Some(genai) = GenAi::read(span) else {
            converted.ignored += 1;
            continue;
        };
        let drafts = match key {
            Some((key, owner)) => events::of(&genai, *key, owner, *service, limits).map_err(|error| error.to_string()),
            None => Err("a trace id must have 16 bytes and a span id 8, not all of them zero".to_owned()),
        };
        match drafts {
            Ok(drafts) => converted.drafts.extend(drafts),
            Err(error) => {
                converted.rejected += 1;
                converted.first_error.get_or_insert_with(|| format!("span `{}`: {error}", span.name));
            }
        }
    }
    converted.drafts.sort_by_key(|draft| draft.timestamp);
    converted
}

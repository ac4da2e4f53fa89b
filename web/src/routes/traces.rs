//! OpenTelemetry traces in, at the path that exporters use by themselves.

use std::sync::PoisonError;

use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::{Reply, Response},
};

use super::{
    openapi::replies::{ProblemDocument, RpcStatus},
    respond,
};
use crate::{
    context::Context,
    doors::otlp::{self, Converted, Encoding},
    guard::{Caller, Scope},
    problem::Problem,
    request::{media_type, posted},
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    warp::path!("v1" / "traces")
        .and(posted(context, Scope::Agent))
        .then(async |_: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            export(&context, &headers, &body).await
        })
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

/// Take OpenTelemetry traces in, as OTLP/HTTP exporters send them: protobuf or JSON, gzipped or not.
///
/// Spans of generative AI (`gen_ai.*`) become events of agents, tools and models; others are ignored. A span belongs to
/// the nearest `invoke_agent` above it, else to the agent that it names, else to its service. One that is sent again
/// changes nothing.
#[utoipa::path(
    post, path = "/v1/traces", tag = "events", operation_id = "export_traces",
    params(("Content-Encoding" = Option<String>, Header, description = "`gzip`, or none.")),
    request_body(content((serde_json::Value = "application/json"), (Vec<u8> = "application/x-protobuf"))),
    responses(
        (status = 200, description = "An `ExportTraceServiceResponse`: `partialSuccess` tells of broken spans.",
            content((serde_json::Value = "application/json"), (Vec<u8> = "application/x-protobuf"))),
        (status = 400, description = "The request cannot be read.",
            content((RpcStatus = "application/json"), (Vec<u8> = "application/x-protobuf"),
                (ProblemDocument = "application/problem+json"))),
        (status = 413, description = "A limit is exceeded.",
            content((RpcStatus = "application/json"), (Vec<u8> = "application/x-protobuf"),
                (ProblemDocument = "application/problem+json"))),
        (status = 415, description = "The media type or the encoding is none of these.",
            content((RpcStatus = "application/json"), (Vec<u8> = "application/x-protobuf"),
                (ProblemDocument = "application/problem+json"))),
        (status = 503, description = "The daemon is busy: try again after `Retry-After` seconds.",
            content((RpcStatus = "application/json"), (Vec<u8> = "application/x-protobuf"),
                (ProblemDocument = "application/problem+json"))),
        (status = 401, description = "A token is needed, or this one is none.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 403, description = "Another site's page has sent the request.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn export(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    let kind = media_type(headers);
    let encoding = kind.and_then(|kind| Encoding::of(kind.essence_str())).ok_or_else(|| {
        let detail = "send `application/x-protobuf` or `application/json`";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    })?;
    Ok(match take_in(context, encoding, headers, body).await {
        Ok(converted) => written(encoding.success(&converted), encoding),
        Err(problem) => {
            let failure = encoding.failure(problem.status(), problem.detail());
            // Everything of the problem but its body: the protocol has one of its own.
            let mut response = problem.into_response();
            *response.body_mut() = failure.into();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
            response
        }
    })
}

async fn take_in(
    context: &Context,
    encoding: Encoding,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Converted, Problem> {
    let limits = context.handle.limits();
    let request = match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => encoding.read(body)?,
        Some(b"gzip") => encoding.read(&otlp::unpacked(body, limits.body_bytes)?)?,
        Some(_) => {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "pack the body with gzip or not at all"));
        }
    };
    let mut converted = {
        let mut lineage = context.lineage.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = otlp::owned(&request, &mut lineage, limits)?;
        drop(lineage);
        otlp::converted(&owned, limits)
    };
    let metrics = context.handle.metrics();
    metrics.spans_ignored.inc_by(converted.ignored);
    metrics.spans_rejected.inc_by(converted.rejected);
    if let Some(error) = &converted.first_error {
        tracing::info!(rejected = converted.rejected, error, "spans refused");
    }
    // A span becomes several events: all of them together may never find room. Their ids follow from the spans, so that
    // it does no harm to send all of them again where a part was refused.
    let mut drafts = std::mem::take(&mut converted.drafts).into_iter();
    loop {
        let part: Vec<_> = drafts.by_ref().take(limits.batch_events).collect();
        if part.is_empty() {
            return Ok(converted);
        }
        context.handle.publish(part).await?;
    }
}

fn written(body: Vec<u8>, encoding: Encoding) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
    response
}

//! CloudEvents in, in all three content modes. They have a path of their own: in the binary mode the body may be
//! anything, so that on `events` a header would decide what a body means.

use warp::{Filter, filters::BoxedFilter, http::HeaderMap, reply::Response};

use super::{
    events::{self, Accepted},
    openapi::replies::{BatchProblem, Guarded, ProblemDocument, Reading},
    respond,
};
use crate::{
    context::Context,
    doors::cloud_events,
    guard::{Caller, Scope},
    problem::Problem,
    request::posted,
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    warp::path!("cloudevents")
        .and(posted(context, Scope::Agent))
        .then(async |caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            take_in(&context, &caller, &headers, &body).await
        })
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

/// Take CloudEvents 1.0 in: binary, structured or batched.
///
/// `source` and `id` together name an event, so that one that is sent again is ignored; `type` (`agent.started`,
/// `com.example.tool.called`) tells its kind, `subject` its agent, and `data` is its payload. A `type` of any other form
/// becomes `agent:message`.
#[utoipa::path(
    post, path = "/api/v1/cloudevents", tag = "events", operation_id = "emit_cloudevents",
    params(
        ("ce-specversion" = Option<String>, Header, description = "`1.0`, in the binary mode."),
        ("ce-id" = Option<String>, Header), ("ce-source" = Option<String>, Header),
        ("ce-type" = Option<String>, Header), ("ce-subject" = Option<String>, Header),
        ("ce-time" = Option<String>, Header),
    ),
    request_body(content(
        (serde_json::Value = "application/cloudevents+json"),
        (Vec<serde_json::Value> = "application/cloudevents-batch+json"),
        (serde_json::Value = "application/json"),
    )),
    responses(
        (status = 200, description = "All were taken in.", body = Accepted),
        Guarded, Reading,
        (status = 415, description = "This is no CloudEvent.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "Some or all were refused.", body = BatchProblem,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn take_in(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let parsed = cloud_events::read(headers, body, context.handle.limits())?;
    events::publish(context, caller, parsed).await
}

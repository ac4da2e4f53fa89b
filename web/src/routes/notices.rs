//! What a person wants to become of notices that could not be delivered.

use remora_actors::{
    model::Door,
    notifier::{Fate, Outcome},
};
use serde::Deserialize;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, is_by_datastar},
    html,
    problem::Problem,
    request::{answered_by, posted},
};

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wish {
    Retry,
    Dismiss,
}

#[derive(Deserialize)]
struct Decision {
    fate: Wish,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    warp::path!("notices" / String)
        .and(posted(context, Scope::Operator))
        .then(async |id: String, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            decide(&context, &id, &caller, &headers, &body).await
        })
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

async fn decide(
    context: &Context,
    id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let Decision { fate } = serde_urlencoded::from_bytes(body)
        .map_err(|_| Problem::bad_request("the form must have a field `fate`: retry or dismiss"))?;
    let by = answered_by(caller, None, Door::Browser, context.handle.limits())?;
    let fate = match fate {
        Wish::Retry => Fate::Retry,
        Wish::Dismiss => Fate::Dismiss,
    };
    let (ok, words) = match context.handle.decide_on_notice(id, fate, by).await? {
        Outcome::Retried => (true, "It is being tried again."),
        Outcome::Dismissed => (true, "Dismissed."),
        Outcome::Moot => (true, "Nothing is left to tell: what it was about is over."),
        Outcome::Unknown => (false, "There is no such notice any more."),
    };
    if is_by_datastar(headers) {
        // Also for a refusal: Datastar reads no other reply.
        return Ok(super::json(StatusCode::OK, &html::notice_note(ok, words)));
    }
    if !ok {
        return Err(Problem::not_found(words));
    }
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/notices"));
    Ok(response)
}

//! `/mcp`: behind our guard, served by the door that is mounted there.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use sync_wrapper::SyncStream;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, Method, Request},
    reply::Response,
};

use super::respond;
use crate::{
    api::Door,
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{body, is_head},
};

pub(super) fn routes(context: &Context, door: Door) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path!("mcp")
        .and(guard(context, Scope::Agent))
        .and(warp::method())
        .and(is_head())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(body(context))
        .then(move |caller: Caller, method: Method, head: bool, query: String, headers: HeaderMap, body: Vec<u8>| {
            let door = Arc::clone(&door);
            // A GET opens a stream.
            let method = if head { Method::HEAD } else { method };
            async move { pass(&door, caller, (method, &query, headers, body)).await }
        })
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

async fn pass(
    door: &Door,
    caller: Caller,
    (method, query, headers, body): (Method, &str, HeaderMap, Vec<u8>),
) -> Result<Response, Problem> {
    let request = Request::builder().method(method).uri(format!("/mcp?{query}"));
    let mut request = request.body(body).map_err(|error| Problem::bad_request(format_args!("{error}")))?;
    *request.headers_mut() = headers;
    let (parts, body) = door(request).await.into_parts();
    let body = body.take_until(async move { caller.expelled().await }.boxed());
    let mut response = warp::reply::stream(SyncStream::new(body)).into_response();
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    Ok(response)
}

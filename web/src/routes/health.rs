//! For whoever watches the daemon.

use prometheus_client::{encoding::text::encode, registry::Registry};
use remora_actors::system::Role;
use serde_json::{Map, json};
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
};

/// The text format that scrapers are told of.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let alive = warp::path!("healthz")
        .and(warp::get())
        .map(|| super::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
        .map(|reply| respond(Ok(reply)));
    let ready = warp::path!("readyz")
        .and(warp::get())
        .and(with.clone())
        .then(async |context: Context| ready(&context).await)
        .map(|reply| respond(Ok(reply)));
    let metrics = warp::path!("metrics")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with)
        .map(|_: Caller, context: Context| respond(metrics(&context)));
    alive.or(ready).unify().or(metrics).unify().and_then(std::future::ready).boxed()
}

async fn ready(context: &Context) -> Response {
    let mut actors = Map::new();
    let mut all = true;
    for role in Role::ALL {
        let answers = context.handle.ping(role).await.is_ok();
        all &= answers;
        actors.insert(role.as_str().to_owned(), if answers { "ok" } else { "no answer" }.into());
    }
    let (status, word) = if all { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    super::json(status, &json!({"status": word, "actors": actors}))
}

fn metrics(context: &Context) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("remora");
    context.handle.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    Ok(response)
}

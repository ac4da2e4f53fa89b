//! For whoever watches the daemon.

use std::collections::BTreeMap;

use prometheus_client::{encoding::text::encode, registry::Registry};
use remora_actors::{model::PutAside, system::Role};
use serde::Serialize;
use utoipa::ToSchema;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{openapi::replies::Guarded, respond};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
};

/// The text format that scrapers are told of.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The daemon is alive.
#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    status: &'static str,
    version: &'static str,
    /// Events that an actor died over twice and goes on without.
    put_aside: Vec<Aside>,
}

/// An event that was put aside. What the actor died with stands on the page and in the log: this route is open.
#[derive(Serialize, ToSchema)]
pub(super) struct Aside {
    seq: u64,
    kind: String,
    actor: String,
}

/// Which parts answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready` or `not ready`.
    status: &'static str,
    /// By name: `ok` or `no answer`.
    actors: BTreeMap<&'static str, &'static str>,
    /// `ok`, or why nothing can be stored at present.
    journal: String,
    /// Where the journal is: `sqlite`, in the daemon's own data folder, or `nats`, which many daemons may share.
    store: &'static str,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let alive =
        warp::path!("healthz").and(warp::get()).and(with.clone()).map(|context: Context| respond(Ok(alive(&context))));
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

/// Is the daemon alive?
#[utoipa::path(
    get, path = "/healthz", tag = "operation", operation_id = "is_alive",
    responses((status = 200, description = "Yes.", body = Alive)),
)]
pub(super) fn alive(context: &Context) -> Response {
    let aside = |event: PutAside| Aside { seq: event.seq, kind: event.kind, actor: event.actor };
    let put_aside = context.handle.troubles().put_aside.into_iter().map(aside).collect();
    super::json(StatusCode::OK, &Alive { status: "ok", version: env!("CARGO_PKG_VERSION"), put_aside })
}

/// Does each part of the daemon answer, and can events be stored?
#[utoipa::path(
    get, path = "/readyz", tag = "operation", operation_id = "is_ready",
    responses(
        (status = 200, description = "Yes.", body = Ready),
        (status = 503, description = "Not all of them.", body = Ready),
    ),
)]
pub(super) async fn ready(context: &Context) -> Response {
    let mut actors = BTreeMap::new();
    let mut all = true;
    for role in Role::ALL {
        let answers = context.handle.ping(role).await.is_ok();
        all &= answers;
        actors.insert(role.as_str(), if answers { "ok" } else { "no answer" });
    }
    let journal = context.handle.troubles().journal;
    all &= journal.is_none();
    let (status, word) = if all { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    let journal = journal.unwrap_or_else(|| "ok".to_owned());
    super::json(status, &Ready { status: word, actors, journal, store: context.settings.store })
}

/// What is counted, in the text format of OpenMetrics.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "read_metrics",
    responses(
        (status = 200, description = "The counts.", body = String, content_type = METRICS_TYPE), Guarded,
    ),
)]
pub(super) fn metrics(context: &Context) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("remora");
    context.handle.measure();
    context.handle.metrics().register(&mut registry);
    context.requests.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    Ok(response)
}

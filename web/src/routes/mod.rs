//! The routes. None of them holds state: each asks an actor, or sends it a command.

mod agents;
mod alike;
mod bulk;
mod cloud_events;
mod dashboard;
mod events;
mod exports;
#[cfg(feature = "fault-injection")]
mod faults;
mod graphs;
mod health;
mod history;
mod links;
mod login;
mod mcp;
mod notices;
mod openapi;
mod questions;
mod respond;
mod state;
mod streams;
mod traces;
mod workspaces;

use std::convert::Infallible;

use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

pub(crate) use self::openapi::{check_properties, check_query, template_of};
use crate::{api::Door, context::Context, metrics::count_limits, problem::Problem};

/// What a page of ours may do: run our one script, which evaluates expressions, and talk to us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every route of the daemon.
pub(crate) fn all(context: &Context, mcp: Door) -> BoxedFilter<(Response,)> {
    // They are tried in this order: what agents send first, as it comes most often.
    let routes = api(context)
        .or(history::routes(context))
        .unify()
        .or(dashboard::routes(context))
        .unify()
        .or(respond::routes(context))
        .unify()
        .or(alike::routes(context))
        .unify()
        .or(login::routes(context))
        .unify()
        .or(links::routes(context))
        .unify()
        .or(notices::routes(context))
        .unify()
        .or(health::routes(context))
        .unify()
        .or(mcp::routes(context, mcp))
        .unify()
        .or(openapi::routes(context))
        .unify()
        .or(traces::routes(context))
        .unify()
        .or(openapi::other_methods())
        .unify();
    let (counter, requests) = (context.clone(), context.requests.clone());
    routes
        .recover(async |rejection: Rejection| {
            if rejection.is_not_found() {
                Err(rejection)
            } else {
                explain(rejection).await.map_err(|never| match never {})
            }
        })
        .unify()
        .or(dashboard::nowhere())
        .unify()
        .recover(explain)
        .unify()
        .map(move |response| with_headers(count_limits(&counter, response)))
        .with(warp::trace(|request| tracing::debug_span!("request", method = %request.method(), path = request.path())))
        .with(warp::log::custom(move |done| requests.count(done.method(), done.path(), done.status())))
        .map(Reply::into_response)
        .boxed()
}

/// The JSON API alone.
pub(crate) fn json_api(context: &Context) -> BoxedFilter<(Response,)> {
    let counter = context.clone();
    api(context).recover(explain).unify().map(move |response| count_limits(&counter, response)).boxed()
}

fn api(context: &Context) -> BoxedFilter<(Response,)> {
    let routes = events::routes(context)
        .or(streams::raw(context))
        .unify()
        .or(exports::routes(context))
        .unify()
        .or(cloud_events::routes(context))
        .unify()
        .or(questions::routes(context))
        .unify()
        .or(bulk::routes(context))
        .unify()
        .or(agents::routes(context))
        .unify()
        .or(workspaces::routes(context))
        .unify()
        .or(state::routes(context))
        .unify()
        .or(graphs::routes(context))
        .unify();
    #[cfg(feature = "fault-injection")]
    let routes = routes.or(faults::routes(context)).unify();
    warp::path!("api" / "v1" / ..).and(routes).boxed()
}

/// A handler's result as a response.
pub(crate) fn respond(result: Result<impl Reply, Problem>) -> Result<Response, Infallible> {
    Ok(match result {
        Ok(reply) => reply.into_response(),
        Err(problem) => problem.into_response(),
    })
}

/// JSON with a status.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    warp::reply::with_status(warp::reply::json(body), status).into_response()
}

async fn explain(rejection: Rejection) -> Result<Response, Infallible> {
    let problem = if let Some(problem) = rejection.find::<Problem>() {
        problem.clone()
    // Also where another method of the path was tried afterwards.
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        Problem::bad_request("a query parameter has a value of the wrong kind")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
    } else if rejection.is_not_found() {
        Problem::not_found("there is nothing at this path")
    } else {
        Problem::bad_request(format_args!("the request cannot be read: {rejection:?}"))
    };
    Ok(problem.into_response())
}

fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    // Nothing for other sites. For our own the origin is needed: `no-referrer` would make it `null` in a form's post.
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

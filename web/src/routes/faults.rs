//! Makes actors die over a message, for tests of the supervision. Never part of a release.

use serde_json::json;
use warp::{Filter, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let arm = warp::path!("faults" / String / String / u64)
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(with.clone())
        .map(|actor: String, kind: String, times: u64, _: Caller, context: Context| {
            context.handle.faults().arm(&actor, &kind, times);
            respond(Ok(StatusCode::NO_CONTENT))
        });
    let list = warp::path!("faults").and(warp::get()).and(guard(context, Scope::Operator)).and(with).map(
        |_: Caller, context: Context| {
            let points = context.handle.faults().list().into_iter();
            let points: Vec<_> = points
                .map(
                    |(actor, kind, passed, died)| json!({"actor": actor, "kind": kind, "passed": passed, "died": died}),
                )
                .collect();
            respond(Ok(super::json(StatusCode::OK, &points)))
        },
    );
    arm.or(list).unify().and_then(std::future::ready).boxed()
}

//! Makes actors panic, for tests of the supervision. Never part of a release.

use warp::{Filter, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let guarded = guard(context, Scope::Operator);
    let context = context.clone();
    warp::path!("faults" / String)
        .and(warp::post())
        .and(guarded)
        .map(move |actor: String, _: Caller| {
            if context.handle.panic(&actor) {
                respond(Ok(StatusCode::NO_CONTENT))
            } else {
                respond(Err::<StatusCode, _>(Problem::not_found(format_args!("no actor `{actor}` runs"))))
            }
        })
        .and_then(std::future::ready)
        .boxed()
}

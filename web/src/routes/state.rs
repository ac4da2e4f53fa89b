//! The picture as JSON.

use warp::{Filter, filters::BoxedFilter, reply::Response};

use super::{
    events::state_json,
    openapi::{replies::Guarded, schemas::State},
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    warp::path!("state")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with)
        .then(async |_: Caller, context: Context| state(&context).await)
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

/// The live picture: the latest events, the open questions, the agents, the progress and the latest results.
#[utoipa::path(
    get, path = "/api/v1/state", tag = "events", operation_id = "read_state",
    responses((status = 200, description = "The picture.", body = State), Guarded),
)]
pub(super) async fn state(context: &Context) -> Result<Response, Problem> {
    Ok(state_json(context.handle.signals().await?))
}

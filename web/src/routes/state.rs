//! The picture as JSON.

use warp::{Filter, filters::BoxedFilter, reply::Response};

use super::{events::state_json, respond};
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
        .then(async |_: Caller, context: Context| Ok::<_, Problem>(state_json(context.handle.signals().await?)))
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

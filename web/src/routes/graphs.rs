//! The graphs as JSON.

use warp::{Filter, filters::BoxedFilter, reply::Response};

use super::{
    events::state_json,
    openapi::{
        replies::{Guarded, NotFound},
        schemas::{Graph, GraphList},
    },
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::Segment,
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let list = warp::path!("graphs")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with.clone())
        .then(async |_: Caller, context: Context| list(&context).await)
        .map(respond);
    let read = warp::path!("graphs" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with)
        .then(async |graph: Segment, _: Caller, context: Context| read(&context, &graph.0).await)
        .map(respond);
    list.or(read).unify().and_then(std::future::ready).boxed()
}

/// List the graphs with how far they are, the last changed first.
#[utoipa::path(
    get, path = "/api/v1/graphs", tag = "agents", operation_id = "list_graphs",
    responses((status = 200, description = "The graphs, without their nodes.", body = GraphList), Guarded),
)]
pub(super) async fn list(context: &Context) -> Result<Response, Problem> {
    Ok(state_json(context.handle.graphs(None).await?.unwrap_or_default()))
}

/// Read a graph: its nodes, what comes after what, and when each node ran and waited.
#[utoipa::path(
    get, path = "/api/v1/graphs/{graph_id}", tag = "agents", operation_id = "read_graph",
    params(("graph_id" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "The graph.", body = Graph), Guarded, NotFound),
)]
pub(super) async fn read(context: &Context, graph_id: &str) -> Result<Response, Problem> {
    let graph = context.handle.graphs(Some(graph_id)).await?;
    graph.map(state_json).ok_or_else(|| Problem::not_found("no graph of this id is known"))
}

//! Workspaces and their keys, over JSON.

use std::path::PathBuf;

use remora_actors::{
    model::{Invalid, Registration},
    ports::{Listed, keys},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use warp::{Filter, Reply, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::{
    openapi::{
        replies::{Guarded, NotFound, Reading, Unusable},
        schemas,
    },
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{Segment, body, json},
};

/// Whose a workspace is, and where it lies.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registering {
    #[schema(min_length = 1, max_length = 256)]
    agent_id: String,
    /// The workspace's file, under one of the daemon's roots. Default: a workspace inside the daemon.
    #[schema(value_type = Option<String>)]
    path: Option<PathBuf>,
}

/// Whose registrations are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Registered {
    /// Only this agent's; an agent's token must name one.
    agent_id: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// What the keys start with.
    #[serde(default)]
    prefix: String,
    /// Only keys behind this one.
    after: Option<String>,
}

/// All registrations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workspaces {
    #[schema(value_type = Vec<schemas::Registration>)]
    workspaces: Vec<Registration>,
}

/// A key with its value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entry {
    key: String,
    value: Value,
}

/// Keys with their values.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// Where there are more: what to ask for next, as `after`.
    next: Option<String>,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    keys_of(context).or(registrations(context)).unify().boxed()
}

fn registrations(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let register = warp::path!("workspaces" / Segment)
        .and(warp::put())
        .and(guard(context, Scope::Agent))
        .and(body(context))
        .and(with.clone())
        .then(async |workspace: Segment, _: Caller, body: Vec<u8>, context: Context| {
            register(&context, workspace.0, &body).await
        })
        .map(respond);
    let unregister = warp::path!("workspaces" / Segment)
        .and(warp::delete())
        .and(guard(context, Scope::Agent))
        .and(with.clone())
        .then(async |workspace: Segment, _: Caller, context: Context| unregister(&context, &workspace.0).await)
        .map(respond);
    let list = warp::path!("workspaces")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Registered>())
        .and(with)
        .then(async |caller: Caller, registered: Registered, context: Context| {
            list(&context, &caller, &registered).await
        })
        .map(respond);
    register.or(unregister).unify().or(list).unify().and_then(std::future::ready).boxed()
}

fn keys_of(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let keys = warp::path!("workspaces" / Segment / "kv")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Listing>())
        .and(with.clone())
        .then(async |workspace: Segment, _: Caller, listing: Listing, context: Context| {
            list_keys(&context, &workspace.0, &listing).await
        })
        .map(respond);
    let get = warp::path!("workspaces" / Segment / "kv" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(with.clone())
        .then(async |workspace: Segment, key: Segment, _: Caller, context: Context| {
            get(&context, &workspace.0, &key.0).await
        })
        .map(respond);
    let set = warp::path!("workspaces" / Segment / "kv" / Segment)
        .and(warp::put())
        .and(guard(context, Scope::Agent))
        .and(body(context))
        .and(with.clone())
        .then(async |workspace: Segment, key: Segment, caller: Caller, body: Vec<u8>, context: Context| {
            set(&context, &workspace.0, &key.0, &caller, &body).await
        })
        .map(respond);
    let delete = warp::path!("workspaces" / Segment / "kv" / Segment)
        .and(warp::delete())
        .and(guard(context, Scope::Agent))
        .and(with)
        .then(async |workspace: Segment, key: Segment, _: Caller, context: Context| {
            delete(&context, &workspace.0, &key.0).await
        })
        .map(respond);
    keys.or(get).unify().or(set).unify().or(delete).unify().and_then(std::future::ready).boxed()
}

/// Read a key.
#[utoipa::path(
    get, path = "/api/v1/workspaces/{workspace_id}/kv/{key}", tag = "workspaces", operation_id = "get_value",
    params(("workspace_id" = String, Path), ("key" = String, Path)),
    responses((status = 200, description = "The bare value.", body = Value), Guarded, NotFound, Unusable),
)]
pub(super) async fn get(context: &Context, workspace_id: &str, key: &str) -> Result<Response, Problem> {
    let value = context.handle.get_value(workspace_id, key).await?;
    value.map(|value| super::json(StatusCode::OK, &value)).ok_or_else(|| no_such_key(key))
}

/// Remove a key.
#[utoipa::path(
    delete, path = "/api/v1/workspaces/{workspace_id}/kv/{key}", tag = "workspaces", operation_id = "delete_value",
    params(("workspace_id" = String, Path), ("key" = String, Path)),
    responses((status = 204, description = "It is gone."), Guarded, NotFound, Unusable),
)]
pub(super) async fn delete(context: &Context, workspace_id: &str, key: &str) -> Result<StatusCode, Problem> {
    match context.handle.delete_value(workspace_id, key).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_key(key)),
    }
}

/// List the keys of a workspace, by key, some megabytes at a time.
#[utoipa::path(
    get, path = "/api/v1/workspaces/{workspace_id}/kv", tag = "workspaces", operation_id = "list_values",
    params(("workspace_id" = String, Path), Listing),
    responses((status = 200, description = "Keys and values.", body = Entries), Guarded, NotFound, Unusable),
)]
pub(super) async fn list_keys(context: &Context, workspace_id: &str, listing: &Listing) -> Result<Response, Problem> {
    let Listing { prefix, after } = listing;
    let Listed { entries, next } = context.handle.page_of_values(workspace_id, prefix, after.as_deref()).await?;
    let entries = entries.into_iter().map(|(key, value)| Entry { key, value }).collect();
    Ok(super::json(StatusCode::OK, &Entries { entries, next }))
}

/// List the registered workspaces.
#[utoipa::path(
    get, path = "/api/v1/workspaces", tag = "workspaces", operation_id = "list_workspaces", params(Registered),
    responses((status = 200, description = "All of them.", body = Workspaces), Guarded),
)]
pub(super) async fn list(context: &Context, caller: &Caller, registered: &Registered) -> Result<Response, Problem> {
    caller.may_see(registered.agent_id.as_deref())?;
    let mut workspaces = context.handle.registrations().await?;
    workspaces.retain(|registration| registered.agent_id.as_ref().is_none_or(|id| *id == registration.agent_id));
    Ok(super::json(StatusCode::OK, &Workspaces { workspaces }))
}

/// Forget a registration. The workspace itself stays.
#[utoipa::path(
    delete, path = "/api/v1/workspaces/{workspace_id}", tag = "workspaces", operation_id = "unregister_workspace",
    params(("workspace_id" = String, Path)),
    responses((status = 204, description = "It is forgotten."), Guarded, NotFound),
)]
pub(super) async fn unregister(context: &Context, workspace_id: &str) -> Result<StatusCode, Problem> {
    match context.handle.unregister_workspace(workspace_id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("no agent has registered a workspace of this id")),
    }
}

fn no_such_key(key: &str) -> Problem {
    Problem::not_found(format_args!("the workspace has no key `{key}`"))
}

/// Register an agent's workspace.
#[utoipa::path(
    put, path = "/api/v1/workspaces/{workspace_id}", tag = "workspaces", operation_id = "register_workspace",
    params(("workspace_id" = String, Path, min_length = 1, max_length = 256)), request_body = Registering,
    responses(
        (status = 200, description = "It is registered.", body = schemas::Registration), Guarded, NotFound, Reading,
    ),
)]
pub(super) async fn register(context: &Context, workspace_id: String, body: &[u8]) -> Result<Response, Problem> {
    let Registering { agent_id, path } = json(body)?;
    let registration = Registration { agent_id, workspace_id, path };
    context.handle.register_workspace(&registration).await?;
    Ok(super::json(StatusCode::OK, &registration))
}

/// Write a key.
#[utoipa::path(
    put, path = "/api/v1/workspaces/{workspace_id}/kv/{key}", tag = "workspaces", operation_id = "set_value",
    params(("workspace_id" = String, Path), ("key" = String, Path)),
    request_body(content = Value, description = "The bare value: any JSON."),
    responses((status = 204, description = "It is written."), Guarded, NotFound, Reading),
)]
pub(super) async fn set(
    context: &Context,
    workspace_id: &str,
    key: &str,
    caller: &Caller,
    body: &[u8],
) -> Result<Response, Problem> {
    let limits = context.handle.limits();
    // An answer is worth something only if the agent cannot write it itself.
    if caller.scope == Scope::Agent && key.starts_with(keys::RESPONSE) {
        return Err(Problem::forbidden("an agent may not write answers; they come from people"));
    }
    Invalid::over(key.len(), limits.id_bytes, "the key", "id_bytes")?;
    Invalid::over(body.len(), limits.value_bytes, "the value", "value_bytes")?;
    let value: Value = json(body)?;
    context.handle.set_value(workspace_id, key, &value).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

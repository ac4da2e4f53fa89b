//! Workspaces and their keys, over JSON.

use std::path::PathBuf;

use remora_actors::{
    model::{Invalid, Registration},
    ports::keys,
};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::{Filter, Reply, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{Segment, body, json},
};

#[derive(Debug, Deserialize)]
struct Registering {
    agent_id: String,
    path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Registered {
    agent_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Listing {
    #[serde(default)]
    prefix: String,
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
        .then(async |workspace: Segment, _: Caller, context: Context| {
            match context.handle.unregister_workspace(&workspace.0).await? {
                true => Ok(StatusCode::NO_CONTENT),
                false => Err(Problem::not_found("no agent has registered a workspace of this id")),
            }
        })
        .map(respond);
    let list = warp::path!("workspaces")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Registered>())
        .and(with)
        .then(async |caller: Caller, Registered { agent_id }: Registered, context: Context| {
            caller.may_see(agent_id.as_deref())?;
            let mut workspaces = context.handle.registrations().await?;
            workspaces.retain(|registration| agent_id.as_ref().is_none_or(|id| *id == registration.agent_id));
            Ok::<_, Problem>(super::json(StatusCode::OK, &json!({"workspaces": workspaces})))
        })
        .map(respond);
    register.or(unregister).unify().or(list).unify().and_then(std::future::ready).boxed()
}

fn keys_of(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let list = warp::path!("workspaces" / Segment / "kv")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Listing>())
        .and(with.clone())
        .then(async |workspace: Segment, _: Caller, listing: Listing, context: Context| {
            let entries = context.handle.list_values(&workspace.0, &listing.prefix).await?;
            let entries: Vec<_> = entries.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
            Ok::<_, Problem>(super::json(StatusCode::OK, &json!({"entries": entries})))
        })
        .map(respond);
    let get = warp::path!("workspaces" / Segment / "kv" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(with.clone())
        .then(async |workspace: Segment, key: Segment, _: Caller, context: Context| {
            let value = context.handle.get_value(&workspace.0, &key.0).await?;
            value.map(|value| super::json(StatusCode::OK, &value)).ok_or_else(|| no_such_key(&key.0))
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
            match context.handle.delete_value(&workspace.0, &key.0).await? {
                true => Ok(StatusCode::NO_CONTENT),
                false => Err(no_such_key(&key.0)),
            }
        })
        .map(respond);
    list.or(get).unify().or(set).unify().or(delete).unify().and_then(std::future::ready).boxed()
}

fn no_such_key(key: &str) -> Problem {
    Problem::not_found(format_args!("the workspace has no key `{key}`"))
}

async fn register(context: &Context, workspace_id: String, body: &[u8]) -> Result<Response, Problem> {
    let Registering { agent_id, path } = json(body)?;
    let registration = Registration { agent_id, workspace_id, path };
    context.handle.register_workspace(&registration).await?;
    Ok(super::json(StatusCode::OK, &registration))
}

async fn set(
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

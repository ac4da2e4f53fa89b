//! Messages from people to agents, over JSON.

use remora_actors::model::{Door, Invalid, check_id};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    openapi::replies::{Guarded, Reading},
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{Segment, answered_by, api_door, body, json},
};

/// A message to an agent.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Message {
    /// The text, which must not be empty.
    #[schema(required, value_type = String, min_length = 1)]
    content: Option<String>,
    /// Who writes, where no token tells it.
    who: Option<String>,
}

/// A message that is durable.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    /// Always `ok`.
    status: String,
    agent_id: String,
    message_id: String,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    warp::path!("agents" / Segment / "messages")
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(with)
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            message(&context, &agent.0, &caller, &headers, &body).await
        })
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

/// Write to an agent, which finds the message in its workspace's inbox.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/messages", tag = "agents", operation_id = "send_message",
    params(("agent_id" = String, Path, min_length = 1, max_length = 256)), request_body = Message,
    responses((status = 201, description = "It is durable.", body = Sent), Guarded, Reading),
)]
pub(super) async fn message(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let Message { content, who } = json(body)?;
    let sent = send(context, agent_id, caller, api_door(headers), content, who).await?;
    Ok(super::json(StatusCode::CREATED, &sent))
}

/// Sends a message, from whichever door.
pub(super) async fn send(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    door: Door,
    content: Option<String>,
    who: Option<String>,
) -> Result<Sent, Problem> {
    let limits = context.handle.limits();
    let content = content
        .filter(|content| !content.trim().is_empty())
        .ok_or_else(|| Invalid::field("content", "must be a text that is not empty"))?;
    Invalid::over(content.len(), limits.answer_bytes, "the message", "answer_bytes")?;
    check_id(agent_id, "agent_id", limits)?;
    let by = answered_by(caller, who, door, limits)?;
    let message_id = context.handle.send_message(agent_id, &content, by).await?;
    Ok(Sent { status: "ok".to_owned(), agent_id: agent_id.to_owned(), message_id })
}

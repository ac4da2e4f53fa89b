//! Agents, messages from people to them, and requests to stop, over JSON.

use remora_actors::model::{Door, Invalid, MessageKind, MessageState, UserMessage, check_id};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    events::state_json,
    openapi::{
        replies::{Guarded, NotFound, ProblemDocument, Reading},
        schemas::{Agent, MessageList},
    },
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{Segment, answered_by, api_door, json, posted},
};

/// A message to an agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// The text, which must not be empty.
    #[schema(required, value_type = String, min_length = 1)]
    content: Option<String>,
    /// Who writes, where no token tells it.
    who: Option<String>,
}

/// A request to an agent to stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopRequest {
    /// Why, for the agent to read.
    reason: Option<String>,
    /// Who asks, where no token tells it.
    who: Option<String>,
}

/// What an agent reads that is asked to stop for no given reason.
const STOP: &str = "Please stop what you are doing and end.";

/// A message that is durable.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    /// Always `ok`.
    status: String,
    agent_id: String,
    message_id: String,
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<Shown>,
}

/// A message with how far it has come.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    message: UserMessage,
    state: MessageState,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let read = warp::path!("agents" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with.clone())
        .then(async |agent: Segment, _: Caller, context: Context| read(&context, &agent.0).await)
        .map(respond);
    let list = warp::path!("agents" / Segment / "messages")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with.clone())
        .then(async |agent: Segment, _: Caller, context: Context| list(&context, &agent.0).await)
        .map(respond);
    let send = warp::path!("agents" / Segment / "messages")
        .and(posted(context, Scope::Operator))
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            message(&context, &agent.0, &caller, &headers, &body).await
        })
        .map(respond);
    let stop = warp::path!("agents" / Segment / "stop")
        .and(posted(context, Scope::Operator))
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            stop(&context, &agent.0, &caller, &headers, &body).await
        })
        .map(respond);
    read.or(list).unify().or(send).unify().or(stop).unify().and_then(std::future::ready).boxed()
}

/// Read an agent, as it stands in the picture.
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}", tag = "agents", operation_id = "read_agent",
    params(("agent_id" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "The agent.", body = Agent), Guarded, NotFound),
)]
pub(super) async fn read(context: &Context, agent_id: &str) -> Result<Response, Problem> {
    let agent = context.handle.agent(agent_id).await?;
    agent.map(state_json).ok_or_else(|| Problem::not_found("no agent of this id is known"))
}

/// List the messages to an agent, the oldest first, with how far they have come.
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}/messages", tag = "agents", operation_id = "list_messages",
    params(("agent_id" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "Its messages.", body = MessageList), Guarded),
)]
pub(super) async fn list(context: &Context, agent_id: &str) -> Result<Response, Problem> {
    let messages = context.handle.messages(agent_id).await?;
    let messages = messages.into_iter().map(|message| Shown { state: message.state(), message }).collect();
    Ok(super::json(StatusCode::OK, &Messages { messages }))
}

/// Write to an agent, which finds the message in its workspace's inbox.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/messages", tag = "agents", operation_id = "send_message",
    params(("agent_id" = String, Path, min_length = 1, max_length = 256)), request_body = Message,
    responses(
        (status = 201, description = "It is durable.", body = Sent),
        Guarded,
        Reading,
        (status = 429, description = "The agent has too many messages that it has not taken.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn message(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let Message { content, who } = json(body)?;
    let sent = send(context, agent_id, caller, api_door(headers), Wanted::Message(content), who).await?;
    Ok(super::json(StatusCode::CREATED, &sent))
}

/// Ask an agent to stop. It finds the request among its messages, with the kind `stop_request`, and ends by itself.
///
/// Asking again while it has not seen the request changes nothing: the answer names the first one.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/stop", tag = "agents", operation_id = "request_stop",
    params(("agent_id" = String, Path, min_length = 1, max_length = 256)), request_body = Option<StopRequest>,
    responses((status = 201, description = "The request is durable.", body = Sent), Guarded, Reading),
)]
pub(super) async fn stop(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let StopRequest { reason, who } = if body.is_empty() { StopRequest::default() } else { json(body)? };
    let sent = send(context, agent_id, caller, api_door(headers), Wanted::Stop(reason), who).await?;
    Ok(super::json(StatusCode::CREATED, &sent))
}

/// What an agent is told, and what is still to be checked.
pub(super) enum Wanted {
    /// That it reads this.
    Message(Option<String>),
    /// That it stops, perhaps for a reason.
    Stop(Option<String>),
}

/// Sends a message, from whichever door.
pub(super) async fn send(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    door: Door,
    wanted: Wanted,
    who: Option<String>,
) -> Result<Sent, Problem> {
    let limits = context.handle.limits();
    let said = |content: Option<String>| content.filter(|content| !content.trim().is_empty());
    let (kind, content) = match wanted {
        Wanted::Message(content) => (MessageKind::Message, said(content)),
        Wanted::Stop(reason) => (MessageKind::StopRequest, said(reason).or_else(|| Some(STOP.to_owned()))),
    };
    let content = content.ok_or_else(|| Invalid::field("content", "must be a text that is not empty"))?;
    Invalid::over(content.len(), limits.answer_bytes, "the message", "answer_bytes")?;
    check_id(agent_id, "agent_id", limits)?;
    let by = answered_by(caller, who, door, limits)?;
    let message_id = context.handle.send_message(agent_id, kind, &content, by).await?;
    Ok(Sent { status: "ok".to_owned(), agent_id: agent_id.to_owned(), message_id })
}

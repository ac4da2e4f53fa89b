//! Messages from people to agents, over JSON.

use remora_actors::model::{Door, Invalid, UserMessage, check_id};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{Segment, answered_by, api_door, body, json},
};

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<String>,
    who: Option<String>,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let list = warp::path!("agents" / Segment / "messages")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with.clone())
        .then(async |agent: Segment, _: Caller, context: Context| {
            let messages = context.handle.messages(&agent.0).await?;
            let messages: Vec<_> = messages.iter().map(shown).collect();
            Ok::<_, Problem>(super::json(StatusCode::OK, &json!({"messages": messages})))
        })
        .map(respond);
    let send = warp::path!("agents" / Segment / "messages")
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(with)
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            let Message { content, who } = json(&body)?;
            let sent = send(&context, &agent.0, &caller, api_door(&headers), content, who).await?;
            Ok::<_, Problem>(super::json(StatusCode::CREATED, &sent))
        })
        .map(respond);
    list.or(send).unify().and_then(std::future::ready).boxed()
}

/// A message with how far it has come.
fn shown(message: &UserMessage) -> Value {
    let mut shown = json!(message);
    shown["state"] = json!(message.state());
    shown
}

/// Sends a message, from whichever door.
pub(super) async fn send(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    door: Door,
    content: Option<String>,
    who: Option<String>,
) -> Result<Value, Problem> {
    let limits = context.handle.limits();
    let content = content
        .filter(|content| !content.trim().is_empty())
        .ok_or_else(|| Invalid::field("content", "must be a text that is not empty"))?;
    Invalid::over(content.len(), limits.answer_bytes, "the message", "answer_bytes")?;
    check_id(agent_id, "agent_id", limits)?;
    let by = answered_by(caller, who, door, limits)?;
    let message_id = context.handle.send_message(agent_id, &content, by).await?;
    Ok(json!({"status": "ok", "agent_id": agent_id, "message_id": message_id}))
}

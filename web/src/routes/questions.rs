//! Questions over JSON: asked, waited for, answered, withdrawn.

use std::time::Duration;

use remora_actors::{
    inbox_coordinator::{Ask, Target},
    model::{Question, Status},
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
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
struct Listing {
    status: Option<String>,
    agent_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reading {
    wait: Option<f64>,
    workspace_id: Option<String>,
    agent_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answering {
    answer: Value,
    who: Option<String>,
    workspace_id: Option<String>,
    agent_id: Option<String>,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let ask = warp::path!("questions")
        .and(warp::post())
        .and(guard(context, Scope::Agent))
        .and(body(context))
        .and(with.clone())
        .then(async |_: Caller, body: Vec<u8>, context: Context| ask(&context, &body).await)
        .map(respond);
    let list = warp::path!("questions")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Listing>())
        .and(with.clone())
        .then(async |caller: Caller, listing: Listing, context: Context| list(&context, &caller, &listing).await)
        .map(respond);
    let one = warp::path!("questions" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Reading>())
        .and(with.clone())
        .then(async |id: Segment, _: Caller, reading: Reading, context: Context| read(&context, id.0, reading).await)
        .map(respond);
    let answer = warp::path!("questions" / Segment / "answer")
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(with.clone())
        .then(async |id: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            answer(&context, id.0, &caller, &headers, &body).await
        })
        .map(respond);
    let withdraw = warp::path!("questions" / Segment)
        .and(warp::delete())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Reading>())
        .and(with)
        .then(async |id: Segment, _: Caller, reading: Reading, context: Context| {
            withdraw(&context, id.0, reading).await
        })
        .map(respond);
    let routes = ask.or(list).unify().or(one).unify().or(answer).unify().or(withdraw).unify();
    routes.and_then(std::future::ready).boxed()
}

async fn ask(context: &Context, body: &[u8]) -> Result<Response, Problem> {
    let Value::Object(fields) = json(body)? else {
        return Err(Problem::unprocessable("a question is a json object"));
    };
    let text = |name: &str, needed: bool| match fields.get(name) {
        None | Some(Value::Null) if !needed => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        _ => Err(Problem::unprocessable(format_args!("field `{name}` must be a text"))),
    };
    let ask = Ask {
        agent_id: text("agent_id", true)?.unwrap_or_default(),
        msg_id: text("msg_id", false)?.unwrap_or_else(|| Uuid::now_v7().to_string()),
        workspace_id: text("workspace_id", false)?,
        fields,
    };
    let asked = context.handle.ask(ask).await??;
    let status = if asked.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(super::json(status, &asked.record))
}

async fn list(context: &Context, caller: &Caller, listing: &Listing) -> Result<Response, Problem> {
    caller.may_see(listing.agent_id.as_deref())?;
    let status = match listing.status.as_deref() {
        None | Some("" | "all") => None,
        Some(word) => Some(Status::deserialize(Value::from(word)).map_err(|_| {
            Problem::bad_request("`status` must be open, answered, delivered, expired, cancelled or all")
        })?),
    };
    let mut questions = context.handle.questions(status).await?;
    questions.retain(|record| listing.agent_id.as_ref().is_none_or(|id| *id == record.question.agent_id));
    Ok(super::json(StatusCode::OK, &json!({"questions": questions})))
}

fn target(msg_id: String, reading: Reading) -> Target {
    Target { msg_id: Some(msg_id), agent_id: reading.agent_id, workspace_id: reading.workspace_id }
}

async fn read(context: &Context, msg_id: String, reading: Reading) -> Result<Response, Problem> {
    let record = match reading.wait {
        None => context.handle.question(target(msg_id, reading)).await??,
        Some(wait) if wait.is_finite() && wait >= 0.0 => {
            let limit = Duration::from_secs_f64(wait.min(context.handle.limits().wait_s as f64));
            tokio::select! {
                record = context.handle.wait(target(msg_id, reading), limit) => record??,
                () = context.closed() => return Err(Problem::unavailable("the daemon stops; ask again")),
            }
        }
        Some(_) => return Err(Problem::bad_request("`wait` must be seconds")),
    };
    Ok(super::json(StatusCode::OK, &record))
}

async fn answer(
    context: &Context,
    msg_id: String,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let Answering { answer, who, workspace_id, agent_id } = json(body)?;
    let by = answered_by(caller, who, api_door(headers), context.handle.limits())?;
    let target = Target { msg_id: Some(msg_id), agent_id, workspace_id };
    let record = context.handle.respond(target, answer, by).await??;
    Ok(super::json(StatusCode::OK, &record))
}

async fn withdraw(context: &Context, msg_id: String, reading: Reading) -> Result<Response, Problem> {
    let record = context.handle.cancel(target(msg_id, reading)).await??;
    Ok(super::json(StatusCode::OK, &record))
}

/// The answers of a form: what they mean depends on what was asked.
///
/// # Errors
/// The text of a structured answer is not JSON.
pub(super) fn from_form(question: &Question, mut answers: Vec<String>) -> Result<Value, Problem> {
    if question.multiple {
        return Ok(json!(answers));
    }
    // Beside a choice the form has a text, which is empty unless somebody wrote into it.
    let answer = answers.iter().rposition(|answer| !answer.trim().is_empty()).map(|at| answers.swap_remove(at));
    let answer = answer.unwrap_or_default();
    if question.response_schema.is_null() || question.offers(&answer) {
        return Ok(answer.into());
    }
    serde_json::from_str(&answer)
        .map_err(|error| Problem::unprocessable(format_args!("field `answer` must be json: {error}")))
}

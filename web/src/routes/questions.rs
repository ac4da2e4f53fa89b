//! Questions over JSON: asked, waited for, answered, withdrawn.

use std::time::Duration;

use remora_actors::{
    inbox_coordinator::{AskError, Cancel, Target},
    model::{Limits, Status, check_id},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    openapi::{
        replies::{ConflictProblem, Guarded, NotFound, ProblemDocument, Reading as ReadingBody},
        schemas::{self, NewQuestion, QuestionList},
    },
    respond,
};
use crate::{
    asked::Asked,
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{Segment, answered_by, api_door, is_head, json, posted},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// `open`, `answered`, `delivered`, `expired`, `cancelled` or `all`, which is the default.
    #[param(value_type = Option<ListedStatus>)]
    status: Option<String>,
    /// Only this agent's questions.
    agent_id: Option<String>,
}

/// What is listed.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "a description of `status`")]
pub(super) enum ListedStatus {
    Open,
    Answered,
    Delivered,
    Expired,
    Cancelled,
    All,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The question's workspace, where its id alone is ambiguous.
    workspace_id: Option<String>,
    /// The question's agent, for the same purpose.
    agent_id: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Patience {
    /// Seconds to wait for an answer, capped by the setting `wait_s`, 55 by default: below the minute after which common
    /// proxies give up. Ask again until the status is not `open`. An answer that is read with `wait` is `delivered`.
    #[param(minimum = 0.0)]
    wait: Option<f64>,
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answering {
    /// A text; an array of texts for `multiple`, the own text one more of them; a `Decision`, or its word alone, for a
    /// confirmation or a tool call; whatever the `response_schema` allows.
    answer: Value,
    /// Who answers, where no token tells it.
    who: Option<String>,
    /// The question's workspace, where its id alone is ambiguous.
    workspace_id: Option<String>,
    /// The question's agent, for the same purpose.
    agent_id: Option<String>,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let ask = warp::path!("questions")
        .and(posted(context, Scope::Agent))
        .then(async |_: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            ask(&context, &headers, &body).await
        })
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
        .and(warp::query::<Which>())
        .and(warp::query::<Patience>())
        .and(is_head())
        .and(with.clone())
        .then(async |id: Segment, caller: Caller, which: Which, patience: Patience, head: bool, context: Context| {
            // Whoever waits for an answer has it: not so without a body.
            let patience = if head { Patience { wait: None } } else { patience };
            read(&context, &caller, id.0, which, patience).await
        })
        .map(respond);
    let answer = warp::path!("questions" / Segment / "answer")
        .and(posted(context, Scope::Operator))
        .then(async |id: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            answer(&context, id.0, &caller, &headers, &body).await
        })
        .map(respond);
    let withdraw = warp::path!("questions" / Segment)
        .and(warp::delete())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Which>())
        .and(with.clone())
        .then(async |id: Segment, _: Caller, which: Which, context: Context| withdraw(&context, id.0, which).await)
        .map(respond);
    let undo = warp::path!("questions" / Segment / "answer")
        .and(warp::delete())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Which>())
        .and(with)
        .then(async |id: Segment, _: Caller, which: Which, context: Context| undo(&context, id.0, which).await)
        .map(respond);
    let routes = ask.or(list).unify().or(one).unify().or(answer).unify().or(withdraw).unify().or(undo).unify();
    routes.and_then(std::future::ready).boxed()
}

/// Ask a question.
#[utoipa::path(
    post, path = "/api/v1/questions", tag = "questions", operation_id = "ask_question",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "A text of the agent's choice. The same key with the same body is the same question again, also \
        after a restart; with another body it is refused with 422. Without effect beside a `msg_id`.")),
    request_body = NewQuestion,
    responses(
        (status = 200, description = "It had been asked before.", body = schemas::Question),
        (status = 201, description = "It is asked.", body = schemas::Question),
        (status = 409, description = "Another question has this `msg_id`.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 429, description = "The agent has too many questions open.", body = ProblemDocument,
            content_type = "application/problem+json"),
        Guarded, ReadingBody,
    ),
)]
pub(super) async fn ask(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    let asked = Asked::read(body, &[])?;
    let (agent_id, msg_id) = (asked.agent_id()?, asked.text("msg_id")?);
    let key = idempotency_key(headers, context.handle.limits())?.filter(|_| msg_id.is_none());
    // Derived, so that the key needs no memory of its own.
    let named = |key| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{agent_id}\n{key}").as_bytes());
    let msg_id = msg_id.unwrap_or_else(|| key.map_or_else(Uuid::now_v7, named).to_string());
    let asked = match context.handle.ask(asked.into_ask(agent_id, msg_id)?).await? {
        Err(AskError::Conflict(_)) if key.is_some() => {
            return Err(Problem::unprocessable("this `Idempotency-Key` was used for another question; choose another"));
        }
        asked => asked?,
    };
    let status = if asked.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(super::json(status, &asked.record))
}

/// The header's text, quoted or not.
fn idempotency_key<'a>(headers: &'a HeaderMap, limits: &Limits) -> Result<Option<&'a str>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().map_err(|_| Problem::bad_request("header `Idempotency-Key` must be ascii"))?;
    let key = key.trim().trim_matches('"');
    check_id(key, "Idempotency-Key", limits)?;
    Ok(Some(key))
}

/// List questions.
///
/// Open ones, asked for alone, come in the order of their urgency.
#[utoipa::path(
    get, path = "/api/v1/questions", tag = "questions", operation_id = "list_questions", params(Listing),
    responses((status = 200, description = "The questions.", body = QuestionList), Guarded),
)]
pub(super) async fn list(context: &Context, caller: &Caller, listing: &Listing) -> Result<Response, Problem> {
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

fn target(msg_id: String, which: Which) -> Target {
    Target { msg_id: Some(msg_id), agent_id: which.agent_id, workspace_id: which.workspace_id }
}

/// Read a question, or wait for its answer.
#[utoipa::path(
    get, path = "/api/v1/questions/{msg_id}", tag = "questions", operation_id = "read_question",
    params(("msg_id" = String, Path), Which, Patience),
    responses(
        (status = 200, description = "The question as it stands.", body = schemas::Question),
        (status = 409, description = "Several questions have this id.", body = ConflictProblem,
            content_type = "application/problem+json"),
        Guarded, NotFound,
    ),
)]
pub(super) async fn read(
    context: &Context,
    caller: &Caller,
    msg_id: String,
    which: Which,
    patience: Patience,
) -> Result<Response, Problem> {
    let record = match patience.wait {
        None => context.handle.question(target(msg_id, which)).await??,
        Some(wait) if wait.is_finite() && wait >= 0.0 => {
            let limit = Duration::from_secs_f64(wait.min(context.handle.limits().wait_s as f64));
            tokio::select! {
                record = context.handle.wait(target(msg_id, which), limit) => record??,
                () = context.closed() => return Err(Problem::unavailable("the daemon stops; ask again")),
                () = caller.expelled() => return Err(Caller::expulsion()),
            }
        }
        Some(_) => return Err(Problem::bad_request("`wait` must be seconds")),
    };
    Ok(super::json(StatusCode::OK, &record))
}

/// Answer a question.
///
/// The first answer wins; it is durable when this replies.
#[utoipa::path(
    post, path = "/api/v1/questions/{msg_id}/answer", tag = "questions", operation_id = "answer_question",
    params(("msg_id" = String, Path)), request_body = Answering,
    responses(
        (status = 200, description = "The question with its answer.", body = schemas::Question),
        (status = 409, description = "It is closed already, or several questions have this id.",
            body = ConflictProblem, content_type = "application/problem+json"),
        Guarded, NotFound, ReadingBody,
    ),
)]
pub(super) async fn answer(
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

/// Withdraw a question: the agent no longer wants an answer.
#[utoipa::path(
    delete, path = "/api/v1/questions/{msg_id}", tag = "questions", operation_id = "withdraw_question",
    params(("msg_id" = String, Path), Which),
    responses(
        (status = 200, description = "The question, cancelled.", body = schemas::Question),
        (status = 409, description = "It is closed already, or several questions have this id.",
            body = ConflictProblem, content_type = "application/problem+json"),
        Guarded, NotFound,
    ),
)]
pub(super) async fn withdraw(context: &Context, msg_id: String, which: Which) -> Result<Response, Problem> {
    let reason = "the asker has given up".to_owned();
    let cancel = Cancel { target: target(msg_id, which), reason, by_asker: true };
    let record = context.handle.cancel(cancel).await??;
    Ok(super::json(StatusCode::OK, &record))
}

/// Take an answer back.
///
/// Possible for as long as the setting `undo_s` says, and not at all without it. The question is open again.
#[utoipa::path(
    delete, path = "/api/v1/questions/{msg_id}/answer", tag = "questions", operation_id = "undo_answer",
    params(("msg_id" = String, Path), Which),
    responses(
        (status = 200, description = "The question, open again.", body = schemas::Question),
        (status = 409, description = "There is no answer, it is too late, or several questions have this id.",
            body = ConflictProblem, content_type = "application/problem+json"),
        Guarded, NotFound,
    ),
)]
pub(super) async fn undo(context: &Context, msg_id: String, which: Which) -> Result<Response, Problem> {
    let record = context.handle.undo(target(msg_id, which)).await??;
    Ok(super::json(StatusCode::OK, &record))
}

//! What a person does on the page: answering, and writing to an agent. From Datastar, a plain form, or JSON.

use remora_actors::{
    inbox_coordinator::Target,
    model::{Door, Invalid, QuestionKey},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    agents::Wanted,
    openapi::replies::{ConflictProblem, Guarded, NotFound, Reading},
    questions::from_form,
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, accepts_html, guard},
    html,
    problem::Problem,
    request::{Segment, answered_by, body, is_of_type, json},
};

/// How the answer wants to be told of its success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Teller {
    /// By a fragment for the page.
    Datastar,
    /// By the page itself.
    Browser,
    /// By JSON.
    Program,
}

impl Teller {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("datastar-request") {
            Self::Datastar
        } else if accepts_html(headers) {
            Self::Browser
        } else {
            Self::Program
        }
    }

    fn door(self) -> Door {
        if self == Self::Program { Door::Http } else { Door::Browser }
    }
}

/// What was sent, however it was written.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Response)]
pub(super) struct Sent {
    msg_id: Option<String>,
    workspace_id: Option<String>,
    answer: Option<Value>,
    #[schema(ignore)]
    content: Option<String>,
    who: Option<String>,
    #[serde(skip)]
    form_answers: Option<Vec<String>>,
}

impl Sent {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        // Also what a program sends as JSON under the media type that its HTTP client names by itself.
        let is_form = is_of_type(headers, "application/x-www-form-urlencoded");
        if !is_form || body.trim_ascii_start().starts_with(b"{") {
            return json(body);
        }
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body)
            .map_err(|error| Problem::bad_request(format_args!("the form cannot be read: {error}")))?;
        let mut sent = Self { form_answers: Some(Vec::new()), ..Self::default() };
        for (name, value) in fields {
            match name.as_str() {
                "msg_id" => sent.msg_id = Some(value),
                "workspace_id" => sent.workspace_id = Some(value),
                "content" => sent.content = Some(value),
                "who" => sent.who = Some(value),
                "answer" => sent.form_answers.get_or_insert_default().push(value),
                _ => {}
            }
        }
        Ok(sent)
    }
}

/// An answer that was taken.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    /// Always `ok`.
    status: String,
    agent_id: String,
    msg_id: String,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let answer = warp::path!("agent" / Segment / "respond")
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(with.clone())
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            answer(&context, agent.0, &caller, &headers, &body).await
        })
        .map(respond);
    let message = warp::path!("agents" / Segment / "messages")
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(with)
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            tell(&context, &agent.0, &caller, &headers, &body, Wanted::Message, html::message_note).await
        })
        .map(respond);
    let stop = warp::path!("agents" / Segment / "stop")
        .and(warp::post())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(context.with())
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            tell(&context, &agent.0, &caller, &headers, &body, Wanted::Stop, html::stop_note).await
        })
        .map(respond);
    answer.or(message).unify().or(stop).unify().and_then(std::future::ready).boxed()
}

/// Answer an agent's question; without `msg_id` its only open one.
///
/// A browser's form gets a page or a part of it back.
#[utoipa::path(
    post, path = "/agent/{agent_id}/respond", tag = "questions", operation_id = "respond",
    params(("agent_id" = String, Path)),
    request_body(content((Sent = "application/json"), (Sent = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The answer is durable.", body = Answered),
        (status = 303, description = "The same, to a browser that sent a form."),
        (status = 409, description = "The question is closed already, or several fit.",
            body = ConflictProblem, content_type = "application/problem+json"),
        Guarded, NotFound, Reading,
    ),
)]
pub(super) async fn answer(
    context: &Context,
    agent_id: String,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let teller = Teller::of(headers);
    let sent = Sent::read(headers, body)?;
    let key = sent.msg_id.clone().map(|msg_id| QuestionKey {
        msg_id,
        workspace_id: sent.workspace_id.clone().unwrap_or_else(|| agent_id.clone()),
    });
    let result = decide(context, &agent_id, caller, teller.door(), sent).await;
    match (teller, result, key) {
        (Teller::Datastar, Ok(_), Some(key)) => Ok(fragment(html::note(&key, true, "Sent."))),
        (Teller::Datastar, Err(problem), Some(key)) => Ok(fragment(html::note(&key, false, problem.detail()))),
        (Teller::Browser, Ok(_), _) => Ok(back_to("/")),
        (_, Ok(msg_id), _) => Ok(super::json(StatusCode::OK, &Answered { status: "ok".to_owned(), agent_id, msg_id })),
        (_, Err(problem), _) => Err(problem),
    }
}

async fn decide(context: &Context, agent_id: &str, caller: &Caller, door: Door, sent: Sent) -> Result<String, Problem> {
    let by = answered_by(caller, sent.who, door, context.handle.limits())?;
    let target = Target { msg_id: sent.msg_id, agent_id: Some(agent_id.to_owned()), workspace_id: sent.workspace_id };
    let answer = match (sent.answer, sent.form_answers) {
        (Some(answer), _) => answer,
        (None, Some(answers)) => {
            let record = context.handle.question(target.clone()).await??;
            from_form(&record.question, answers)?
        }
        (None, None) => return Err(Invalid::field("answer", "must be given").into()),
    };
    let record = context.handle.respond(target, answer, by).await??;
    Ok(record.question.msg_id)
}

/// Tells an agent something, and the person what became of it by a note.
async fn tell(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
    wanted: fn(Option<String>) -> Wanted,
    note: fn(bool, &str) -> String,
) -> Result<Response, Problem> {
    let teller = Teller::of(headers);
    let sent = Sent::read(headers, body)?;
    let result = super::agents::send(context, agent_id, caller, teller.door(), wanted(sent.content), sent.who).await;
    match (teller, result) {
        (Teller::Datastar, Ok(_)) => Ok(fragment(note(true, "Sent."))),
        (Teller::Datastar, Err(problem)) => Ok(fragment(note(false, problem.detail()))),
        (Teller::Browser, Ok(_)) => Ok(back_to(&html::agent_url(agent_id))),
        (Teller::Program, Ok(sent)) => Ok(super::json(StatusCode::CREATED, &sent)),
        (_, Err(problem)) => Err(problem),
    }
}

/// An element for the page. Its status is 200 also for a refusal: Datastar shows no other answer's body.
fn fragment(element: String) -> Response {
    warp::reply::html(element).into_response()
}

fn back_to(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

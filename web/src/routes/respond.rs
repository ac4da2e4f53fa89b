//! What a person does on the page: answering, and writing to an agent. From Datastar, a plain form, or JSON.

use jiff::tz::TimeZone;
use remora_actors::{
    inbox_coordinator::Target,
    model::{AnsweredBy, Door, FieldError, Invalid, Question, QuestionKey, QuestionRecord, Status},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    agents::Wanted,
    openapi::{
        replies::{ConflictProblem, Guarded, NotFound, Reading},
        schemas::AnswerForm,
    },
    respond,
};
use crate::{
    context::Context,
    form_post::FormPost,
    guard::{Caller, Scope, accepts_html, is_by_datastar},
    html,
    problem::Problem,
    request::{Segment, answered_by, is_of_type, json, posted, unknown_name},
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
        if is_by_datastar(headers) {
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
#[serde(deny_unknown_fields)]
#[schema(as = Response)]
pub(super) struct Sent {
    msg_id: Option<String>,
    workspace_id: Option<String>,
    answer: Option<Value>,
    #[schema(ignore)]
    content: Option<String>,
    who: Option<String>,
    #[serde(skip)]
    form: Option<FormPost>,
}

impl Sent {
    /// What is sent beside the fields of an answer.
    const FIELDS: [&str; 5] = ["msg_id", "workspace_id", "answer", "content", "who"];

    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        // Also what a program sends as JSON under the media type that its HTTP client names by itself.
        let is_form = is_of_type(headers, "application/x-www-form-urlencoded");
        let teller = Teller::of(headers);
        if !is_form || body.trim_ascii_start().starts_with(b"{") {
            return if teller == Teller::Datastar { Self::among_signals(body) } else { json(body) };
        }
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body)
            .map_err(|error| Problem::bad_request(format_args!("the form cannot be read: {error}")))?;
        let mut sent = Self { form: Some(FormPost::default()), ..Self::default() };
        for (name, value) in fields {
            match name.as_str() {
                "msg_id" => sent.msg_id = Some(value),
                "workspace_id" => sent.workspace_id = Some(value),
                "content" => sent.content = Some(value),
                "who" => sent.who = Some(value),
                // A page's form may have fields for the page alone.
                name => {
                    if !sent.form.get_or_insert_default().add(name, value) && teller == Teller::Program {
                        let known = [&Self::FIELDS[..], &FormPost::FIELDS].concat();
                        return Err(unknown_name("field", name, &known));
                    }
                }
            }
        }
        Ok(sent)
    }

    /// Datastar sends all the signals of its page.
    fn among_signals(body: &[u8]) -> Result<Self, Problem> {
        let mut signals: Map<String, Value> = json(body)?;
        signals.retain(|name, _| Self::FIELDS.contains(&name.as_str()));
        Self::deserialize(Value::Object(signals)).map_err(Problem::unprocessable)
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
    let answer = warp::path!("agent" / Segment / "respond")
        .and(posted(context, Scope::Operator))
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            answer(&context, agent.0, &caller, &headers, &body).await
        })
        .map(respond);
    let message = warp::path!("agents" / Segment / "messages")
        .and(posted(context, Scope::Operator))
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            tell(&context, &agent.0, &caller, &headers, &body, Wanted::Message, html::message_note).await
        })
        .map(respond);
    let stop = warp::path!("agents" / Segment / "stop")
        .and(posted(context, Scope::Operator))
        .then(async |agent: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            tell(&context, &agent.0, &caller, &headers, &body, Wanted::Stop, html::stop_note).await
        })
        .map(respond);
    let undo = warp::path!("agent" / Segment / "undo")
        .and(posted(context, Scope::Operator))
        .then(async |agent: Segment, _: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            undo(&context, agent.0, &headers, &body).await
        })
        .map(respond);
    answer.or(message).unify().or(stop).unify().or(undo).unify().and_then(std::future::ready).boxed()
}

/// Answer an agent's question; without `msg_id` its only open one.
///
/// A browser's form gets a page or a part of it back.
#[utoipa::path(
    post, path = "/agent/{agent_id}/respond", tag = "questions", operation_id = "respond",
    params(("agent_id" = String, Path)),
    request_body(content((Sent = "application/json"), (AnswerForm = "application/x-www-form-urlencoded"))),
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
        (Teller::Datastar, Ok(given), Some(key)) => Ok(signals(&html::sent(&key, given.held.as_ref()))),
        (Teller::Datastar, Err(Refusal::Form(form)), _) => Ok(fragment(form.render(html::refused))),
        (Teller::Datastar, Err(Refusal::Problem(problem)), Some(key)) => {
            Ok(signals(&html::refusal(&key, problem.detail())))
        }
        (Teller::Browser, Ok(_), _) => Ok(back_to("/")),
        (Teller::Browser, Err(Refusal::Form(form)), _) => {
            let page = warp::reply::html(form.render(html::refused_page));
            Ok(warp::reply::with_status(page, StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        (_, Ok(Given { msg_id, .. }), _) => {
            Ok(super::json(StatusCode::OK, &Answered { status: "ok".to_owned(), agent_id, msg_id }))
        }
        (_, Err(refusal), _) => Err(Problem::from(refusal).shown_to(headers)),
    }
}

/// An answer as it was taken.
struct Given {
    msg_id: String,
    /// The answer, where it can still be taken back: then only who gave it is told what it says.
    held: Option<Value>,
}

/// Why an answer was not taken.
enum Refusal {
    /// What was filled in does not do.
    Form(Box<RefusedForm>),
    Problem(Problem),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Form(form) => form.error.into(),
            Refusal::Problem(problem) => problem,
        }
    }
}

/// A form to be mended.
struct RefusedForm {
    question: Question,
    post: FormPost,
    error: Invalid,
}

impl RefusedForm {
    fn render(&self, page: fn(&Question, &html::Again<'_>, &TimeZone) -> String) -> String {
        let errors = match &self.error {
            Invalid::Answer(errors) => errors.clone(),
            Invalid::Field { problem, .. } => {
                vec![FieldError { field: None, problem: format!("The answer {problem}") }]
            }
            other => vec![FieldError { field: None, problem: other.to_string() }],
        };
        page(&self.question, &html::Again { post: &self.post, errors: &errors }, &TimeZone::system())
    }
}

async fn decide(context: &Context, agent_id: &str, caller: &Caller, door: Door, sent: Sent) -> Result<Given, Refusal> {
    let by = answered_by(caller, sent.who, door, context.handle.limits())?;
    let target = Target { msg_id: sent.msg_id, agent_id: Some(agent_id.to_owned()), workspace_id: sent.workspace_id };
    let answer = match (sent.answer, sent.form) {
        (Some(answer), _) => answer,
        (None, Some(post)) => {
            let record = find(context, target.clone()).await?;
            read_form(context, record, post)?
        }
        (None, None) => return Err(Problem::from(Invalid::field("answer", "must be given")).into()),
    };
    let record = give(context, target, answer.clone(), by).await?;
    Ok(Given { msg_id: record.question.msg_id, held: record.held.map(|_| answer) })
}

async fn find(context: &Context, target: Target) -> Result<QuestionRecord, Problem> {
    Ok(context.handle.question(target).await??)
}

async fn give(context: &Context, target: Target, answer: Value, by: AnsweredBy) -> Result<QuestionRecord, Problem> {
    Ok(context.handle.respond(target, answer, by).await??)
}

/// The answer that a form stands for. Whether it fits is asked here already, where the form is still known.
fn read_form(context: &Context, record: QuestionRecord, post: FormPost) -> Result<Value, Refusal> {
    let answer = post.answer(&record.question, &TimeZone::system());
    let checked = answer.and_then(|answer| match record.status {
        Status::Open => record.question.accept(answer, context.handle.limits()),
        // The coordinator tells who was first.
        _ => Ok(answer),
    });
    checked.map_err(|error| Refusal::Form(Box::new(RefusedForm { question: record.question, post, error })))
}

/// Takes an answer back that was just given.
async fn undo(context: &Context, agent_id: String, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    let teller = Teller::of(headers);
    let Sent { msg_id, workspace_id, .. } = Sent::read(headers, body)?;
    let target = Target { msg_id, agent_id: Some(agent_id), workspace_id };
    let result = context.handle.undo(target.clone()).await?.map_err(Problem::from);
    match (teller, result) {
        (Teller::Browser, Ok(_)) => Ok(back_to("/")),
        (Teller::Datastar, Ok(record)) => Ok(signals(&html::note(&record.question.key(), true, ""))),
        (Teller::Datastar, Err(problem)) => {
            let Target { msg_id: Some(msg_id), workspace_id: Some(workspace_id), .. } = target else {
                return Err(problem);
            };
            Ok(signals(&html::note(&QuestionKey { msg_id, workspace_id }, false, problem.detail())))
        }
        (Teller::Program, Ok(record)) => Ok(super::json(StatusCode::OK, &record)),
        (_, Err(problem)) => Err(problem.shown_to(headers)),
    }
}

/// Tells an agent something, and the person what became of it by a note.
async fn tell(
    context: &Context,
    agent_id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
    wanted: fn(Option<String>) -> Wanted,
    note: fn(bool, &str) -> Value,
) -> Result<Response, Problem> {
    let teller = Teller::of(headers);
    let sent = Sent::read(headers, body)?;
    let result = super::agents::send(context, agent_id, caller, teller.door(), wanted(sent.content), sent.who).await;
    match (teller, result) {
        (Teller::Datastar, Ok(_)) => Ok(signals(&note(true, "Sent."))),
        (Teller::Datastar, Err(problem)) => Ok(signals(&note(false, problem.detail()))),
        (Teller::Browser, Ok(_)) => Ok(back_to(&html::agent_url(agent_id))),
        (Teller::Program, Ok(sent)) => Ok(super::json(StatusCode::CREATED, &sent)),
        (_, Err(problem)) => Err(problem.shown_to(headers)),
    }
}

/// A form for the page, in the place of the one that was sent.
fn fragment(element: String) -> Response {
    warp::reply::html(element).into_response()
}

/// Signals for the page. The status is 200 also for a refusal: Datastar reads no other reply.
fn signals(signals: &Value) -> Response {
    super::json(StatusCode::OK, signals)
}

fn back_to(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

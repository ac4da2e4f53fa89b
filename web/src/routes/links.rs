//! Signed links, which answer one question without a login. Looking at one changes nothing; only a post answers.

use jiff::Timestamp;
use remora_actors::{
    inbox_coordinator::{RespondError, Target},
    model::{AnsweredBy, Door, Question, QuestionRecord},
};
use serde_json::json;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::respond;
use crate::{
    context::Context,
    guard::{accepts_html, check_link_host},
    html,
    links::{Grant, LinkError},
    problem::Problem,
};

/// What cannot be done, and the question it is about where that is known.
struct Refused {
    problem: Problem,
    question: Option<Box<Question>>,
}

impl<E: Into<Problem>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { problem: error.into(), question: None }
    }
}

impl Refused {
    fn by(record: &QuestionRecord) -> Self {
        let problem = RespondError::Closed(Box::new(record.clone())).into();
        Self { problem, question: Some(Box::new(record.question.clone())) }
    }
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let look = warp::path!("a" / String)
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(with.clone())
        .then(async |token: String, headers: HeaderMap, context: Context| {
            let looked = look(&context, &token, &headers).await;
            reply(&headers, looked, |record, answer| html::link_question(&record.question, answer))
        })
        .map(respond);
    let answer = warp::path!("a" / String)
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(with)
        .then(async |token: String, headers: HeaderMap, context: Context| {
            let answered = answer(&context, &token, &headers).await;
            reply(&headers, answered, |record, answer| html::link_answered(&record.question, answer))
        })
        .map(respond);
    look.or(answer).unify().and_then(std::future::ready).boxed()
}

/// What a link allows, if it still allows anything.
async fn read(context: &Context, token: &str, headers: &HeaderMap) -> Result<(Grant, QuestionRecord), Refused> {
    check_link_host(context, headers)?;
    let links = context.settings.links.as_ref().ok_or_else(|| Problem::not_found("this daemon makes no links"))?;
    let grant = match links.read(token, Timestamp::now()) {
        Ok(grant) => grant,
        Err(error @ LinkError::Expired) => return Err(Problem::new(StatusCode::GONE, error).into()),
        Err(error @ LinkError::Unknown) => {
            context.slow_guesses_down().await;
            return Err(Problem::forbidden(error).into());
        }
    };
    let record = context.handle.question(target(&grant)).await?;
    let record = record.map_err(|_| Problem::new(StatusCode::GONE, "the question was closed long ago"))?;
    if record.waits() { Ok((grant, record)) } else { Err(Refused::by(&record)) }
}

fn target(grant: &Grant) -> Target {
    let (msg_id, workspace_id) = (grant.key.msg_id.clone(), grant.key.workspace_id.clone());
    Target { msg_id: Some(msg_id), agent_id: None, workspace_id: Some(workspace_id) }
}

async fn look(context: &Context, token: &str, headers: &HeaderMap) -> Result<(QuestionRecord, String), Refused> {
    let (grant, record) = read(context, token, headers).await?;
    Ok((record, grant.answer))
}

async fn answer(context: &Context, token: &str, headers: &HeaderMap) -> Result<(QuestionRecord, String), Refused> {
    let (grant, _) = read(context, token, headers).await?;
    let by = AnsweredBy { who: grant.target.clone(), door: Door::Link };
    match context.handle.respond(target(&grant), grant.answer.clone().into(), by).await? {
        Ok(record) => Ok((record, grant.answer)),
        Err(RespondError::Closed(record)) => Err(Refused::by(&record)),
        Err(error) => Err(error.into()),
    }
}

/// A page for a browser, JSON for a program such as a notification's button.
fn reply(
    headers: &HeaderMap,
    result: Result<(QuestionRecord, String), Refused>,
    page: impl FnOnce(&QuestionRecord, &str) -> String,
) -> Result<Response, Problem> {
    let wants_page = accepts_html(headers);
    let mut response = match result {
        Ok((record, answer)) if wants_page => warp::reply::html(page(&record, &answer)).into_response(),
        Ok((record, answer)) => super::json(
            StatusCode::OK,
            &json!({"status": record.status, "msg_id": record.question.msg_id, "answer": answer}),
        ),
        Err(Refused { problem, question }) if wants_page => {
            let page = warp::reply::html(html::link_refused(question.as_deref(), problem.detail()));
            warp::reply::with_status(page, problem.status()).into_response()
        }
        Err(Refused { problem, .. }) => problem.into_response(),
    };
    // The address is the permission: nothing may pass it on.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

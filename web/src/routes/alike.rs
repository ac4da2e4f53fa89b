//! The page of questions that are alike, on which a person answers or dismisses them together. It says which ones they
//! are and how many, and sends exactly those: what is asked meanwhile is not among them.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use remora_actors::{
    inbox_coordinator::Target,
    model::{Door, Status},
};
use warp::{Filter, Reply, filters::BoxedFilter, http::HeaderMap, reply::Response};

use super::{
    bulk::{Deed, QuestionName, to_each},
    respond,
};
use crate::{
    context::Context,
    form_post::FormPost,
    guard::{Caller, Scope, guard},
    html,
    problem::Problem,
    request::{Segment, answered_by, is_of_type, posted},
};

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let page = warp::path!("alike" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<HashMap<String, String>>())
        .and(with.clone())
        .then(async |likeness: Segment, _: Caller, query: HashMap<String, String>, context: Context| {
            page(&context, &likeness.0, &query).await
        })
        .map(respond);
    let act = warp::path!("alike" / Segment)
        .and(posted(context, Scope::Operator))
        .then(async |what: Segment, caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            act(&context, &what.0, &caller, &headers, &body).await
        })
        .map(respond);
    page.or(act).unify().and_then(std::future::ready).boxed()
}

async fn page(context: &Context, likeness: &str, query: &HashMap<String, String>) -> Result<Response, Problem> {
    let mut alike = context.handle.questions(Some(Status::Open)).await?;
    alike.retain(|record| record.waits() && record.question.likeness() == likeness);
    // The one that the person came from, first.
    alike.sort_by_key(|record| query.get("from") != Some(&html::question_hash(&record.question.key())));
    Ok(warp::reply::html(html::alike_page(&alike)).into_response())
}

/// What the page's forms send.
#[derive(Default)]
struct Sent {
    questions: Vec<QuestionName>,
    only: Option<QuestionName>,
    form: FormPost,
}

impl Sent {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        if !is_of_type(headers, "application/x-www-form-urlencoded") {
            return Err(Problem::bad_request(
                "this takes a form; programs post to /api/v1/answers and /api/v1/dismissals",
            ));
        }
        let unreadable =
            |error: &dyn std::fmt::Display| Problem::bad_request(format!("the form cannot be read: {error}"));
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body).map_err(|error| unreadable(&error))?;
        let mut sent = Self::default();
        for (name, value) in fields {
            let named = |value: &str| serde_json::from_str::<QuestionName>(value).map_err(|error| unreadable(&error));
            match name.as_str() {
                "of" => sent.questions.push(named(&value)?),
                "only" => sent.only = Some(named(&value)?),
                name => {
                    sent.form.add(name, value);
                }
            }
        }
        Ok(sent)
    }
}

async fn act(
    context: &Context,
    what: &str,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let sent = Sent::read(headers, body)?;
    let questions = sent.only.map_or(sent.questions, |only| vec![only]);
    let by = answered_by(caller, None, Door::Browser, context.handle.limits())?;
    let deed = match what {
        "answer" => {
            let first = questions.first().cloned().ok_or_else(|| Problem::unprocessable("no question is named"))?;
            let target = Target { msg_id: Some(first.msg_id), workspace_id: first.workspace_id, agent_id: None };
            let record = context.handle.question(target).await??;
            Deed::Answer(sent.form.answer(&record.question, &TimeZone::system())?)
        }
        "dismiss" => Deed::Dismiss(Some(sent.form.reason)),
        _ => return Err(Problem::not_found("there is nothing at this path")),
    };
    let report = to_each(context, &questions, &deed, &by).await?;
    Ok(warp::reply::html(report.page()).into_response())
}

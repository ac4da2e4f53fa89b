//! Answering and dismissing several questions at once: exactly those that are named, each for itself, with one report.

use std::collections::BTreeMap;

use jiff::Timestamp;
use remora_actors::{
    inbox_coordinator::{Cancel, RespondError, Target},
    model::{AnsweredBy, QuestionRecord},
    system::Unreachable,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    guard::{Caller, Scope},
    html,
    problem::Problem,
    request::{answered_by, api_door, json, posted},
};

/// Names one question.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuestionName {
    pub(super) msg_id: String,
    /// Where its id alone is ambiguous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) workspace_id: Option<String>,
}

/// One answer to several questions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answers {
    /// Those that are answered, and no others.
    #[schema(min_items = 1)]
    questions: Vec<QuestionName>,
    /// A text; an array of texts for `multiple`; whatever the `response_schema` allows.
    answer: Value,
    /// Who answers, where no token tells it.
    who: Option<String>,
}

/// Several questions that get no answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Dismissals {
    /// Those that are dismissed, and no others.
    #[schema(min_items = 1)]
    questions: Vec<QuestionName>,
    /// Why, for the agents and for other people.
    reason: Option<String>,
    /// Who dismisses them, where no token tells it.
    who: Option<String>,
}

/// What became of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// What was asked for.
    Done,
    /// It was closed before.
    TooLate,
    /// Nothing: `detail` says why.
    Failed,
}

/// What became of one question.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fate {
    msg_id: String,
    workspace_id: Option<String>,
    outcome: Outcome,
    /// Why not, where it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// What became of all of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// How many were done.
    pub(super) done: usize,
    /// The whole in one sentence.
    pub(super) summary: String,
    /// When the answers count, where each can be taken back until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deliver_at: Option<Timestamp>,
    questions: Vec<Fate>,
}

/// What is done to each question.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Answer(Value),
    Dismiss(Option<String>),
}

impl Deed {
    fn done(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answered",
            Self::Dismiss(_) => "dismissed",
        }
    }

    async fn to(
        &self,
        name: &QuestionName,
        by: &AnsweredBy,
        context: &Context,
    ) -> Result<Result<QuestionRecord, RespondError>, Unreachable> {
        let QuestionName { msg_id, workspace_id } = name.clone();
        let target = Target { msg_id: Some(msg_id), workspace_id, agent_id: None };
        match self {
            Self::Answer(answer) => context.handle.respond(target, answer.clone(), by.clone()).await,
            Self::Dismiss(reason) => {
                let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
                let reason = match reason {
                    Some(reason) => format!("dismissed by {}: {reason}", by.who),
                    None => format!("dismissed by {}", by.who),
                };
                context.handle.cancel(Cancel { target, reason, by_asker: false }).await
            }
        }
    }
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let answers = warp::path!("answers")
        .and(posted(context, Scope::Operator))
        .then(async |caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            answer(&context, &caller, &headers, &body).await
        })
        .map(respond);
    let dismissals = warp::path!("dismissals")
        .and(posted(context, Scope::Operator))
        .then(async |caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            dismiss(&context, &caller, &headers, &body).await
        })
        .map(respond);
    answers.or(dismissals).unify().and_then(std::future::ready).boxed()
}

/// Answer several questions alike.
///
/// Each answer is durable by itself: those that somebody else was faster with are reported, the others are answered.
#[utoipa::path(
    post, path = "/api/v1/answers", tag = "questions", operation_id = "answer_questions", request_body = Answers,
    responses((status = 200, description = "What became of each.", body = Report), Guarded, Reading),
)]
pub(super) async fn answer(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let Answers { questions, answer, who } = json(body)?;
    let by = answered_by(caller, who, api_door(headers), context.handle.limits())?;
    Ok(super::json(StatusCode::OK, &to_each(context, &questions, &Deed::Answer(answer), &by).await?))
}

/// Dismiss questions: they close without an answer, and their agents learn why.
#[utoipa::path(
    post, path = "/api/v1/dismissals", tag = "questions", operation_id = "dismiss_questions",
    request_body = Dismissals,
    responses((status = 200, description = "What became of each.", body = Report), Guarded, Reading),
)]
pub(super) async fn dismiss(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let Dismissals { questions, reason, who } = json(body)?;
    let by = answered_by(caller, who, api_door(headers), context.handle.limits())?;
    Ok(super::json(StatusCode::OK, &to_each(context, &questions, &Deed::Dismiss(reason), &by).await?))
}

/// Does it to each of the questions, in their order.
///
/// # Errors
/// None is named.
pub(super) async fn to_each(
    context: &Context,
    questions: &[QuestionName],
    deed: &Deed,
    by: &AnsweredBy,
) -> Result<Report, Problem> {
    if questions.is_empty() {
        return Err(Problem::unprocessable("field `questions` must name at least one question"));
    }
    let mut fates = Vec::new();
    let mut tally: BTreeMap<(Outcome, String), usize> = BTreeMap::new();
    let mut deliver_at = None;
    for name in questions {
        let (outcome, in_short, detail) = match deed.to(name, by, context).await {
            Ok(Ok(record)) => {
                deliver_at = deliver_at.max(record.held.map(|held| held.deliver_at));
                (Outcome::Done, deed.done().to_owned(), None)
            }
            Ok(Err(error)) => {
                let (outcome, in_short) = in_short(&error);
                (outcome, in_short, Some(Problem::from(error).detail().to_owned()))
            }
            Err(error) => (Outcome::Failed, format!("failed: {error}"), Some(error.to_string())),
        };
        *tally.entry((outcome, in_short)).or_default() += 1;
        let QuestionName { msg_id, workspace_id } = name.clone();
        fates.push(Fate { msg_id, workspace_id, outcome, detail });
    }
    let done = fates.iter().filter(|fate| fate.outcome == Outcome::Done).count();
    let parts: Vec<_> = tally.iter().map(|((outcome, what), count)| part(*outcome, what, *count)).collect();
    Ok(Report { done, summary: parts.join(", "), deliver_at, questions: fates })
}

/// `11 answered`, `1 was answered by ann meanwhile`.
fn part(outcome: Outcome, what: &str, count: usize) -> String {
    match (outcome, count) {
        (Outcome::TooLate, 1) => format!("1 was {what} meanwhile"),
        (Outcome::TooLate, _) => format!("{count} were {what} meanwhile"),
        _ => format!("{count} {what}"),
    }
}

fn in_short(error: &RespondError) -> (Outcome, String) {
    match error {
        RespondError::Closed(record) => {
            let answered = record.answer.as_ref().map(|answer| &answer.answered_by);
            let by = answered.or(record.held.as_ref().map(|held| &held.answered_by));
            let what = by.map_or_else(|| record.status.as_str().to_owned(), |by| format!("answered by {}", by.who));
            (Outcome::TooLate, what)
        }
        other => (Outcome::Failed, format!("failed: {other}")),
    }
}

impl Report {
    /// The report as a page.
    pub(super) fn page(&self) -> String {
        let failed = self.questions.iter().filter_map(|fate| Some((fate.msg_id.as_str(), fate.detail.as_deref()?)));
        html::alike_report(&self.summary, &failed.collect::<Vec<_>>())
    }
}

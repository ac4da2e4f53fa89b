//! Events in and out.

use std::sync::Arc;

use remora_actors::{
    handle::{Handle, Receipt},
    model::{Draft, Invalid, Numbered, Pattern, Record, Seq, parse_events},
    ports::{Filter as EventFilter, PAGE_BYTES},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{
    openapi::{
        replies::{BatchProblem, Guarded, ProblemDocument, Reading},
        schemas::{EventPage, NewEvents},
    },
    respond,
};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    request::{is_of_type, posted},
};

/// Events returned at most, and where no `limit` is given.
const MAX_LIMIT: usize = 10_000;
const DEFAULT_LIMIT: usize = 1_000;
/// Events read from the journal at once: little more than a page, however large they are.
const READ_EVENTS: usize = 100;

/// Says where the journal begins to a reader who asked for what was before.
const FIRST_SEQ: &str = "remora-first-seq";

/// Which events a reader wants.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only events behind this position.
    pub(super) after: Option<Seq>,
    /// `agent:blocked`, `tool:*` or `*`.
    pattern: Option<String>,
    /// Only this agent's events.
    agent_id: Option<String>,
    /// At most so many events; 1,000 where it is not given, 10,000 at most. A page of large events ends earlier: there are
    /// no more only when one is empty. Without effect on a stream.
    limit: Option<usize>,
    /// So many from the end, instead of from `after` on; fewer where they are large.
    newest: Option<usize>,
}

/// What became of the events of a request.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    /// How many are new.
    accepted: usize,
    /// How many stood in the journal already.
    duplicates: usize,
    /// The highest position among them; 0 where there was none.
    last_seq: Seq,
}

impl Wanted {
    pub(super) fn filter(&self) -> Result<EventFilter, Problem> {
        let pattern = self.pattern.as_deref().map_or(Ok(Pattern::ALL), str::parse)?;
        Ok(EventFilter { pattern, agent_id: self.agent_id.clone() })
    }
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let post = warp::path!("events")
        .and(posted(context, Scope::Agent))
        .then(async |caller: Caller, headers: HeaderMap, body: Vec<u8>, context: Context| {
            take_in(&context, &caller, &headers, &body).await
        })
        .map(respond);
    let get = warp::path!("events")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .and(warp::query::<Wanted>())
        .and(with)
        .then(async |caller: Caller, wanted: Wanted, context: Context| list(&context, &caller, &wanted).await)
        .map(respond);
    post.or(get).unify().and_then(std::future::ready).boxed()
}

/// Take events in: one object, an array, or one object per line.
///
/// They are durable when this replies. Of a batch the good events are kept, and each refused one is listed.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events", operation_id = "emit_events",
    request_body(content(
        (NewEvents = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "All were taken in.", body = Accepted),
        Guarded, Reading,
        (status = 422, description = "Some or all were refused.", body = BatchProblem,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn take_in(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let ndjson = is_of_type(headers, "application/x-ndjson") || is_of_type(headers, "application/jsonl");
    let parsed = parse_events(body, ndjson, context.handle.limits())?;
    publish(context, caller, parsed).await
}

/// Journals what was read well, and lists what was not.
pub(super) async fn publish(context: &Context, caller: &Caller, parsed: Vec<Numbered>) -> Result<Response, Problem> {
    let single = parsed.len() == 1;
    let mut drafts = Vec::with_capacity(parsed.len());
    let mut errors = Vec::new();
    for (number, event) in parsed {
        match event.and_then(|draft| may_emit(caller, draft)) {
            Ok(draft) => drafts.push(draft),
            Err(error) => errors.push((number, error)),
        }
    }
    let receipt = context.handle.publish(drafts).await?;
    match errors.as_slice() {
        [] => Ok(super::json(StatusCode::OK, &counts(receipt))),
        // Alone, an event's error is the request's error.
        [(_, error)] if single => Err(with_counts(error.clone().into(), receipt, &errors)),
        _ => {
            let detail = format_args!("{} events were refused, the others were taken in", errors.len()).to_string();
            Err(with_counts(Problem::unprocessable(detail).counting(limits_of(&errors)), receipt, &errors))
        }
    }
}

/// What a person does is not for an agent to claim.
fn may_emit(caller: &Caller, draft: Draft) -> Result<Draft, Invalid> {
    if caller.scope == Scope::Agent && draft.speaks_for_a_person() {
        return Err(Invalid::field("action", "tells of a person's doing, which needs an operator's token"));
    }
    Ok(draft)
}

fn counts(receipt: Receipt) -> Accepted {
    Accepted { accepted: receipt.accepted, duplicates: receipt.duplicates, last_seq: receipt.last_seq }
}

fn with_counts(problem: Problem, receipt: Receipt, errors: &[(usize, Invalid)]) -> Problem {
    let listed: Vec<_> =
        errors.iter().map(|(number, error)| json!({"line": number, "detail": error.to_string()})).collect();
    problem
        .with("accepted", receipt.accepted.into())
        .with("duplicates", receipt.duplicates.into())
        .with("last_seq", receipt.last_seq.into())
        .with("errors", listed.into())
}

fn limits_of(errors: &[(usize, Invalid)]) -> impl Iterator<Item = &'static str> {
    errors.iter().filter_map(|(_, error)| match error {
        Invalid::TooLarge { limit, .. } => Some(*limit),
        _ => None,
    })
}

/// Read the journal.
///
/// Old events may have been deleted: nothing is missing from `first_seq` on, and before it there is only what belongs
/// to questions and messages that are not done with.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "read_events", params(Wanted),
    responses(
        (status = 200, description = "Events, oldest first.", body = EventPage, headers(
            ("Remora-First-Seq" = u64, description = "Sent where events after `after` were deleted: the first kept."),
        )),
        Guarded,
        (status = 422, description = "The pattern is none.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(context: &Context, caller: &Caller, wanted: &Wanted) -> Result<Response, Problem> {
    caller.may_see(wanted.agent_id.as_deref())?;
    let after = wanted.after.unwrap_or(0);
    let records = page(&context.handle, wanted).await?;
    let last = records.last().map_or(after, |record| record.seq);
    let first = context.handle.first_seq().await?;
    let mut response = listed(&records, &format!("\"last_seq\":{last},\"first_seq\":{first}"));
    if after.saturating_add(1) < first && wanted.newest.is_none() {
        response.headers_mut().insert(FIRST_SEQ, first.into());
    }
    Ok(response)
}

/// The wanted events, oldest first, and no more bytes of them than a page may have.
async fn page(handle: &Handle, wanted: &Wanted) -> Result<Vec<Arc<Record>>, Problem> {
    let (filter, from_end) = (wanted.filter()?, wanted.newest.is_some());
    let limit = wanted.newest.or(wanted.limit).unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let (mut page, mut bytes): (Vec<Arc<Record>>, _) = (Vec::new(), 0);
    'page: while page.len() < limit {
        let count = READ_EVENTS.min(limit - page.len());
        let last = page.last().map(|record| record.seq);
        let mut some = match from_end {
            true => handle.latest_events(last, count, &filter).await?,
            false => handle.events(last.or(wanted.after).unwrap_or(0), count, &filter).await?,
        };
        let is_all = some.len() < count;
        if from_end {
            some.reverse();
        }
        for record in some {
            bytes += record.json.len();
            if bytes > PAGE_BYTES && !page.is_empty() {
                break 'page;
            }
            page.push(record);
        }
        if is_all {
            break;
        }
    }
    if from_end {
        page.reverse();
    }
    Ok(page)
}

/// Events, and the fields beside them.
pub(super) fn listed(records: &[Arc<Record>], beside: &str) -> Response {
    let mut body = b"{\"events\":[".to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        record.write_with_seq(&mut body);
    }
    body.extend_from_slice(format!("],{beside}}}").as_bytes());
    state_json(body)
}

/// A body that is JSON already.
pub(super) fn state_json(body: impl Into<bytes::Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    let json = warp::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(warp::http::header::CONTENT_TYPE, json);
    response
}

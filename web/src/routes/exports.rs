//! What leaves the daemon: searches as JSON, events as they were journaled, and the log of all answers.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};
use remora_actors::{
    model::{AnswerLog, QuestionRecord, Record, Search, Seq},
    ports::{Filter as EventFilter, JournalError},
};
use serde::Deserialize;
use sync_wrapper::SyncStream;
use utoipa::IntoParams;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{
    events::listed,
    openapi::{
        replies::{Guarded, ProblemDocument},
        schemas::FoundEvents,
    },
    respond,
};
use crate::{
    answer_row,
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
    sought::Sought,
};

/// Events found at most, and where no `limit` is given.
const MAX_LIMIT: usize = 1_000;
const DEFAULT_LIMIT: usize = 100;
/// Events read at once: the memory that an export takes.
const PAGE_EVENTS: usize = 500;

/// Which part of what was found is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only events before this position.
    before: Option<Seq>,
    /// At most so many events; 100 where it is not given, 1,000 at most.
    limit: Option<usize>,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let found = warp::path!("events" / "search")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Sought>())
        .and(warp::query::<Page>())
        .and(with.clone())
        .then(async |_: Caller, sought: Sought, page: Page, context: Context| search(&context, &sought, &page).await)
        .map(respond);
    let events = warp::path!("events" / "export")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Sought>())
        .and(with.clone())
        .then(async |caller: Caller, sought: Sought, context: Context| events(context, caller, &sought).await)
        .map(respond);
    let answers = warp::path!("answers.csv")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Sought>())
        .and(with)
        .then(async |caller: Caller, sought: Sought, context: Context| answers(context, caller, &sought).await)
        .map(respond);
    found.or(events).unify().or(answers).unify().and_then(std::future::ready).boxed()
}

/// Search the journal, the newest events first.
///
/// A search stops after a while, even where it has found little, and after some megabytes: go on with `before` set to `older`, until that is null.
#[utoipa::path(
    get, path = "/api/v1/events/search", tag = "events", operation_id = "search_events", params(Sought, Page),
    responses(
        (status = 200, description = "Events, newest first.", body = FoundEvents),
        Guarded,
        (status = 422, description = "A field is wrong.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn search(context: &Context, sought: &Sought, page: &Page) -> Result<Response, Problem> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let found = context.handle.search(&sought.search()?, page.before, limit).await?;
    let older = found.older.map_or_else(|| "null".to_owned(), |older| older.to_string());
    Ok(listed(&found.records, &format!("\"older\":{older}")))
}

/// Export events as they were journaled, one JSON object a line, oldest first.
///
/// `remora replay` takes them in again, in this daemon without effect, in another one with the same picture.
#[utoipa::path(
    get, path = "/api/v1/events/export", tag = "events", operation_id = "export_events", params(Sought),
    responses(
        (status = 200, description = "Events.", body = String, content_type = "application/x-ndjson"),
        Guarded,
        (status = 422, description = "A field is wrong.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn events(context: Context, caller: Caller, sought: &Sought) -> Result<Response, Problem> {
    let search = sought.search()?;
    let filter = EventFilter { pattern: search.pattern.clone(), agent_id: search.agent_id.clone() };
    let lines = Lines { reader: Reader::new(context, caller, filter).await?, search };
    let lines = stream::try_unfold(lines, async |mut lines: Lines| {
        let page = lines.next().await;
        page.map(|page| page.map(|page| (page, lines)))
    });
    Ok(download(lines, "application/x-ndjson", "remora-events.ndjson"))
}

/// Export every answer that was given, as a table: who answered what, when, by which door, and what became of it.
///
/// In the order in which they were given. Of the search only the times (of the answers) and the agent count.
#[utoipa::path(
    get, path = "/api/v1/answers.csv", tag = "questions", operation_id = "export_answers", params(Sought),
    responses(
        (status = 200, description = "Comma-separated values with a heading, as of RFC 4180.", body = String,
            content_type = "text/csv"),
        Guarded,
        (status = 422, description = "A field is wrong.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn answers(context: Context, caller: Caller, sought: &Sought) -> Result<Response, Problem> {
    let search = sought.search()?;
    let filter = EventFilter { pattern: "agent:*".parse()?, agent_id: search.agent_id.clone() };
    let audit = Audit { reader: Reader::new(context, caller, filter).await?, log: Some(AnswerLog::default()), search };
    let heading = stream::iter([Ok(Bytes::from(answer_row::heading()))]);
    let rows = stream::try_unfold(audit, async |mut audit: Audit| {
        let rows = audit.next().await;
        rows.map(|rows| rows.map(|rows| (rows, audit)))
    });
    Ok(download(futures_util::StreamExt::chain(heading, rows), "text/csv; charset=utf-8", "remora-answers.csv"))
}

/// Events, read from the journal as they are sent.
struct Lines {
    reader: Reader,
    search: Search,
}

impl Lines {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some(page) = self.reader.next().await? else { return Ok(None) };
        let mut lines = Vec::new();
        for record in page.iter().filter(|record| self.search.matches(&record.event)) {
            lines.extend_from_slice(&record.json);
            lines.push(b'\n');
        }
        Ok(Some(lines.into()))
    }
}

/// The answers, read from the journal as they are sent.
struct Audit {
    reader: Reader,
    /// `None` once everything was handed out.
    log: Option<AnswerLog>,
    search: Search,
}

impl Audit {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let ready: Vec<QuestionRecord> = match self.reader.next().await? {
            Some(page) => {
                let log = self.log.get_or_insert_default();
                page.iter().filter_map(|record| log.apply(record)).collect()
            }
            None => match self.log.take() {
                Some(log) => log.finish().collect(),
                None => return Ok(None),
            },
        };
        let rows = ready.iter().filter(|record| self.wants(record)).map(answer_row::row);
        Ok(Some(rows.collect::<Vec<_>>().concat().into()))
    }

    fn wants(&self, record: &QuestionRecord) -> bool {
        let at = record.answer.as_ref().map(|answer| answer.responded_at);
        self.search.from.is_none_or(|from| at >= Some(from)) && self.search.until.is_none_or(|until| at <= Some(until))
    }
}

/// Reads the events that were there when the export began, page by page.
struct Reader {
    context: Context,
    caller: Caller,
    filter: EventFilter,
    after: Seq,
    until: Seq,
}

impl Reader {
    async fn new(context: Context, caller: Caller, filter: EventFilter) -> Result<Self, JournalError> {
        let until = context.handle.last_seq().await?;
        Ok(Self { context, caller, filter, after: 0, until })
    }

    /// The next page. An error breaks the export off: what has come is not all.
    async fn next(&mut self) -> io::Result<Option<Vec<Arc<Record>>>> {
        if self.after >= self.until || *self.context.closing.borrow() {
            return Ok(None);
        }
        if self.caller.is_expelled() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the token of who reads this is void"));
        }
        let page = self.context.handle.events(self.after, PAGE_EVENTS, &self.filter).await;
        let mut page = page.map_err(io::Error::other)?;
        self.after = page.last().map_or(self.until, |record| record.seq);
        page.retain(|record| record.seq <= self.until);
        Ok(Some(page))
    }
}

fn download(
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    content_type: &'static str,
    name: &'static str,
) -> Response {
    let mut response = warp::reply::stream(SyncStream::new(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

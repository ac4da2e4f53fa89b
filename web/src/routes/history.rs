//! The pages of what was: the search in the journal, and the dashboard of any moment.

use remora_actors::{
    historian::At,
    model::{Search, Seq},
    view::{Part, View},
};
use serde::Deserialize;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, header},
    reply::Response,
};

use super::{dashboard::document, respond};
use crate::{
    context::Context,
    guard::{Caller, Scope, guard, is_by_datastar},
    problem::Problem,
    request::Segment,
    sought::{Sought, time},
};

/// Events on one page of results.
const PAGE_EVENTS: usize = 50;

#[derive(Debug, Deserialize)]
struct Cursor {
    before: Option<Seq>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    seq: Option<Seq>,
    time: Option<String>,
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let search = warp::path!("history")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Sought>())
        .and(warp::query::<Cursor>())
        .and(warp::header::headers_cloned())
        .and(with.clone())
        .then(async |_: Caller, sought: Sought, cursor: Cursor, headers: HeaderMap, context: Context| {
            search(&context, &sought, cursor.before, &headers).await
        })
        .map(respond);
    let newest = warp::path!("at")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Wanted>())
        .and(warp::header::headers_cloned())
        .and(with.clone())
        .then(async |_: Caller, wanted: Wanted, headers: HeaderMap, context: Context| {
            past(&context, wanted.at(), &headers).await
        })
        .map(respond);
    let moment = warp::path!("at" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::header::headers_cloned())
        .and(with)
        .then(async |moment: Segment, _: Caller, headers: HeaderMap, context: Context| {
            past(&context, at(&moment.0), &headers).await
        })
        .map(respond);
    search.or(newest).unify().or(moment).unify().and_then(std::future::ready).boxed()
}

impl Wanted {
    /// The moment in the query; none: the newest one.
    fn at(&self) -> Result<At, Problem> {
        match (&self.time, self.seq) {
            (Some(text), _) => Ok(At::Time(time(text, "time")?)),
            (None, seq) => Ok(At::Seq(seq.unwrap_or(Seq::MAX))),
        }
    }
}

/// A moment by its event's position or its time.
fn at(text: &str) -> Result<At, Problem> {
    match text.parse() {
        Ok(seq) => Ok(At::Seq(seq)),
        Err(_) => Ok(At::Time(time(text, "at")?)),
    }
}

async fn search(
    context: &Context,
    sought: &Sought,
    before: Option<Seq>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let part = part(headers);
    let (search, found) = match sought.search() {
        Ok(search) => {
            let found = context.handle.search(&search, before, PAGE_EVENTS).await?;
            (search, Ok(found))
        }
        // A half-typed filter is said beside the form.
        Err(error) => (Search::all(), Err(error.to_string())),
    };
    let view = View::Found { search: Box::new(search), found, before, part };
    let page = context.handle.render(view).await?.unwrap_or_default();
    Ok(page_or_frame(context, &page, part, headers))
}

async fn past(context: &Context, at: Result<At, Problem>, headers: &HeaderMap) -> Result<Response, Problem> {
    let part = part(headers);
    let page = context.handle.past(at?, part).await?;
    let page = page.ok_or_else(|| {
        let why = "there is no past to look at: nothing has happened yet, or its beginning was deleted";
        Problem::not_found(why).shown_to(headers)
    })?;
    Ok(page_or_frame(context, &page, part, headers))
}

/// A page asks for its changing part by a header that browsers do not send by themselves.
fn part(headers: &HeaderMap) -> Part {
    if is_by_datastar(headers) { Part::Frame } else { Part::Document }
}

fn page_or_frame(context: &Context, page: &bytes::Bytes, part: Part, headers: &HeaderMap) -> Response {
    if part == Part::Document {
        return document(context, page, headers);
    }
    let mut response = Response::new(page.clone().into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

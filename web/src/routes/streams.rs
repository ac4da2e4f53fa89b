//! Streams of server-sent events: a page's frames, and raw events as JSON.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use remora_actors::{
    handle::{EventStream, Session},
    model::{Record, Seq},
    outbox::End,
    ports::Filter as EventFilter,
};
use sync_wrapper::SyncStream;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, header},
    reply::Response,
};

use super::{
    events::Wanted,
    openapi::replies::{Guarded, ProblemDocument},
    respond,
};
use crate::{
    context::Context,
    frame,
    guard::{Caller, Scope, guard},
    problem::Problem,
};

/// A comment, which readers skip: it keeps proxies from closing a silent stream.
const HEARTBEAT: &[u8] = b": alive\n\n";
/// The first bytes of a raw stream: they show that it is open.
const OPEN: &[u8] = b": open\n\n";
/// The last bytes of every stream when the daemon stops: another one takes over within moments.
const COME_BACK: &[u8] = b"retry: 500\n\n";

/// Where a stream stands.
enum Stage<S> {
    Open(S),
    /// The daemon stops, and the reader has been told when to come back.
    Told,
    Ended,
}

/// What a stream does next.
type Step = Option<Result<Bytes, io::Error>>;

/// An error is what makes a browser come back at once; a clean end would leave it alone.
fn interrupted() -> Step {
    Some(Err(io::Error::new(io::ErrorKind::Interrupted, "the stream ends, reconnect")))
}

/// A stream of what `next` makes of a source, until that ends it or the daemon stops.
fn until_closed<S: Send>(
    context: Context,
    source: S,
    next: impl AsyncFn(&Context, &mut S) -> Step,
) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::unfold((context, Stage::Open(source), next), async |(context, stage, next)| {
        let (step, stage) = match stage {
            Stage::Open(mut source) => tokio::select! {
                biased;
                () = context.closed() => (Some(Ok(Bytes::from_static(COME_BACK))), Stage::Told),
                step = next(&context, &mut source) => {
                    let goes_on = matches!(step, Some(Ok(_)));
                    (step, if goes_on { Stage::Open(source) } else { Stage::Ended })
                }
            },
            Stage::Told => {
                // What was told goes out first: an error discards what waits to be written.
                tokio::task::yield_now().await;
                (interrupted(), Stage::Ended)
            }
            Stage::Ended => (None, Stage::Ended),
        };
        step.map(|item| (item, (context, stage, next)))
    })
}

/// A page's stream.
pub(super) fn frames(context: Context, session: Session) -> Response {
    reply(until_closed(context, session, async |context, session| {
        match tokio::time::timeout(context.settings.heartbeat, session.next()).await {
            Err(_) => Some(Ok(frame::heartbeat())),
            Ok(Ok(frame)) => Some(Ok(frame)),
            Ok(Err(End::Retry)) => interrupted(),
            Ok(Err(End::Final)) => None,
        }
    }))
}

/// `GET events/stream`: every wanted event as JSON, from `Last-Event-ID` or `after` on, else from now on.
pub(super) fn raw(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    warp::path!("events" / "stream")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Wanted>())
        .and(warp::header::headers_cloned())
        .and(with)
        .then(async |_: Caller, wanted: Wanted, headers: HeaderMap, context: Context| {
            open_raw(context, &wanted, &headers).await
        })
        .map(respond)
        .and_then(std::future::ready)
        .boxed()
}

/// Follow the journal as server-sent events.
///
/// Each has its position as `id` and an `Event` as `data`. The stream begins after `Last-Event-ID`, else after `after`,
/// else now. Where events behind that position were deleted, the first event is a `gap` whose `data` says `after` and
/// `first_seq`, the position from which on nothing is missing. When the daemon stops it says `retry`.
#[utoipa::path(
    get, path = "/api/v1/events/stream", tag = "events", operation_id = "follow_events",
    params(Wanted, ("Last-Event-ID" = Option<u64>, Header, description = "The last position seen.")),
    responses(
        (status = 200, description = "A stream without end.", body = String, content_type = "text/event-stream"),
        Guarded,
        (status = 422, description = "The pattern is none.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn open_raw(context: Context, wanted: &Wanted, headers: &HeaderMap) -> Result<Response, Problem> {
    let handle = &context.handle;
    let open = handle.metrics().streams.get() + handle.metrics().sessions.get();
    if usize::try_from(open).is_ok_and(|open| open >= handle.limits().sessions) {
        handle.metrics().sessions_refused.inc();
        let problem = Problem::unavailable("too many streams are open, more are not allowed by `sessions`");
        return Err(problem.over("sessions", handle.limits().sessions));
    }
    let last: Option<Seq> = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let filter: EventFilter = wanted.filter()?;
    let after = last.or(wanted.after);
    let events = handle.stream(after, filter).await?;
    let opening = match (after, handle.first_seq().await?) {
        (Some(after), first) if after + 1 < first => gap(after, first),
        _ => Bytes::from_static(OPEN),
    };
    Ok(reply(stream::iter([Ok(opening)]).chain(raw_events(context, events))))
}

/// The first event of a stream that was to go on from where events have been deleted.
fn gap(after: Seq, first: Seq) -> Bytes {
    format!("event: gap\ndata: {{\"after\":{after},\"first_seq\":{first}}}\n\n").into()
}

fn raw_events(context: Context, events: EventStream) -> impl Stream<Item = Result<Bytes, io::Error>> {
    until_closed(context, events, async |context, events| {
        match tokio::time::timeout(context.settings.heartbeat, events.next()).await {
            Err(_) => Some(Ok(Bytes::from_static(HEARTBEAT))),
            Ok(Ok(Some(record))) => Some(Ok(raw_frame(&record))),
            Ok(Ok(None)) => interrupted(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "event stream ends");
                interrupted()
            }
        }
    })
}

/// JSON as serde writes it has no line breaks, so one `data` line holds it.
fn raw_frame(record: &Arc<Record>) -> Bytes {
    let mut frame = format!("id: {}\ndata: ", record.seq).into_bytes();
    frame.extend_from_slice(&record.to_json_with_seq());
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

fn reply(body: impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static) -> Response {
    let mut response = warp::reply::stream(SyncStream::new(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

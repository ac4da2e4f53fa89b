//! Streams of server-sent events: a page's frames, and raw events as JSON.

use std::io;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use remora_actors::{
    event_stream::EventStream,
    model::{Record, Seq},
    outbox::End,
    ports::Filter as EventFilter,
    session_supervisor::Session,
};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use warp::{Filter, filters::BoxedFilter, http::HeaderMap, reply::Response};

use super::{
    events::Wanted,
    openapi::replies::{Guarded, ProblemDocument},
    respond,
};
use crate::{
    context::Context,
    frame,
    guard::{Caller, Scope, guard},
    gzip, live_response,
    problem::Problem,
    request::is_head,
};

/// A comment, which readers skip: it keeps proxies from closing a silent stream.
const HEARTBEAT: &[u8] = b": alive\n\n";
/// The first bytes of a raw stream: they show that it is open.
const OPEN: &[u8] = b": open\n\n";
/// The last bytes of every stream that the daemon ends: where it stops, another one takes over within moments.
const COME_BACK: &[u8] = b"retry: 500\n\n";

/// Where a stream stands.
enum Stage<S> {
    Open(Open<S>),
    /// It ends, and the reader has been told when to come back.
    Told,
    Ended,
}

/// An open stream. All that it waits for is set up once: a step must cost little more than the write that follows it.
struct Open<S> {
    source: S,
    closed: BoxFuture<'static, ()>,
    heartbeat: Interval,
}

/// An error is what makes a browser come back at once; a clean end would leave it alone.
fn interrupted() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the stream ends, reconnect")
}

/// A stream of what `next` makes of a source, with `alive` now and then between, until the source or the daemon ends, or
/// its reader is expelled: who comes back then is told why not.
fn until_closed<S: Send>(
    context: Context,
    caller: Caller,
    source: S,
    alive: Bytes,
    next: impl AsyncFn(&mut S) -> Result<Bytes, End>,
) -> impl Stream<Item = Result<Bytes, io::Error>> {
    let period = context.settings.heartbeat;
    let mut heartbeat = tokio::time::interval_at(Instant::now() + period, period);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A stream that needs no token has no room for one.
    let closed = if caller.needs_no_token() {
        async move { context.closed().await }.boxed()
    } else {
        let either = async move {
            tokio::select! {
                () = context.closed() => {}
                () = caller.expelled() => {}
            }
        };
        either.boxed()
    };
    let open = Stage::Open(Open { source, closed, heartbeat });
    stream::unfold((open, alive, next), async |(stage, alive, next)| {
        let (step, stage) = match stage {
            Stage::Open(mut open) => tokio::select! {
                biased;
                () = &mut open.closed => (Some(Ok(Bytes::from_static(COME_BACK))), Stage::Told),
                step = next(&mut open.source) => match step {
                    Ok(bytes) => (Some(Ok(bytes)), Stage::Open(open)),
                    Err(End::Retry) => (Some(Err(interrupted())), Stage::Ended),
                    Err(End::Final) => (None, Stage::Ended),
                },
                _ = open.heartbeat.tick() => (Some(Ok(alive.clone())), Stage::Open(open)),
            },
            Stage::Told => {
                // What was told goes out first: an error discards what waits to be written.
                tokio::task::yield_now().await;
                (Some(Err(interrupted())), Stage::Ended)
            }
            Stage::Ended => (None, Stage::Ended),
        };
        step.map(|item| (item, (stage, alive, next)))
    })
}

/// A page's stream. A raw one is not compressed: its readers want events each of their own, and many of these readers are
/// programs on the same machine, whose libraries say that they take gzip without being asked.
pub(super) fn frames(context: Context, caller: Caller, session: Session, headers: &HeaderMap) -> Response {
    let gzip = context.gzip(headers).cloned();
    let is_packed = gzip.is_some();
    let frames = until_closed(context, caller, session, frame::heartbeat(), async |session| session.next().await);
    let mut response = match gzip {
        Some(gzip) => live_response::reply(gzip.pack(frames)),
        None => live_response::reply(frames),
    };
    gzip::declare(response.headers_mut(), is_packed);
    response
}

/// What [`frames`] begins with.
pub(super) fn head_of_frames(context: &Context, headers: &HeaderMap) -> Response {
    let mut response = live_response::head();
    gzip::declare(response.headers_mut(), context.gzip(headers).is_some());
    response
}

/// `GET events/stream`: every wanted event as JSON, from `Last-Event-ID` or `after` on, else from now on.
pub(super) fn raw(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    warp::path!("events" / "stream")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(warp::query::<Wanted>())
        .and(warp::header::headers_cloned())
        .and(is_head())
        .and(with)
        .then(
            async |caller: Caller, wanted: Wanted, headers: HeaderMap, head: bool, context: Context| {
                if head { head_of_raw(&wanted) } else { open_raw(context, caller, &wanted, &headers).await }
            },
        )
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
pub(super) async fn open_raw(
    context: Context,
    caller: Caller,
    wanted: &Wanted,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
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
    let events = handle.stream(after, filter, raw_frame).await?;
    let opening = match (after, handle.first_seq().await?) {
        (Some(after), first) if after.saturating_add(1) < first => gap(after, first),
        _ => Bytes::from_static(OPEN),
    };
    Ok(live_response::reply(stream::iter([Ok(opening)]).chain(raw_events(context, caller, events))))
}

fn head_of_raw(wanted: &Wanted) -> Result<Response, Problem> {
    wanted.filter()?;
    Ok(live_response::head())
}

/// The first event of a stream that was to go on from where events have been deleted.
fn gap(after: Seq, first: Seq) -> Bytes {
    format!("event: gap\ndata: {{\"after\":{after},\"first_seq\":{first}}}\n\n").into()
}

fn raw_events(context: Context, caller: Caller, events: EventStream) -> impl Stream<Item = Result<Bytes, io::Error>> {
    until_closed(context, caller, events, Bytes::from_static(HEARTBEAT), async |events| {
        events.next().await.map_err(|error| {
            tracing::warn!(%error, "event stream ends");
            End::Retry
        })
    })
}

/// JSON as serde writes it has no line breaks, so one `data` line holds it.
fn raw_frame(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(record.seq.to_string().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    record.write_with_seq(out);
    out.extend_from_slice(b"\n\n");
}

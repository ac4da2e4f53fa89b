//! Reading requests: path segments, bodies, and who answers by which door.

use std::{convert::Infallible, str::FromStr, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use remora_actors::model::{AnsweredBy, Door, Invalid, Limits};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use warp::{
    Buf, Filter, Rejection,
    http::{HeaderMap, Method, Request, StatusCode},
};

use crate::{
    address,
    context::Context,
    guard::{Caller, Scope, guard},
    problem::Problem,
};

/// A body up to this size needs no room of its own: people's answers get through while batches wait.
const SMALL_BODY: usize = 16 << 10;
/// How many times the allowed size is read and thrown away, so that the sender hears why instead of a reset.
const DRAIN_FACTOR: usize = 4;

/// A decoded path segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment(pub(crate) String);

impl FromStr for Segment {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        Ok(Self(address::id_of(raw).ok_or_else(|| Invalid::field("path", "is no text"))?))
    }
}

/// Marks a request for the head alone of what a GET is replied: routes see a GET.
#[derive(Debug, Clone, Copy)]
struct HeadAlone;

/// Makes a GET of a HEAD. What is replied to it loses its body on its way out.
pub(crate) fn get_for_head<B>(request: &mut Request<B>) {
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
        request.extensions_mut().insert(HeadAlone);
    }
}

/// True where only the head is wanted: then nothing is opened, taken or waited for.
pub(crate) fn is_head() -> impl Filter<Extract = (bool,), Error = Infallible> + Copy {
    warp::ext::optional::<HeadAlone>().map(|head: Option<HeadAlone>| head.is_some())
}

/// What somebody posts whom the scope allows it.
pub(crate) fn posted(
    context: &Context,
    needed: Scope,
) -> impl Filter<Extract = (Caller, HeaderMap, Vec<u8>, Context), Error = Rejection> + Clone + use<> {
    warp::post().and(guard(context, needed)).and(warp::header::headers_cloned()).and(body(context)).and(context.with())
}

/// A request's body, up to the limit.
pub(crate) fn body(context: &Context) -> impl Filter<Extract = (Vec<u8>,), Error = Rejection> + Clone + use<> {
    let limits = context.handle.limits();
    let (limit, patience) = (limits.body_bytes, limits.body_s);
    let room = Arc::clone(&context.arriving);
    warp::body::stream().and_then(move |stream| {
        let room = Arc::clone(&room);
        async move {
            match tokio::time::timeout(Duration::from_secs(patience), collect(stream, limit, &room)).await {
                Ok(body) => body.map_err(warp::reject::custom),
                Err(_) => Err(warp::reject::custom(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    format_args!("the request's body did not arrive within {patience} s (`body_s`)"),
                ))),
            }
        }
    })
}

/// `room` is taken only while the body arrives: whoever has it whole reads it at once, as many at a time as there are
/// threads.
async fn collect<B: Buf>(
    stream: impl Stream<Item = Result<B, warp::Error>>,
    limit: usize,
    room: &Arc<Semaphore>,
) -> Result<Vec<u8>, Problem> {
    let mut stream = std::pin::pin!(stream);
    let mut body = Vec::new();
    let mut taken = None;
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|_| Problem::bad_request("the request's body broke off"))?;
        size += chunk.remaining();
        if size > SMALL_BODY && size <= limit {
            let wanted = if taken.is_none() { size } else { chunk.remaining() };
            let more = take_room(room, wanted)?;
            match &mut taken {
                None => taken = Some(more),
                Some(taken) => taken.merge(more),
            }
        }
        if size > limit.saturating_mul(DRAIN_FACTOR) {
            break;
        }
        while size <= limit && chunk.has_remaining() {
            let part = chunk.chunk();
            body.extend_from_slice(part);
            let read = part.len();
            chunk.advance(read);
        }
    }
    if size > limit {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format_args!("the body is over the limit `body_bytes` of {limit}; send it in parts"),
        )
        .over("body_bytes", limit));
    }
    Ok(body)
}

fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let full = |_| {
        let problem = Problem::unavailable("too much is arriving at once, more is not allowed by `arriving_bytes`");
        problem.counting(["arriving_bytes"])
    };
    Arc::clone(room).try_acquire_many_owned(bytes).map_err(full)
}

/// Reads a JSON body.
///
/// # Errors
/// It is none, or it says what cannot be meant, or it has an unknown field.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        // Whoever mistypes a name hears of it, and of the names that there are, before anything is done.
        serde_json::error::Category::Data if error.to_string().starts_with("unknown field") => {
            Problem::bad_request(error)
        }
        serde_json::error::Category::Data => Problem::unprocessable(error),
        _ => Problem::bad_request(format_args!("the body is not valid json: {error}")),
    })
}

/// That a name is none of those that a request may have.
pub(crate) fn unknown_name(what: &str, name: &str, known: &[&str]) -> Problem {
    let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are {known}") };
    Problem::bad_request(format_args!("unknown {what} `{name}`; {known}"))
}

/// The body's media type, where it is given and can be read.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<mime::Mime> {
    headers.get("content-type")?.to_str().ok()?.parse().ok()
}

/// True where the body is of a media type.
pub(crate) fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    media_type(headers).is_some_and(|mime| mime.essence_str() == wanted)
}

/// Who answers: a token tells the name, else the caller may. The door is what the request came by.
pub(crate) fn answered_by(
    caller: &Caller,
    claimed: Option<String>,
    door: Door,
    limits: &Limits,
) -> Result<AnsweredBy, Problem> {
    let claimed = claimed.filter(|who| !who.trim().is_empty());
    if claimed.as_ref().is_some_and(|who| who.len() > limits.id_bytes || who.chars().any(char::is_control)) {
        return Err(Problem::unprocessable("field `who` must be a short text without control characters"));
    }
    let who = caller.name.clone().or(claimed).unwrap_or_else(|| "operator".to_owned());
    Ok(AnsweredBy { who, door })
}

/// The door of an API request: the command line and the MCP server name themselves.
pub(crate) fn api_door(headers: &HeaderMap) -> Door {
    match headers.get("remora-door").map(|value| value.as_bytes()) {
        Some(b"cli") => Door::Cli,
        Some(b"mcp") => Door::Mcp,
        _ => Door::Http,
    }
}

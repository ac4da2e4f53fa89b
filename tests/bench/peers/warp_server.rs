//! warp with nothing behind it: the ceiling of the server that Remora stands on.

use std::convert::Infallible;

use anyhow::Result;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use sync_wrapper::SyncStream;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::broadcast::{Receiver, Sender, channel, error::RecvError},
};
use warp::{Filter, Reply, filters::BoxedFilter, http::StatusCode, reply::Response};

/// Events that a reader may be behind: more than is ever in flight.
const BEHIND: usize = 4096;

/// Serves until it is ended.
pub(super) fn run() -> Result<()> {
    serve(events().or(parsing()).unify().boxed())
}

/// Serves these routes on one thread, and says where.
pub(super) fn serve(routes: BoxedFilter<(Response,)>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = listen()?;
        println!("listening on http://{}", listener.local_addr()?);
        warp::serve(routes).incoming(listener).run().await;
        Ok(())
    })
}

/// Accepted sockets inherit that they send at once.
fn listen() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    Ok(socket.listen(4096)?)
}

/// Each event is written once, and its bytes are shared by all streams.
fn events() -> BoxedFilter<(Response,)> {
    let (sender, _) = channel::<Bytes>(BEHIND);
    let published = sender.clone();
    let publish = warp::path!("pub").and(warp::post()).and(warp::body::bytes()).map(move |body: Bytes| {
        let mut frame = BytesMut::with_capacity(body.len() + 8);
        frame.put_slice(b"data: ");
        frame.put_slice(&body);
        frame.put_slice(b"\n\n");
        // Without a reader there is nothing to do.
        let _ = published.send(frame.freeze());
        StatusCode::ACCEPTED.into_response()
    });
    let subscribe = warp::path!("sub").and(warp::get()).map(move || event_stream(frames(&sender)));
    publish.or(subscribe).unify().boxed()
}

fn frames(sender: &Sender<Bytes>) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream::unfold(sender.subscribe(), async |mut receiver: Receiver<Bytes>| {
        loop {
            match receiver.recv().await {
                Ok(frame) => return Some((Ok(frame), receiver)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

/// A reply without end.
pub(super) fn event_stream(frames: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let reply = warp::reply::stream(SyncStream::new(frames));
    warp::reply::with_header(reply, "content-type", "text/event-stream").into_response()
}

/// An event as it is read: nothing is copied, and the payload is not looked into.
#[derive(Deserialize)]
#[allow(dead_code, reason = "they are read, which is all that is measured")]
struct Parsed<'a> {
    id: &'a str,
    timestamp: &'a str,
    category: &'a str,
    action: &'a str,
    agent_id: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Parses an event, keeps nothing, and answers what Remora answers.
fn parsing() -> BoxedFilter<(Response,)> {
    let route = warp::path!("api" / "v1" / "events").and(warp::post()).and(warp::body::bytes());
    route
        .map(|body: Bytes| match serde_json::from_slice::<Parsed<'_>>(&body) {
            Ok(_) => {
                let body = r#"{"accepted":1,"duplicates":0,"last_seq":1}"#;
                warp::reply::with_header(body, "content-type", "application/json").into_response()
            }
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        })
        .boxed()
}

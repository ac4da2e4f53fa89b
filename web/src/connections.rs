//! The connections: how many there may be, and how long each may keep us waiting.

use std::{convert::Infallible, error::Error, io, pin::Pin, sync::Arc, task::Poll, time::Duration};

use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioTimer;
use remora_actors::{Handle, metrics::Metrics};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_io_timeout::TimeoutStream;
use warp::{filters::BoxedFilter, reply::Response};

use crate::{
    live_response::{self, Handover, Told},
    request::get_for_head,
};

/// Bytes of a request's head: many times what browsers send, cookies included.
const HEAD_BYTES: usize = 32 << 10;
/// Pause after a failed accept: mostly all file handles are taken, and one must be given back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a connection too many is told.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

type Socket = Pin<Box<TimeoutStream<TcpStream>>>;

/// Serves every connection until `stop` ends, then lets the requests at work finish.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: BoxedFilter<(Response,)>,
    handle: &Handle,
    stop: impl Future<Output = ()>,
) {
    let (limits, metrics) = (handle.limits(), handle.metrics());
    let mut http = http1::Builder::new();
    let head = Duration::from_secs(limits.head_s);
    http.timer(TokioTimer::new()).header_read_timeout(head).max_header_size(HEAD_BYTES);
    let stall = Duration::from_secs(limits.stall_s);
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let (stopping, stopped) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            metrics.connections_refused.inc();
            metrics.hit("connections");
            // Whoever does not read it is closed all the same.
            let _ = stream.try_write(REFUSAL);
            continue;
        };
        let counted = Counted::new(metrics, permit, stopped.clone());
        tokio::spawn(connection(http.clone(), impatient(stream, stall), routes.clone(), counted));
    }
    drop((listener, stopped));
    stopping.send_replace(true);
    // Each connection holds a receiver until it has ended.
    stopping.closed().await;
}

/// Serves one connection: requests through hyper, and a live response, if it comes to that, from then on without.
async fn connection(http: http1::Builder, socket: Socket, routes: BoxedFilter<(Response,)>, mut counted: Counted) {
    let handover = Arc::new(Handover::default());
    let service = RouteService { routes: warp::service(routes), handover: Arc::clone(&handover) };
    let mut served = http.serve_connection(Told::new(socket, Arc::clone(&handover)), service);
    let handed_over = tokio::select! {
        outcome = until_live(&mut served, &handover) => outcome,
        () = counted.stopped() => {
            Pin::new(&mut served).graceful_shutdown();
            until_live(&mut served, &handover).await
        }
    };
    match handed_over {
        Ok(None) => {}
        Err(error) => counted.ended_by(&error),
        Ok(Some(source)) => {
            let socket = served.into_parts().io.into_inner().inner;
            // In a task of its own size: this one has room for all of hyper.
            tokio::spawn(async move {
                if let Err(error) = live_response::send(socket, source).await {
                    counted.ended_by(&error);
                }
            });
        }
    }
}

/// Returns the source of a live response once its head is out, and nothing when the connection has ended before.
fn until_live<C>(
    connection: &mut C,
    handover: &Handover,
) -> impl Future<Output = Result<Option<live_response::Source>, hyper::Error>>
where
    C: Future<Output = Result<(), hyper::Error>> + Unpin,
{
    std::future::poll_fn(move |cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
        Poll::Pending => handover.take().map_or(Poll::Pending, |source| Poll::Ready(Ok(Some(source)))),
    })
}

/// The routes as hyper asks them.
struct RouteService<S> {
    routes: S,
    handover: Arc<Handover>,
}

impl<S> hyper::service::Service<hyper::Request<Incoming>> for RouteService<S>
where
    S: tower_service::Service<hyper::Request<Incoming>, Response = Response, Error = Infallible> + Clone,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        // Hyper knows what was asked, and writes no body to a HEAD.
        get_for_head(&mut request);
        // Clients of HTTP/1.0 know no chunks, in which a live response is written.
        let knows_chunks = request.version() >= hyper::Version::HTTP_11;
        let (reply, handover) = (self.routes.clone().call(request), Arc::clone(&self.handover));
        reply
            .map_ok(
                move |response| if knows_chunks { handover.keep(response) } else { live_response::with_body(response) },
            )
            .boxed()
    }
}

fn impatient(stream: TcpStream, stall: Duration) -> Socket {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(stall));
    Box::pin(stream)
}

/// A client that vanished before it was accepted costs no pause.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(%error, "connection not accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// A connection as long as it lasts.
struct Counted {
    metrics: Metrics,
    _permit: OwnedSemaphorePermit,
    stopped: watch::Receiver<bool>,
}

impl Counted {
    fn new(metrics: &Metrics, permit: OwnedSemaphorePermit, stopped: watch::Receiver<bool>) -> Self {
        metrics.connections.inc();
        Self { metrics: metrics.clone(), _permit: permit, stopped }
    }

    /// Returns when no further request is served.
    async fn stopped(&mut self) {
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }

    /// A client that goes away is no fault of ours; one that was too slow is counted.
    fn ended_by(&self, error: &(dyn Error + 'static)) {
        let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        let stalled = [Some(error), error.source()]
            .into_iter()
            .flatten()
            .any(|error| error.downcast_ref::<io::Error>().is_some_and(is_late));
        let timed_out = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout);
        if stalled || timed_out {
            self.metrics.connections_timed_out.inc();
            self.metrics.hit(if stalled { "stall_s" } else { "head_s" });
        }
        tracing::debug!(error, "connection ended");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

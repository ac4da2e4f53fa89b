//! The connections: how many there may be, and how long each may keep us waiting.

use std::{io, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use remora_actors::{Handle, metrics::Metrics};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use warp::{filters::BoxedFilter, reply::Response};

/// Bytes of a request's head: many times what browsers send, cookies included.
const HEAD_BYTES: usize = 32 << 10;
/// Pause after a failed accept: mostly all file handles are taken, and one must be given back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a connection too many is told.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

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
    let graceful = GracefulShutdown::new();
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
        let service = TowerToHyperService::new(warp::service(routes.clone()));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(impatient(stream, stall)), service));
        let counted = Counted::new(metrics, permit);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                counted.ended_by(&error);
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn impatient(stream: TcpStream, stall: Duration) -> std::pin::Pin<Box<TimeoutStream<TcpStream>>> {
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
}

impl Counted {
    fn new(metrics: &Metrics, permit: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { metrics: metrics.clone(), _permit: permit }
    }

    /// A client that goes away is no fault of ours; one that was too slow is counted.
    fn ended_by(&self, error: &hyper::Error) {
        let stalled = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|source| source.kind() == io::ErrorKind::TimedOut);
        if stalled || error.is_timeout() {
            self.metrics.connections_timed_out.inc();
            self.metrics.hit(if stalled { "stall_s" } else { "head_s" });
        }
        tracing::debug!(%error, "connection ended");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

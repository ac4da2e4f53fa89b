//! The server: one listener, all routes, an orderly end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use remora_actors::Handle;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{Mutex, Semaphore, watch},
};

use crate::{
    api::{Api, Door},
    connections,
    context::{Context, Settings, Shared},
    metrics::Requests,
    routes,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long a peer may leave what was sent to it unacknowledged: with a heartbeat on every stream, a browser whose network
/// vanished is noticed within this time.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// How long requests may take to end once the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Takes an address. Port 0 picks a free one.
///
/// # Errors
/// The address is in use or not this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the old connections to be forgotten.
    socket.set_reuseaddr(true)?;
    tune(&SockRef::from(&socket))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Goes on with a socket that somebody else listens on already.
///
/// # Errors
/// The system does not let it be used.
pub fn take_over(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    tune(&SockRef::from(&socket))?;
    TcpListener::from_std(socket)
}

/// What accepted connections inherit.
fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    // A frame must not wait for the one before to be acknowledged.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

/// Serves until `stop` ends, then ends the streams and lets the requests at work finish. `mcp` is given the JSON API
/// and makes the door that is mounted at `/mcp`.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    settings: Settings,
    mcp: impl FnOnce(Api) -> Door,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let (close, closing) = watch::channel(false);
    // Kept here until the server has ended: a dropped sender would say so too early.
    let close = Arc::new(close);
    let context = Context::from(Shared {
        arriving: Arc::new(Semaphore::new(handle.limits().arriving_bytes.min(Semaphore::MAX_PERMITS))),
        handle,
        settings,
        closing,
        guessing: Mutex::default(),
        requests: Requests::default(),
        lineage: Default::default(),
        gzip: Default::default(),
    });
    let mut closed = context.closing.clone();
    let closer = Arc::clone(&close);
    let stopping = async move {
        stop.await;
        let _ = closer.send(true);
    };
    let mcp = mcp(Api::new(&context));
    let server = connections::serve(listener, routes::all(&context, mcp), &context.handle, stopping);
    let too_long = async {
        let _ = closed.wait_for(|closing| *closing).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = server => {}
        () = too_long => tracing::warn!("requests were still at work when the daemon stopped"),
    }
}

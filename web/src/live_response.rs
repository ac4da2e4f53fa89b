//! Live responses: a head, and then bytes as they come, for as long as the client reads.
//!
//! A stream leaves hyper as soon as its head is written: what a connection keeps there, two buffers and a state machine, is
//! ten times what a quiet stream needs, and each write through it costs half as much again as the write itself.

use std::{
    io::{self, Write as _},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use hyper_util::rt::TokioIo;
use sync_wrapper::SyncStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use warp::{
    Reply,
    http::{HeaderValue, header},
    reply::Response,
};

/// Bytes of the line before a chunk: the digits of the largest size, and the line's end.
const SIZE_BYTES: usize = 2 * size_of::<usize>() + 2;

/// What a live response consists of. An error breaks the connection off; the end ends it well.
pub(crate) type Source = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A source on its way through the routes, in the extensions of its response, which must be cloneable.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Source>>>);

/// A response of server-sent events. It has no body before [`take`] or [`with_body`].
pub(crate) fn reply(source: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    let mut response = head();
    response.extensions_mut().insert(Slot(Arc::new(Mutex::new(Some(Box::pin(source))))));
    response
}

/// The head of such a response, and nothing behind it.
pub(crate) fn head() -> Response {
    let mut response = Response::default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn take(response: &mut Response) -> Option<Source> {
    let slot = response.extensions_mut().remove::<Slot>()?;
    slot.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The response with its source as a body, where it does not go out by a connection of its own.
pub(crate) fn with_body(mut response: Response) -> Response {
    match take(&mut response) {
        Some(source) => with_stream(response, source),
        None => response,
    }
}

fn with_stream(mut response: Response, source: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    *response.body_mut() = warp::reply::stream(SyncStream::new(source)).into_response().into_body();
    response
}

/// Where a connection's source waits until the head of its response is out.
#[derive(Default)]
pub(crate) struct Handover {
    source: Mutex<Option<Source>>,
    is_out: AtomicBool,
}

impl Handover {
    /// Keeps a live response's source here, and gives the response a body that never begins.
    pub(crate) fn keep(&self, mut response: Response) -> Response {
        match take(&mut response) {
            Some(source) => {
                *self.source() = Some(source);
                with_stream(response, stream::pending())
            }
            None => response,
        }
    }

    /// The source, once the head is out.
    pub(crate) fn take(&self) -> Option<Source> {
        if self.is_out.load(Ordering::Acquire) { self.source().take() } else { None }
    }

    fn source(&self) -> MutexGuard<'_, Option<Source>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that tells when the head of a live response is out: hyper flushes what it writes through only once its own
/// buffer is empty.
pub(crate) struct Told<T> {
    pub(crate) inner: T,
    handover: Arc<Handover>,
}

impl<T> Told<T> {
    pub(crate) fn new(inner: T, handover: Arc<Handover>) -> TokioIo<Self> {
        TokioIo::new(Self { inner, handover })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Told<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Told<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() && self.handover.source().is_some() {
            self.handover.is_out.store(true, Ordering::Release);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Writes a source to its client, chunk by chunk as HTTP/1.1 has it, until one of them ends.
///
/// # Errors
/// The connection or the source broke off.
pub(crate) async fn send(mut connection: impl AsyncRead + AsyncWrite + Unpin, mut source: Source) -> io::Result<()> {
    // Whatever a client sends after its request gets no answer.
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            biased;
            next = source.next() => match next {
                Some(bytes) => write_chunk(&mut connection, &bytes?).await?,
                None => {
                    connection.write_all(b"0\r\n\r\n").await?;
                    return connection.shutdown().await;
                }
            },
            read = connection.read(&mut ignored) => if read? == 0 {
                return Ok(());
            },
        }
    }
}

async fn write_chunk(connection: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    // An empty chunk would end the body.
    if bytes.is_empty() {
        return Ok(());
    }
    let mut size = [0; SIZE_BYTES];
    let mut rest = &mut size[..];
    write!(rest, "{:x}\r\n", bytes.len())?;
    let unused = rest.len();
    let mut chunk = Buf::chain(&size[..SIZE_BYTES - unused], bytes).chain(&b"\r\n"[..]);
    connection.write_all_buf(&mut chunk).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(items: Vec<io::Result<Bytes>>) -> (io::Result<()>, Vec<u8>) {
        let (near, mut far) = tokio::io::duplex(1024);
        let outcome = send(near, Box::pin(stream::iter(items))).await;
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.expect("read");
        (outcome, bytes)
    }

    #[tokio::test]
    async fn a_source_is_written_in_chunks_and_ended() {
        let (outcome, bytes) = sent(vec![Ok("data: 1\n\n".into()), Ok(Bytes::new()), Ok("x".repeat(17).into())]).await;
        outcome.expect("sent");
        assert_eq!(bytes, format!("9\r\ndata: 1\n\n\r\n11\r\n{}\r\n0\r\n\r\n", "x".repeat(17)).into_bytes());
    }

    #[tokio::test]
    async fn a_source_that_breaks_off_leaves_the_body_without_an_end() {
        let (outcome, bytes) = sent(vec![Ok("a".into()), Err(io::ErrorKind::Interrupted.into())]).await;
        assert_eq!(
            (outcome.expect_err("broken off").kind(), &bytes[..]),
            (io::ErrorKind::Interrupted, &b"1\r\na\r\n"[..])
        );
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_it() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"GET / HTTP/1.1").await.expect("ignored");
        drop(far);
        send(near, Box::pin(stream::pending())).await.expect("ended");
    }
}

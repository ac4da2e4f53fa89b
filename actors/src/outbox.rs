//! The bounded queue between a session and the connection that reads from it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// For good: the browser must not come back by itself.
    Final,
    /// The browser should come back.
    Retry,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Something to send.
    Frame(Bytes),
    /// The queue had to be dropped: ask for everything anew.
    Lagged,
    /// The stream ends.
    End(End),
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    bytes: usize,
    lagged: bool,
    end: Option<End>,
}

/// The queue. Writers never wait; a reader that falls behind by more than the limit loses the queue, not the stream.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    max_bytes: usize,
    /// The bytes in all queues.
    queued: Gauge,
}

impl Outbox {
    /// An empty queue that holds up to `max_bytes`, or one frame of any size, and adds them to `queued`.
    pub fn new(max_bytes: usize, queued: Gauge) -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), max_bytes, queued }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame. `false`: the queue was dropped, nothing is taken until the reader has noticed.
    pub fn push(&self, frame: Bytes) -> bool {
        let mut state = self.state();
        if state.lagged {
            return false;
        }
        if !state.queue.is_empty() && state.bytes + frame.len() > self.max_bytes {
            self.queued.dec_by(state.bytes as i64);
            *state = State { lagged: true, end: state.end, ..State::default() };
        } else {
            self.queued.inc_by(frame.len() as i64);
            state.bytes += frame.len();
            state.queue.push_back(frame);
        }
        let taken = !state.lagged;
        drop(state);
        self.wake.notify_one();
        taken
    }

    /// Ends the stream once what is queued has been read.
    pub fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.wake.notify_one();
    }

    /// The next thing to do, as soon as there is one.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    fn try_next(&self) -> Option<Next> {
        let mut state = self.state();
        if let Some(frame) = state.queue.pop_front() {
            state.bytes -= frame.len();
            self.queued.dec_by(frame.len() as i64);
            return Some(Next::Frame(frame));
        }
        if let Some(end) = state.end {
            return Some(Next::End(end));
        }
        std::mem::take(&mut state.lagged).then_some(Next::Lagged)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let unread = self.state().bytes;
        self.queued.dec_by(unread as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_loses_the_queue_and_not_the_stream() {
        let outbox = Outbox::new(10, Gauge::default());
        let frame = || Bytes::from_static(b"123456");
        assert!(outbox.push(frame()));
        assert!(!outbox.push(frame()));
        assert!(!outbox.push(frame()));
        assert_eq!(outbox.next().await, Next::Lagged);
        assert!(outbox.push(frame()));
        assert_eq!(outbox.next().await, Next::Frame(frame()));
    }

    #[tokio::test]
    async fn the_end_comes_after_what_is_queued() {
        let outbox = Outbox::new(10, Gauge::default());
        outbox.push(Bytes::from_static(b"last"));
        outbox.end(End::Final);
        outbox.end(End::Retry);
        assert_eq!(outbox.next().await, Next::Frame(Bytes::from_static(b"last")));
        assert_eq!(outbox.next().await, Next::End(End::Final));
    }

    #[tokio::test]
    async fn what_waits_is_counted_until_it_is_read_or_dropped() {
        let queued = Gauge::default();
        let (read, lost) = (Outbox::new(10, queued.clone()), Outbox::new(10, queued.clone()));
        for outbox in [&read, &lost] {
            outbox.push(Bytes::from_static(b"123456"));
        }
        assert_eq!(queued.get(), 12);
        read.next().await;
        assert_eq!(queued.get(), 6);
        drop(lost);
        assert_eq!(queued.get(), 0);
    }

    #[tokio::test]
    async fn one_frame_of_any_size_passes() {
        let outbox = Outbox::new(1, Gauge::default());
        assert!(outbox.push(Bytes::from_static(b"larger")));
        assert_eq!(outbox.next().await, Next::Frame(Bytes::from_static(b"larger")));
    }
}

//! Waking everyone who waits for something to change, without losing a wake-up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

/// Something that changes: a counter of its versions. The first version is 1.
#[derive(Debug)]
pub(crate) struct Change(watch::Sender<u64>);

impl Change {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(1)))
    }

    /// Wakes every waiter, also those that are busy with an earlier change.
    pub(crate) fn announce(&self) {
        self.0.send_modify(|version| *version += 1);
    }
}

/// What one reader has seen of a [`Change`].
#[derive(Debug)]
pub(crate) struct Seen {
    change: Arc<Change>,
    version: AtomicU64,
}

impl Seen {
    /// A reader that has seen nothing: its first wait returns at once.
    pub(crate) fn nothing(change: Arc<Change>) -> Self {
        Self { change, version: AtomicU64::new(0) }
    }

    /// Returns once there is a version newer than at the last return. A wake-up waits `settle` for others that
    /// belong to it. A cancelled call has seen nothing.
    pub(crate) async fn next(&self, settle: Duration) {
        let seen = self.version.load(Ordering::Acquire);
        let mut versions = self.change.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = versions.wait_for(|version| *version > seen).await;
        if seen > 0 && !settle.is_zero() {
            tokio::time::sleep(settle).await;
        }
        self.version.fetch_max(*self.change.0.borrow(), Ordering::AcqRel);
    }

    /// The version seen last; 0 is none.
    #[cfg(test)]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// True where the next wait returns at once.
    #[cfg(test)]
    pub(crate) fn has_news(&self) -> bool {
        *self.change.0.borrow() > self.version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::Future, task::Poll};

    async fn is_ready(future: impl Future<Output = ()>) -> bool {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn every_reader_sees_every_change_once() {
        let change = Change::new();
        let (one, two) = (Seen::nothing(change.clone()), Seen::nothing(change.clone()));
        for reader in [&one, &two] {
            assert!(is_ready(reader.next(Duration::ZERO)).await, "the first wait returns at once");
            assert!(!is_ready(reader.next(Duration::ZERO)).await, "nothing has changed since");
        }
        change.announce();
        change.announce();
        for reader in [&one, &two] {
            assert!(is_ready(reader.next(Duration::ZERO)).await);
            assert!(!is_ready(reader.next(Duration::ZERO)).await, "two changes before a wait are one wake-up");
        }
    }

    #[tokio::test]
    async fn waiters_of_one_reader_all_wake() {
        let change = Change::new();
        let seen = Seen::nothing(change.clone());
        seen.next(Duration::ZERO).await;
        let both = async { tokio::join!(seen.next(Duration::ZERO), seen.next(Duration::ZERO)) };
        tokio::join!(both, async { change.announce() });
    }

    #[tokio::test]
    async fn a_cancelled_wait_forgets_nothing() {
        let change = Change::new();
        let seen = Seen::nothing(change.clone());
        seen.next(Duration::ZERO).await;
        change.announce();
        let settling = Duration::from_secs(3600);
        assert!(!is_ready(seen.next(settling)).await, "dropped while it settles");
        assert!(is_ready(seen.next(Duration::ZERO)).await);
    }
}

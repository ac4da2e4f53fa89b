//! Telling when files change: one notification service and one slow poll for all of them, on one thread.
//!
//! A file is watched through its folder, since the file itself may be missing, replaced or renamed, and since SQLite
//! writes to the `-wal` and `-journal` beside it. Opening and reading a file is never reported, so that a reader does
//! not wake itself.
//!
//! - `service`: the thread, which looks after the watches and polls.
//! - `listeners`: which notification is told to whom.
//! - `signature`: what a poll compares.

mod listeners;
mod service;
mod signature;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::change::{Change, Seen};
use service::{Entry, Service};

/// How often files are looked at where nothing was notified: network file systems notify nothing.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The notifications of one commit come within this time; a person does not notice it.
const SETTLE: Duration = Duration::from_millis(5);

/// The service. Clones share it; it ends with the last of them and of the watches.
#[derive(Debug, Clone)]
pub struct FileWatcher {
    arrivals: mpsc::Sender<Entry>,
}

/// Changes of one file, until this is dropped.
#[derive(Debug)]
pub struct FileChanges {
    pub(super) seen: Seen,
    _watcher: FileWatcher,
}

impl FileWatcher {
    /// Starts the service's thread.
    pub fn start(poll_interval: Duration) -> Self {
        let (arrivals, arriving) = mpsc::channel();
        thread::Builder::new()
            .name("file-watcher".to_owned())
            .spawn(move || Service::new().run(&arriving, poll_interval))
            .expect("a program that cannot start a thread cannot start");
        Self { arrivals }
    }

    /// Watches a file, which need not exist, nor its folder.
    pub fn watch(&self, path: &Path) -> FileChanges {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.watch_found(move || service::resolve(&path))
    }

    /// Watches the file at the path that `find` gives, with all symbolic links resolved: each poll asks anew, since the
    /// name of a file may come to mean another one. `None`: it means none at present.
    pub fn watch_found(&self, find: impl Fn() -> Option<PathBuf> + Send + 'static) -> FileChanges {
        let change = Change::new();
        let entry = Entry::new(Box::new(find), Arc::downgrade(&change));
        // The receiver lives as long as there is a sender.
        let _ = self.arrivals.send(entry);
        FileChanges { seen: Seen::nothing(change), _watcher: self.clone() }
    }
}

impl FileChanges {
    /// Returns once the file may have changed since the last call returned; the first time at once. A cancelled call
    /// forgets nothing.
    pub async fn next(&self) {
        self.seen.next(SETTLE).await;
    }
}

//! Following a log file: its lines as they are written, through rotation, truncation and restarts.
//!
//! A file may be rotated by renaming it and creating a new one: the old one is read to its end first, once the new one
//! has content. So are all that came between, where it was rotated more than once while nobody followed, if the old one
//! is still in its folder, or else whatever was written there since. What was compressed cannot be read, which is said.
//! It may be truncated and written anew: it is read from the start. The chain of ids goes on through both, so
//! that no line of the new file is taken for one of the old. A file that is replaced by one which begins with all that
//! was read, as editors and `rsync` do it, is the same log: it is read on behind that.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use remora_actors::model::Limits;
use serde::{Deserialize, Serialize};

use super::{
    lines::{Chain, Line},
    rotated::Written,
    tail::{Filled, Tail},
};
use crate::stores::file_watcher::{DEFAULT_POLL_INTERVAL, FileChanges, FileWatcher};

/// The place behind a line, where reading goes on after a restart. The default is the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The file, whatever its name. Its device is left out: some change with every mount.
    pub(super) inode: u64,
    /// Bytes up to and including the line's end.
    pub(super) offset: u64,
    /// The line's number.
    pub(super) line: u64,
    /// The chain behind the line.
    pub(super) chain: Chain,
    /// The chain at the file's beginning.
    #[serde(default)]
    pub(super) start_chain: Chain,
    /// Bytes before the line, and the chain there: they tell whether the line is still in its place.
    pub(super) line_offset: u64,
    pub(super) line_chain: Chain,
    /// Whatever was last written up to this time is read, as far as is known.
    #[serde(default)]
    pub(super) written: Option<Written>,
}

/// A followed file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("followed file {path} cannot be read: {why}; it is tried again")]
pub struct FollowError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub why: String,
}

/// One followed file.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// Shared with the blocking read at hand, which goes on when its caller gives up.
    tail: Arc<Mutex<Tail>>,
    cursor: Cursor,
    filled: Filled,
    changes: FileChanges,
}

impl Follower {
    /// Follows a file, which need not exist yet, from a cursor on. Lines over `event_bytes` come as a refusal.
    pub fn new(path: &Path, cursor: Cursor, limits: &Limits, watcher: &FileWatcher) -> Self {
        Self {
            path: path.to_owned(),
            tail: Arc::new(Mutex::new(Tail::new(path, cursor.clone(), limits))),
            cursor,
            filled: Filled::Batch,
            changes: watcher.watch(path),
        }
    }

    /// Waits for the next lines: at least one, at most `max_lines`, fewer if they are long. A cancelled call loses none.
    ///
    /// # Errors
    /// The file cannot be read at present. The next call tries again at once, so the caller should wait first.
    pub async fn next_batch(&mut self, max_lines: usize) -> Result<Vec<Line>, FollowError> {
        loop {
            match self.filled {
                Filled::Batch => {}
                Filled::End => self.changes.next().await,
                // Nothing tells of what is written to a file under its new name.
                Filled::EndElsewhere => {
                    let _ = tokio::time::timeout(DEFAULT_POLL_INTERVAL, self.changes.next()).await;
                }
            }
            self.filled = Filled::Batch;
            let tail = self.tail.clone();
            let fill = move || tail.lock().unwrap_or_else(PoisonError::into_inner).fill(max_lines);
            let filled = tokio::task::spawn_blocking(fill).await.map_err(|error| self.failed(&error))?;
            self.filled = filled.map_err(|error| self.failed(&error))?;
            let (lines, cursor) = self.tail.lock().unwrap_or_else(PoisonError::into_inner).take();
            if !lines.is_empty() {
                self.cursor = cursor;
                return Ok(lines);
            }
        }
    }

    /// The place behind the last line returned, to be kept once that line is.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    fn failed(&self, error: &dyn std::error::Error) -> FollowError {
        FollowError { path: self.path.clone(), why: error.to_string() }
    }
}

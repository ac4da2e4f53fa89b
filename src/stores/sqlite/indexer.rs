//! Keeps the index of the search up to date, behind the appending of events and never in its way: in small commits, and
//! none while many events come in.

use std::{sync::Arc, time::Duration};

use remora_actors::{
    model::{Record, Seq},
    ports::JournalError,
};
use tokio::sync::watch;
use tokio_rusqlite::rusqlite::{Connection, params};

use super::{
    Database,
    database::transact,
    journal::{failed, record},
    search::{self, Indexable},
};

/// Events in one commit: an append that comes in between waits for about a millisecond.
const BATCH: usize = 64;
/// What comes in within this time is indexed together. Most of the work is done per commit, and a search finds what is
/// not indexed yet as well.
const PAUSE: Duration = Duration::from_secs(2);
/// More events than these within a pause are a burst: then all the strength belongs to appending.
const BURST: u64 = 10_000;
/// Events that may wait during a burst. A search looks at each of them, some ten thousand at a time.
const WAITING: u64 = 100_000;
/// Pause after an error: the disk may have room again.
const RETRY: Duration = Duration::from_secs(5);

/// Tells of the last event appended.
#[derive(Debug, Clone)]
pub(super) struct Appends(Arc<watch::Sender<Seq>>);

impl Default for Appends {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Appends {
    pub(super) fn tell(&self, seq: Seq) {
        self.0.send_if_modified(|last| std::mem::replace(last, seq.max(*last)) < seq);
    }

    pub(super) fn last(&self) -> Seq {
        *self.0.borrow()
    }
}

impl Database {
    /// Indexes events for the search as they come, for as long as this is polled.
    pub async fn keep_index(self) {
        let mut appended = self.appends.0.subscribe();
        loop {
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "events not indexed for the search, which takes longer meanwhile");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            // The sender lives as long as `self`, so waiting cannot fail.
            let _ = appended.changed().await;
        }
    }

    async fn catch_up(&self) -> Result<(), JournalError> {
        loop {
            let before = self.appends.last();
            tokio::time::sleep(PAUSE).await;
            let last = self.appends.last();
            let is_burst = last - before > BURST && before > 0;
            if is_burst && last - self.indexed().await? < WAITING {
                continue;
            }
            while self.index_some(BATCH).await? {
                if self.appends.last() - last > BURST {
                    break;
                }
            }
            if self.appends.last() == last {
                return Ok(());
            }
        }
    }

    async fn indexed(&self) -> Result<Seq, JournalError> {
        self.search_reader.call(|connection| search::indexed(connection)).await.map_err(failed)
    }

    /// Indexes the next events. `false`: there is none left.
    pub(super) async fn index_some(&self, limit: usize) -> Result<bool, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = move |connection: &mut Connection| {
            let after = search::indexed(connection)?.cast_signed();
            let mut statement =
                connection.prepare_cached("SELECT seq, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
            let records = statement.query_and_then(params![after, limit], record)?;
            let mut ids = search::Ids::default();
            records.map(|record| record.map(|record: Arc<Record>| Indexable::new(&record, &mut ids))).collect()
        };
        let events: Vec<Indexable> = self.search_reader.call(read).await.map_err(failed)?;
        if events.is_empty() {
            return Ok(false);
        }
        let write =
            move |connection: &mut Connection| transact(connection, |connection| search::index(connection, &events));
        self.write(write).await.map_err(failed)?;
        Ok(true)
    }
}

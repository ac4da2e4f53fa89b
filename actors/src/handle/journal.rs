//! Events in, events out.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Handle;
use crate::{
    model::{Draft, Record, Seq},
    ports::{Appended, Entry, Filter, JournalError},
    publish::PublishError,
    subscribers::{Delivery, Sent},
    system::System,
};

/// Deliveries that may wait for a slow reader of a raw stream. Beyond it the reader reads on from the journal.
const STREAM_DELIVERIES: usize = 64;
/// Events read at once from the journal for a raw stream.
const STREAM_PAGE: usize = 500;

/// What became of published events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// How many are new.
    pub accepted: usize,
    /// How many stood in the journal already.
    pub duplicates: usize,
    /// The highest position among them; 0 where there was none.
    pub last_seq: Seq,
}

impl Handle {
    /// Journals events. On return they are durable.
    ///
    /// # Errors
    /// [`PublishError`]: none was taken in; sending them again is harmless where they have ids.
    pub async fn publish(&self, drafts: Vec<Draft>) -> Result<Receipt, PublishError> {
        let now = Timestamp::now();
        let new_id = || Uuid::now_v7().to_string();
        let entries: Arc<[Entry]> = drafts.into_iter().map(|draft| draft.complete(now, new_id).into()).collect();
        if entries.is_empty() {
            return Ok(Receipt { accepted: 0, duplicates: 0, last_seq: 0 });
        }
        let appended = self.system.publish(entries).await?;
        let accepted = appended.iter().filter(|appended| matches!(appended, Appended::New(_))).count();
        Ok(Receipt {
            accepted,
            duplicates: appended.len() - accepted,
            last_seq: appended.iter().map(|appended| appended.seq()).max().unwrap_or(0),
        })
    }

    /// Up to `limit` of the wanted events after `after`.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn events(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        self.system.journal().read(after, limit, filter).await
    }

    /// The first position from which on nothing is missing.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn first_seq(&self) -> Result<Seq, JournalError> {
        self.system.journal().first_seq().await
    }

    /// The newest `limit` of the wanted events, oldest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn latest_events(&self, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        self.system.journal().latest(None, limit, filter).await
    }

    /// The wanted events after `after` (`None`: from now on), and then each new one, without end and without a gap.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn stream(&self, after: Option<Seq>, filter: Filter) -> Result<EventStream, JournalError> {
        let (sender, deliveries) = mpsc::channel(STREAM_DELIVERIES);
        let id = self.system.subscribers.add_reader(
            filter.clone(),
            Box::new(move |delivery| match sender.try_send(delivery) {
                // A full queue shows to the reader as a gap.
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Sent::Ok,
                Err(mpsc::error::TrySendError::Closed(_)) => Sent::Gone,
            }),
        );
        self.system.metrics.streams.inc();
        let system = Arc::clone(&self.system);
        let mut stream =
            EventStream { system, id, filter, deliveries, seen: 0, ready: VecDeque::new(), behind_until: 0 };
        let newest = stream.system.journal().last_seq().await?;
        stream.seen = after.unwrap_or(newest).min(newest);
        stream.behind_until = newest;
        Ok(stream)
    }
}

/// A raw stream of events: a cursor into the journal, moved on by deliveries while it keeps up.
#[derive(Debug)]
pub struct EventStream {
    system: Arc<System>,
    id: u64,
    filter: Filter,
    deliveries: mpsc::Receiver<Delivery>,
    /// Everything up to here is ready, was handed out or is not wanted.
    seen: Seq,
    ready: VecDeque<Arc<Record>>,
    /// Up to here the journal has to be read.
    behind_until: Seq,
}

impl EventStream {
    /// The next event. `None`: the daemon stops.
    ///
    /// # Errors
    /// The journal cannot be read. The stream stays usable.
    pub async fn next(&mut self) -> Result<Option<Arc<Record>>, JournalError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            if self.seen < self.behind_until {
                self.read_on().await?;
                continue;
            }
            let Some(delivery) = self.deliveries.recv().await else { return Ok(None) };
            if delivery.from > self.seen + 1 {
                self.behind_until = delivery.to;
            } else {
                let seen = self.seen;
                self.ready.extend(delivery.records.iter().filter(|record| record.seq > seen).cloned());
                self.seen = seen.max(delivery.to);
            }
        }
    }

    async fn read_on(&mut self) -> Result<(), JournalError> {
        let page = self.system.journal().read(self.seen, STREAM_PAGE, &self.filter).await?;
        let last = page.last().map_or(self.seen, |record| record.seq);
        // A short page holds everything wanted that there was.
        self.seen = if page.len() < STREAM_PAGE { last.max(self.behind_until) } else { last };
        self.ready = page.into();
        Ok(())
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.system.subscribers.remove(self.id);
        self.system.metrics.streams.dec();
    }
}

//! An `EventStream`: one reader's way through the events, a cursor into the ring and, behind it, into the journal.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    event_ring::Batch,
    model::{Record, Seq},
    ports::{Filter, JournalError},
    system::System,
};

/// Events read at once from the journal.
const PAGE_EVENTS: usize = 500;
/// Bytes handed out at once where more wait: about what a socket takes.
const STEP_BYTES: usize = 64 << 10;

/// Writes an event as its reader wants it. All readers of a process have the same, as they share what it has written.
pub type Encode = fn(&Record, &mut Vec<u8>);

/// A stream of events, without end and without a gap.
#[derive(Debug)]
pub struct EventStream {
    system: Arc<System>,
    filter: Filter,
    encode: Encode,
    newest: watch::Receiver<Seq>,
    /// Everything up to here was handed out or read, or is not wanted.
    seen: Seq,
    /// Up to here there were events when the stream was opened.
    known: Seq,
    /// Read from the journal and not handed out yet.
    read: VecDeque<Arc<Record>>,
}

impl EventStream {
    pub(crate) async fn open(
        system: Arc<System>,
        after: Option<Seq>,
        filter: Filter,
        encode: Encode,
    ) -> Result<Self, JournalError> {
        let newest = system.event_ring.subscribe();
        let known = system.journal().last_seq().await?;
        system.metrics.streams.inc();
        let seen = after.unwrap_or(known).min(known);
        Ok(Self { system, filter, encode, newest, seen, known, read: VecDeque::new() })
    }

    /// The next events, as soon as there are some: all that wait, if they are few.
    ///
    /// # Errors
    /// The journal cannot be read. The stream stays usable.
    pub async fn next(&mut self) -> Result<Bytes, JournalError> {
        loop {
            if !self.read.is_empty() {
                return Ok(self.hand_out());
            }
            let newest = self.known.max(*self.newest.borrow_and_update());
            if self.seen >= newest {
                // The sender lives as long as the system does.
                let _ = self.newest.changed().await;
                continue;
            }
            match self.system.event_ring.after(self.seen, STEP_BYTES) {
                None => self.read_on(newest).await?,
                Some(batches) => {
                    let bytes = self.take(&batches);
                    if !bytes.is_empty() {
                        return Ok(bytes);
                    }
                }
            }
        }
    }

    /// The wanted events of some batches. A reader that keeps up and wants everything gets what all such readers get.
    fn take(&mut self, batches: &[Arc<Batch>]) -> Bytes {
        if let [batch] = batches
            && self.wants_all_of(batch)
        {
            self.saw(batch);
            return batch.encoded(self.encode).clone();
        }
        let mut bytes = Vec::new();
        for batch in batches {
            if self.wants_all_of(batch) {
                bytes.extend_from_slice(batch.encoded(self.encode));
            } else {
                let seen = self.seen;
                let wanted = |record: &&Arc<Record>| record.seq > seen && self.filter.matches(&record.event);
                batch.records.iter().filter(wanted).for_each(|record| (self.encode)(record, &mut bytes));
            }
            self.saw(batch);
        }
        bytes.into()
    }

    fn wants_all_of(&self, batch: &Batch) -> bool {
        self.filter.is_all() && batch.records.first().is_some_and(|first| first.seq == self.seen + 1)
    }

    fn saw(&mut self, batch: &Batch) {
        self.seen = batch.records.last().map_or(self.seen, |last| last.seq);
    }

    async fn read_on(&mut self, newest: Seq) -> Result<(), JournalError> {
        let page = self.system.journal().read(self.seen, PAGE_EVENTS, &self.filter).await?;
        let last = page.last().map_or(self.seen, |record| record.seq);
        // A short page holds everything wanted that there was.
        self.seen = if page.len() < PAGE_EVENTS { last.max(newest) } else { last };
        self.read = page.into();
        Ok(())
    }

    fn hand_out(&mut self) -> Bytes {
        let mut bytes = Vec::new();
        while bytes.len() < STEP_BYTES
            && let Some(record) = self.read.pop_front()
        {
            (self.encode)(&record, &mut bytes);
        }
        bytes.into()
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.system.metrics.streams.dec();
    }
}

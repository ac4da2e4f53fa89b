//! The `EventRing`: the latest journaled events, shared by all readers of raw streams.
//!
//! A reader is a cursor and nothing else: no queue, no copy. Whoever is further behind than the ring reaches reads on from
//! the journal. What a batch of events looks like on the wire is written once, by the first reader that sends it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use crate::model::{Record, Seq};

/// Events that were journaled together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// In order and without gaps.
    pub(crate) records: Arc<[Arc<Record>]>,
    /// Bytes of their JSON.
    bytes: usize,
    encoded: OnceLock<Bytes>,
}

impl Batch {
    fn new(records: Arc<[Arc<Record>]>) -> Self {
        Self { bytes: records.iter().map(|record| record.json.len()).sum(), records, encoded: OnceLock::new() }
    }

    /// All events of the batch in the form that `encode` gives them; each reader must pass the same function.
    pub(crate) fn encoded(&self, encode: fn(&Record, &mut Vec<u8>)) -> &Bytes {
        self.encoded.get_or_init(|| {
            let mut bytes = Vec::new();
            self.records.iter().for_each(|record| encode(record, &mut bytes));
            bytes.into()
        })
    }
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
}

/// The ring.
#[derive(Debug)]
pub(crate) struct EventRing {
    state: Mutex<State>,
    newest: watch::Sender<Seq>,
    max_bytes: usize,
}

impl EventRing {
    /// An empty ring that keeps up to `max_bytes` of events, or one batch of any size.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), newest: watch::Sender::new(0), max_bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the events that follow the last ones, and wakes the readers.
    pub(crate) fn push(&self, records: Arc<[Arc<Record>]>) {
        let Some(newest) = records.last().map(|record| record.seq) else { return };
        let mut state = self.state();
        if self.newest.receiver_count() == 0 {
            // Nobody reads: whoever comes begins after these.
            *state = State::default();
        } else {
            let batch = Batch::new(records);
            state.bytes += batch.bytes;
            state.batches.push_back(Arc::new(batch));
            while state.bytes > self.max_bytes && state.batches.len() > 1 {
                let Some(oldest) = state.batches.pop_front() else { break };
                state.bytes -= oldest.bytes;
            }
        }
        drop(state);
        self.newest.send_replace(newest);
    }

    /// Bytes of the events in it.
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Tells of the newest event pushed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Seq> {
        self.newest.subscribe()
    }

    /// The batches that hold the events after `seen`, the oldest first: as many as make up `max_bytes`, at least one.
    /// `None`: the next event is not here.
    pub(crate) fn after(&self, seen: Seq, max_bytes: usize) -> Option<Vec<Arc<Batch>>> {
        let state = self.state();
        let last = |batch: &Batch| batch.records.last().map_or(0, |record| record.seq);
        let start = state.batches.partition_point(|batch| last(batch) <= seen);
        let first = state.batches.get(start)?.records.first()?.seq;
        let mut bytes = 0;
        let wanted = state.batches.range(start..).take_while(|batch| {
            let fits = bytes < max_bytes;
            bytes += batch.bytes;
            fits
        });
        (first <= seen + 1).then(|| wanted.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Draft, Limits};
    use jiff::Timestamp;

    fn batch(seqs: std::ops::RangeInclusive<Seq>) -> Arc<[Arc<Record>]> {
        let record = |seq: Seq| {
            let draft = Draft::parse(br#"{"category":"tool","action":"called"}"#, &Limits::default()).expect("valid");
            let event = draft.complete(Timestamp::UNIX_EPOCH, || seq.to_string());
            let json = event.to_json();
            Record::new(seq, event, json)
        };
        seqs.map(record).collect()
    }

    fn seqs(batches: &[Arc<Batch>]) -> Vec<Seq> {
        batches.iter().flat_map(|batch| batch.records.iter().map(|record| record.seq)).collect()
    }

    #[test]
    fn a_reader_finds_what_it_has_not_seen_or_hears_that_it_is_gone() {
        let size: usize = batch(1..=1).iter().map(|record| record.json.len()).sum();
        let ring = EventRing::new(size * 4);
        let _reader = ring.subscribe();
        for seqs in [1..=2, 3..=4, 5..=6] {
            ring.push(batch(seqs));
        }
        assert_eq!(ring.after(1, usize::MAX).as_deref().map(seqs), None, "the first batch had to go");
        assert_eq!(ring.after(2, usize::MAX).as_deref().map(seqs), Some(vec![3, 4, 5, 6]));
        assert_eq!(
            ring.after(3, usize::MAX).as_deref().map(seqs),
            Some(vec![3, 4, 5, 6]),
            "the batch that it is in the middle of"
        );
        assert_eq!(ring.after(4, usize::MAX).as_deref().map(seqs), Some(vec![5, 6]));
        assert_eq!(ring.after(6, usize::MAX).as_deref().map(seqs), None);
        assert_eq!(ring.after(2, 1).as_deref().map(seqs), Some(vec![3, 4]), "no more than was asked for");
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let ring = EventRing::new(usize::MAX);
        ring.push(batch(1..=2));
        let reader = ring.subscribe();
        assert_eq!((*reader.borrow(), ring.after(0, usize::MAX).is_none()), (2, true));
        ring.push(batch(3..=3));
        assert_eq!(ring.after(2, usize::MAX).as_deref().map(seqs), Some(vec![3]));
    }

    #[test]
    fn readers_share_what_the_first_has_written() {
        let ring = EventRing::new(usize::MAX);
        let _reader = ring.subscribe();
        ring.push(batch(1..=2));
        let batch = || ring.after(0, usize::MAX).expect("there").remove(0);
        let encode = |record: &Record, bytes: &mut Vec<u8>| bytes.push(b'0' + record.seq as u8);
        assert_eq!(batch().encoded(encode), "12");
        assert_eq!(batch().encoded(|_, _| unreachable!("written already")), "12");
    }
}

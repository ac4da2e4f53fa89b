//! Pictures in the journal, spread over all of it: a fixed number of snapshots, of which a directory says what they show.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{
    model::{Dashboard, Seq},
    ports::{Journal, JournalError, Snapshot},
    replica::Fold,
};

/// Checkpoints kept. In a journal of a million events they are some thirty thousand apart.
pub(super) const SLOTS: usize = 32;
/// Bytes of one checkpoint; a larger picture is not kept.
const BYTES: usize = 4 << 20;

/// The directory: which event each slot's picture was folded up to; 0 where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoints(Vec<Seq>);

impl Checkpoints {
    /// Reads the directory.
    pub(super) async fn load(journal: &dyn Journal) -> Result<Self, JournalError> {
        let stored = journal.load_snapshot(&directory_name()).await?;
        let slots = stored.and_then(|snapshot| serde_json::from_slice::<Vec<Seq>>(&snapshot.body).ok());
        Ok(Self(slots.filter(|slots| slots.len() == SLOTS).unwrap_or_else(|| vec![0; SLOTS])))
    }

    /// The earliest event from `seq` on that has a picture.
    pub(super) fn first_from(&self, seq: Seq) -> Option<Seq> {
        self.0.iter().copied().filter(|kept| *kept > 0 && *kept >= seq).min()
    }

    /// The latest picture in a range of events.
    pub(super) async fn latest(
        &mut self,
        journal: &dyn Journal,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Dashboard>, JournalError> {
        let slots = self.0.iter().enumerate().filter(|(_, seq)| **seq > 0 && range.contains(*seq));
        let Some((slot, seq)) = slots.max_by_key(|(_, seq)| **seq).map(|(slot, seq)| (slot, *seq)) else {
            return Ok(None);
        };
        let stored = journal.load_snapshot(&slot_name(slot)).await?.filter(|snapshot| snapshot.seq == seq);
        let picture = stored.and_then(|snapshot| serde_json::from_slice(&snapshot.body).ok());
        if picture.is_none() {
            // The daemon ended between the two writes, or it is another format.
            self.0[slot] = 0;
        }
        Ok(picture)
    }

    /// Keeps a picture that is at least `distance` away from the others.
    pub(super) async fn keep(
        &mut self,
        journal: &dyn Journal,
        picture: &Dashboard,
        distance: u64,
    ) -> Result<(), JournalError> {
        let seq = picture.last_seq();
        let Some(slot) = self.slot_for(seq, distance) else { return Ok(()) };
        let Ok(body) = serde_json::to_vec(picture) else { return Ok(()) };
        self.fill(slot, journal, Snapshot { seq, body }).await
    }

    /// The same with the picture that was saved last, which is that after `seq` or a newer one.
    pub(super) async fn keep_saved(
        &mut self,
        journal: &dyn Journal,
        seq: Seq,
        distance: u64,
    ) -> Result<(), JournalError> {
        let Some(slot) = self.slot_for(seq, distance) else { return Ok(()) };
        let Some(snapshot) = journal.load_snapshot(Dashboard::SNAPSHOT).await? else { return Ok(()) };
        self.fill(slot, journal, snapshot).await
    }

    async fn fill(&mut self, slot: usize, journal: &dyn Journal, snapshot: Snapshot) -> Result<(), JournalError> {
        if snapshot.body.len() > BYTES {
            return Ok(());
        }
        let seq = snapshot.seq;
        journal.save_snapshot(&slot_name(slot), snapshot).await?;
        self.0[slot] = seq;
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        journal.save_snapshot(&directory_name(), Snapshot { seq, body }).await
    }

    /// A free slot; where there is none, that of the picture whose neighbours are closest to each other.
    fn slot_for(&self, seq: Seq, distance: u64) -> Option<usize> {
        if seq == 0 || self.0.iter().any(|kept| *kept > 0 && kept.abs_diff(seq) < distance) {
            return None;
        }
        if let Some(free) = self.0.iter().position(|kept| *kept == 0) {
            return Some(free);
        }
        let mut order: Vec<_> = self.0.iter().copied().chain([0, seq]).collect();
        order.sort_unstable();
        // The last one has no gap behind it yet: it stays.
        let surplus = order.windows(3).min_by_key(|three| three[2] - three[0])?[1];
        self.0.iter().position(|kept| *kept == surplus)
    }
}

fn directory_name() -> String {
    format!("{}/checkpoints", Dashboard::SNAPSHOT)
}

fn slot_name(slot: usize) -> String {
    format!("{}/checkpoint-{slot}", Dashboard::SNAPSHOT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn checkpoints_stay_spread_over_the_whole_journal(steps in prop::collection::vec(1_000_u64..30_000, 1..400)) {
            let (mut checkpoints, mut seq) = (Checkpoints(vec![0; SLOTS]), 0);
            for step in steps {
                seq += step;
                if let Some(slot) = checkpoints.slot_for(seq, 20_000) {
                    checkpoints.0[slot] = seq;
                }
            }
            let mut kept: Vec<_> = checkpoints.0.into_iter().chain([0, seq]).collect();
            kept.sort_unstable();
            let widest = kept.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(0);
            let fair = 50_000.max(seq / SLOTS as u64 * 4);
            prop_assert!(widest <= fair, "a gap of {widest} in {seq} events: {kept:?}");
        }
    }
}

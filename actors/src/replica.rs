//! A replica: a picture folded from the journal that keeps up with it.
//!
//! Every replica has a cursor, the last event it has folded. Deliveries come at least once; what was missed is read
//! from the journal. So an actor that dies over its replica loses nothing: the next one starts from the last snapshot.
//! Of an event that it dies over each time, see `health`.

mod pages;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Weak},
};

use ractor::Message;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    model::{Limits, Record, Seq},
    ports::{Filter, Journal, JournalError, Snapshot},
    subscribers::Delivery,
    system::{Role, System},
};
use pages::PAGE_EVENTS;
pub(crate) use pages::Pages;

/// A picture that events fold into.
pub(crate) trait Fold: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of its snapshots; the number in it grows with their format.
    const SNAPSHOT: &'static str;

    /// The last event folded.
    fn last_seq(&self) -> Seq;

    /// Passes over an event that was put aside.
    fn skip(&mut self, seq: Seq);

    /// Keeps what these limits allow from now on: a snapshot was made under those of its time.
    fn limit(&mut self, _limits: &Limits) {}

    /// Tells who else has a use for a snapshot that was saved.
    fn saved(_system: &System, _seq: Seq) {}
}

/// A picture that keeps up with the journal for as long as it is held.
pub(crate) struct Replica<F> {
    fold: F,
    role: Role,
    /// What this actor goes on without.
    put_aside: BTreeSet<Seq>,
    system: Arc<System>,
    subscription: u64,
    /// Up to where the last snapshot goes.
    saved: Seq,
}

impl<F> Deref for Replica<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.fold
    }
}

impl<F> Drop for Replica<F> {
    fn drop(&mut self) {
        self.system.subscribers.remove(self.subscription);
    }
}

impl<F: Fold> Replica<F> {
    /// Subscribes the actor that plays `role`, then folds the last snapshot (or `new`) and all events since: nothing
    /// can fall between the two.
    pub(crate) async fn start<M: Message>(
        system: &Arc<System>,
        role: Role,
        message: fn(Delivery) -> M,
        new: F,
        apply: impl FnMut(&mut F, &Arc<Record>),
    ) -> Result<Self, JournalError> {
        // The actor is found by its name at each delivery, so that its restarts do not matter.
        let weak: Weak<System> = Arc::downgrade(system);
        let subscription = system.subscribers.add(Box::new(move |delivery| {
            if let Some(system) = weak.upgrade() {
                system.cast(role, message(delivery));
            }
        }));
        system.save_health().await;
        let put_aside = system.health.put_aside_for(role);
        let mut replica = Self { fold: new, role, put_aside, system: Arc::clone(system), subscription, saved: 0 };
        if let Some(fold) = load(system.journal()).await? {
            replica.fold = fold;
            replica.fold.limit(system.limits());
            replica.saved = replica.fold.last_seq();
        }
        replica.begin(system.journal().last_seq().await?, apply).await?;
        Ok(replica)
    }

    /// Folds everything up to a position, together with the other replicas that start.
    async fn begin(&mut self, until: Seq, mut apply: impl FnMut(&mut F, &Arc<Record>)) -> Result<(), JournalError> {
        let system = Arc::clone(&self.system);
        let mut after = self.fold.last_seq();
        while after < until {
            let page = system.pages.read(system.journal(), after).await?;
            let Some(last) = page.last().map(|record| record.seq) else { break };
            page.iter().filter(|record| record.seq > after).for_each(|record| self.fold(record, &mut apply));
            after = last;
        }
        Ok(())
    }

    /// The picture, for what stands beside the journal.
    pub(crate) fn beside(&mut self) -> &mut F {
        &mut self.fold
    }

    /// Folds a delivery, and before it what was missed. Saves a snapshot now and then.
    pub(crate) async fn admit(
        &mut self,
        delivery: &Delivery,
        mut apply: impl FnMut(&mut F, &Arc<Record>),
    ) -> Result<(), JournalError> {
        self.catch_up(delivery.from - 1, &mut apply).await?;
        for record in delivery.records.iter() {
            // What was read from the journal meanwhile must not have its effects twice.
            if record.seq > self.fold.last_seq() {
                self.fold(record, &mut apply);
            }
        }
        if self.fold.last_seq() - self.saved >= self.system.world.settings.snapshot_events {
            self.save_aside(|_| {});
        }
        Ok(())
    }

    /// Folds everything up to a position.
    pub(crate) async fn catch_up(
        &mut self,
        until: Seq,
        mut apply: impl FnMut(&mut F, &Arc<Record>),
    ) -> Result<(), JournalError> {
        let system = Arc::clone(&self.system);
        replay(system.journal(), self.fold.last_seq(), until, |record| self.fold(record, &mut apply)).await
    }

    /// Folds one event. Whoever dies over it leaves a note of that, as the picture may be half changed.
    fn fold(&mut self, record: &Arc<Record>, apply: &mut impl FnMut(&mut F, &Arc<Record>)) {
        if self.put_aside.contains(&record.seq) {
            return self.fold.skip(record.seq);
        }
        let folded = catch_unwind(AssertUnwindSafe(|| {
            self.system.faults.fold(self.role.as_str(), record);
            apply(&mut self.fold, record);
        }));
        if let Err(panic) = folded {
            self.system.died_over(self.role, record, &*panic);
            resume_unwind(panic);
        }
    }

    /// What changes the picture beside events.
    pub(crate) fn adjust<T>(&mut self, change: impl FnOnce(&mut F) -> T) -> T {
        change(&mut self.fold)
    }

    /// Saves a snapshot.
    pub(crate) async fn save(&self) {
        save(&self.system, &self.fold).await;
    }

    /// Copies the picture here and saves the copy elsewhere: folding goes on meanwhile. `told` hears up to where events
    /// are in a snapshot now; nothing, if it could not be saved.
    pub(crate) fn save_aside(&mut self, told: impl FnOnce(Option<Seq>) + Send + 'static) {
        self.saved = self.fold.last_seq();
        let (system, fold) = (Arc::clone(&self.system), self.fold.clone());
        tokio::spawn(async move {
            let saved = save(&system, &fold).await;
            if let Some(seq) = saved {
                F::saved(&system, seq);
            }
            told(saved);
        });
    }
}

/// Hands out the events after `after` up to and including `until`, one by one.
pub(crate) async fn replay(
    journal: &dyn Journal,
    after: Seq,
    until: Seq,
    mut apply: impl FnMut(&Arc<Record>),
) -> Result<(), JournalError> {
    replay_pages(journal, after, until, |page| page.iter().for_each(&mut apply)).await
}

/// Hands out the same page by page.
pub(crate) async fn replay_pages(
    journal: &dyn Journal,
    mut after: Seq,
    until: Seq,
    mut apply: impl FnMut(Vec<Arc<Record>>),
) -> Result<(), JournalError> {
    while after < until {
        let wanted = usize::try_from(until - after).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
        let page = journal.read(after, wanted, &Filter::ALL).await?;
        let Some(last) = page.last().map(|record| record.seq) else { break };
        apply(page);
        after = last;
    }
    Ok(())
}

async fn load<F: Fold>(journal: &dyn Journal) -> Result<Option<F>, JournalError> {
    let Some(snapshot) = journal.load_snapshot(F::SNAPSHOT).await? else { return Ok(None) };
    match serde_json::from_slice(&snapshot.body) {
        Ok(fold) => Ok(Some(fold)),
        Err(error) => {
            tracing::warn!(name = F::SNAPSHOT, %error, "snapshot cannot be read, folding the whole journal instead");
            Ok(None)
        }
    }
}

async fn save<F: Fold>(system: &System, fold: &F) -> Option<Seq> {
    let body = match serde_json::to_vec(fold) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(name = F::SNAPSHOT, %error, "snapshot cannot be written");
            return None;
        }
    };
    let seq = fold.last_seq();
    // One after the other, and never an older one over a newer one, whose events may have been deleted meanwhile.
    let mut saved = system.saved.lock().await;
    let newest = saved.entry(F::SNAPSHOT).or_default();
    if *newest > seq {
        return Some(seq);
    }
    if let Err(error) = system.journal().save_snapshot(F::SNAPSHOT, Snapshot { seq, body }).await {
        tracing::warn!(name = F::SNAPSHOT, %error, "snapshot not saved, the next start reads more of the journal");
        return None;
    }
    *newest = seq;
    system.metrics.note_snapshot(F::SNAPSHOT, seq);
    Some(seq)
}

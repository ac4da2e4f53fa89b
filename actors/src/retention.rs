//! Retention: the oldest events go, once every picture that was folded from them is in a snapshot.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    Handle,
    inbox_coordinator::InboxCoordinatorMessage,
    model::{Dashboard, Inbox, Registrations, Seq, notice::Ledger},
    notifier::NotifierMessage,
    ports::{Extent, JournalError, Prune, Pruned},
    replica::Fold,
    state_aggregator::StateAggregatorMessage,
    system::{Role, Unreachable},
    workspace_registry::WorkspaceRegistryMessage,
};

/// Events looked at in one transaction: a few milliseconds, for which a publisher waits.
const BATCH_EVENTS: usize = 500;
/// Pause between two transactions, so that most of the time is the publishers'.
const PAUSE: Duration = Duration::from_millis(20);

/// The snapshots that hold what was folded from events: with them, those events can go.
pub const PICTURES: [&str; 4] = [Dashboard::SNAPSHOT, Inbox::SNAPSHOT, Registrations::SNAPSHOT, Ledger::SNAPSHOT];

/// How long events are kept. What is not done with stays, whatever it says here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// They go when they are older.
    pub age: Option<Duration>,
    /// They go when there are more.
    pub events: Option<u64>,
    /// They go when the journal is larger.
    pub bytes: u64,
    /// They stay while they are younger: a sender that repeats itself must be recognised by what is in the journal.
    pub at_least: Duration,
}

/// Why events were not deleted. The next attempt goes on.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An actor.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A picture is in no snapshot that covers the events.
    #[error("a snapshot could not be saved, so no event is deleted")]
    NoSnapshot,
}

/// Keeps the journal within a [`Policy`].
#[derive(Debug)]
pub struct Retention {
    handle: Handle,
    policy: Policy,
    /// Up to here events are in the snapshots of all pictures.
    folded: Seq,
}

/// What of the events is due, as of a moment.
struct Due {
    until: Seq,
    received_before: Timestamp,
}

impl Retention {
    /// A retention that has not looked at anything yet.
    pub fn new(handle: Handle, policy: Policy) -> Self {
        Self { handle, policy, folded: 0 }
    }

    /// Deletes what is due, in small batches. Returns how many events went.
    ///
    /// # Errors
    /// [`RetentionError`]; what was deleted so far is.
    pub async fn run(&mut self) -> Result<usize, RetentionError> {
        let mut deleted = 0;
        loop {
            let extent = self.handle.extent().await?;
            let Some(due) = self.policy.due(&extent, Timestamp::now()) else { return Ok(deleted) };
            if extent.first_seq > self.folded {
                self.folded = self.handle.save_snapshots().await?;
            }
            let round = self.prune(&extent, &due).await?;
            deleted += round;
            if round == 0 {
                return Ok(deleted);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Deletes until nothing more is due, or until the journal was measured long ago.
    async fn prune(&self, extent: &Extent, due: &Due) -> Result<usize, RetentionError> {
        // Asked after the snapshots were saved: every question with an event up to there is known by now.
        let keep = Arc::new(self.handle.unfinished().await?);
        let by_size = self.policy.is_too_large(extent);
        let (mut after, mut deleted) = (0, 0);
        loop {
            let batch = Prune {
                after,
                until: due.until.min(self.folded),
                received_before: due.received_before,
                keep: Arc::clone(&keep),
                limit: BATCH_EVENTS,
                pictures: &PICTURES,
            };
            let Pruned { deleted: more, upto } = self.handle.prune(batch).await?;
            deleted += more;
            // How much room a batch makes is not known before it is made.
            if upto == after || (by_size && deleted > 0) {
                return Ok(deleted);
            }
            after = upto;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Policy {
    fn is_too_large(&self, extent: &Extent) -> bool {
        extent.bytes > self.bytes
    }

    /// `None`: nothing is.
    fn due(&self, extent: &Extent, now: Timestamp) -> Option<Due> {
        let ago = |age: Duration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let youngest = ago(self.at_least);
        let oldest = extent.first_received.filter(|first| *first < youngest)?;
        if self.is_too_large(extent) {
            return Some(Due { until: extent.last_seq, received_before: youngest });
        }
        let surplus = extent.last_seq.saturating_sub(self.events.unwrap_or(Seq::MAX));
        if surplus >= extent.first_seq {
            return Some(Due { until: surplus, received_before: youngest });
        }
        let received_before = ago(self.age?).min(youngest);
        (oldest < received_before).then_some(Due { until: extent.last_seq, received_before })
    }
}

impl Handle {
    /// How much the journal holds; noted in the metrics, too.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn extent(&self) -> Result<Extent, JournalError> {
        let extent = self.system.journal().extent().await?;
        self.system.metrics.note_extent(&extent);
        Ok(extent)
    }

    /// Has every picture saved. Returns up to where events are in all of them.
    async fn save_snapshots(&self) -> Result<Seq, RetentionError> {
        let system = &self.system;
        let saved = [
            system.call(Role::StateAggregator, StateAggregatorMessage::Save).await?,
            system.call(Role::InboxCoordinator, InboxCoordinatorMessage::Save).await?,
            system.call(Role::WorkspaceRegistry, WorkspaceRegistryMessage::Save).await?,
            system.call(Role::Notifier, NotifierMessage::Save).await?,
        ];
        saved.into_iter().min().flatten().ok_or(RetentionError::NoSnapshot)
    }

    async fn unfinished(&self) -> Result<BTreeSet<String>, Unreachable> {
        self.system.call(Role::InboxCoordinator, InboxCoordinatorMessage::Unfinished).await
    }

    async fn prune(&self, batch: Prune) -> Result<Pruned, JournalError> {
        let pruned = self.system.journal().prune(batch).await?;
        self.system.metrics.events_pruned.inc_by(pruned.deleted as u64);
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const OFF: Policy = Policy { age: None, events: None, bytes: u64::MAX, at_least: Duration::from_secs(60) };

    fn now() -> Timestamp {
        "2026-02-24T12:00:00Z".parse().expect("a time")
    }

    /// A hundred events, of which ten are gone, the oldest left is two days old.
    fn extent() -> Extent {
        let two_days_ago = Some(now() - 2 * DAY);
        Extent {
            first_seq: 11,
            last_seq: 100,
            events: 90,
            bytes: 1_000,
            oldest: two_days_ago,
            first_received: two_days_ago,
        }
    }

    fn due(policy: Policy) -> Option<(Seq, Timestamp)> {
        policy.due(&extent(), now()).map(|due| (due.until, due.received_before))
    }

    #[test]
    fn nothing_is_due_within_the_bounds() {
        assert_eq!(due(OFF), None);
        assert_eq!(due(Policy { age: Some(3 * DAY), events: Some(90), bytes: 1_000, ..OFF }), None);
    }

    #[test]
    fn each_bound_makes_events_due() {
        let a_minute_ago = now() - Duration::from_secs(60);
        assert_eq!(due(Policy { age: Some(DAY), ..OFF }), Some((100, now() - DAY)));
        assert_eq!(due(Policy { events: Some(20), ..OFF }), Some((80, a_minute_ago)));
        assert_eq!(due(Policy { bytes: 999, ..OFF }), Some((100, a_minute_ago)));
    }

    #[test]
    fn what_is_young_is_never_due() {
        let policy = Policy { age: Some(DAY), events: Some(1), bytes: 1, at_least: 3 * DAY };
        assert_eq!(due(policy), None);
        let age_and_a_half = Policy { age: Some(DAY), at_least: 3 * DAY / 2, ..OFF };
        assert_eq!(due(age_and_a_half), Some((100, now() - 3 * DAY / 2)), "only what is old enough");
        let nothing = Extent { first_received: None, ..extent() };
        assert!(Policy { bytes: 1, ..OFF }.due(&nothing, now()).is_none());
    }
}

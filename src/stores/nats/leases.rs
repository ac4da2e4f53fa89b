//! The duties of many daemons: each is a key that its holder writes again and again, in a bucket that forgets it
//! within seconds. Whoever writes it first has the duty; a holder that is gone is replaced once the bucket has
//! forgotten it.
//!
//! A daemon whose copies do not follow does no duty: it would act on an old picture, and what it did would stay undone.
//!
//! A daemon counts its lease from before it asked for it, by a clock that goes on while the daemon is paused: so it
//! ceases to believe in it before the bucket forgets it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use remora_actors::ports::{Duties, Duty, RETAKEN_AFTER};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{bucket::Bucket, followed::Followed};

/// How long a duty stays with a daemon that is not heard of.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// How often a holder makes itself heard, and the others try whether there is still one.
const RENEW: Duration = Duration::from_millis(500);
/// What clocks and messages may take of a lease.
const MARGIN: Duration = Duration::from_millis(250);
/// How long work that was taken stays taken.
pub(super) const WORK: Duration = RETAKEN_AFTER;

/// Where it is tried whether anything can be written.
const PROBE: &str = "probe";

/// The duties.
pub(super) struct Leases {
    leases: Bucket,
    work: Bucket,
    followed: Followed,
    /// What the others read as the holder.
    daemon: Value,
    held: Mutex<HashMap<Duty, Lease>>,
    changes: watch::Sender<u64>,
}

/// A duty that this daemon has.
#[derive(Debug, Clone, Copy)]
struct Lease {
    revision: u64,
    until: Instant,
}

impl Lease {
    fn is_valid(&self) -> bool {
        Instant::now() < self.until
    }
}

impl Leases {
    pub(super) fn new(leases: Bucket, work: Bucket, followed: Followed, daemon: &str) -> Self {
        Self { leases, work, followed, daemon: json!(daemon), held: Mutex::default(), changes: watch::Sender::new(0) }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<Duty, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes duties and keeps them, for as long as it is polled.
    pub(super) async fn keep(&self) {
        let mut had = [false; Duty::ALL.len()];
        loop {
            match self.followed.trouble() {
                None => {
                    for duty in Duty::ALL {
                        self.ask_for(duty).await;
                    }
                }
                Some(_) if self.followed.is_connected() => self.give_back().await,
                // What is held runs out by itself.
                Some(_) => {}
            }
            let has = Duty::ALL.map(|duty| self.has(duty));
            for (duty, _) in Duty::ALL.into_iter().zip(has.iter().zip(&had)).filter(|(_, (has, had))| has != had) {
                tracing::info!(duty = duty.as_str(), has = self.has(duty), "duty changed hands");
            }
            if has != had {
                had = has;
                self.changes.send_modify(|version| *version += 1);
            }
            tokio::time::sleep(RENEW).await;
        }
    }

    async fn ask_for(&self, duty: Duty) {
        let began = Instant::now();
        let held = self.held().get(&duty).copied();
        let expected = held.map_or(0, |lease| lease.revision);
        match self.leases.write(duty.as_str(), Some(&self.daemon), Some(expected)).await {
            Ok(Some(revision)) => {
                self.held().insert(duty, Lease { revision, until: began + LEASE - MARGIN });
            }
            Ok(None) => {
                self.held().remove(&duty);
            }
            // Perhaps written, perhaps not: what is held runs out by itself.
            Err(error) => tracing::debug!(duty = duty.as_str(), error, "duty not asked for"),
        }
    }

    /// The other daemons that have a duty, as they call themselves.
    pub(super) async fn others(&self) -> Result<BTreeSet<String>, String> {
        let mut others = BTreeSet::new();
        for duty in Duty::ALL {
            let holder = self.leases.last(duty.as_str()).await?.value;
            others.extend(holder.filter(|holder| *holder != self.daemon).and_then(|it| it.as_str().map(str::to_owned)));
        }
        Ok(others)
    }

    /// Tries whether NATS keeps so many more bytes: that its streams are there does not say so.
    pub(super) async fn probe(&self, bytes: usize) -> Result<(), String> {
        self.work.write(PROBE, Some(&json!("0".repeat(bytes))), None).await?;
        self.work.purge(PROBE).await
    }

    /// Gives the duties back, so that another daemon need not wait for them.
    pub(super) async fn give_back(&self) {
        let held: Vec<_> = self.held().drain().filter(|(_, lease)| lease.is_valid()).collect();
        for (duty, _) in held {
            if let Err(error) = self.leases.purge(duty.as_str()).await {
                tracing::debug!(duty = duty.as_str(), error, "duty not given back, it runs out by itself");
            }
        }
    }
}

#[async_trait]
impl Duties for Leases {
    fn is_alone(&self) -> bool {
        false
    }

    fn has(&self, duty: Duty) -> bool {
        self.held().get(&duty).is_some_and(Lease::is_valid)
    }

    async fn changed(&self, known: u64) -> u64 {
        // The sender lives as long as `self`, so waiting cannot fail.
        let mut changes = self.changes.subscribe();
        changes.wait_for(|version| *version > known).await.map_or(known, |version| *version)
    }

    async fn take(&self, work: &str) -> bool {
        let key = super::keys::encode_part(work);
        match self.work.write(&key, Some(&self.daemon), Some(0)).await {
            Ok(taken) => taken.is_some(),
            Err(error) => {
                tracing::warn!(work, error, "work not taken, trying again later");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::nats::{
        Nats,
        testing::{Fixture, in_time},
    };

    fn holders(daemons: &[&Nats], duty: Duty) -> usize {
        daemons.iter().filter(|nats| nats.duties.has(duty)).count()
    }

    async fn until(condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        in_time(wait).await;
    }

    #[tokio::test]
    async fn each_duty_has_one_holder_and_passes_on() {
        let fixture = Fixture::new().await;
        let first = fixture.another().await;
        until(|| Duty::ALL.into_iter().all(|duty| holders(&[&fixture.nats, &first], duty) == 1)).await;
        // Given back.
        fixture.nats.close().await;
        until(|| Duty::ALL.into_iter().all(|duty| first.duties.has(duty))).await;
        let second = fixture.another().await;
        assert_eq!(second.others().await.expect("read"), [first.name().to_owned()].into());
        assert_eq!(first.others().await.expect("read"), [].into());
        let mut renewed = first.duties.held()[&Duty::Notices].revision;
        for _ in 0..3 {
            until(|| first.duties.held()[&Duty::Notices].revision > renewed).await;
            renewed = first.duties.held()[&Duty::Notices].revision;
            assert_eq!(holders(&[&second], Duty::Notices), 0, "it is not taken while it is held");
        }
        // Not heard of any more.
        drop(first);
        until(|| Duty::ALL.into_iter().all(|duty| second.duties.has(duty))).await;
    }

    #[tokio::test]
    async fn work_is_taken_once() {
        let fixture = Fixture::new().await;
        let other = fixture.another().await;
        let takes = tokio::join!(fixture.nats.duties.take("a b/0"), other.duties.take("a b/0"));
        assert!(takes.0 != takes.1, "{takes:?}");
        assert!(other.duties.take("a b/1").await);
    }
}

//! The protocol between the bus, the subscribers and a replica, under every schedule that a generator finds.
//!
//! What can go wrong here is the order of whole steps (a commit, a delivery, a death), not of accesses to memory: each
//! step holds one lock from its beginning to its end. So the real code is driven step by step through generated
//! schedules, which shrink to a short one where something is wrong. A checker of memory orders (loom, shuttle) would
//! need its own mutexes and its own runtime in the code that ships, and would explore what one lock rules out anyway;
//! a simulated network (turmoil) has nothing to simulate, as the processes around the daemon are real in its tests.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::{
    model::{Event, Limits, notice::Notice},
    ports::{Alone, Appended, Courier, DeliveryError, Entry, Extent, Prune, Pruned, Workspace, WorkspaceError},
    system::{NotifySettings, Settings, World},
};

/// Every event that was folded, in order.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Seen(Vec<Seq>);

impl Fold for Seen {
    const SNAPSHOT: &'static str = "seen";

    fn last_seq(&self) -> Seq {
        self.0.last().copied().unwrap_or(0)
    }

    fn skip(&mut self, seq: Seq) {
        self.0.push(seq);
    }
}

fn apply(seen: &mut Seen, record: &Arc<Record>) {
    seen.0.push(record.seq);
}

/// A journal in memory.
#[derive(Default)]
struct Memory {
    records: Mutex<Vec<Arc<Record>>>,
    snapshots: Mutex<Vec<(String, Snapshot)>>,
}

#[async_trait]
impl Journal for Memory {
    async fn store(&self, entries: Arc<[Entry]>) -> Result<Vec<Appended>, JournalError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut append = |entry: &Entry| {
            let seq = records.len() as Seq + 1;
            records.push(Record::new(seq, Arc::clone(&entry.event), entry.json.clone()));
            Appended::New(seq)
        };
        Ok(entries.iter().map(&mut append).collect())
    }

    async fn read(&self, after: Seq, limit: usize, _: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.iter().filter(|record| record.seq > after).take(limit).cloned().collect())
    }

    async fn latest(&self, _: Option<Seq>, _: usize, _: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        unreachable!("no replica asks for it")
    }

    async fn last_seq(&self) -> Result<Seq, JournalError> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).len() as Seq)
    }

    async fn first_seq(&self) -> Result<Seq, JournalError> {
        Ok(1)
    }

    async fn extent(&self) -> Result<Extent, JournalError> {
        unreachable!("no replica asks for it")
    }

    async fn prune(&self, _: Prune) -> Result<Pruned, JournalError> {
        unreachable!("no replica asks for it")
    }

    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(snapshots.iter().rev().find(|(of, _)| of == name).map(|(_, snapshot)| snapshot.clone()))
    }

    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), snapshot));
        Ok(())
    }
}

/// No replica looks into a workspace.
struct Nowhere;

#[async_trait]
impl Workspace for Nowhere {
    async fn get(&self, _: &str) -> Result<Option<Value>, WorkspaceError> {
        unreachable!()
    }
    async fn set(&self, _: &str, _: &Value) -> Result<(), WorkspaceError> {
        unreachable!()
    }
    async fn compare_and_set(&self, _: &str, _: Option<&Value>, _: &Value) -> Result<bool, WorkspaceError> {
        unreachable!()
    }
    async fn set_once(&self, _: &str, _: &Value, _: &str) -> Result<bool, WorkspaceError> {
        unreachable!()
    }
    async fn list(&self, _: &str) -> Result<Vec<(String, Value)>, WorkspaceError> {
        unreachable!()
    }
    async fn delete(&self, _: &str) -> Result<bool, WorkspaceError> {
        unreachable!()
    }
    async fn changed(&self) {
        unreachable!()
    }
}

/// One step of a schedule.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The bus commits so many events and delivers them.
    Publish(usize),
    /// The bus commits so many events and dies before it delivers them; the next one finds them.
    PublishAndDie(usize),
    /// The replica's actor handles the next delivery in its mailbox.
    Handle,
    /// The same delivery comes a second time.
    HandleAgain,
    /// The actor folds on by itself, up to the journal's end, as after an event of its own.
    CatchUp,
    /// The actor saves a snapshot.
    Save,
    /// The actor dies with everything in its mailbox, and starts again.
    Die,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..5usize).prop_map(Step::Publish),
        1 => (1..5usize).prop_map(Step::PublishAndDie),
        4 => Just(Step::Handle),
        1 => Just(Step::HandleAgain),
        1 => Just(Step::CatchUp),
        1 => Just(Step::Save),
        1 => Just(Step::Die),
    ];
    prop::collection::vec(step, 0..60)
}

/// One actor's mailbox, which is lost with it.
type Mailbox = Arc<Mutex<Vec<Delivery>>>;

async fn start(system: &Arc<System>) -> (Replica<Seen>, Mailbox) {
    let mailbox = Mailbox::default();
    let letters = Arc::clone(&mailbox);
    let mut replica = Replica::start(system, Role::StateAggregator, |_: Delivery| (), Seen::default(), apply)
        .await
        .expect("readable");
    // In place of the subscription that leads to an actor of that name, one that leads into the mailbox.
    system.subscribers.remove(replica.subscription);
    replica.subscription = system.subscribers.add(Box::new(move |delivery| {
        letters.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
    }));
    (replica, mailbox)
}

async fn commit(system: &System, count: usize) -> Vec<Arc<Record>> {
    let before = system.journal().last_seq().await.expect("readable");
    let event = || Event::of_agent("a", "noted", Timestamp::UNIX_EPOCH, &[], json!({}));
    let entries: Vec<Entry> = (0..count).map(|_| event().into()).collect();
    system.journal().store(entries.into()).await.expect("writable");
    system.journal().read(before, count, &Filter::ALL).await.expect("readable")
}

/// What a bus does at its start.
async fn deliver_rest(system: &System) {
    let last = system.journal().last_seq().await.expect("readable");
    let delivered = system.subscribers.delivered().unwrap_or(0);
    let deliver = |record: &Arc<Record>| system.deliver(vec![Arc::clone(record)], Vec::new());
    replay(system.journal(), delivered, last, deliver).await.expect("readable");
}

#[async_trait]
impl Courier for Nowhere {
    async fn deliver(&self, _: &Notice) -> Result<(), DeliveryError> {
        unreachable!("no replica tells anybody")
    }
}

async fn run(steps: &[Step]) -> Vec<Seq> {
    let limits = Limits::default();
    let settings = Settings {
        patience: Default::default(),
        limits,
        frame_interval: Default::default(),
        view_interval: Default::default(),
        undo: Default::default(),
        snapshot_events: 1,
        notify: NotifySettings { policies: Vec::new(), tries: 1, first_pause: Default::default() },
    };
    let system = Arc::new(System::new(World {
        duties: Arc::new(Alone),
        journal: Arc::new(Memory::default()),
        claims: Arc::new(Nowhere),
        open_workspace: Arc::new(|_| Ok(Arc::new(Nowhere))),
        courier: Arc::new(Nowhere),
        renderer: |_, _, _| None,
        settings,
    }));
    system.subscribers.start_at(0);
    let (mut replica, mut mailbox) = start(&system).await;
    let mut handled: Option<Delivery> = None;
    for step in steps {
        match *step {
            Step::Publish(count) => {
                let records = commit(&system, count).await;
                system.deliver(records, Vec::new());
            }
            Step::PublishAndDie(count) => {
                commit(&system, count).await;
                deliver_rest(&system).await;
            }
            Step::Handle => {
                let next = {
                    let mut letters = mailbox.lock().unwrap_or_else(PoisonError::into_inner);
                    (!letters.is_empty()).then(|| letters.remove(0))
                };
                if let Some(delivery) = next {
                    replica.admit(&delivery, apply).await.expect("readable");
                    handled = Some(delivery);
                }
            }
            Step::HandleAgain => {
                if let Some(delivery) = &handled {
                    replica.admit(delivery, apply).await.expect("readable");
                }
            }
            Step::CatchUp => {
                let last = system.journal().last_seq().await.expect("readable");
                replica.catch_up(last, apply).await.expect("readable");
            }
            Step::Save => replica.save().await,
            Step::Die => {
                drop(replica);
                (replica, mailbox) = start(&system).await;
            }
        }
    }
    // The world goes on: whatever was missed is found with the next delivery.
    let records = commit(&system, 1).await;
    system.deliver(records, Vec::new());
    let letters: Vec<_> = mailbox.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    for delivery in letters {
        replica.admit(&delivery, apply).await.expect("readable");
    }
    replica.fold.0.clone()
}

proptest! {
    #[test]
    fn every_event_is_folded_once_and_in_order_whatever_dies_when(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let seen = runtime.block_on(run(&steps));
        prop_assert_eq!(&seen, &(1..=seen.len() as Seq).collect::<Vec<_>>());
        let published: usize = steps.iter().map(|step| match step {
            Step::Publish(count) | Step::PublishAndDie(count) => *count,
            _ => 0,
        }).sum();
        prop_assert_eq!(seen.len(), published + 1);
    }
}

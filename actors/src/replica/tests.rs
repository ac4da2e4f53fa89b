//! The protocol between the bus, the subscribers and a replica, under every schedule that a generator finds.
//!
//! What can go wrong here is the order of whole steps (a commit, a delivery, a death), not of accesses to memory: each
//! step holds one lock from its beginning to its end. So the real code is driven step by step through generated
//! schedules, which shrink to a short one where something is wrong. A checker of memory orders (loom, shuttle) would
//! need its own mutexes and its own runtime in the code that ships, and would explore what one lock rules out anyway;
//! a simulated network (turmoil) has nothing to simulate, as the processes around the daemon are real in its tests.

use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::testing;

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
    let entries: Vec<_> = (0..count).map(|_| testing::entry()).collect();
    system.journal().store(entries.into()).await.await.expect("writable");
    system.journal().read(before, count, &Filter::ALL).await.expect("readable")
}

/// What a bus does at its start.
async fn deliver_rest(system: &System) {
    let last = system.journal().last_seq().await.expect("readable");
    let delivered = system.subscribers.delivered().unwrap_or(0);
    let deliver = |record: &Arc<Record>| system.deliver(vec![Arc::clone(record)], Vec::new());
    replay(system.journal(), delivered, last, deliver).await.expect("readable");
}

async fn run(steps: &[Step]) -> Vec<Seq> {
    let system = testing::system(Arc::default());
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

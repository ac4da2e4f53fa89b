use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    model::{Category, Event},
    ports::Journal,
    publish::PublishError,
    testing::{self, Memory, Panics, entry},
};

/// A bus, and what its subscriber has got: the positions of each delivery.
struct Fixture {
    journal: Arc<Memory>,
    system: Arc<System>,
    delivered: Arc<Mutex<Vec<Vec<Seq>>>>,
}

impl Fixture {
    async fn new() -> Self {
        let (journal, delivered) = (Arc::<Memory>::default(), Arc::<Mutex<Vec<Vec<Seq>>>>::default());
        let system = testing::system(Arc::clone(&journal));
        let list = Arc::clone(&delivered);
        system.subscribers.add(Box::new(move |delivery| {
            let positions = delivery.records.iter().map(|record| record.seq).collect();
            list.lock().unwrap_or_else(PoisonError::into_inner).push(positions);
        }));
        let name = Some(system.name(Role::EventBus));
        Actor::spawn(name, EventBus, Arc::clone(&system)).await.expect("a bus");
        Self { journal, system, delivered }
    }

    /// Publishes so many events, and returns once the journal has taken them over. The end of their commit waits for
    /// what is returned.
    async fn publish(&self, count: usize) -> (oneshot::Sender<()>, JoinHandle<Result<Vec<Appended>, PublishError>>) {
        let (end, ended) = oneshot::channel();
        self.journal.ends.lock().unwrap_or_else(PoisonError::into_inner).push_back(ended);
        let expected = self.journal.last_seq().await.expect("readable") + count as Seq;
        let entries: Vec<_> = (0..count).map(|_| entry()).collect();
        let system = Arc::clone(&self.system);
        let published = tokio::spawn(async move { system.publish(entries.into()).await });
        while self.journal.last_seq().await.expect("readable") < expected {
            tokio::task::yield_now().await;
        }
        (end, published)
    }

    fn delivered(&self) -> Vec<Vec<Seq>> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lets everybody else do what they can do. There is one thread, and nothing here waits for the world outside.
async fn others() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn commits_are_delivered_in_the_order_in_which_they_began() {
    let bus = Fixture::new().await;
    let (first_end, first) = bus.publish(2).await;
    let (second_end, second) = bus.publish(3).await;
    second_end.send(()).expect("waited for");
    others().await;
    assert!(bus.delivered().is_empty() && !second.is_finished(), "it comes after the first");
    first_end.send(()).expect("waited for");
    assert_eq!(first.await.expect("published").expect("stored"), [1, 2].map(Appended::New));
    assert_eq!(second.await.expect("published").expect("stored"), [3, 4, 5].map(Appended::New));
    assert_eq!(bus.delivered(), [vec![1, 2], vec![3, 4, 5]]);
}

#[tokio::test]
async fn a_commit_that_fails_neither_holds_up_the_next_nor_is_left_out_where_it_was_stored() {
    let bus = Fixture::new().await;
    let (first_end, first) = bus.publish(2).await;
    let (second_end, second) = bus.publish(1).await;
    drop(first_end);
    first.await.expect("published").expect_err("nobody knows whether it is stored");
    second_end.send(()).expect("waited for");
    assert_eq!(second.await.expect("published").expect("stored"), [Appended::New(3)]);
    assert_eq!(bus.delivered().concat(), [1, 2, 3]);
}

#[tokio::test]
async fn a_journal_that_panics_fails_the_commit_alone() {
    let bus = Fixture::new().await;
    for (panics, stored) in [(Panics::Before, 1), (Panics::After, 3)] {
        *bus.journal.panics.lock().unwrap_or_else(PoisonError::into_inner) = Some(panics);
        bus.system.publish([entry()].into()).await.expect_err("nobody knows whether it is stored");
        assert_eq!(bus.system.publish([entry()].into()).await.expect("stored"), [Appended::New(stored)]);
    }
    assert_eq!(bus.delivered().concat(), [1, 2, 3]);
}

#[tokio::test]
async fn whoever_takes_an_id_before_does_not_keep_a_step_from_being_told() {
    let bus = Fixture::new().await;
    let step = Event::of_agent("a", "resumed", Timestamp::UNIX_EPOCH, &["w", "q"], json!({}));
    let squatter = Event { category: Category::Tool, ..step.clone() };
    bus.system.publish([Entry::from(squatter)].into()).await.expect("stored");
    assert_eq!(bus.system.publish_urgent(vec![step.clone()]).await.expect("stored"), 2);
    let other = Event::of_agent("a", "resumed", Timestamp::UNIX_EPOCH, &["w", "r"], json!({}));
    for _ in 0..2 {
        assert_eq!(bus.system.publish_urgent(vec![other.clone()]).await.expect("stored"), 3, "a repeated step is one");
    }
}

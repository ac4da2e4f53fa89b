//! Acknowledgements of what commits publish. They all come to one inbox, in which each commit has a number and each of its
//! events a place.
//!
//! The client library would have an inbox, a channel and a timer for each message, and look at each acknowledgement twice:
//! a tenth of what a daemon does with an event.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_nats::{Client, Message, StatusCode, Subscriber, jetstream};
use futures_util::StreamExt;
use remora_actors::{model::Seq, ports::Appended};
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore};

use super::why;

/// Events that are published and not acknowledged, of all commits together: enough that the way there and back does not
/// count.
pub(super) const UNACKNOWLEDGED: usize = 4_096;

/// Where acknowledgements come in. Clones are the same one.
#[derive(Clone)]
pub(super) struct Acks {
    inbox: Arc<str>,
    commits: Arc<Mutex<Commits>>,
    /// Room for what is not acknowledged.
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Commits {
    /// The number of the next one.
    next: u64,
    open: HashMap<u64, Places>,
}

/// What is known of the events of a commit.
#[derive(Default)]
struct Places {
    places: Vec<Place>,
    /// How many of them are awaited.
    awaited: usize,
    /// Why the last event that was refused was.
    trouble: Option<String>,
    /// Told when none is awaited any more.
    settled: Arc<Notify>,
}

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Unknown,
    Awaited,
    At(Appended),
}

/// A commit that acknowledgements are taken for, as long as this is held.
pub(super) struct Awaiting {
    acks: Acks,
    number: u64,
}

/// What the server says of a message.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    seq: Seq,
    #[serde(default)]
    duplicate: bool,
    error: Option<jetstream::Error>,
}

impl Acks {
    /// An inbox, and the task that looks after it for as long as it is polled.
    pub(super) async fn open(client: &Client) -> Result<(Self, impl Future<Output = ()> + use<>), String> {
        let acks = Self::new(client.new_inbox());
        let messages = client.subscribe(format!("{}.*.*", acks.inbox)).await.map_err(|error| why(&error))?;
        Ok((acks.clone(), acks.receive(messages)))
    }

    fn new(inbox: String) -> Self {
        Self { inbox: inbox.into(), commits: Arc::default(), room: Arc::new(Semaphore::new(UNACKNOWLEDGED)) }
    }

    async fn receive(self, mut messages: Subscriber) {
        while let Some(message) = messages.next().await {
            self.take(&message);
        }
    }

    fn take(&self, message: &Message) {
        let Some((number, index)) = self.recipient(&message.subject) else { return };
        let told = told(message);
        // Of a commit that has given up nobody wants to know any more.
        if let Some(places) = self.commits().open.get_mut(&number) {
            self.room.add_permits(places.take(index, told));
        }
    }

    fn recipient(&self, subject: &str) -> Option<(u64, usize)> {
        let (number, index) = subject.strip_prefix(&*self.inbox)?.strip_prefix('.')?.split_once('.')?;
        Some((number.parse().ok()?, index.parse().ok()?))
    }

    /// Begins to take acknowledgements for a commit, of whose events some are known to stand somewhere.
    pub(super) fn await_for(&self, known: &[Option<Seq>]) -> Awaiting {
        let place = |seq: &Option<Seq>| seq.map_or(Place::Unknown, |seq| Place::At(Appended::Duplicate(seq)));
        let places = Places { places: known.iter().map(place).collect(), ..Places::default() };
        let mut commits = self.commits();
        let number = commits.next;
        commits.next += 1;
        commits.open.insert(number, places);
        Awaiting { acks: self.clone(), number }
    }

    fn commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Notes what is said of an event. How much room that makes: none where it was not awaited.
    fn take(&mut self, index: usize, told: Result<Appended, String>) -> usize {
        let Some(place) = self.places.get_mut(index) else { return 0 };
        let was_awaited = *place == Place::Awaited;
        match told {
            Ok(appended) if !matches!(place, Place::At(_)) => *place = Place::At(appended),
            Err(trouble) if was_awaited => {
                *place = Place::Unknown;
                self.trouble = Some(trouble);
            }
            _ => {}
        }
        self.awaited -= usize::from(was_awaited);
        if self.awaited == 0 {
            self.settled.notify_one();
        }
        usize::from(was_awaited)
    }

    /// Awaits nothing any more. How much room that makes.
    fn give_up(&mut self) -> usize {
        self.places.iter_mut().filter(|place| **place == Place::Awaited).for_each(|place| *place = Place::Unknown);
        std::mem::take(&mut self.awaited)
    }
}

impl Awaiting {
    /// The events that stand nowhere, as far as is known, and are not awaited.
    pub(super) fn unknown(&self) -> Vec<usize> {
        self.with(|places| {
            let indices = places.places.iter().enumerate();
            indices.filter(|(_, place)| **place == Place::Unknown).map(|(index, _)| index).collect()
        })
    }

    /// Waits until there is room for an event. Where its acknowledgement is to be sent.
    pub(super) async fn expect(&self, index: usize) -> String {
        if let Ok(room) = self.acks.room.acquire().await {
            room.forget();
        }
        self.with(|places| {
            places.places[index] = Place::Awaited;
            places.awaited += 1;
        });
        format!("{}.{}.{index}", self.acks.inbox, self.number)
    }

    /// Notes that an event cannot be published.
    pub(super) fn failed(&self, index: usize, trouble: String) {
        let room = self.with(|places| places.take(index, Err(trouble)));
        self.acks.room.add_permits(room);
    }

    /// Returns when none is awaited any more.
    pub(super) async fn settled(&self) {
        let settled = self.with(|places| Arc::clone(&places.settled));
        while self.with(|places| places.awaited) > 0 {
            settled.notified().await;
        }
    }

    /// Counts as lost what is awaited still.
    pub(super) fn give_up(&self) {
        self.acks.room.add_permits(self.with(Places::give_up));
    }

    /// Where all of the events stand; `None`: of some it is not known.
    pub(super) fn places(&self) -> Option<Vec<Appended>> {
        let appended = |place: &Place| if let Place::At(appended) = place { Some(*appended) } else { None };
        self.with(|places| places.places.iter().map(appended).collect())
    }

    /// Why the last event that was refused was.
    pub(super) fn trouble(&self) -> Option<String> {
        self.with(|places| places.trouble.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Places) -> T) -> T {
        look(self.acks.commits().open.entry(self.number).or_default())
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.give_up();
        self.acks.commits().open.remove(&self.number);
    }
}

fn told(message: &Message) -> Result<Appended, String> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Err("nobody at nats stores it, as if there were no jetstream".to_owned());
    }
    let Told { seq, duplicate, error } = serde_json::from_slice(&message.payload).map_err(|error| why(&error))?;
    match error {
        Some(error) => Err(why(&error)),
        // The leader of a cluster may recognise an event that it has only proposed to the others, and has no position for it
        // yet: if the leader is lost then, so is the event.
        None if seq == 0 => Err("the event is not stored yet".to_owned()),
        None if duplicate => Ok(Appended::Duplicate(seq)),
        None => Ok(Appended::New(seq)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn ack(acks: &Acks, subject: &str, payload: &str) {
        let (subject, payload) = (subject.to_owned().into(), payload.to_owned().into());
        acks.take(&Message {
            subject,
            reply: None,
            payload,
            headers: None,
            status: None,
            description: None,
            length: 0,
        });
    }

    fn room(acks: &Acks) -> usize {
        acks.room.available_permits()
    }

    #[tokio::test]
    async fn each_event_gets_its_own() {
        let acks = Acks::new("inbox".to_owned());
        let (first, second) = (acks.await_for(&[None, Some(3)]), acks.await_for(&[None]));
        let (here, there) = (first.expect(0).await, second.expect(0).await);
        assert_eq!(room(&acks), UNACKNOWLEDGED - 2);
        ack(&acks, &there, r#"{"stream":"s","seq":9,"duplicate":true}"#);
        assert!(first.settled().now_or_never().is_none());
        ack(&acks, &here, r#"{"stream":"s","seq":7}"#);
        first.settled().await;
        second.settled().await;
        assert_eq!(first.places(), Some(vec![Appended::New(7), Appended::Duplicate(3)]));
        assert_eq!(second.places(), Some(vec![Appended::Duplicate(9)]));
        assert_eq!(room(&acks), UNACKNOWLEDGED);
    }

    #[tokio::test]
    async fn what_is_refused_can_be_published_again() {
        let acks = Acks::new("inbox".to_owned());
        let commit = acks.await_for(&[None, None]);
        let [only_proposed, full] = [commit.expect(0).await, commit.expect(1).await];
        ack(&acks, &only_proposed, r#"{"stream":"s","seq":0,"duplicate":true}"#);
        ack(&acks, &full, r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#);
        commit.settled().await;
        assert_eq!(commit.unknown(), [0, 1]);
        assert!(commit.trouble().expect("it says why").contains("maximum bytes exceeded"));
        assert_eq!((commit.places(), room(&acks)), (None, UNACKNOWLEDGED));
        commit.expect(1).await;
        commit.failed(1, "there is no connection".to_owned());
        assert_eq!(commit.trouble().as_deref(), Some("there is no connection"));
        assert_eq!(room(&acks), UNACKNOWLEDGED);
    }

    #[tokio::test]
    async fn an_acknowledgement_that_comes_late_counts_once() {
        let acks = Acks::new("inbox".to_owned());
        let commit = acks.await_for(&[None]);
        let reply = commit.expect(0).await;
        commit.give_up();
        commit.settled().await;
        assert_eq!(room(&acks), UNACKNOWLEDGED);
        assert_eq!(commit.expect(0).await, reply, "it is published again");
        for payload in [r#"{"seq":7}"#, r#"{"seq":7,"duplicate":true}"#] {
            ack(&acks, &reply, payload);
            assert_eq!(room(&acks), UNACKNOWLEDGED);
            assert_eq!(commit.places(), Some(vec![Appended::New(7)]));
        }
    }

    #[tokio::test]
    async fn a_commit_that_is_given_up_leaves_nothing() {
        let acks = Acks::new("inbox".to_owned());
        let commit = acks.await_for(&[None]);
        let reply = commit.expect(0).await;
        drop(commit);
        ack(&acks, &reply, r#"{"seq":7}"#);
        assert!(acks.commits().open.is_empty());
        assert_eq!(room(&acks), UNACKNOWLEDGED);
        for stray in ["inbox", "inbox.0", "inbox.x.0", "other.0.0", "inbox.0.0"] {
            ack(&acks, stray, "no acknowledgement");
        }
    }
}

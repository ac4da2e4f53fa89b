//! A commit on its way into the stream.
//!
//! Its events are published without waiting in between, over one connection, and stand in the stream in that order, with
//! others' between them; those of the next commit are published while these are acknowledged. Only where a server is lost
//! in the middle may some events come after those that followed them: they are published again under the same ids.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_nats::{Client, HeaderMap, header::NATS_MESSAGE_ID, jetstream};
use remora_actors::{
    model::Seq,
    ports::{Appended, Entry, JournalError},
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    ANSWER,
    acks::{Acks, Awaiting},
    keys, why,
};

/// How long a commit may take, with the server's loss in between: shorter than a publisher waits for the bus.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before what was not acknowledged is published again.
const RETRY: Duration = Duration::from_millis(100);

/// Where commits go.
pub(super) struct Publisher {
    pub(super) context: jetstream::Context,
    client: Client,
    /// Where subjects begin.
    pub(super) subject: String,
    acks: Acks,
}

/// Events that are published.
pub(super) struct Commit {
    publisher: Arc<Publisher>,
    entries: Arc<[Entry]>,
    acks: Awaiting,
    deadline: Instant,
}

impl Publisher {
    pub(super) fn new(context: jetstream::Context, subject: String, acks: Acks) -> Self {
        Self { client: context.client(), context, subject, acks }
    }

    async fn send(&self, entry: &Entry, reply: String) -> Result<(), String> {
        let Entry { event, json } = entry;
        let (subject, headers) = (self.subject_of(event.category.as_str(), &event.action), headers(&event.id));
        let sent = self.client.publish_with_reply_and_headers(subject, reply, headers, json.clone());
        sent.await.map_err(|error| why(&error))
    }

    /// Where an event stands in the stream's subjects.
    pub(super) fn subject_of(&self, category: &str, action: &str) -> String {
        format!("{}.{category}.{action}", self.subject)
    }
}

impl Commit {
    /// Publishes the events that have no place yet. What cannot be published now, [`Self::finish`] tries again.
    pub(super) async fn begin(publisher: Arc<Publisher>, entries: Arc<[Entry]>, known: &[Option<Seq>]) -> Self {
        let (acks, deadline) = (publisher.acks.await_for(known), Instant::now() + PATIENCE);
        let commit = Self { publisher, entries, acks, deadline };
        commit.publish().await;
        commit
    }

    /// Returns once all of them are stored.
    pub(super) async fn finish(self) -> Result<Vec<Appended>, JournalError> {
        loop {
            let _ = timeout_at(self.deadline.min(Instant::now() + ANSWER), self.acks.settled()).await;
            if let Some(places) = self.acks.places() {
                return Ok(places);
            }
            self.acks.give_up();
            if Instant::now() + RETRY >= self.deadline {
                let trouble = self.acks.trouble();
                let trouble = trouble.unwrap_or_else(|| "nats has not acknowledged it in time".to_owned());
                return Err(JournalError::Unavailable(trouble));
            }
            sleep(RETRY).await;
            self.publish().await;
        }
    }

    async fn publish(&self) {
        let publish = async {
            for index in self.acks.unknown() {
                let reply = self.acks.expect(index).await;
                if let Err(trouble) = self.publisher.send(&self.entries[index], reply).await {
                    return self.acks.failed(index, trouble);
                }
            }
        };
        let _ = timeout_at(self.deadline, publish).await;
    }
}

/// By its id the server recognises an event that is published again.
pub(super) fn headers(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, message_id(id).as_ref());
    headers
}

/// The event's id; what a header cannot hold, or a server would trim, is written otherwise.
fn message_id(id: &str) -> Cow<'_, str> {
    let plain = id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=');
    if plain { id.into() } else { keys::encode_part(id).into() }
}

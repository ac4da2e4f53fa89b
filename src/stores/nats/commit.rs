//! A commit on its way into the stream.
//!
//! Its events are published without waiting in between, over one connection, and stand in the stream in that order, with
//! others' between them; those of the next commit are published while these are acknowledged. Only where a server is lost
//! in the middle may some events come after those that followed them: they are published again under the same ids.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    message::PublishMessage,
    publish::PublishAck,
};
use bytes::Bytes;
use remora_actors::{
    model::Seq,
    ports::{Appended, Entry, JournalError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};

use super::{keys, why};

/// How long a commit may take, with the server's loss in between: shorter than a publisher waits for the bus.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before what was not acknowledged is published again.
const RETRY: Duration = Duration::from_millis(100);
/// Events that are published and not acknowledged, of all commits together: enough that the way there and back does not
/// count.
pub(super) const UNACKNOWLEDGED: usize = 4_096;

/// Where commits go.
pub(super) struct Publisher {
    pub(super) context: jetstream::Context,
    /// Where subjects begin.
    pub(super) subject: String,
    /// Room for what is not acknowledged.
    window: Arc<Semaphore>,
}

/// Events that are published.
pub(super) struct Commit {
    publisher: Arc<Publisher>,
    entries: Arc<[Entry]>,
    /// Where they stand, as far as is known.
    places: Vec<Option<Appended>>,
    unacknowledged: VecDeque<Unacknowledged>,
    /// Why the last one that failed has.
    trouble: Option<PublishError>,
    deadline: Instant,
}

struct Unacknowledged {
    index: usize,
    ack: PublishAckFuture,
    /// Given back with the acknowledgement.
    _room: OwnedSemaphorePermit,
}

impl Publisher {
    pub(super) fn new(context: jetstream::Context, subject: String) -> Self {
        Self { context, subject, window: Arc::new(Semaphore::new(UNACKNOWLEDGED)) }
    }

    async fn send(&self, entry: &Entry) -> Result<PublishAckFuture, PublishError> {
        let Entry { event, json } = entry;
        let (subject, message) = self.message((event.category.as_str(), &event.action), &event.id, json);
        self.context.send_publish(subject, message).await
    }

    /// The message that an event is, and its subject.
    pub(super) fn message(&self, (category, action): (&str, &str), id: &str, json: &Bytes) -> (String, PublishMessage) {
        let message = PublishMessage::build().message_id(message_id(id)).payload(json.clone());
        (format!("{}.{category}.{action}", self.subject), message)
    }
}

impl Commit {
    /// Publishes the events that have no place yet. What cannot be published now, [`Self::finish`] tries again.
    pub(super) async fn begin(publisher: Arc<Publisher>, entries: Arc<[Entry]>, known: Vec<Option<Seq>>) -> Self {
        let places = known.into_iter().map(|seq| seq.map(Appended::Duplicate)).collect();
        let (unacknowledged, deadline) = (VecDeque::new(), Instant::now() + PATIENCE);
        let mut commit = Self { publisher, entries, places, unacknowledged, trouble: None, deadline };
        commit.publish().await;
        commit
    }

    /// Returns once all of them are stored.
    pub(super) async fn finish(mut self) -> Result<Vec<Appended>, JournalError> {
        loop {
            let settled = timeout_at(self.deadline, async { while self.settle_next().await {} }).await;
            if self.places.iter().all(Option::is_some) {
                return Ok(self.places.into_iter().flatten().collect());
            }
            if settled.is_err() || Instant::now() + RETRY >= self.deadline {
                let trouble = self.trouble.map(|error| why(&error));
                let trouble = trouble.unwrap_or_else(|| "nats has not acknowledged it in time".to_owned());
                return Err(JournalError::Unavailable(trouble));
            }
            sleep(RETRY).await;
            self.publish().await;
        }
    }

    async fn publish(&mut self) {
        let deadline = self.deadline;
        let publish = async {
            for index in 0..self.places.len() {
                if self.places[index].is_none() {
                    let room = self.room().await;
                    let ack = self.publisher.send(&self.entries[index]).await?;
                    self.unacknowledged.push_back(Unacknowledged { index, ack, _room: room });
                }
            }
            Ok(())
        };
        if let Ok(Err(error)) = timeout_at(deadline, publish).await {
            self.trouble = Some(error);
        }
    }

    /// Room for one more. Where there is none, this commit's own acknowledgements are waited for first: nobody else does.
    async fn room(&mut self) -> OwnedSemaphorePermit {
        loop {
            let window = || Arc::clone(&self.publisher.window);
            if let Ok(room) = window().try_acquire_owned() {
                return room;
            }
            if self.unacknowledged.is_empty() {
                // Other commits have it, and give it back while this one waits.
                if let Ok(room) = window().acquire_owned().await {
                    return room;
                }
            }
            self.settle_next().await;
        }
    }

    /// Waits for the next acknowledgement, and notes the position that it tells. `false`: there is none to wait for.
    async fn settle_next(&mut self) -> bool {
        let Some(Unacknowledged { index, ack, _room }) = self.unacknowledged.pop_front() else { return false };
        match ack.await.and_then(|ack| appended(&ack)) {
            Ok(appended) => self.places[index] = Some(appended),
            Err(error) => self.trouble = Some(error),
        }
        true
    }
}

/// Where an event stands. The leader of a cluster may recognise one that it has only proposed to the others, and has no
/// position for it yet: if the leader is lost then, so is the event.
fn appended(ack: &PublishAck) -> Result<Appended, PublishError> {
    match *ack {
        PublishAck { sequence: 0, .. } => {
            Err(PublishError::with_source(PublishErrorKind::Other, "the event is not stored yet"))
        }
        PublishAck { sequence, duplicate: true, .. } => Ok(Appended::Duplicate(sequence)),
        PublishAck { sequence, .. } => Ok(Appended::New(sequence)),
    }
}

/// The event's id; what a header cannot hold, or a server would trim, is written otherwise.
fn message_id(id: &str) -> String {
    let plain = id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=');
    if plain { id.to_owned() } else { keys::encode_part(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_position_is_not_stored() {
        let ack = |text: &str| appended(&serde_json::from_str(text).expect("an acknowledgement"));
        assert_eq!(ack(r#"{"stream":"s","seq":7}"#).expect("stored"), Appended::New(7));
        assert_eq!(ack(r#"{"stream":"s","seq":7,"duplicate":true}"#).expect("stored"), Appended::Duplicate(7));
        ack(r#"{"stream":"s","seq":0,"duplicate":true}"#).expect_err("it is only proposed");
    }
}

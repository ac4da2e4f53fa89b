//! What agents publish becomes events.
//!
//! A stream takes it first: a publisher that asks JetStream for an acknowledgement has it once the event is durable,
//! whether a daemon runs or not. From there it is journaled in the order in which it came, and then taken out. Whatever
//! is repeated on the way makes the same event id, and the journal takes an id once.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Error,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self, AckKind, Message,
        consumer::{AckPolicy, PullConsumer, pull},
        stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream},
    },
};
use backon::{ExponentialBuilder, Retryable};
use futures_util::StreamExt;
use remora_actors::{
    model::{Draft, Invalid, check_id},
    ports::Duty,
    publish::PublishError,
};
use remora_web::Problem;
use serde_json::json;
use uuid::Uuid;

use super::{NatsDoor, subject::Subject};

/// What is kept of the events that no daemon has journaled yet: some hundred thousand. Beyond it JetStream refuses more,
/// and a publisher that asks for an acknowledgement is told.
const KEPT_BYTES: i64 = 256 << 20;
/// Events journaled at once at most: a commit's cost vanishes, and other publishers still get their turn.
const BATCH_EVENTS: usize = 1_000;
/// Bytes of those events at most: little of what may wait for the journal.
const BATCH_BYTES: usize = 1 << 20;
/// After this the stream gives out again what was neither journaled nor refused.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Pause before a stream that cannot be read is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Longest pause before a busy daemon is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// The one reader of the stream.
const READER: &str = "daemons";

/// Makes sure that what is published from now on is kept, though nobody asks for an acknowledgement. Where that fails, it
/// is tried again by whoever takes the events in.
pub(super) async fn keep(door: &NatsDoor) {
    if let Err(error) = stream(door).await {
        tracing::warn!(%error, "stream of events published on nats not made yet");
    }
}

/// Takes events in for as long as the daemon runs and it is its duty: two at a time would mix up their order.
pub(super) async fn run(door: Arc<NatsDoor>) {
    let mut known = 0;
    loop {
        while !door.duties.has(Duty::Intake) {
            known = door.duties.changed(known).await;
        }
        let lost = async {
            while door.duties.has(Duty::Intake) {
                known = door.duties.changed(known).await;
            }
        };
        tokio::select! {
            () = take_in(&door) => {}
            () = lost => {}
        }
    }
}

async fn take_in(door: &NatsDoor) {
    loop {
        match Intake::open(door).await {
            Ok(intake) => {
                if let Err(error) = intake.run().await {
                    tracing::warn!(%error, "events published on nats not taken in, trying again");
                }
            }
            Err(error) => tracing::warn!(%error, "stream of events published on nats not opened, trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The stream of what agents publish, made where there is none.
async fn stream(door: &NatsDoor) -> Result<Stream, Error> {
    let jetstream = jetstream::new(door.client.clone());
    let name = door.names.inbox_stream();
    let config = stream::Config {
        name: name.clone(),
        description: Some("what agents published and no daemon has journaled yet".to_owned()),
        subjects: vec![format!("{}.>", door.names.events_subject())],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_bytes: KEPT_BYTES,
        storage: StorageType::File,
        num_replicas: door.replicas,
        ..Default::default()
    };
    jetstream.create_or_update_stream(config).await?;
    Ok(jetstream.get_stream(&name).await?)
}

struct Intake<'a> {
    door: &'a NatsDoor,
    consumer: PullConsumer,
    /// What stands before an agent's id in a subject.
    prefix: String,
}

impl<'a> Intake<'a> {
    /// A reader that begins with the oldest event: what an earlier reader was given and did not take out comes before
    /// everything else.
    async fn open(door: &'a NatsDoor) -> Result<Self, Error> {
        let stream = stream(door).await?;
        // There need not be one.
        let _ = stream.delete_consumer(READER).await;
        let reader = pull::Config {
            durable_name: Some(READER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: 2 * BATCH_EVENTS.cast_signed() as i64,
            ..Default::default()
        };
        let prefix = format!("{}.", door.names.events_subject());
        Ok(Self { door, consumer: stream.create_consumer(reader).await?, prefix })
    }

    async fn run(&self) -> Result<(), Error> {
        let messages = self.consumer.stream().max_messages_per_batch(BATCH_EVENTS).messages().await?;
        let limits = self.door.handle.limits();
        let mut chunks = messages.ready_chunks(BATCH_EVENTS.min(limits.batch_events));
        // Half: an event is longer than what its subject says already.
        let bytes = BATCH_BYTES.min(limits.publishing_bytes / 2);
        while let Some(chunk) = chunks.next().await {
            let messages = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
            for batch in batches(&messages, bytes) {
                self.take_in(batch).await?;
            }
        }
        Ok(())
    }

    /// Journals a batch, however long the journal takes to accept it, and then takes it out of the stream.
    async fn take_in(&self, batch: &[Message]) -> Result<(), Error> {
        let mut drafts = Vec::new();
        let mut refused = Vec::new();
        for message in batch {
            match self.read(message) {
                Ok(draft) => drafts.push(draft),
                Err(error) => refused.push((message, error)),
            }
        }
        let publish = || async { self.door.handle.publish(drafts.clone()).await };
        let backoff = ExponentialBuilder::default().with_max_delay(LONGEST_RETRY).without_max_times();
        let told = |error: &PublishError, _| tracing::warn!(%error, "events published on nats not taken in yet");
        publish.retry(backoff).notify(told).await?;
        for (message, error) in &refused {
            self.refuse(message, error).await?;
        }
        for message in batch.iter().filter(|message| refused.iter().all(|(bad, _)| !std::ptr::eq(*bad, *message))) {
            message.ack().await?;
        }
        Ok(())
    }

    fn read(&self, message: &Message) -> Result<Draft, Invalid> {
        let limits = self.door.handle.limits();
        let rest = message.subject.strip_prefix(&self.prefix).unwrap_or(&message.subject);
        let mut draft = Subject::parse(rest)?.read(&message.payload, limits)?;
        if draft.id.is_none() {
            let named = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
            draft.id = Some(match named {
                Some(id) => {
                    check_id(id.as_str(), "Nats-Msg-Id", limits)?;
                    id.as_str().to_owned()
                }
                None => derived_id(message),
            });
        }
        Ok(draft)
    }

    /// What is no event is told to whoever listens, and left: the ones after it must not wait for somebody to mend it.
    async fn refuse(&self, message: &Message, error: &Invalid) -> Result<(), Error> {
        let metrics = self.door.handle.metrics();
        metrics.bus_refused.inc();
        if let Invalid::TooLarge { limit, .. } = error {
            metrics.hit(limit);
        }
        tracing::warn!(subject = %message.subject, %error, "event published on nats refused");
        let rest = message.subject.strip_prefix(&self.prefix).unwrap_or_default();
        let agent_id = Subject::parse(rest).map_or(rest, |subject| subject.agent_id);
        let mut document = Problem::from(error.clone()).document();
        document["subject"] = json!(message.subject.as_str());
        let told = format!("{}.{agent_id}", self.door.names.refused_subject());
        self.door.client.publish(told, document.to_string().into()).await?;
        message.ack_with(AckKind::Term).await
    }
}

/// The id of an event that was given none: its place in the stream, and the time, since a stream that was made anew
/// counts anew.
fn derived_id(message: &Message) -> String {
    match message.info() {
        Ok(info) => {
            let place = format!("{}\n{}\n{}", info.stream, info.stream_sequence, info.published.unix_timestamp_nanos());
            Uuid::new_v5(&Uuid::NAMESPACE_OID, place.as_bytes()).to_string()
        }
        // Only what a consumer delivers comes here, and that has a place.
        Err(_) => Uuid::now_v7().to_string(),
    }
}

/// Cuts messages into batches of hardly more than so many bytes; each holds at least one.
fn batches(messages: &[Message], most: usize) -> impl Iterator<Item = &[Message]> {
    let mut bytes = 0;
    messages.chunk_by(move |before, _| {
        bytes += before.payload.len();
        let fits = bytes < most;
        if !fits {
            bytes = 0;
        }
        fits
    })
}

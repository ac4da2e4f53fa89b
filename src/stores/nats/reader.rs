//! Reads a stream from a position on, over one connection, of which the server keeps nothing.

use std::time::Duration;

use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::Stream,
};
use futures_util::{FutureExt, StreamExt};

use super::why;

/// The server says that it is there when nothing happens; twice this time without a word, and it counts as gone.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long one request for messages stands before it is made anew.
const EXPIRES: Duration = Duration::from_secs(30);
/// Messages asked for at once, so that a fast stream is never waited for.
const REQUESTED: usize = 5_000;
/// Bytes of them: what may wait here for the disk.
const REQUESTED_BYTES: usize = 16 << 20;
/// Messages read at once, which come into one commit.
const BATCH: usize = 2_000;
/// A reader that vanished is forgotten by the server after this time.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// A message at its position.
#[derive(Debug)]
pub(super) struct Arrived {
    /// The stream's sequence.
    pub(super) seq: u64,
    /// When it came into the stream, in milliseconds since 1970.
    pub(super) received_at: i64,
    /// The message.
    pub(super) message: async_nats::Message,
}

/// Messages that came together; never none.
pub(super) struct Batch {
    pub(super) arrived: Vec<Arrived>,
    /// How many the stream held behind them.
    pub(super) behind: u64,
}

/// A connection on which a stream is read.
pub(super) struct Reader {
    messages: pull::Stream,
    consumer: String,
    stream: Stream,
    /// The number of the next message among those of the connection.
    expected: u64,
    /// How many messages there were to be read when it began.
    pub(super) behind: u64,
}

impl Reader {
    /// Reads what stands behind a position. From the beginning, only what stands last on each subject if `only_last`.
    pub(super) async fn open(stream: &Stream, position: u64, only_last: bool) -> Result<Self, String> {
        let config = consumer(stream, position, only_last);
        let consumer = stream.create_consumer(config).await.map_err(|error| why(&error))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(REQUESTED)
            .max_bytes_per_batch(REQUESTED_BYTES)
            .heartbeat(HEARTBEAT)
            .expires(EXPIRES)
            .messages()
            .await
            .map_err(|error| why(&error))?;
        let info = consumer.cached_info();
        let (consumer, behind) = (info.name.clone(), info.num_pending);
        Ok(Self { messages, consumer, stream: stream.clone(), expected: 1, behind })
    }

    /// What comes next, once there is something. Nothing is lost if it is not waited for any more.
    pub(super) async fn next(&mut self) -> Result<Batch, String> {
        let mut batch = Batch { arrived: Vec::new(), behind: 0 };
        let mut next = self.messages.next().await;
        while let Some(message) = next {
            let (number, behind, arrived) = arrived(message.map_err(|error| why(&error))?)?;
            if number != self.expected {
                return Err(format!("message {number} came instead of {}", self.expected));
            }
            self.expected += 1;
            batch.behind = behind;
            batch.arrived.push(arrived);
            // As it is, a task's turn ends after 128 of them, and a commit costs as much as many.
            let waiting = || tokio::task::unconstrained(self.messages.next()).now_or_never().flatten();
            next = (batch.arrived.len() < BATCH).then(waiting).flatten();
        }
        if batch.arrived.is_empty() { Err("the server has ended the connection".to_owned()) } else { Ok(batch) }
    }

    /// Ends it. A server that is not told forgets it by itself.
    pub(super) async fn close(self) {
        drop(self.messages);
        if let Err(error) = self.stream.delete_consumer(&self.consumer).await {
            tracing::debug!(consumer = self.consumer, error = why(&error), "reader not closed");
        }
    }
}

fn consumer(stream: &Stream, position: u64, only_last: bool) -> pull::Config {
    let deliver_policy = match position {
        0 if only_last => DeliverPolicy::LastPerSubject,
        0 => DeliverPolicy::All,
        position => DeliverPolicy::ByStartSequence { start_sequence: position + 1 },
    };
    pull::Config {
        deliver_policy,
        // All of them; without it older servers do not know what is last.
        filter_subject: stream.cached_info().config.subjects.first().cloned().unwrap_or_default(),
        ack_policy: AckPolicy::None,
        inactive_threshold: FORGOTTEN_AFTER,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    }
}

/// The message with its number among those of the connection, and how many wait behind it.
fn arrived(message: Message) -> Result<(u64, u64, Arrived), String> {
    let info = message.info().map_err(|error| why(&*error))?;
    let (number, pending, seq) = (info.consumer_sequence, info.pending, info.stream_sequence);
    let received_at = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Ok((number, pending, Arrived { seq, received_at, message: message.message }))
}

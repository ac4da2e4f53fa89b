//! Follows a stream: copies what stands in it here, in order, and keeps up with it for as long as the daemon runs.
//!
//! The server keeps nothing of it: each connection reads on from the last position that was copied. A connection that
//! falls silent is replaced within about a second, toward whichever server of the cluster answers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, Message,
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::Stream,
};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::{client_is_connected, why};

/// The server says that it is there when nothing happens; twice this time without a word, and it counts as gone.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long one request for messages stands before it is made anew.
const EXPIRES: Duration = Duration::from_secs(30);
/// Messages asked for at once, so that a fast stream is never waited for.
const REQUESTED: usize = 5_000;
/// Bytes of them: what may wait here for the disk.
const REQUESTED_BYTES: usize = 16 << 20;
/// Messages copied in one commit.
const BATCH: usize = 2_000;
/// A follower that vanished is forgotten by the server after this time.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// Between two tries to follow a stream that cannot be followed.
const RETRY: Duration = Duration::from_millis(250);

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

/// Where messages are copied to.
#[async_trait]
pub(super) trait Copies: Send + Sync + 'static {
    /// Copies messages, in order, all or none.
    async fn copy(&self, messages: Vec<Arrived>) -> Result<(), String>;
}

/// How far a follower is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last position copied.
    pub(super) position: u64,
    /// How many messages the stream holds behind it, as far as is known.
    pub(super) behind: u64,
    /// Why nothing is heard of the stream; `None`: it is followed.
    pub(super) trouble: Option<Arc<str>>,
}

impl Progress {
    /// That of a follower which has copied everything up to a position, and begins.
    pub(super) fn at(position: u64) -> watch::Sender<Self> {
        watch::Sender::new(Self { position, behind: u64::MAX, trouble: None })
    }
}

/// A stream that is followed.
pub(super) struct Follower<C> {
    stream: Stream,
    client: async_nats::Client,
    copies: C,
    /// True where only what stands last on each subject matters at first.
    only_last: bool,
    progress: watch::Sender<Progress>,
}

impl<C: Copies> Follower<C> {
    /// A follower of all that comes into a stream. It tells how far it is through `progress`.
    pub(super) fn new(
        context: &jetstream::Context,
        stream: Stream,
        copies: C,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self { stream, client: context.client(), copies, only_last: false, progress }
    }

    /// The same, to whom at first only what stands last on each subject matters.
    pub(super) fn of_last(self) -> Self {
        Self { only_last: true, ..self }
    }

    /// Follows, for as long as it is polled.
    pub(super) async fn run(self) {
        loop {
            let mut followed = false;
            let Err(trouble) = self.follow(&mut followed).await;
            tracing::debug!(
                stream = self.stream.cached_info().config.name,
                trouble,
                "stream not followed, trying again"
            );
            // What was followed until now can mostly be followed again at once, from another server.
            if !followed {
                self.progress.send_modify(|progress| progress.trouble = Some(trouble.into()));
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn follow(&self, followed: &mut bool) -> Result<Infallible, String> {
        client_is_connected(&self.client)?;
        let position = self.progress.borrow().position;
        self.check(position).await?;
        let config = self.consumer(position);
        let consumer = self.stream.create_consumer(config).await.map_err(|error| why(&error))?;
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(REQUESTED)
            .max_bytes_per_batch(REQUESTED_BYTES)
            .heartbeat(HEARTBEAT)
            .expires(EXPIRES)
            .messages()
            .await
            .map_err(|error| why(&error))?;
        let behind = consumer.cached_info().num_pending;
        self.progress.send_modify(|progress| {
            progress.behind = behind;
            // Where there is something to copy, the trouble may be the copying.
            progress.trouble.take_if(|_| behind == 0);
        });
        *followed = true;
        let mut expected = 1;
        loop {
            let mut batch = Vec::new();
            let mut behind = 0;
            let mut next = messages.next().await;
            while let Some(message) = next {
                let (number, pending, arrived) = arrived(message.map_err(|error| why(&error))?)?;
                if number != expected {
                    return Err(format!("message {number} came instead of {expected}"));
                }
                expected += 1;
                behind = pending;
                batch.push(arrived);
                // As it is, a task's turn ends after 128 of them, and a commit costs as much as many.
                let waiting = || tokio::task::unconstrained(messages.next()).now_or_never().flatten();
                next = (batch.len() < BATCH).then(waiting).flatten();
            }
            let Some(position) = batch.last().map(|arrived| arrived.seq) else {
                return Err("the server has ended the connection".to_owned());
            };
            self.copies.copy(batch).await.inspect_err(|_| *followed = false)?;
            self.progress.send_modify(|progress| *progress = Progress { position, behind, trouble: None });
        }
    }

    /// A stream that is shorter than its copy is another one, or has lost what it had acknowledged.
    async fn check(&self, position: u64) -> Result<(), String> {
        let info = self.stream.get_info().await.map_err(|error| why(&error))?;
        let (name, last) = (&info.config.name, info.state.last_sequence);
        if last < position || info.created != self.stream.cached_info().created {
            return Err(format!(
                "stream {name} is not what it was; restart this daemon, so that it reads all of it anew"
            ));
        }
        Ok(())
    }

    fn consumer(&self, position: u64) -> pull::Config {
        let deliver_policy = match position {
            0 if self.only_last => DeliverPolicy::LastPerSubject,
            0 => DeliverPolicy::All,
            position => DeliverPolicy::ByStartSequence { start_sequence: position + 1 },
        };
        pull::Config {
            deliver_policy,
            // All of them; without it older servers do not know what is last.
            filter_subject: self.stream.cached_info().config.subjects.first().cloned().unwrap_or_default(),
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        }
    }
}

/// The message with its number among those of the connection, and how many wait behind it.
fn arrived(message: Message) -> Result<(u64, u64, Arrived), String> {
    let info = message.info().map_err(|error| why(&*error))?;
    let (number, pending, seq) = (info.consumer_sequence, info.pending, info.stream_sequence);
    let received_at = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Ok((number, pending, Arrived { seq, received_at, message: message.message }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        nats::testing::Fixture,
    };

    /// A disk that is full, and is not any more.
    struct Full(watch::Receiver<bool>);

    #[async_trait]
    impl Copies for Full {
        async fn copy(&self, _: Vec<Arrived>) -> Result<(), String> {
            if *self.0.borrow() { Err("the disk is full".to_owned()) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_copied_is_trouble_until_it_can() {
        let fixture = Fixture::new().await;
        let journal = &fixture.nats.journal;
        fixture.nats.journal().append(journal::batch(0..3)).await.expect("append");
        let full = watch::Sender::new(true);
        let (context, copies) = (&journal.publisher.context, Full(full.subscribe()));
        let tell = Progress::at(0);
        let mut progress = tell.subscribe();
        let follower = Follower::new(context, journal.stream.clone(), copies, tell);
        let follow = tokio::spawn(follower.run());
        let trouble = progress.wait_for(|progress| progress.trouble.is_some()).await.expect("follows").clone();
        assert_eq!((trouble.position, trouble.trouble.as_deref()), (0, Some("the disk is full")));
        full.send_replace(false);
        let copied = progress.wait_for(|progress| progress.position == 3).await.expect("follows").clone();
        assert_eq!(copied.trouble, None);
        follow.abort();
    }
}

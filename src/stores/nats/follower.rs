//! Follows a stream: copies what stands in it here, in order, and keeps up with it for as long as the daemon runs.
//!
//! A stream is read, and each reader goes on behind the last position that was copied. One that falls silent is replaced
//! within about a second, toward whichever server of the cluster answers. One that says that all is well and tells nothing
//! is not believed for long, see `silence`.
//!
//! What this daemon has put in itself it has already, and knows where it stands. While it puts in much and nobody else
//! anything, the stream is not read: to read one's own back is nearly a third of the daemon's work for an event, and
//! of the server's. That others are there again shows in a position that is not the daemon's own; or, as soon as the daemon
//! is quiet, by reading again.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::jetstream::stream::Stream;
use async_trait::async_trait;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    link::{Link, Refusals},
    own::{Own, QUIET, Streak},
    reader::{Arrived, Batch, Reader},
    silence::{Silence, last_position},
};

/// Between two tries to follow a stream that cannot be followed.
const RETRY: Duration = Duration::from_millis(250);

/// Where messages are copied to.
#[async_trait]
pub(super) trait Copies: Send + 'static {
    /// What is copied of a message.
    type Item: Send;

    /// What is copied of this one; `None`: nothing.
    fn item(&self, arrived: Arrived) -> Option<Self::Item>;

    /// Copies what stands behind the last position, from `first` to `last`, all or nothing.
    async fn copy(&mut self, first: u64, last: u64, items: Vec<Self::Item>) -> Result<(), String>;

    /// What this daemon puts in itself, as far as it is told. Nothing is lost if it is not waited for any more.
    async fn own(&mut self) -> Own<Self::Item> {
        std::future::pending().await
    }
}

/// Why a stream is not followed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) enum Interruption {
    /// The reader has ended. Mostly it can be followed again at once, from another server.
    Ended(String),
    /// The server does not do what it is asked.
    Refused(String),
    /// It cannot be followed until something changes.
    Hindered(String),
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
    link: Link,
    refusals: Refusals,
    copies: C,
    /// True where only what stands last on each subject matters at first.
    only_last: bool,
    progress: watch::Sender<Progress>,
}

impl<C: Copies> Follower<C> {
    /// A follower of all that comes into a stream. It tells how far it is through `progress`.
    pub(super) fn new(link: Link, stream: Stream, copies: C, progress: watch::Sender<Progress>) -> Self {
        Self { stream, link, refusals: Refusals::default(), copies, only_last: false, progress }
    }

    /// The same, to whom at first only what stands last on each subject matters.
    pub(super) fn of_last(self) -> Self {
        Self { only_last: true, ..self }
    }

    /// Follows, for as long as it is polled.
    pub(super) async fn run(mut self) {
        loop {
            let Err(interruption) = self.follow().await;
            tracing::debug!(stream = self.stream.cached_info().config.name, %interruption, "stream not followed, trying again");
            if let Interruption::Ended(_) = interruption {
                continue;
            }
            if let Interruption::Refused(_) = interruption {
                self.link.refused(&mut self.refusals).await;
            }
            self.progress.send_modify(|progress| progress.trouble = Some(interruption.to_string().into()));
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn follow(&mut self) -> Result<Infallible, Interruption> {
        loop {
            let reader = self.open().await?;
            self.refusals = Refusals::default();
            let upto = self.read(reader).await?;
            self.do_without(upto).await?;
        }
    }

    async fn open(&self) -> Result<Reader, Interruption> {
        self.link.check().map_err(Interruption::Hindered)?;
        let position = self.position();
        last_position(&self.stream, position).await?;
        let reader = Reader::open(&self.stream, position, self.only_last).await.map_err(Interruption::Refused)?;
        self.progress.send_modify(|progress| {
            progress.behind = reader.behind;
            // Where there is something to copy, the trouble may be the copying.
            progress.trouble.take_if(|_| reader.behind == 0);
        });
        Ok(reader)
    }

    /// Reads the stream for as long as that is worth while: up to a position behind which only this daemon has put
    /// anything in for some time.
    async fn read(&mut self, mut reader: Reader) -> Result<u64, Interruption> {
        let (mut streak, mut silence) = (Streak::new(), Silence::new(&self.stream));
        loop {
            let position = self.position();
            tokio::select! {
                biased;
                own = self.copies.own() => {
                    let (lasts, upto) = (streak.lasts(&own), own.upto);
                    if lasts || own.is_few() {
                        self.copy_own(own).await?;
                    }
                    if lasts && self.position() >= upto {
                        tokio::spawn(reader.close());
                        return Ok(upto);
                    }
                }
                batch = reader.next() => self.copy_batch(batch.map_err(Interruption::Ended)?).await?,
                explained = silence.explained(position) => {
                    explained?;
                    self.has_all();
                }
            }
            if self.position() > position {
                silence.end();
            }
        }
    }

    /// Copies what this daemon puts in behind a position, until others may have put something in as well.
    async fn do_without(&mut self, mut upto: u64) -> Result<(), Interruption> {
        let mut quiet = Instant::now() + QUIET;
        while let Ok(own) = timeout_at(quiet, self.copies.own()).await {
            // What was there before tells nothing of others.
            if own.is_empty() {
                continue;
            }
            quiet = Instant::now() + QUIET;
            let alone = own.continues(upto);
            upto = own.upto;
            self.copy_own(own).await?;
            if !alone {
                break;
            }
        }
        Ok(())
    }

    async fn copy_batch(&mut self, Batch { mut arrived, behind }: Batch) -> Result<(), Interruption> {
        let position = self.position();
        let read = arrived.last().map_or(position, |arrived| arrived.seq);
        arrived.retain(|arrived| arrived.seq > position);
        let (Some(first), Some(last)) = (arrived.first(), arrived.last()) else {
            if read + behind <= position {
                self.has_all();
            }
            return Ok(());
        };
        let (first, last) = (first.seq, last.seq);
        let items = arrived.into_iter().filter_map(|arrived| self.copies.item(arrived)).collect();
        self.copies.copy(first, last, items).await.map_err(Interruption::Hindered)?;
        self.progress.send_modify(|progress| *progress = Progress { position: last, behind, trouble: None });
        Ok(())
    }

    /// Copies of them what comes next. The rest comes from the stream, with what stands in between.
    async fn copy_own(&mut self, own: Own<C::Item>) -> Result<(), Interruption> {
        let position = self.position();
        let items = own.behind(position);
        let count = items.len() as u64;
        if count > 0 {
            self.copies.copy(position + 1, position + count, items).await.map_err(Interruption::Hindered)?;
            self.progress.send_modify(|progress| {
                let behind = progress.behind.saturating_sub(count);
                *progress = Progress { position: position + count, behind, trouble: None };
            });
        }
        Ok(())
    }

    /// The stream holds nothing that was not copied.
    fn has_all(&self) {
        self.progress.send_if_modified(|progress| {
            let had = progress.behind == 0 && progress.trouble.is_none();
            (progress.behind, progress.trouble) = (0, None);
            !had
        });
    }

    fn position(&self) -> u64 {
        self.progress.borrow().position
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::consumer::{FromConsumer, Info, pull};
    use futures_util::TryStreamExt;
    use remora_actors::ports::{Filter, Journal, last_of};

    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        nats::testing::{Fixture, in_time},
    };

    /// A disk that is full, and is not any more.
    struct Full(watch::Receiver<bool>);

    #[async_trait]
    impl Copies for Full {
        type Item = ();

        fn item(&self, _: Arrived) -> Option<()> {
            Some(())
        }

        async fn copy(&mut self, _: u64, _: u64, _: Vec<()>) -> Result<(), String> {
            if *self.0.borrow() { Err("the disk is full".to_owned()) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_copied_is_trouble_until_it_can() {
        let fixture = Fixture::new().await;
        let journal = &fixture.nats.journal;
        fixture.nats.journal().append(journal::batch(0..3)).await.expect("append");
        let full = watch::Sender::new(true);
        let (link, copies) = (journal.followed.link.clone(), Full(full.subscribe()));
        let tell = Progress::at(0);
        let mut progress = tell.subscribe();
        let follower = Follower::new(link, journal.stream.clone(), copies, tell);
        let follow = tokio::spawn(follower.run());
        let trouble = progress.wait_for(|progress| progress.trouble.is_some()).await.expect("follows").clone();
        assert_eq!((trouble.position, trouble.trouble.as_deref()), (0, Some("the disk is full")));
        full.send_replace(false);
        let copied = progress.wait_for(|progress| progress.position == 3).await.expect("follows").clone();
        assert_eq!(copied.trouble, None);
        follow.abort();
    }

    #[tokio::test]
    async fn a_daemon_that_is_alone_reads_nothing_back_until_others_come() {
        let fixture = Fixture::new().await;
        let (here, stream) = (fixture.nats.journal(), &fixture.nats.journal.stream);
        let readers = async || stream.get_info().await.expect("info").state.consumer_count;
        let mut next = 0;
        let mut put_in = async || {
            next += 100;
            here.append(journal::batch(next - 100..next)).await.expect("append");
        };
        let other = fixture.another().await;
        let there = other.journal();
        let alone = async {
            while readers().await > 1 {
                put_in().await;
            }
        };
        in_time(alone).await;
        // Events of the other one in between, while this one goes on.
        for theirs in 0..5 {
            put_in().await;
            there.append(journal::batch(1_000_000 + theirs..1_000_001 + theirs)).await.expect("append");
        }
        put_in().await;
        // And after it has gone quiet.
        in_time(async { while readers().await < 2 {} }).await;
        there.append(journal::batch(2_000_000..2_000_010)).await.expect("append");
        let all = last_of(&there.append(journal::batch(2_000_009..2_000_010)).await.expect("append"));
        let mut progress = fixture.nats.journal.followed.journal.progress.clone();
        in_time(progress.wait_for(|progress| progress.position == all)).await.expect("follows");
        let read = async |journal: &Arc<dyn Journal>| journal.read(0, 1 << 20, &Filter::ALL).await.expect("read");
        let (mine, theirs) = (read(&here).await, read(&there).await);
        assert_eq!(mine, theirs);
        assert!(mine.iter().map(|record| record.seq).eq(1..=all), "each of them once, without a gap");
    }

    #[tokio::test]
    async fn a_reader_that_is_there_and_tells_nothing_is_replaced() {
        let fixture = Fixture::new().await;
        let other = fixture.another().await;
        let stream = &fixture.nats.journal.stream;
        // The readers are turned to what never comes.
        let readers: Vec<Info> = stream.consumers().try_collect().await.expect("readers");
        for Info { name, config, .. } in readers {
            let config = pull::Config::try_from_consumer_config(config).expect("a pull");
            let filter_subject = stream.cached_info().config.subjects[0].replace('>', "nothing");
            let deaf = pull::Config { name: Some(name), filter_subject, ..config };
            stream.create_consumer(deaf).await.expect("turned");
        }
        other.journal().append(journal::batch(0..3)).await.expect("append");
        let mut progress = fixture.nats.journal.followed.journal.progress.clone();
        in_time(progress.wait_for(|progress| progress.position == 3)).await.expect("follows");
    }
}

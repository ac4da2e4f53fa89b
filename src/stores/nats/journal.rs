//! The journal in a JetStream stream, whose sequence is `seq`: each event is one message, and its id is the message's.
//!
//! Events are appended at the stream and read from a copy in the daemon's own database, which follows the stream. So
//! pages, searches and histories are as quick as with a journal of one's own, a start reads only what is new, and what
//! is there stays readable while NATS is away. An append returns once the copy has its events.
//!
//! **An id is taken once.** The server recognises the ids of the last two minutes; older ones are found in the copy
//! before anything is published. Between the two there is no gap: nothing is appended while the copy is further behind
//! than it could make good in that time. So an id is recognised for as long as its event is kept, as in SQLite, and the
//! server needs memory for minutes of ids and not for days. Should an event stand in the stream twice all the same, the
//! copies pass over the second.
//!
//! **Order.** The events of a commit are published without waiting in between, over one connection, and stand in the
//! stream in that order, with others' between them. Only where a server is lost in the middle of a commit may some of
//! its events come after those that followed them: they are published again under the same ids.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{
    self,
    context::{PublishAckFuture, PublishError},
    message::PublishMessage,
    publish::PublishAck,
    stream::Stream,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use remora_actors::{
    model::{Record, Search, Seq},
    ports::{
        Appended, Duties, Duty, Entry, Extent, Filter, Found, Journal, JournalError, Prune, Pruned, Snapshot, Standing,
        Workspace,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::{
    client_is_connected,
    follower::{Arrived, Copies, Progress},
    keys,
    leases::Leases,
    pictures::Pictures,
    why,
    workspace::NatsWorkspace,
};
use crate::stores::sqlite::{CopiedEvent, Database, SqliteJournal};

/// How long a commit may take, with the server's loss in between: shorter than a publisher waits for the bus.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before what was not acknowledged is published again.
const RETRY: Duration = Duration::from_millis(100);
/// Messages that the copy may be behind: it copies that many within a few seconds, far less than the server's memory
/// for ids.
const BEHIND: u64 = 100_000;
/// Messages deleted from the stream at once.
const DELETIONS: usize = 64;
/// Under this key all daemons find up to where events were deleted.
const PRUNED: &str = "pruned";

/// The journal.
pub struct NatsJournal {
    pub(super) context: jetstream::Context,
    pub(super) stream: Stream,
    /// Where subjects begin.
    pub(super) subject: String,
    pub(super) database: Database,
    pub(super) copy: SqliteJournal,
    pub(super) progress: watch::Receiver<Progress>,
    /// How the workspaces are followed: while they are not, decisions cannot be made.
    pub(super) workspaces: watch::Receiver<Progress>,
    pub(super) pictures: Pictures,
    pub(super) duties: Arc<Leases>,
    /// What the daemons agree on.
    pub(super) shared: Arc<NatsWorkspace>,
    /// Up to here the copy lacks events that were deleted before it was made.
    pub(super) lacks: Arc<AtomicU64>,
}

impl NatsJournal {
    fn trouble(&self) -> Option<JournalError> {
        let connected = client_is_connected(&self.context.client()).err();
        let of = |progress: &watch::Receiver<Progress>| progress.borrow().trouble.as_deref().map(str::to_owned);
        let trouble = connected.or_else(|| of(&self.progress)).or_else(|| of(&self.workspaces));
        trouble.map(JournalError::Unavailable)
    }

    fn check(&self) -> Result<(), JournalError> {
        if let Some(trouble) = self.trouble() {
            return Err(trouble);
        }
        let behind = self.progress.borrow().behind;
        if behind > BEHIND {
            return Err(JournalError::Unavailable(format!("{behind} events are still to be read from the stream")));
        }
        Ok(())
    }

    /// Publishes the events that have no position yet, and gives them theirs. `false`: some have none still.
    async fn publish(&self, entries: &[Entry], appended: &mut [Option<Appended>]) -> Result<bool, PublishError> {
        let mut underway = Vec::new();
        for (entry, place) in entries.iter().zip(appended).filter(|(_, place)| place.is_none()) {
            underway.push((self.send(entry).await?, place));
        }
        let mut failure = Ok(true);
        for (ack, place) in underway {
            match ack.await {
                Ok(PublishAck { sequence, duplicate: false, .. }) => *place = Some(Appended::New(sequence)),
                Ok(PublishAck { sequence, .. }) => *place = Some(Appended::Duplicate(sequence)),
                Err(error) => failure = Err(error),
            }
        }
        failure
    }

    async fn send(&self, entry: &Entry) -> Result<PublishAckFuture, PublishError> {
        let Entry { event, json } = entry;
        let subject = format!("{}.{}.{}", self.subject, event.category.as_str(), event.action);
        let message = PublishMessage::build().message_id(message_id(&event.id)).payload(json.clone());
        self.context.send_publish(subject, message).await
    }

    async fn publish_all(&self, entries: &[Entry], appended: &mut [Option<Appended>]) -> Result<(), JournalError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tried = tokio::time::timeout_at(deadline, self.publish(entries, appended)).await;
            let trouble = match tried {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => why(&error),
                Err(_) => "nats has not acknowledged it in time".to_owned(),
            };
            if Instant::now() + RETRY >= deadline {
                return Err(JournalError::Unavailable(trouble));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn copied(&self, seq: Seq) -> Result<(), JournalError> {
        let mut progress = self.progress.clone();
        let copied = progress.wait_for(|progress| progress.position >= seq);
        match tokio::time::timeout(PATIENCE, copied).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(JournalError::Unavailable("what was stored cannot be read back yet".to_owned())),
        }
    }

    /// Deletes from the stream what a batch will delete from the copy. First the pictures that hold it go where a daemon
    /// finds them that has not seen it.
    async fn prune_stream(&self, batch: &Prune) -> Result<(), JournalError> {
        let doomed = self.database.deletable(batch.clone()).await?;
        let pruned = doomed.last().copied().unwrap_or(0).max(self.copy.first_seq().await? - 1);
        let known = self.shared.get(PRUNED).await.map_err(|error| JournalError::Unavailable(error.to_string()))?;
        if pruned > known.and_then(|known| known.as_u64()).unwrap_or(0) {
            self.pictures.leave(&self.copy, batch.pictures, pruned).await?;
            let noted = self.shared.set(PRUNED, &json!(pruned)).await;
            noted.map_err(|error| JournalError::Unavailable(error.to_string()))?;
        }
        let oldest = self.copy.read(0, 1, &Filter::ALL).await?.first().map_or(0, |record| record.seq);
        let unbroken = doomed.first() == Some(&oldest) && doomed.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        if batch.after == 0 || unbroken {
            // Also what other daemons have deleted from their copies while they had the duty.
            let first = if unbroken { doomed.last().map_or(oldest, |last| last + 1) } else { oldest };
            self.stream.purge().sequence(first).await.map_err(|error| JournalError::Unavailable(why(&error)))?;
        }
        if !unbroken {
            stream::iter(doomed).map(Ok).try_for_each_concurrent(DELETIONS, |seq| self.delete(seq)).await?;
        }
        Ok(())
    }

    async fn delete(&self, seq: Seq) -> Result<(), JournalError> {
        /// Events are not secrets that must be overwritten.
        const ERASE: &str = "no_erase";
        let subject = format!("STREAM.MSG.DELETE.{}", self.stream.cached_info().config.name);
        // That it is gone already is as good: what counts is that the server has heard it.
        let request = self.context.request::<_, _, Value>(subject, &json!({"seq": seq, ERASE: true}));
        request.await.map(drop).map_err(|error| JournalError::Unavailable(why(&error)))
    }
}

#[async_trait]
impl Journal for NatsJournal {
    async fn append(&self, entries: Arc<[Entry]>) -> Result<Vec<Appended>, JournalError> {
        self.check()?;
        let known = self.database.positions(Arc::clone(&entries)).await?;
        let mut appended: Vec<_> = known.into_iter().map(|seq| seq.map(Appended::Duplicate)).collect();
        self.publish_all(&entries, &mut appended).await?;
        let appended: Vec<_> = appended.into_iter().flatten().collect();
        self.copied(appended.iter().map(|appended| appended.seq()).max().unwrap_or(0)).await?;
        Ok(appended)
    }

    async fn read(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        self.copy.read(after, limit, filter).await
    }

    async fn latest(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        self.copy.latest(before, limit, filter).await
    }

    async fn search(&self, search: &Search, before: Seq, limit: usize) -> Result<Found, JournalError> {
        self.copy.search(search, before, limit).await
    }

    async fn last_seq(&self) -> Result<Seq, JournalError> {
        self.copy.last_seq().await
    }

    async fn first_seq(&self) -> Result<Seq, JournalError> {
        self.copy.first_seq().await
    }

    async fn extent(&self) -> Result<Extent, JournalError> {
        self.copy.extent().await
    }

    async fn prune(&self, batch: Prune) -> Result<Pruned, JournalError> {
        if self.duties.has(Duty::Retention) {
            self.prune_stream(&batch).await?;
        }
        self.copy.prune(batch).await
    }

    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        let own = self.copy.load_snapshot(name).await?;
        if own.as_ref().map_or(0, |own| own.seq) >= self.lacks.load(Ordering::Relaxed) {
            return Ok(own);
        }
        Ok(self.pictures.load(name).await?.or(own))
    }

    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError> {
        self.copy.save_snapshot(name, snapshot).await
    }

    async fn probe(&self, bytes: usize) -> Result<(), JournalError> {
        self.check()?;
        self.stream.get_info().await.map_err(|error| JournalError::Unavailable(why(&error)))?;
        self.copy.probe(bytes).await
    }

    async fn standing(&self, known: &Standing) -> Standing {
        /// Between two looks at the connection, which tells of itself in no other way.
        const LOOK: Duration = Duration::from_millis(250);
        let (mut journal, mut workspaces) = (self.progress.clone(), self.workspaces.clone());
        loop {
            let standing = Standing { last_seq: journal.borrow_and_update().position, trouble: self.trouble() };
            if standing != *known {
                return standing;
            }
            tokio::select! {
                _ = journal.changed() => {}
                _ = workspaces.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// The event's id; what a header cannot hold, or a server would trim, is written otherwise.
fn message_id(id: &str) -> String {
    let plain = id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=');
    if plain { id.to_owned() } else { keys::encode_part(id) }
}

/// The copy of the journal.
pub(super) struct JournalCopy {
    pub(super) database: Database,
    pub(super) position: AtomicU64,
    pub(super) shared: Arc<NatsWorkspace>,
    pub(super) lacks: Arc<AtomicU64>,
}

/// What the copy wants to know of an event beside its text.
#[derive(Deserialize)]
struct Columns {
    id: String,
    category: String,
    action: String,
    agent_id: Option<String>,
}

impl JournalCopy {
    /// A copy that was cut off for so long that events were deleted which it has not seen cannot go on.
    async fn check(&self, next: Seq) -> Result<(), String> {
        let position = self.position.load(Ordering::Relaxed);
        if next <= position + 1 {
            return Ok(());
        }
        let pruned = self.shared.get(PRUNED).await.map_err(|error| error.to_string())?;
        let pruned = pruned.and_then(|pruned| pruned.as_u64()).unwrap_or(0);
        if pruned > position.max(self.lacks.load(Ordering::Relaxed)) {
            return Err(format!(
                "events up to {pruned} were deleted, of which this daemon has seen those up to {position}; restart it, \
                 so that it begins with what the others have made of them"
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Copies for JournalCopy {
    async fn copy(&self, messages: Vec<Arrived>) -> Result<(), String> {
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(()) };
        let last = last.seq;
        self.check(first.seq).await?;
        let events = messages.into_iter().filter_map(read).collect();
        self.database.copy_events(events).await.map_err(|error| error.to_string())?;
        self.position.store(last, Ordering::Relaxed);
        Ok(())
    }
}

/// An event of the journal; whatever else somebody put into the stream is passed over.
fn read(arrived: Arrived) -> Option<CopiedEvent> {
    let Arrived { seq, received_at, message } = arrived;
    let json: Bytes = message.payload;
    match serde_json::from_slice(&json) {
        Ok(Columns { id, category, action, agent_id }) => {
            Some(CopiedEvent { seq, received_at, id, category, action, agent_id, json })
        }
        Err(error) => {
            tracing::error!(seq, %error, "message ignored, it is no event that remora wrote");
            None
        }
    }
}

/// Up to where events were deleted, as the daemons have agreed.
pub(super) async fn pruned(shared: &NatsWorkspace) -> Result<Seq, String> {
    let pruned = shared.get(PRUNED).await.map_err(|error| error.to_string())?;
    Ok(pruned.and_then(|pruned| pruned.as_u64()).unwrap_or(0))
}

//! The stores of many daemons that share a NATS with JetStream.
//!
//! - `streams`: what is kept there.
//! - `journal`: the [`Journal`] in a stream, the way of a `commit` there with its `acks`, and its copy, the `journal_copy`, in
//!   which a `growing` id need not be looked for.
//! - `workspace`: the [`Workspace`]s in a `bucket`, whose `keys` NATS allows.
//! - `leases`: the [`Duties`], which one daemon does for all.
//! - `follower`: keeps copies of the stream and the bucket in the daemon's own database, from which all is read. A `reader`
//!   tells it what others put in, and its `silence` is looked into; what is the daemon's `own` need not be read back.
//!   `followed` says how well it goes, and the `link` leads elsewhere where it does not go at all.
//! - `pictures`: what a daemon begins with that comes after events were deleted.
//! - `moving`: takes in a journal that lay elsewhere.
//!
//! The copy is a database of its own in the data folder. It can be deleted: it is made anew from what NATS holds. So it
//! is if it turns out to be the copy of something else, which is kept under another name.

mod acks;
mod bucket;
mod commit;
mod followed;
mod follower;
mod growing;
mod journal;
mod journal_copy;
mod keys;
mod leases;
mod link;
mod moving;
mod own;
mod pictures;
mod reader;
mod silence;
mod streams;
mod workspace;

#[cfg(test)]
mod testing;

use std::{
    collections::BTreeSet,
    error::Error as StdError,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use async_nats::{
    Client,
    jetstream::{context::ContextBuilder, stream::Stream},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use remora_actors::ports::{Duties, Journal, JournalError, Snapshot, Workspace};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use self::{
    acks::Acks,
    bucket::Bucket,
    commit::Publisher,
    followed::{Copied, Followed},
    follower::{Follower, Progress},
    growing::Growing,
    journal::NatsJournal,
    journal_copy::JournalCopy,
    leases::Leases,
    link::Link,
    pictures::Pictures,
    streams::{Streams, info_of},
    workspace::{WorkspaceCopies, Workspaces},
};
use crate::{
    bus::{BusSettings, Names, Servers},
    stores::{
        data_dir::KEY_BYTES,
        sqlite::{Database, Durability, OpenError},
    },
};

/// The copy's name in the data folder.
pub const FILE_NAME: &str = "copy.db";
/// Messages published and not acknowledged, as the client library counts them: more than there ever are, since whoever
/// waits for a place there keeps those that it has. Commits have a window of their own.
const PLACES: usize = 1 << 16;
/// How long a server may take to answer. Whoever waits for the daemon is more patient than that.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two words in the log while a copy is made.
const TELL: Duration = Duration::from_secs(5);
/// Where the daemons agree on what is no workspace. No agent can reach it: ids from outside hold no control characters.
pub(crate) const SHARED: &str = "\u{1}shared";
/// Where the key that signs links lies there.
const LINK_KEY: &str = "link_key";
/// Under this name the copy says of which stream it is one.
const ORIGIN: &str = "origin";
/// Bytes of a message beside what it carries: its headers, with the longest key.
const ENVELOPE_BYTES: usize = 4 << 10;

/// Why the stores could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// NATS does not do what is asked.
    #[error("the message bus cannot be used: {0}; look at the log of the nats server, and at `bus_replicas`")]
    Server(String),
    /// There is a part of what was to be moved there.
    #[error(
        "a move from {from} to {servers} did not come to its end, or is at work, so that only a part is there; run it \
         again: remora migrate --from {from} --to {servers}; or remove all streams with {prefix}- in their names"
    )]
    Unfinished {
        /// Where everything still is.
        from: String,
        /// The servers.
        servers: Servers,
        /// What the streams' names have in common.
        prefix: Names,
    },
    /// The copy.
    #[error(transparent)]
    Copy(#[from] OpenError),
    /// The copy again.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The stores in NATS, and their copy. Followed for as long as this is held.
pub struct Nats {
    name: String,
    journal: Arc<NatsJournal>,
    workspaces: Workspaces,
    duties: Arc<Leases>,
    database: Database,
    max_payload: usize,
    tasks: Mutex<JoinSet<()>>,
}

impl Nats {
    /// Opens the stores, and returns once their copy in `folder` holds what they held a moment ago.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn open(client: Client, settings: &BusSettings, folder: &Path) -> Result<Self, NatsError> {
        // On the heap: the client library's requests are large.
        Box::pin(Self::assemble(client, settings, folder, moving::check_whole)).await
    }

    /// The same, also where a move into the stores did not come to its end.
    ///
    /// # Errors
    /// [`NatsError`], but for [`NatsError::Unfinished`].
    pub async fn open_to_move(client: Client, settings: &BusSettings, folder: &Path) -> Result<Self, NatsError> {
        Box::pin(Self::assemble(client, settings, folder, async |_, _| Ok(()))).await
    }

    async fn assemble(
        client: Client,
        settings: &BusSettings,
        folder: &Path,
        check: impl AsyncFnOnce(&Bucket, &BusSettings) -> Result<(), NatsError>,
    ) -> Result<Self, NatsError> {
        let server = client.server_info();
        let (name, max_payload) = (name(&server.client_ip, folder), server.max_payload);
        let context =
            ContextBuilder::new().max_ack_inflight(PLACES).backpressure_on_inflight(true).timeout(ANSWER).build(client);
        let streams = Streams { context: &context, settings };
        let stream = streams.journal().await.map_err(NatsError::Server)?;
        let bucket = streams.bucket("workspaces").await.map_err(NatsError::Server)?;
        check(&bucket, settings).await?;
        let leases = streams.passing_bucket("duties", leases::LEASE).await.map_err(NatsError::Server)?;
        let work = streams.passing_bucket("work", leases::WORK).await.map_err(NatsError::Server)?;
        let pictures = Pictures::new(streams.pictures().await.map_err(NatsError::Server)?);
        let database = open_copy(folder.join(FILE_NAME), &stream).await?;
        let mut tasks = JoinSet::new();

        let copy = database.journal();
        let position = copy.last_seq().await?;
        let link = Link::new(context.client());
        let (of_journal, of_workspaces) = (Progress::at(position), Progress::at(0));
        let [journal, workspaces] = [&of_journal, &of_workspaces].map(|progress| Copied::new(progress.subscribe()));
        let followed = Followed { link: link.clone(), journal, workspaces };

        database.forget_values().await?;
        let copies = WorkspaceCopies::new(bucket.clone(), database.clone());
        tasks.spawn(Follower::new(link.clone(), bucket.stream().clone(), copies, of_workspaces).of_last().run());
        caught_up(followed.workspaces.progress.clone(), "workspaces").await?;
        let workspaces = Workspaces { bucket, database: database.clone(), followed: followed.clone() };

        let shared = Arc::new(workspaces.open(SHARED));
        let pruned = journal_copy::pruned(&shared).await.map_err(NatsError::Server)?;
        database.pruned_until(pruned).await?;
        let lacks = Arc::new(AtomicU64::new(pruned));
        let (hand, owned) = own::channel();
        let growing = Growing::of(&database).await?;
        let of_database = (database.clone(), growing.clone());
        let copies = JournalCopy::new(of_database, owned, position, Arc::clone(&shared), Arc::clone(&lacks));
        tasks.spawn(Follower::new(link, stream.clone(), copies, of_journal).run());
        caught_up(followed.journal.progress.clone(), "events").await?;

        let (acks, receive) = Acks::open(&context.client()).await.map_err(NatsError::Server)?;
        tasks.spawn(receive);
        let duties = Arc::new(Leases::new(leases, work, followed.clone(), &name));
        let keep = Arc::clone(&duties);
        tasks.spawn(async move { keep.keep().await });
        let journal = Arc::new(NatsJournal {
            publisher: Arc::new(Publisher::new(context, settings.names.journal_subject(), acks)),
            stream,
            copy,
            growing,
            followed,
            own: hand,
            pictures,
            duties: Arc::clone(&duties),
            shared,
            lacks,
            database: database.clone(),
        });
        Ok(Self { name, journal, workspaces, duties, database, max_payload, tasks: Mutex::new(tasks) })
    }

    /// The journal.
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal) as Arc<dyn Journal>
    }

    /// Opens the workspace of an id. It comes into being with its first key.
    pub fn open_workspace(&self) -> impl Fn(&str) -> Arc<dyn Workspace> + Send + Sync + use<> {
        let workspaces = self.workspaces.clone();
        move |id| Arc::new(workspaces.open(id))
    }

    /// What this daemon does for all.
    pub fn duties(&self) -> Arc<dyn Duties> {
        Arc::clone(&self.duties) as Arc<dyn Duties>
    }

    /// What this daemon calls itself among those that share the stores.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the others that do something for all; where there is another daemon, there is one of these.
    ///
    /// # Errors
    /// [`NatsError::Server`].
    pub async fn others(&self) -> Result<BTreeSet<String>, NatsError> {
        self.duties.others().await.map_err(NatsError::Server)
    }

    /// The copy.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns once the copy has what was written here.
    pub async fn settled(&self) {
        self.journal.followed.journal.settled().await;
        self.journal.followed.workspaces.settled().await;
    }

    /// The key with which links are signed: this daemon's, unless another one was first.
    pub(crate) async fn agree_on_link_key(&self, own: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], NatsError> {
        let mine = json!(BASE64_STANDARD.encode(own));
        let written = self.workspaces.open(SHARED).compare_and_set(LINK_KEY, None, &mine).await;
        written.map_err(|error| NatsError::Server(error.to_string()))?;
        self.link_key().await?.ok_or_else(|| NatsError::Server("the key of the links is gone".to_owned()))
    }

    /// The key with which links are signed; `None`: no daemon has needed one yet.
    pub(crate) async fn link_key(&self) -> Result<Option<[u8; KEY_BYTES]>, NatsError> {
        let found = self.workspaces.open(SHARED).get(LINK_KEY).await;
        let Some(key) = found.map_err(|error| NatsError::Server(error.to_string()))? else { return Ok(None) };
        let key = key.as_str().and_then(|key| BASE64_STANDARD.decode(key).ok()?.try_into().ok());
        key.map(Some).ok_or_else(|| NatsError::Server("the key of the links that lies there is none".to_owned()))
    }

    /// Bytes of the largest value or event that fits into a message.
    pub fn largest(&self) -> usize {
        self.max_payload.saturating_sub(ENVELOPE_BYTES)
    }

    /// Gives the duties back and ceases to follow. The copy stays open, for whoever closes the database.
    pub async fn close(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        self.duties.give_back().await;
    }
}

/// Tells whoever wants to stop a daemon which one it is.
fn name(address: &str, folder: &Path) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    format!("process {} at {address} on {}", std::process::id(), folder.display())
}

/// Opens the copy of a stream. One that is damaged is deleted. One of another stream, or that knows more than the stream
/// does, is put aside: it may be all that is left of a journal which NATS has lost.
async fn open_copy(path: PathBuf, stream: &Stream) -> Result<Database, NatsError> {
    let info = info_of(stream).await.map_err(NatsError::Server)?;
    let origin = format!("{} {}", info.config.name, info.created.unix_timestamp_nanos());
    let database = match open(&path).await {
        Err(OpenError::Damaged { why, .. }) => {
            tracing::warn!(path = %path.display(), why, "the copy is damaged, making it anew");
            delete(&path);
            open(&path).await?
        }
        opened => opened?,
    };
    let copy = database.journal();
    let stored = copy.load_snapshot(ORIGIN).await?.map(|snapshot| snapshot.body);
    let (known, position) = (stored.as_deref() == Some(origin.as_bytes()), copy.last_seq().await?);
    if (known && position <= info.state.last_sequence) || (stored.is_none() && position == 0) {
        copy.save_snapshot(ORIGIN, Snapshot { seq: 0, body: origin.into() }).await?;
        return Ok(database);
    }
    database.close().await.map_err(JournalError::Unavailable)?;
    if position == 0 {
        delete(&path);
    } else {
        let kept = path.with_file_name(format!("copy-{}.db", Timestamp::now().as_second()));
        std::fs::rename(&path, &kept).map_err(|error| OpenError::Io { path: path.clone(), why: error.to_string() })?;
        tracing::warn!(
            kept = %kept.display(), position,
            "the copy is one of another journal, it is kept under another name and made anew"
        );
    }
    let database = open(&path).await?;
    database.journal().save_snapshot(ORIGIN, Snapshot { seq: 0, body: origin.into() }).await?;
    Ok(database)
}

async fn open(path: &Path) -> Result<Database, OpenError> {
    let path = path.to_owned();
    // What the disk has not got when the power fails is read from NATS again.
    let opened = tokio::task::spawn_blocking(move || Database::open(&path, Durability::Normal));
    opened.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn delete(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut path = path.to_owned().into_os_string();
        path.push(end);
        let _ = std::fs::remove_file(path);
    }
}

/// Returns once a follower has seen everything that was there when it began, however long that takes.
async fn caught_up(mut progress: watch::Receiver<Progress>, what: &str) -> Result<(), NatsError> {
    loop {
        let copied = progress.wait_for(|progress| progress.behind == 0 || progress.trouble.is_some());
        let reached = tokio::time::timeout(TELL, copied).await.map(|reached| reached.map(|reached| reached.clone()));
        match reached {
            Ok(Ok(Progress { trouble: None, .. })) => return Ok(()),
            Ok(Ok(Progress { trouble: Some(trouble), .. })) => return Err(NatsError::Server(trouble.to_string())),
            Ok(Err(_)) => return Err(NatsError::Server("its follower has ended".to_owned())),
            Err(_) => {
                let Progress { position, behind, .. } = progress.borrow().clone();
                tracing::info!(what, position, behind, "copying from the message bus");
            }
        }
    }
}

/// What an error says, and its causes.
fn why(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source());
    let mut words: Vec<_> = causes.map(ToString::to_string).collect();
    // An error of the client library says its cause's words as well as its own.
    words.dedup_by(|cause, error| error.contains(cause.as_str()));
    words.join(": ")
}

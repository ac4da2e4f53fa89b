//! The two ports: what the actors need from the world, implemented by the daemon's stores.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::model::{Event, Pattern, Record, Registration, Seq};

/// An event on its way into the journal, with the text that will be stored.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event.
    pub event: Arc<Event>,
    /// Its JSON, as [`Event::to_json`] writes it.
    pub json: Bytes,
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        let json = event.to_json();
        Self { event: Arc::new(event), json }
    }
}

/// What became of an event given to [`Journal::append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is new and has this position.
    New(Seq),
    /// An event of the same id stands at this position already; nothing was written.
    Duplicate(Seq),
}

impl Appended {
    /// The event's position, new or not.
    pub fn seq(self) -> Seq {
        match self {
            Self::New(seq) | Self::Duplicate(seq) => seq,
        }
    }
}

/// Which events a reader wants.
#[derive(Debug, Clone)]
pub struct Filter {
    /// By kind.
    pub pattern: Pattern,
    /// By agent.
    pub agent_id: Option<String>,
}

impl Filter {
    /// Every event.
    pub const ALL: Self = Self { pattern: Pattern::ALL, agent_id: None };

    /// True where the reader wants the event.
    pub fn matches(&self, event: &Event) -> bool {
        self.pattern.matches(event) && (self.agent_id.is_none() || self.agent_id == event.agent_id)
    }
}

/// A picture folded from the journal up to and including `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event in the picture.
    pub seq: Seq,
    /// The picture, as its owner wrote it.
    pub body: Vec<u8>,
}

/// Why the journal could not do what was asked. Nothing was half-done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The disk is full or failing, or the server is away: the same call may succeed later.
    #[error("the journal cannot be written or read at present: {0}")]
    Unavailable(String),
    /// What is stored is not what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

/// The durable, ordered, gapless list of events.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Appends the events in order, in one commit. On return they are durable, each id once.
    async fn append(&self, entries: Arc<[Entry]>) -> Result<Vec<Appended>, JournalError>;

    /// Up to `limit` of the wanted events after `after`, in order.
    async fn read(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError>;

    /// The newest `limit` of the wanted events before `before` (`None`: of all), oldest first.
    async fn latest(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError>;

    /// The position of the newest event; 0 while there is none.
    async fn last_seq(&self) -> Result<Seq, JournalError>;

    /// The newest snapshot saved under a name.
    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError>;

    /// Replaces the snapshot of a name.
    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError>;
}

/// Why a workspace could not do what was asked. Nothing was half-done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceError {
    /// Another process holds the file; it is tried again until the file is free.
    #[error("workspace file {path} is locked by another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file yet.
    #[error("workspace file {path} does not exist")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file lies outside the allowed folders, or there are none.
    #[error("workspace file {path} is refused: {why}")]
    Refused {
        /// The file as it was named.
        path: PathBuf,
        /// The reason, and what to do.
        why: String,
    },
    /// The file is not a workspace, or damaged.
    #[error("workspace {name} cannot be read: {why}")]
    Broken {
        /// The file or the workspace's id.
        name: String,
        /// The reason.
        why: String,
    },
    /// The store is away for the moment.
    #[error("workspace {name} is not available: {why}")]
    Unavailable {
        /// The file or the workspace's id.
        name: String,
        /// The reason.
        why: String,
    },
}

/// One agent's key-value space: its outbox and inbox, and whatever else it keeps there. Values are JSON.
#[async_trait]
pub trait Workspace: Send + Sync + 'static {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Value>, WorkspaceError>;

    /// Writes a value, whatever was there.
    async fn set(&self, key: &str, value: &Value) -> Result<(), WorkspaceError>;

    /// Writes `value` only if the key holds `expected` (`None`: nothing), compared as JSON and not as text.
    /// `false`: it holds something else and was left alone.
    async fn compare_and_set(&self, key: &str, expected: Option<&Value>, value: &Value)
    -> Result<bool, WorkspaceError>;

    /// Writes a value and, in the same commit, a receipt of it. `false`: the receipt is there already, and nothing was
    /// written, even if whoever reads the value has taken it away since.
    async fn set_once(&self, key: &str, value: &Value, receipt: &str) -> Result<bool, WorkspaceError>;

    /// The keys that start with `prefix` and their values, by key.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, WorkspaceError>;

    /// Removes a key. `false`: there was none.
    async fn delete(&self, key: &str) -> Result<bool, WorkspaceError>;

    /// Returns once something may have changed since the last call returned, however that is found out. The first
    /// call returns at once. A cancelled call forgets nothing.
    async fn changed(&self);
}

/// Opens the workspace that a registration names; without a path, the embedded one of that id. Opening touches no
/// file's content: a locked or missing file shows at the first read.
pub type OpenWorkspace = Arc<dyn Fn(&Registration) -> Result<Arc<dyn Workspace>, WorkspaceError> + Send + Sync>;

/// Keys of the workspace protocol, as the agents read and write them.
pub mod keys {
    /// Questions an agent asks: `outbox:question:{msg_id}`.
    pub const QUESTION: &str = "outbox:question:";
    /// Answers an agent reads: `inbox:response:{msg_id}`.
    pub const RESPONSE: &str = "inbox:response:";
    /// Messages an agent did not ask for: `inbox:user_message:{id}`.
    pub const USER_MESSAGE: &str = "inbox:user_message:";
    /// Remora's own: that a message was written, until the journal knows it.
    pub const RECEIPT: &str = "remora:receipt:";
}

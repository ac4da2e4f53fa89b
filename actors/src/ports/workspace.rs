//! The agents' workspaces.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;

use crate::model::Registration;

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

/// A page of a workspace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// Keys and their values, by key.
    pub entries: Vec<(String, Value)>,
    /// Behind which key there are more; `None`: that is all.
    pub next: Option<String>,
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

    /// A page of the same, behind the key `after`.
    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Listed, WorkspaceError>;

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

//! Workspaces in AgentFS files: SQLite files with a table `kv_store`, which belong to their agents.
//!
//! - `roots`: which files may be opened at all.
//! - `file`: one file, opened, used and closed again each time.
//!
//! An agent that has its file open through Turso holds an exclusive lock on it; one that uses SQLite itself does not.
//! Hence nothing here holds a file, and a locked one is an error that passes.

mod file;
mod roots;

#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use remora_actors::ports::{Listed, PAGE_BYTES, Workspace, WorkspaceError};
use serde_json::Value;

use super::{
    file_watcher::{FileChanges, FileWatcher},
    key_range,
};
use file::WorkspaceFile;

pub use roots::{RootError, Roots};

/// All AgentFS files below the configured roots.
#[derive(Debug, Clone)]
pub struct AgentFs {
    roots: Roots,
    watcher: FileWatcher,
    value_bytes: usize,
}

impl AgentFs {
    /// Values over `value_bytes` are left where they are.
    pub fn new(roots: Roots, watcher: FileWatcher, value_bytes: usize) -> Self {
        Self { roots, watcher, value_bytes }
    }

    /// The workspace in a file, which need not exist yet.
    ///
    /// # Errors
    /// [`WorkspaceError::Refused`] outside of the roots.
    pub fn workspace(&self, path: &Path) -> Result<AgentFsWorkspace, WorkspaceError> {
        let file = WorkspaceFile::new(path, self.roots.clone(), self.value_bytes)?;
        // Read where the name leads at the time, and so watched there.
        let (roots, name) = (self.roots.clone(), path.to_owned());
        let changes = self.watcher.watch_found(move || roots.resolve(&name).ok());
        Ok(AgentFsWorkspace { file: Arc::new(file), changes })
    }
}

/// One AgentFS file.
#[derive(Debug)]
pub struct AgentFsWorkspace {
    file: Arc<WorkspaceFile>,
    changes: FileChanges,
}

impl AgentFsWorkspace {
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&WorkspaceFile) -> Result<R, WorkspaceError> + Send + 'static,
    ) -> Result<R, WorkspaceError> {
        let file = self.file.clone();
        let done = tokio::task::spawn_blocking(move || work(&file)).await;
        done.unwrap_or_else(|error| Err(self.file.unavailable(error.to_string())))
    }
}

#[async_trait]
impl Workspace for AgentFsWorkspace {
    async fn get(&self, key: &str) -> Result<Option<Value>, WorkspaceError> {
        let key = key.to_owned();
        self.run(move |file| file.get(&key)).await
    }

    async fn set(&self, key: &str, value: &Value) -> Result<(), WorkspaceError> {
        let (key, value) = (key.to_owned(), value.clone());
        self.run(move |file| file.set(&key, &value)).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Value>,
        value: &Value,
    ) -> Result<bool, WorkspaceError> {
        let (key, expected, value) = (key.to_owned(), expected.cloned(), value.clone());
        self.run(move |file| file.compare_and_set(&key, expected.as_ref(), &value)).await
    }

    async fn set_once(&self, key: &str, value: &Value, receipt: &str) -> Result<bool, WorkspaceError> {
        let (key, value, receipt) = (key.to_owned(), value.clone(), receipt.to_owned());
        self.run(move |file| file.set_once(&key, &value, &receipt)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, WorkspaceError> {
        let range = key_range::of_prefix(prefix);
        Ok(self.run(move |file| file.list(range, usize::MAX)).await?.entries)
    }

    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Listed, WorkspaceError> {
        let range = key_range::behind(after, prefix);
        self.run(move |file| file.list(range, PAGE_BYTES)).await
    }

    async fn delete(&self, key: &str) -> Result<bool, WorkspaceError> {
        let key = key.to_owned();
        self.run(move |file| file.delete(&key)).await
    }

    async fn changed(&self) {
        self.changes.next().await;
    }
}

//! Workspaces in the daemon's database, for agents that speak to the daemon and have no file of their own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use remora_actors::ports::{Listed, PAGE_BYTES, Workspace, WorkspaceError};
use serde_json::Value;
use tokio_rusqlite::{
    Error,
    rusqlite::{self, OptionalExtension, params, types},
};

use super::{
    Database,
    database::{is_damage, transact},
};
use crate::stores::{
    change::{Change, Seen},
    key_range,
};

const GET: &str = "SELECT value FROM kv WHERE workspace = ?1 AND key = ?2";
const SET: &str = "INSERT INTO kv (workspace, key, value) VALUES (?1, ?2, ?3)
                   ON CONFLICT (workspace, key) DO UPDATE SET value = excluded.value";
const LIST: &str = "SELECT key, value FROM kv WHERE workspace = ?1 AND key >= ?2 AND key < ?3 ORDER BY key";
const DELETE: &str = "DELETE FROM kv WHERE workspace = ?1 AND key = ?2";

/// One workspace in a [`Database`].
#[derive(Debug)]
pub struct EmbeddedWorkspace {
    database: Database,
    id: Arc<str>,
    change: Arc<Change>,
    seen: Seen,
}

/// What the handles of one workspace share, for as long as there is one.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<HashMap<Arc<str>, Weak<Change>>>);

impl Changes {
    pub(super) fn of(&self, id: &str) -> Arc<Change> {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(change) = changes.get(id).and_then(Weak::upgrade) {
            return change;
        }
        if changes.len() == changes.capacity() {
            changes.retain(|_, change| change.strong_count() > 0);
        }
        let change = Change::new();
        changes.insert(id.into(), Arc::downgrade(&change));
        change
    }
}

impl EmbeddedWorkspace {
    pub(super) fn new(database: Database, id: &str, change: Arc<Change>) -> Self {
        Self { database, id: id.into(), seen: Seen::nothing(change.clone()), change }
    }

    async fn read<R: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection, &str) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, WorkspaceError> {
        let id = self.id.clone();
        let call = self.database.workspace_reader.call(move |connection| query(connection, &id));
        call.await.map_err(|error| self.failed(error))
    }

    /// Runs `change` in a transaction of its own and, where it says that it changed something, wakes the readers:
    /// on the writer's thread, so that a caller who gives up takes no wake-up with him.
    async fn write(
        &self,
        change: impl FnOnce(&rusqlite::Connection, &str) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, WorkspaceError> {
        let (id, announced) = (self.id.clone(), self.change.clone());
        let call = self.database.write(move |connection| {
            let changed = transact(connection, |connection| change(connection, &id))?;
            if changed {
                announced.announce();
            }
            Ok(changed)
        });
        call.await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: Error) -> WorkspaceError {
        let (name, why) = (self.id.to_string(), error.to_string());
        match error {
            Error::Error(error) if is_damage(&error) => WorkspaceError::Broken { name, why: error.to_string() },
            Error::Error(error) => WorkspaceError::Unavailable { name, why: error.to_string() },
            _ => WorkspaceError::Unavailable { name, why },
        }
    }
}

#[async_trait]
impl Workspace for EmbeddedWorkspace {
    async fn get(&self, key: &str) -> Result<Option<Value>, WorkspaceError> {
        let key = key.to_owned();
        self.read(move |connection, id| get(connection, id, &key)).await
    }

    async fn set(&self, key: &str, value: &Value) -> Result<(), WorkspaceError> {
        let (key, value) = (key.to_owned(), value.to_string());
        self.write(move |connection, id| set(connection, id, &key, &value)).await.map(|_| ())
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Value>,
        value: &Value,
    ) -> Result<bool, WorkspaceError> {
        let (key, expected, value) = (key.to_owned(), expected.cloned(), value.to_string());
        self.write(move |connection, id| {
            Ok(get(connection, id, &key)? == expected && set(connection, id, &key, &value)?)
        })
        .await
    }

    async fn set_once(&self, key: &str, value: &Value, receipt: &str) -> Result<bool, WorkspaceError> {
        let (key, value, receipt) = (key.to_owned(), value.to_string(), receipt.to_owned());
        self.write(move |connection, id| {
            let is_new = get(connection, id, &receipt)?.is_none();
            Ok(is_new && set(connection, id, &receipt, "true")? && set(connection, id, &key, &value)?)
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, WorkspaceError> {
        let range = key_range::of_prefix(prefix);
        Ok(self.read(move |connection, id| list(connection, id, range, usize::MAX)).await?.entries)
    }

    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Listed, WorkspaceError> {
        let range = key_range::behind(after, prefix);
        self.read(move |connection, id| list(connection, id, range, PAGE_BYTES)).await
    }

    async fn delete(&self, key: &str) -> Result<bool, WorkspaceError> {
        let key = key.to_owned();
        self.write(move |connection, id| delete(connection, id, &key)).await
    }

    async fn changed(&self) {
        self.seen.next(Duration::ZERO).await;
    }
}

fn get(connection: &rusqlite::Connection, id: &str, key: &str) -> rusqlite::Result<Option<Value>> {
    connection.prepare_cached(GET)?.query_row([id, key], |row| value(row, 0)).optional()
}

pub(super) fn set(connection: &rusqlite::Connection, id: &str, key: &str, value: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached(SET)?.execute([id, key, value]).map(|rows| rows > 0)
}

pub(super) fn delete(connection: &rusqlite::Connection, id: &str, key: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached(DELETE)?.execute([id, key]).map(|rows| rows > 0)
}

/// The keys of a range with their values, up to so many bytes.
fn list(
    connection: &rusqlite::Connection,
    id: &str,
    (first, end): (String, types::Value),
    max_bytes: usize,
) -> rusqlite::Result<Listed> {
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query(params![id, first, end])?;
    let (mut entries, mut bytes) = (Vec::<(String, Value)>::new(), 0_usize);
    while let Some(row) = rows.next()? {
        bytes = bytes.saturating_add(row.get_ref(1)?.as_str()?.len());
        if bytes > max_bytes
            && let Some((last, _)) = entries.last()
        {
            return Ok(Listed { next: Some(last.clone()), entries });
        }
        entries.push((row.get(0)?, value(row, 1)?));
    }
    Ok(Listed { entries, next: None })
}

fn value(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let text = row.get_ref(column)?;
    serde_json::from_str(text.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, text.data_type(), error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{
        conformance::workspace,
        sqlite::{Durability, FILE_NAME},
    };
    use serde_json::json;

    fn database() -> (Database, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("tempdir");
        (Database::open(&folder.path().join(FILE_NAME), Durability::Normal).expect("open"), folder)
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        workspace::keeps_the_contract(async || {
            let (database, folder) = database();
            (database.workspace("a"), (database, folder))
        })
        .await;
    }

    #[tokio::test]
    async fn ids_are_apart_and_handles_of_one_id_together() {
        let (database, _folder) = database();
        let (a, same, other) = (database.workspace("a"), database.workspace("a"), database.workspace("b"));
        for workspace in [&a, &same, &other] {
            workspace.changed().await;
        }
        a.set("k", &json!(1)).await.expect("set");
        same.changed().await;
        assert_eq!(same.get("k").await, Ok(Some(json!(1))));
        assert_eq!(other.list("").await, Ok(vec![]));
        assert!(tokio::time::timeout(Duration::ZERO, other.changed()).await.is_err());
    }

    #[tokio::test]
    async fn what_no_handle_watches_is_forgotten() {
        let (database, _folder) = database();
        for n in 0..10_000 {
            drop(database.workspace(&n.to_string()));
        }
        let held = database.changes.0.lock().expect("held").len();
        assert!(held < 100, "{held}");
    }
}

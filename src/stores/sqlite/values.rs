//! The values of all workspaces, one after the other.

use remora_actors::ports::JournalError;
use tokio_rusqlite::rusqlite::{Connection, params};

use super::{Database, journal::failed};

const PAGE: &str = "SELECT workspace, key, value FROM kv
                    WHERE (workspace, key) > (?1, ?2) AND workspace <> ?3 ORDER BY workspace, key LIMIT ?4";
const COUNT: &str = "SELECT count(*) FROM kv WHERE workspace <> ?1";

/// Where a value stands. In order of the workspaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueKey {
    /// The workspace.
    pub workspace: String,
    /// The key.
    pub key: String,
}

impl Database {
    /// Up to `limit` values behind a key, with their JSON, in order; none of the workspace `except`.
    ///
    /// # Errors
    /// The disk is failing.
    pub async fn values(
        &self,
        after: ValueKey,
        except: &'static str,
        limit: usize,
    ) -> Result<Vec<(ValueKey, String)>, JournalError> {
        let page = move |connection: &mut Connection| {
            let mut page = connection.prepare_cached(PAGE)?;
            let rows = page.query_map(params![after.workspace, after.key, except, limit.cast_signed()], |row| {
                Ok((ValueKey { workspace: row.get(0)?, key: row.get(1)? }, row.get(2)?))
            })?;
            rows.collect()
        };
        self.workspace_reader.call(page).await.map_err(failed)
    }

    /// How many values there are, but for those of the workspace `except`.
    ///
    /// # Errors
    /// The disk is failing.
    pub async fn count_all_values(&self, except: &'static str) -> Result<u64, JournalError> {
        let count = move |connection: &mut Connection| {
            connection.prepare_cached(COUNT)?.query_row([except], |row| row.get::<_, i64>(0))
        };
        self.workspace_reader.call(count).await.map(i64::cast_unsigned).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Durability, FILE_NAME},
        *,
    };
    use remora_actors::ports::Workspace;
    use serde_json::json;

    #[tokio::test]
    async fn all_values_are_read_page_by_page() {
        let folder = tempfile::tempdir().expect("tempdir");
        let database = Database::open(&folder.path().join(FILE_NAME), Durability::Normal).expect("open");
        for (workspace, key) in [("b", "x"), ("a", "y"), ("hidden", "k"), ("a", "x"), ("\u{1}claims", "z")] {
            database.workspace(workspace).set(key, &json!(key)).await.expect("set");
        }
        let mut read = Vec::new();
        let mut after = ValueKey::default();
        loop {
            let page = database.values(after.clone(), "hidden", 3).await.expect("read");
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            read.extend(page.into_iter().map(|(at, json)| format!("{} {} {json}", at.workspace, at.key)));
        }
        assert_eq!(read, ["\u{1}claims z \"z\"", "a x \"x\"", "a y \"y\"", "b x \"x\""]);
        assert_eq!(database.count_all_values("hidden").await.expect("counted"), 4);
    }
}

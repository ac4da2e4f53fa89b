//! Workspaces in a key-value bucket: one bucket for all of them, since each bucket is a stream, and a stream costs the
//! cluster an election, files and memory, where a key costs its bytes.
//!
//! What is listed comes from a copy in the daemon's own database, which follows the bucket and wakes whoever waits for
//! a change; what is decided is decided at the bucket, by revision. Whoever lists waits until the copy has what was
//! written here, and what stood in the way of what was refused: so nobody reads less here than it knows.

use async_trait::async_trait;
use remora_actors::ports::{JournalError, Listed, Workspace, WorkspaceError};
use serde_json::{Value, json};

use super::{
    bucket::{Bucket, Last, is_removal},
    followed::Followed,
    follower::Copies,
    keys,
    reader::Arrived,
};
use crate::stores::sqlite::{CopiedValue, Database, EmbeddedWorkspace};

/// The field of a receipt that is written before the value that it stands for: the revision which that value follows.
const PENDING: &str = "pending";

/// One workspace in the bucket.
pub(super) struct NatsWorkspace {
    id: String,
    bucket: Bucket,
    copy: EmbeddedWorkspace,
    followed: Followed,
}

impl NatsWorkspace {
    pub(super) fn new(id: &str, bucket: Bucket, copy: EmbeddedWorkspace, followed: Followed) -> Self {
        Self { id: id.to_owned(), bucket, copy, followed }
    }

    fn key(&self, key: &str) -> String {
        keys::encode(&self.id, key)
    }

    fn failed(&self, why: String) -> WorkspaceError {
        WorkspaceError::Unavailable { name: self.id.clone(), why }
    }

    async fn last(&self, key: &str) -> Result<Last, WorkspaceError> {
        self.bucket.last(&self.key(key)).await.map_err(|why| self.failed(why))
    }

    /// `false`: something else than `expected` stands there.
    async fn write(&self, key: &str, value: Option<&Value>, expected: Option<u64>) -> Result<bool, WorkspaceError> {
        if let Some(trouble) = self.followed.trouble() {
            return Err(self.failed(trouble));
        }
        let written = self.bucket.write(&self.key(key), value, expected).await.map_err(|why| self.failed(why))?;
        if let Some(revision) = written {
            self.followed.workspaces.note(revision);
        }
        Ok(written.is_some())
    }
}

#[async_trait]
impl Workspace for NatsWorkspace {
    async fn get(&self, key: &str) -> Result<Option<Value>, WorkspaceError> {
        Ok(self.last(key).await?.value)
    }

    async fn set(&self, key: &str, value: &Value) -> Result<(), WorkspaceError> {
        self.write(key, Some(value), None).await.map(drop)
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Value>,
        value: &Value,
    ) -> Result<bool, WorkspaceError> {
        // Most claims are the first: they need not look.
        let mut last = if expected.is_none() { Last::NOTHING } else { self.last(key).await? };
        loop {
            if last.value.as_ref() != expected {
                self.followed.workspaces.note(last.revision);
                return Ok(false);
            }
            if self.write(key, Some(value), Some(last.revision)).await? {
                return Ok(true);
            }
            last = self.last(key).await?;
        }
    }

    /// There is no commit over two keys, so the receipt is written first, as pending, with the revision that the value
    /// will follow: whoever finds it after a crash writes the value, unless anything was written there since.
    async fn set_once(&self, key: &str, value: &Value, receipt: &str) -> Result<bool, WorkspaceError> {
        loop {
            let Last { revision, value: found } = self.last(receipt).await?;
            let follows = match &found {
                None => {
                    let follows = self.last(key).await?.revision;
                    if !self.write(receipt, Some(&json!({ PENDING: follows })), Some(revision)).await? {
                        continue;
                    }
                    follows
                }
                Some(found) => match found.get(PENDING).and_then(Value::as_u64) {
                    Some(follows) => follows,
                    None => return Ok(false),
                },
            };
            // Refused: it was written before, and perhaps taken away since.
            self.write(key, Some(value), Some(follows)).await?;
            self.write(receipt, Some(&true.into()), None).await?;
            return Ok(true);
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, WorkspaceError> {
        self.followed.workspaces.settled().await;
        self.copy.list(prefix).await
    }

    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Listed, WorkspaceError> {
        self.followed.workspaces.settled().await;
        self.copy.page(prefix, after).await
    }

    async fn delete(&self, key: &str) -> Result<bool, WorkspaceError> {
        loop {
            let Last { revision, value } = self.last(key).await?;
            if value.is_none() {
                self.followed.workspaces.note(revision);
                return Ok(false);
            }
            if self.write(key, None, Some(revision)).await? {
                return Ok(true);
            }
        }
    }

    async fn changed(&self) {
        self.copy.changed().await;
    }
}

/// The copy of all workspaces.
pub(super) struct WorkspaceCopies {
    bucket: Bucket,
    database: Database,
}

impl WorkspaceCopies {
    pub(super) fn new(bucket: Bucket, database: Database) -> Self {
        Self { bucket, database }
    }
}

#[async_trait]
impl Copies for WorkspaceCopies {
    type Item = CopiedValue;

    fn item(&self, arrived: Arrived) -> Option<CopiedValue> {
        let key = self.bucket.key_of(&arrived.message)?;
        let Some((workspace, key)) = keys::decode(key) else {
            tracing::debug!(key, "key ignored, remora did not write it");
            return None;
        };
        let text = || std::str::from_utf8(&arrived.message.payload).ok().map(str::to_owned);
        let json = if is_removal(&arrived.message) { None } else { text() };
        Some(CopiedValue { workspace, key, json })
    }

    async fn copy(&mut self, _: u64, _: u64, values: Vec<CopiedValue>) -> Result<(), String> {
        self.database.copy_values(values).await.map_err(JournalError::into_why)
    }
}

/// Opens workspaces in the bucket.
#[derive(Clone)]
pub(super) struct Workspaces {
    pub(super) bucket: Bucket,
    pub(super) database: Database,
    pub(super) followed: Followed,
}

impl Workspaces {
    pub(super) fn open(&self, id: &str) -> NatsWorkspace {
        NatsWorkspace::new(id, self.bucket.clone(), self.database.workspace(id), self.followed.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time::timeout;

    use super::*;
    use crate::stores::{
        conformance::workspace,
        nats::testing::{Fixture, in_time},
    };

    #[tokio::test]
    async fn keeps_the_contract() {
        let fixture = Fixture::new().await;
        workspace::keeps_the_contract(async || {
            let id = uuid::Uuid::now_v7().to_string();
            (fixture.nats.workspaces.open(&id), ())
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_written_is_listed_also_where_the_copy_is_late() {
        let fixture = Fixture::new().await;
        let workspace = fixture.nats.workspaces.open("a");
        let (go_on, wait) = mpsc::channel::<()>();
        let database = fixture.nats.database().clone();
        let busy = tokio::spawn(async move { database.write(move |_| Ok(wait.recv())).await });
        workspace.set("k", &json!(1)).await.expect("written, and not copied");
        let mut listed = workspace.list("k");
        assert!(timeout(Duration::from_millis(50), &mut listed).await.is_err(), "it waits for the copy");
        go_on.send(()).expect("the database waits");
        assert_eq!(in_time(listed).await, Ok(vec![("k".to_owned(), json!(1))]));
        busy.await.expect("no panic").expect("written").expect("told");
    }

    #[tokio::test]
    async fn what_a_crash_left_pending_is_completed_once() {
        let fixture = Fixture::new().await;
        let workspace = fixture.nats.workspaces.open("a");
        let pending = async |receipt: &str| {
            let follows = workspace.last("k").await.expect("last").revision;
            workspace.set(receipt, &json!({ PENDING: follows })).await.expect("set");
        };
        pending("before the value").await;
        assert_eq!(workspace.set_once("k", &json!(1), "before the value").await, Ok(true));
        assert_eq!(workspace.get("k").await, Ok(Some(json!(1))));
        pending("after the value").await;
        workspace.set("k", &json!(2)).await.expect("set");
        workspace.delete("k").await.expect("delete");
        assert_eq!(workspace.set_once("k", &json!(2), "after the value").await, Ok(true));
        assert_eq!(workspace.get("k").await, Ok(None), "it was taken, and does not come twice");
        assert_eq!(workspace.set_once("k", &json!(3), "after the value").await, Ok(false));
    }

    #[tokio::test]
    async fn daemons_see_each_others_workspaces() {
        let fixture = Fixture::new().await;
        let other = fixture.another().await;
        let (here, there) = (fixture.nats.workspaces.open("a"), other.workspaces.open("a"));
        let seen =
            workspace::changes_until(&there, "the value", async |w| !w.list("k").await.expect("list").is_empty());
        let write = async { here.set("k:1", &json!(1)).await.expect("set") };
        tokio::join!(seen, write);
        assert_eq!(there.compare_and_set("k:1", None, &json!(2)).await, Ok(false));
        assert_eq!(there.delete("k:1").await, Ok(true));
        workspace::changes_until(&here, "the removal", async |w| w.list("").await == Ok(vec![])).await;
    }
}

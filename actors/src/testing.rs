//! A world for tests of single actors: a journal in memory, and nothing else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    model::{Event, Limits, Record, Seq, notice::Notice},
    ports::{
        Alone, Appended, Courier, DeliveryError, Entry, Extent, Filter, Journal, JournalError, Listed, Prune, Pruned,
        Snapshot, Storing, Workspace, WorkspaceError,
    },
    system::{NotifySettings, Settings, System, World},
};

/// A journal in memory.
#[derive(Default)]
pub(crate) struct Memory {
    records: Mutex<Vec<Arc<Record>>>,
    snapshots: Mutex<Vec<(String, Snapshot)>>,
    /// What the ends of the next commits wait for, one each; where it is dropped, the commit has failed.
    pub(crate) ends: Mutex<VecDeque<oneshot::Receiver<()>>>,
    /// How far it gets before it panics, once.
    pub(crate) panics: Mutex<Option<Panics>>,
}

/// Where the journal panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panics {
    /// Before it has taken a commit over.
    Before,
    /// Afterwards.
    After,
}

#[async_trait]
impl Journal for Memory {
    async fn store(&self, entries: Arc<[Entry]>) -> Storing {
        let panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner).take();
        assert!(panics != Some(Panics::Before), "told to panic");
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut append = |entry: &Entry| {
            if let Some(known) = records.iter().find(|record| record.event.id == entry.event.id) {
                return Appended::Duplicate(known.seq);
            }
            let seq = records.len() as Seq + 1;
            records.push(Record::new(seq, Arc::clone(&entry.event), entry.json.clone()));
            Appended::New(seq)
        };
        let appended = entries.iter().map(&mut append).collect();
        let end = self.ends.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Box::pin(async move {
            assert!(panics.is_none(), "told to panic");
            match end {
                Some(end) => end.await.map(|()| appended).map_err(|_| JournalError::Unavailable("lost".to_owned())),
                None => Ok(appended),
            }
        })
    }

    async fn read(&self, after: Seq, limit: usize, _: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.iter().filter(|record| record.seq > after).take(limit).cloned().collect())
    }

    async fn latest(&self, _: Option<Seq>, _: usize, _: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        unreachable!("nobody asks for it")
    }

    async fn last_seq(&self) -> Result<Seq, JournalError> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).len() as Seq)
    }

    async fn first_seq(&self) -> Result<Seq, JournalError> {
        Ok(1)
    }

    async fn extent(&self) -> Result<Extent, JournalError> {
        unreachable!("nobody asks for it")
    }

    async fn prune(&self, _: Prune) -> Result<Pruned, JournalError> {
        unreachable!("nobody asks for it")
    }

    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(snapshots.iter().rev().find(|(of, _)| of == name).map(|(_, snapshot)| snapshot.clone()))
    }

    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), snapshot));
        Ok(())
    }
}

/// An event that there was not before.
pub(crate) fn entry() -> Entry {
    Event::of_agent("a", "noted", Timestamp::UNIX_EPOCH, &[&Uuid::now_v7().to_string()], json!({})).into()
}

/// What nobody looks into.
struct Nowhere;

#[async_trait]
impl Workspace for Nowhere {
    async fn get(&self, _: &str) -> Result<Option<Value>, WorkspaceError> {
        unreachable!()
    }
    async fn set(&self, _: &str, _: &Value) -> Result<(), WorkspaceError> {
        unreachable!()
    }
    async fn compare_and_set(&self, _: &str, _: Option<&Value>, _: &Value) -> Result<bool, WorkspaceError> {
        unreachable!()
    }
    async fn set_once(&self, _: &str, _: &Value, _: &str) -> Result<bool, WorkspaceError> {
        unreachable!()
    }
    async fn list(&self, _: &str) -> Result<Vec<(String, Value)>, WorkspaceError> {
        unreachable!()
    }
    async fn page(&self, _: &str, _: Option<&str>) -> Result<Listed, WorkspaceError> {
        unreachable!()
    }
    async fn delete(&self, _: &str) -> Result<bool, WorkspaceError> {
        unreachable!()
    }
    async fn changed(&self) {
        unreachable!()
    }
}

#[async_trait]
impl Courier for Nowhere {
    async fn deliver(&self, _: &Notice) -> Result<(), DeliveryError> {
        unreachable!("nobody is told")
    }
}

/// What the actors of a daemon on such a journal share.
pub(crate) fn system(journal: Arc<Memory>) -> Arc<System> {
    let settings = Settings {
        patience: Default::default(),
        limits: Limits::default(),
        frame_interval: Default::default(),
        view_interval: Default::default(),
        undo: Default::default(),
        snapshot_events: 1,
        notify: NotifySettings { policies: Vec::new(), tries: 1, first_pause: Default::default() },
    };
    Arc::new(System::new(World {
        duties: Arc::new(Alone),
        journal,
        claims: Arc::new(Nowhere),
        open_workspace: Arc::new(|_| Ok(Arc::new(Nowhere))),
        courier: Arc::new(Nowhere),
        renderer: |_, _, _| None,
        settings,
    }))
}

//! One end of a move: a data folder, or a NATS. Held alone until it is closed.

use std::{path::Path, sync::Arc, time::Duration};

use async_nats::jetstream;
use futures_util::{StreamExt, TryStreamExt, stream};
use remora_actors::{
    model::Seq,
    ports::{Duties, Duty, Journal, JournalError, Snapshot},
};
use serde_json::Value;
use tempfile::TempDir;

use super::MigrateError;
use crate::{
    bus,
    config::Settings,
    stores::{
        data_dir::{DataDir, DataDirError, KEY_BYTES},
        nats::{self, Nats},
        sqlite::{self, CopiedEvent, CopiedValue, Database, Durability, ValueKey},
    },
};

/// Values written to NATS at once: the way there and back does not count then.
const WRITES: usize = 64;
/// A daemon that is gone has lost its duties after this time, and all of them are ours.
const ALONE_AFTER: Duration = Duration::from_secs(6);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(100);

/// One end.
pub(super) struct Side {
    name: String,
    journal: Arc<dyn Journal>,
    /// Holds the workspaces, or a copy of them.
    database: Database,
    held: Held,
}

enum Held {
    /// The folder, which is locked.
    Folder { folder: DataDir },
    /// The stores, and the folder of their copy.
    Nats { nats: Box<Nats>, _copy: TempDir },
}

impl Side {
    /// Opens a folder, or the NATS at an address. What is moved from must be there.
    pub(super) async fn open(place: &str, settings: &Settings, must_exist: bool) -> Result<Self, MigrateError> {
        if place.contains("://") {
            return Self::open_nats(place, settings, must_exist).await;
        }
        let folder = Path::new(place);
        if must_exist && !folder.join(sqlite::FILE_NAME).is_file() {
            return Err(MigrateError::NoJournal(place.to_owned()));
        }
        let folder = if must_exist { DataDir::open(folder) } else { DataDir::open_to_move(folder) }?;
        let path = folder.database();
        let opened = tokio::task::spawn_blocking(move || Database::open(&path, Durability::Full)).await;
        let database = opened.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        let journal = Arc::new(database.journal());
        Ok(Self { name: place.to_owned(), journal, database, held: Held::Folder { folder } })
    }

    async fn open_nats(servers: &str, settings: &Settings, must_exist: bool) -> Result<Self, MigrateError> {
        let bus = settings.bus_at(servers)?;
        let name = bus.servers.to_string();
        let client = bus::connect(&bus).await?;
        let stream = bus.names.journal_stream();
        if must_exist && jetstream::new(client.clone()).get_stream(stream).await.is_err() {
            return Err(MigrateError::NoJournal(name));
        }
        let copy = tempfile::tempdir().map_err(MigrateError::Copy)?;
        let nats = Box::new(if must_exist {
            Nats::open(client, &bus, copy.path()).await?
        } else {
            Nats::open_to_move(client, &bus, copy.path()).await?
        });
        if !has_all(&*nats.duties()).await {
            let others = nats.others().await;
            nats.close().await;
            return Err(MigrateError::InUse { place: name, others: others?.into_iter().collect() });
        }
        let (journal, database) = (nats.journal(), nats.database().clone());
        Ok(Self { name, journal, database, held: Held::Nats { nats, _copy: copy } })
    }

    /// Why another end cannot be opened: it may be this one, by whatever address.
    pub(super) fn or_same(&self, error: MigrateError) -> MigrateError {
        let is_same = match (&error, &self.held) {
            (MigrateError::Folder(DataDirError::Locked { pid, .. }), _) => *pid == Some(std::process::id()),
            (MigrateError::InUse { others, .. }, Held::Nats { nats, .. }) => others.iter().any(|it| it == nats.name()),
            _ => false,
        };
        if is_same { MigrateError::Same(self.name.clone()) } else { error }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Marks it as one that holds a part only of what is at another, until [`Self::end_move`].
    pub(super) async fn begin_move(&self, from: &Self) -> Result<(), MigrateError> {
        let from = match &from.held {
            Held::Folder { folder } => {
                std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned()).display().to_string()
            }
            Held::Nats { .. } => from.name.clone(),
        };
        match &self.held {
            Held::Folder { folder } => Ok(folder.begin_move(&from)?),
            Held::Nats { nats, .. } => Ok(nats.begin_move(&from).await?),
        }
    }

    /// Takes the mark away.
    pub(super) async fn end_move(&self) -> Result<(), MigrateError> {
        match &self.held {
            Held::Folder { folder } => Ok(folder.end_move()?),
            Held::Nats { nats, .. } => Ok(nats.end_move().await?),
        }
    }

    /// Its events.
    pub(super) fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// Up to `limit` of its events behind a position, in order.
    pub(super) async fn events(&self, after: Seq, limit: usize) -> Result<Vec<CopiedEvent>, JournalError> {
        self.database.events(after, limit).await
    }

    /// Writes events behind those that it holds, at their positions.
    pub(super) async fn write_events(&self, events: Vec<CopiedEvent>) -> Result<(), MigrateError> {
        match &self.held {
            Held::Folder { .. } => Ok(self.database.copy_events(events).await?),
            Held::Nats { nats, .. } => Ok(nats.take_in(&events).await?),
        }
    }

    /// Takes over what was made of the events up to `deleted`, which it does not hold.
    pub(super) async fn take_over(
        &self,
        deleted: Seq,
        pictures: &[(&'static str, Snapshot)],
    ) -> Result<(), MigrateError> {
        match &self.held {
            Held::Folder { .. } => {
                for (name, picture) in pictures {
                    self.journal.save_snapshot(name, picture.clone()).await?;
                }
                Ok(self.database.pruned_until(deleted).await?)
            }
            Held::Nats { nats, .. } => Ok(nats.take_over(deleted, pictures).await?),
        }
    }

    /// The key with which links are signed; `None`: none was needed yet.
    pub(super) async fn link_key(&self) -> Result<Option<[u8; KEY_BYTES]>, MigrateError> {
        match &self.held {
            Held::Folder { folder } => Ok(folder.known_link_key()?),
            Held::Nats { nats, .. } => Ok(nats.link_key().await?),
        }
    }

    /// Takes that key, unless it has one: with another one, the links that it has given out would be void. The key that
    /// it has.
    pub(super) async fn keep_link_key(&self, key: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], MigrateError> {
        match &self.held {
            Held::Folder { folder } => match folder.known_link_key()? {
                Some(known) => Ok(known),
                None => Ok(folder.set_link_key(&key).map(|()| key)?),
            },
            Held::Nats { nats, .. } => Ok(nats.agree_on_link_key(key).await?),
        }
    }

    /// Up to `limit` of its values behind a key, in order.
    pub(super) async fn values(&self, after: ValueKey, limit: usize) -> Result<Vec<(ValueKey, String)>, JournalError> {
        self.database.values(after, nats::SHARED, limit).await
    }

    /// How many events it holds.
    pub(super) async fn count_events(&self) -> Result<u64, JournalError> {
        Ok(self.journal.extent().await?.events)
    }

    /// How many values it holds.
    pub(super) async fn count_values(&self) -> Result<u64, JournalError> {
        self.database.count_all_values(nats::SHARED).await
    }

    /// Writes values, or that there are none.
    pub(super) async fn write_values(&self, values: Vec<CopiedValue>) -> Result<(), MigrateError> {
        match &self.held {
            Held::Folder { .. } => Ok(self.database.copy_values(values).await?),
            Held::Nats { nats, .. } => {
                let writes = stream::iter(values).map(Ok::<_, MigrateError>);
                writes.try_for_each_concurrent(WRITES, |value| write(nats, value)).await?;
                nats.settled().await;
                Ok(())
            }
        }
    }

    /// Lets go of it.
    pub(super) async fn close(&self) {
        if let Held::Nats { nats, .. } = &self.held {
            nats.close().await;
        }
        if let Err(error) = self.database.close().await {
            tracing::warn!(error, "database not tidied up, the next start does it");
        }
    }
}

async fn write(nats: &Nats, value: CopiedValue) -> Result<(), MigrateError> {
    let CopiedValue { workspace, key, json } = value;
    let target = nats.open_workspace()(&workspace);
    match json {
        Some(json) => {
            let value: Value = serde_json::from_str(&json).map_err(|error| JournalError::Damaged(error.to_string()))?;
            target.set(&key, &value).await?;
        }
        None => drop(target.delete(&key).await?),
    }
    Ok(())
}

/// Whether all duties are ours soon, as they are where there is no daemon.
async fn has_all(duties: &dyn Duties) -> bool {
    let all = async {
        while !Duty::ALL.into_iter().all(|duty| duties.has(duty)) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(ALONE_AFTER, all).await.is_ok()
}

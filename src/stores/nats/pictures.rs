//! Pictures that the daemons leave to each other. A daemon that was not there when events were deleted cannot fold them
//! any more: it begins with the picture that whoever deleted them had made of them.

use std::{collections::HashMap, sync::Arc};

use async_nats::jetstream::object_store::{GetErrorKind, ObjectMetadata, ObjectStore};
use remora_actors::{
    model::Seq,
    ports::{Journal, JournalError, Snapshot},
};
use tokio::{io::AsyncReadExt, sync::Mutex};

use super::why;
use crate::stores::sqlite::SqliteJournal;

/// Bytes before the picture: up to which event it goes.
const SEQ_BYTES: usize = size_of::<Seq>();

/// The pictures.
#[derive(Clone)]
pub(super) struct Pictures {
    store: ObjectStore,
    /// Up to where those go that this daemon has left.
    left: Arc<Mutex<HashMap<&'static str, Seq>>>,
}

impl Pictures {
    pub(super) fn new(store: ObjectStore) -> Self {
        Self { store, left: Arc::default() }
    }

    /// Leaves the pictures of these names, as the daemon saved them, unless those that were left go up to `seq`.
    pub(super) async fn leave(
        &self,
        journal: &SqliteJournal,
        names: &'static [&'static str],
        seq: Seq,
    ) -> Result<(), JournalError> {
        let mut left = self.left.lock().await;
        for name in names.iter().copied() {
            if left.get(name).is_some_and(|left| *left >= seq) {
                continue;
            }
            let Some(snapshot) = journal.load_snapshot(name).await?.filter(|snapshot| snapshot.seq >= seq) else {
                return Err(JournalError::Unavailable(format!("picture {name} does not go up to event {seq} yet")));
            };
            // Another daemon may have gone on with the duty while this one was paused.
            let there = self.load(name).await?.map_or(0, |picture| picture.seq);
            if there < snapshot.seq {
                self.put(name, &snapshot).await?;
            }
            left.insert(name, there.max(snapshot.seq));
        }
        Ok(())
    }

    /// Leaves a picture.
    pub(super) async fn put(&self, name: &str, picture: &Snapshot) -> Result<(), JournalError> {
        let mut bytes = picture.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&picture.body);
        let metadata = ObjectMetadata { name: name.to_owned(), ..ObjectMetadata::default() };
        self.store.put(metadata, &mut bytes.as_slice()).await.map(drop).map_err(|error| unavailable(&error))
    }

    /// A picture that a daemon left.
    pub(super) async fn load(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        let mut object = match self.store.get(name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(&error)),
        };
        let mut bytes = Vec::new();
        object.read_to_end(&mut bytes).await.map_err(|error| unavailable(&error))?;
        let Some((seq, body)) = bytes.split_first_chunk::<SEQ_BYTES>() else { return Ok(None) };
        Ok(Some(Snapshot { seq: Seq::from_be_bytes(*seq), body: body.to_vec() }))
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> JournalError {
    JournalError::Unavailable(why(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::nats::testing::Fixture;

    #[tokio::test]
    async fn a_picture_is_never_replaced_by_an_older_one() {
        let fixture = Fixture::new().await;
        let other = fixture.another().await;
        let leave = async |nats: &crate::stores::nats::Nats, seq: Seq| {
            let picture = Snapshot { seq, body: seq.to_be_bytes().to_vec() };
            nats.journal.copy.save_snapshot("picture", picture).await.expect("saved");
            nats.journal.pictures.leave(&nats.journal.copy, &["picture"], 5).await.expect("left");
        };
        leave(&other, 20).await;
        leave(&fixture.nats, 10).await;
        let stands = fixture.nats.journal.pictures.load("picture").await.expect("loaded").expect("there is one");
        assert_eq!((stands.seq, stands.body), (20, 20_u64.to_be_bytes().to_vec()));
    }
}

//! The copy of the journal in the daemon's own database, and what of it was deleted before it was made.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use remora_actors::{
    model::Seq,
    ports::{Appended, Entry, JournalError, Workspace, last_of},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    follower::Copies,
    growing::Growing,
    own::{Own, Owned},
    reader::Arrived,
    workspace::NatsWorkspace,
};
use crate::stores::sqlite::{CopiedEvent, Database};

/// Under this key all daemons find up to where events were deleted.
const PRUNED: &str = "pruned";

/// The copy of the journal.
pub(super) struct JournalCopy {
    database: Database,
    growing: Growing,
    own: Owned<CopiedEvent>,
    position: Seq,
    shared: Arc<NatsWorkspace>,
    lacks: Arc<AtomicU64>,
}

/// What the copy wants to know of an event beside its text.
#[derive(Deserialize)]
struct Columns {
    id: String,
    category: String,
    action: String,
    agent_id: Option<String>,
}

impl JournalCopy {
    pub(super) fn new(
        (database, growing): (Database, Growing),
        own: Owned<CopiedEvent>,
        position: Seq,
        shared: Arc<NatsWorkspace>,
        lacks: Arc<AtomicU64>,
    ) -> Self {
        Self { database, growing, own, position, shared, lacks }
    }

    /// A copy that was cut off for so long that events were deleted which it has not seen cannot go on.
    async fn check(&self, next: Seq) -> Result<(), String> {
        let position = self.position;
        if next <= position + 1 {
            return Ok(());
        }
        let pruned = pruned(&self.shared).await?;
        if pruned > position.max(self.lacks.load(Ordering::Relaxed)) {
            return Err(format!(
                "events up to {pruned} were deleted, of which this daemon has seen those up to {position}; restart it, \
                 so that it begins with what the others have made of them"
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Copies for JournalCopy {
    type Item = CopiedEvent;

    /// An event of the journal; whatever else somebody put into the stream is passed over, and without a word what only
    /// stands in for an event that is missing.
    fn item(&self, arrived: Arrived) -> Option<CopiedEvent> {
        let Arrived { seq, received_at, message } = arrived;
        let json: Bytes = message.payload;
        if json.is_empty() {
            return None;
        }
        match serde_json::from_slice(&json) {
            Ok(Columns { id, category, action, agent_id }) => {
                Some(CopiedEvent { seq, received_at, id, category, action, agent_id, json })
            }
            Err(error) => {
                tracing::error!(seq, %error, "message ignored, it is no event that remora wrote");
                None
            }
        }
    }

    async fn copy(&mut self, first: Seq, last: Seq, events: Vec<CopiedEvent>) -> Result<(), String> {
        self.check(first).await?;
        self.growing.note(&events);
        self.database.copy_events(events).await.map_err(JournalError::into_why)?;
        self.position = last;
        Ok(())
    }

    async fn own(&mut self) -> Own<CopiedEvent> {
        self.own.next().await
    }
}

/// What a commit has put in, as it would be read from the stream.
pub(super) fn own(entries: &[Entry], appended: &[Appended]) -> Own<CopiedEvent> {
    let now = Timestamp::now().as_millisecond();
    let placed = entries.iter().zip(appended).filter_map(|(Entry { event, json }, appended)| {
        let Appended::New(seq) = *appended else { return None };
        let copied = CopiedEvent {
            seq,
            received_at: now,
            id: event.id.clone(),
            category: event.category.as_str().to_owned(),
            action: event.action.clone(),
            agent_id: event.agent_id.clone(),
            json: json.clone(),
        };
        Some((seq, copied))
    });
    Own::new(placed.collect(), last_of(appended))
}

/// Up to where events were deleted, as the daemons have agreed.
pub(super) async fn pruned(shared: &NatsWorkspace) -> Result<Seq, String> {
    let pruned = shared.get(PRUNED).await.map_err(|error| error.to_string())?;
    Ok(pruned.and_then(|pruned| pruned.as_u64()).unwrap_or(0))
}

/// Tells the other daemons up to where events will be deleted. It never goes back: another daemon may have gone on with
/// the duty while this one was paused.
pub(super) async fn note_pruned(shared: &NatsWorkspace, upto: Seq) -> Result<(), String> {
    loop {
        let noted = shared.get(PRUNED).await.map_err(|error| error.to_string())?;
        if noted.as_ref().and_then(Value::as_u64).is_some_and(|noted| noted >= upto) {
            return Ok(());
        }
        let written = shared.compare_and_set(PRUNED, noted.as_ref(), &json!(upto)).await;
        if written.map_err(|error| error.to_string())? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::nats::testing::Fixture;

    #[tokio::test]
    async fn what_was_deleted_is_noted_forwards_only() {
        let fixture = Fixture::new().await;
        let other = fixture.another().await;
        let (here, there) = (&fixture.nats.journal.shared, &other.journal.shared);
        for (upto, noted) in [(10, 10), (5, 10), (20, 20)] {
            note_pruned(here, upto).await.expect("noted");
            assert_eq!(pruned(there).await, Ok(noted));
        }
        let notes = (21..40).map(|upto| note_pruned(if upto % 2 == 0 { here } else { there }, upto));
        for noted in futures_util::future::join_all(notes).await {
            noted.expect("noted");
        }
        assert_eq!(pruned(here).await, Ok(39));
    }
}

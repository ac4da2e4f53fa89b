//! Following the journal: every follower has a cursor, deliveries come at least once, a gap is read from the journal.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    model::{Record, Seq},
    ports::{Filter, Journal, JournalError, Snapshot},
    subscribers::Delivery,
};

/// Events read at once while catching up: a few megabytes at the most.
const PAGE_EVENTS: usize = 1_000;

/// Applies the events after `after` up to and including `until`, page by page.
pub(crate) async fn replay(
    journal: &dyn Journal,
    mut after: Seq,
    until: Seq,
    mut apply: impl FnMut(&Arc<Record>),
) -> Result<(), JournalError> {
    while after < until {
        let wanted = usize::try_from(until - after).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
        let page = journal.read(after, wanted, &Filter::ALL).await?;
        let Some(last) = page.last().map(|record| record.seq) else { break };
        page.iter().for_each(&mut apply);
        after = last;
    }
    Ok(())
}

/// Applies a delivery to a follower that has seen everything up to `seen`, and before it what it missed.
pub(crate) async fn admit(
    journal: &dyn Journal,
    seen: Seq,
    delivery: &Delivery,
    mut apply: impl FnMut(&Arc<Record>),
) -> Result<(), JournalError> {
    replay(journal, seen, delivery.from - 1, &mut apply).await?;
    delivery.records.iter().for_each(apply);
    Ok(())
}

/// Loads a picture, if there is a snapshot that this version can read.
pub(crate) async fn load<T: DeserializeOwned>(journal: &dyn Journal, name: &str) -> Result<Option<T>, JournalError> {
    let Some(snapshot) = journal.load_snapshot(name).await? else { return Ok(None) };
    match serde_json::from_slice(&snapshot.body) {
        Ok(picture) => Ok(Some(picture)),
        Err(error) => {
            tracing::warn!(name, %error, "snapshot cannot be read, folding the whole journal instead");
            Ok(None)
        }
    }
}

/// Saves a picture.
pub(crate) async fn save<T: Serialize>(journal: &dyn Journal, name: &str, seq: Seq, picture: &T) {
    let body = match serde_json::to_vec(picture) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(name, %error, "snapshot cannot be written");
            return;
        }
    };
    if let Err(error) = journal.save_snapshot(name, Snapshot { seq, body }).await {
        tracing::warn!(name, %error, "snapshot not saved, the next start reads more of the journal");
    }
}

//! Events in, events out.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Handle;
use crate::{
    event_stream::{Encode, EventStream},
    model::{Draft, Record, Seq},
    ports::{Appended, Entry, Filter, JournalError, last_of},
    publish::PublishError,
};

/// What became of published events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// How many are new.
    pub accepted: usize,
    /// How many stood in the journal already.
    pub duplicates: usize,
    /// The highest position among them; 0 where there was none.
    pub last_seq: Seq,
}

impl Handle {
    /// Journals events. On return they are durable.
    ///
    /// # Errors
    /// [`PublishError`]: none was taken in; sending them again is harmless where they have ids.
    pub async fn publish(&self, drafts: Vec<Draft>) -> Result<Receipt, PublishError> {
        let now = Timestamp::now();
        let new_id = || Uuid::now_v7().to_string();
        let entries: Arc<[Entry]> = drafts.into_iter().map(|draft| draft.complete(now, new_id).into()).collect();
        if entries.is_empty() {
            return Ok(Receipt { accepted: 0, duplicates: 0, last_seq: 0 });
        }
        let appended = self.system.publish(entries).await?;
        let accepted = appended.iter().filter(|appended| matches!(appended, Appended::New(_))).count();
        Ok(Receipt { accepted, duplicates: appended.len() - accepted, last_seq: last_of(&appended) })
    }

    /// Up to `limit` of the wanted events after `after`.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn events(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        self.system.journal().read(after, limit, filter).await
    }

    /// The first position from which on nothing is missing.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn first_seq(&self) -> Result<Seq, JournalError> {
        self.system.journal().first_seq().await
    }

    /// The newest `limit` of the wanted events before `before` (`None`: of all), oldest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn latest_events(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        self.system.journal().latest(before, limit, filter).await
    }

    /// The wanted events after `after` (`None`: from now on), and then each new one, without end and without a gap, as
    /// `encode` writes them.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn stream(
        &self,
        after: Option<Seq>,
        filter: Filter,
        encode: Encode,
    ) -> Result<EventStream, JournalError> {
        EventStream::open(Arc::clone(&self.system), after, filter, encode).await
    }
}

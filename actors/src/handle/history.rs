//! What was: searches, and the dashboard as it was.

use bytes::Bytes;

use super::{DocumentError, Handle};
use crate::{
    historian::{At, HistorianMessage},
    model::{Search, Seq},
    ports::{Found, JournalError},
    system::Role,
    view::Part,
};

impl Handle {
    /// Up to `limit` of the events before `before` that match, newest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn search(&self, search: &Search, before: Option<Seq>, limit: usize) -> Result<Found, JournalError> {
        self.system.journal().search(search, before.unwrap_or(Seq::MAX), limit).await
    }

    /// The position of the newest event; 0 while there is none.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn last_seq(&self) -> Result<Seq, JournalError> {
        self.system.journal().last_seq().await
    }

    /// Renders the dashboard as it was. `None`: there is no picture of any moment.
    ///
    /// # Errors
    /// The journal cannot be read, or the historian does not answer.
    pub async fn past(&self, at: At, part: Part) -> Result<Option<Bytes>, DocumentError> {
        let show = |reply| HistorianMessage::Show(at, part, reply);
        Ok(self.system.call(Role::Historian, show).await??)
    }
}

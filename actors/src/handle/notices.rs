//! Notices that could not be delivered.

use super::Handle;
use crate::{
    model::AnsweredBy,
    notifier::{Fate, NotifierMessage, Outcome},
    publish::PublishError,
    system::Role,
};

impl Handle {
    /// Sends a notice again that was given up, or lets it go.
    ///
    /// # Errors
    /// The decision could not be journaled.
    pub async fn decide_on_notice(&self, id: &str, fate: Fate, by: AnsweredBy) -> Result<Outcome, PublishError> {
        let decide = |reply| NotifierMessage::Decide { id: id.to_owned(), fate, by: by.clone(), reply };
        self.system.call(Role::Notifier, decide).await?
    }
}

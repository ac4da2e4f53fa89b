//! Pages of the journal that replicas share while they start: all of them read the same events at about the same time.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Mutex;

use crate::{
    model::{Record, Seq},
    ports::{Filter, Journal, JournalError},
};

/// Events read at once: a few megabytes at the most.
pub(super) const PAGE_EVENTS: usize = 1_000;
/// Pages kept for those that fold more slowly.
const SHARED: usize = 4;

type Records = Arc<[Arc<Record>]>;

/// The pages read last, and which event each begins after.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<VecDeque<(Seq, Records)>>);

impl Pages {
    /// A page with the event after `after` in it, and what is before that is to be passed over. Empty at the end.
    pub(super) async fn read(&self, journal: &dyn Journal, after: Seq) -> Result<Records, JournalError> {
        // Held while reading: whoever wants the same page waits for it instead of reading it, too.
        let mut pages = self.0.lock().await;
        let holds_next =
            |(from, page): &&(Seq, Records)| *from <= after && page.last().is_some_and(|record| record.seq > after);
        if let Some((_, page)) = pages.iter().find(holds_next) {
            return Ok(Arc::clone(page));
        }
        let page: Records = journal.read(after, PAGE_EVENTS, &Filter::ALL).await?.into();
        pages.push_back((after, Arc::clone(&page)));
        if pages.len() > SHARED {
            pages.pop_front();
        }
        Ok(page)
    }

    /// Forgets all pages, once the replicas have started.
    pub(crate) async fn clear(&self) {
        self.0.lock().await.clear();
    }
}

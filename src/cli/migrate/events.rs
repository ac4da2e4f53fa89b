//! Events: compared, and moved in their order with their text as it stands.

use std::{collections::VecDeque, sync::Arc};

use indicatif::ProgressBar;
use remora_actors::{
    model::{Record, Seq},
    ports::{Entry, Filter, Journal, JournalError},
};

use super::{Common, MigrateError, side::Side};

/// Events read, and moved, at once: some tens of megabytes where each is as large as it may be.
const PAGE: usize = 500;

/// Compares two journals from the beginning. All that the second one holds must be what the first one begins with.
pub(super) async fn compare(from: &Side, to: &Side, bar: &ProgressBar) -> Result<Common, MigrateError> {
    let (mut here, mut there) = (Pages::of(from), Pages::of(to));
    let mut common = Common { events: 0, seq: 0, is_whole: false };
    loop {
        match (here.next().await?, there.next().await?) {
            (None, None) => return Ok(Common { is_whole: true, ..common }),
            (Some(_), None) => return Ok(common),
            (None, Some(_)) => {
                return Err(MigrateError::MoreEvents { side: to.name().to_owned(), number: common.events });
            }
            (Some(wanted), Some(found)) if wanted.event.id != found.event.id || wanted.json != found.json => {
                let (found, wanted) = (found.event.id.clone(), wanted.event.id.clone());
                let number = common.events + 1;
                return Err(MigrateError::OtherEvents { side: to.name().to_owned(), number, found, wanted });
            }
            (Some(same), Some(_)) => {
                common = Common { events: common.events + 1, seq: same.seq, is_whole: false };
                bar.inc(1);
            }
        }
    }
}

/// Moves what stands behind a position.
pub(super) async fn copy(from: &Side, to: &Side, after: Seq, bar: &ProgressBar) -> Result<(), MigrateError> {
    let mut after = after;
    loop {
        let page = from.journal().read(after, PAGE, &Filter::ALL).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        let entry = |record: &Arc<Record>| Entry { event: Arc::clone(&record.event), json: record.json.clone() };
        to.journal().append(page.iter().map(entry).collect()).await?;
        bar.inc(page.len() as u64);
    }
}

/// A journal's events, one after the other.
struct Pages<'a> {
    journal: &'a dyn Journal,
    page: VecDeque<Arc<Record>>,
    after: Seq,
}

impl<'a> Pages<'a> {
    fn of(side: &'a Side) -> Self {
        Self { journal: side.journal(), page: VecDeque::new(), after: 0 }
    }

    async fn next(&mut self) -> Result<Option<Arc<Record>>, JournalError> {
        if self.page.is_empty() {
            self.page = self.journal.read(self.after, PAGE, &Filter::ALL).await?.into();
        }
        let next = self.page.pop_front();
        self.after = next.as_ref().map_or(self.after, |record| record.seq);
        Ok(next)
    }
}

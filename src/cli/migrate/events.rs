//! Events: compared, and moved with their positions and their text as it stands.

use std::collections::VecDeque;

use indicatif::ProgressBar;
use remora_actors::{model::Seq, ports::JournalError};

use super::{Common, MigrateError, side::Side};
use crate::stores::sqlite::CopiedEvent;

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
            (Some(wanted), Some(found)) if is_same(&wanted, &found) => {
                common = Common { events: common.events + 1, seq: wanted.seq, is_whole: false };
                bar.inc(1);
            }
            (Some(wanted), Some(found)) => {
                let [wanted, found] = [wanted, found].map(|event| format!("{:?} at {}", event.id, event.seq));
                let number = common.events + 1;
                return Err(MigrateError::OtherEvents { side: to.name().to_owned(), number, found, wanted });
            }
        }
    }
}

/// When an event came in is not asked: a NATS counts that from the move.
fn is_same(wanted: &CopiedEvent, found: &CopiedEvent) -> bool {
    (wanted.seq, &wanted.id, &wanted.json) == (found.seq, &found.id, &found.json)
}

/// Moves what stands behind a position. A NATS counts its positions by itself, so that each that is missing costs it a
/// message, and time.
pub(super) async fn copy(from: &Side, to: &Side, after: Seq, bar: &ProgressBar) -> Result<(), MigrateError> {
    let mut after = after;
    loop {
        let page = from.events(after, PAGE).await?;
        let (Some(last), count) = (page.last(), page.len() as u64) else { return Ok(()) };
        let missing = last.seq - after - count;
        bar.set_message(match missing {
            0 => "moving events".to_owned(),
            missing => format!("moving events, over {missing} positions of deleted ones"),
        });
        after = last.seq;
        to.write_events(page).await?;
        bar.inc(count);
    }
}

/// A journal's events, one after the other.
struct Pages<'a> {
    side: &'a Side,
    page: VecDeque<CopiedEvent>,
    after: Seq,
}

impl<'a> Pages<'a> {
    fn of(side: &'a Side) -> Self {
        Self { side, page: VecDeque::new(), after: 0 }
    }

    async fn next(&mut self) -> Result<Option<CopiedEvent>, JournalError> {
        if self.page.is_empty() {
            self.page = self.side.events(self.after, PAGE).await?.into();
        }
        let next = self.page.pop_front();
        self.after = next.as_ref().map_or(self.after, |event| event.seq);
        Ok(next)
    }
}

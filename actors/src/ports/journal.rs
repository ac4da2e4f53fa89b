//! The journal, and what goes into it and comes out of it.

use std::{collections::BTreeSet, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::model::{Event, Pattern, Record, Search, Seq};

/// An event on its way into the journal, with the text that will be stored.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event.
    pub event: Arc<Event>,
    /// Its JSON, as [`Event::to_json`] writes it.
    pub json: Bytes,
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        let json = event.to_json();
        Self { event: Arc::new(event), json }
    }
}

/// What became of an event given to [`Journal::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is new and has this position.
    New(Seq),
    /// An event of the same id stands at this position already; nothing was written.
    Duplicate(Seq),
}

impl Appended {
    /// The event's position, new or not.
    pub fn seq(self) -> Seq {
        match self {
            Self::New(seq) | Self::Duplicate(seq) => seq,
        }
    }
}

/// Which events a reader wants.
#[derive(Debug, Clone)]
pub struct Filter {
    /// By kind.
    pub pattern: Pattern,
    /// By agent.
    pub agent_id: Option<String>,
}

impl Filter {
    /// Every event.
    pub const ALL: Self = Self { pattern: Pattern::ALL, agent_id: None };

    /// True where the reader wants every event.
    pub fn is_all(&self) -> bool {
        self.agent_id.is_none() && self.pattern == Pattern::ALL
    }

    /// True where the reader wants the event.
    pub fn matches(&self, event: &Event) -> bool {
        self.pattern.matches(event) && (self.agent_id.is_none() || self.agent_id == event.agent_id)
    }
}

/// Bytes of events or of values in one page, unless the first alone has more: who wants all goes on from page to page,
/// and so many readers at once cannot take the daemon's memory.
pub const PAGE_BYTES: usize = 4 << 20;

/// What a search has found so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Events, the newest first.
    pub records: Vec<Arc<Record>>,
    /// Before which event the search goes on; `None`: everything was looked at. A search stops after a while even where
    /// it has found nothing.
    pub older: Option<Seq>,
}

/// Events that one search without an index looks at: some tens of milliseconds.
const SEARCHED_EVENTS: u64 = 10_000;
/// Events that it reads at once.
const SEARCH_PAGE: u64 = 1_000;

/// A picture folded from the journal up to and including `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event in the picture.
    pub seq: Seq,
    /// The picture, as its owner wrote it.
    pub body: Vec<u8>,
}

/// How much the journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first position from which on nothing is missing; before it only what is unfinished was kept.
    pub first_seq: Seq,
    /// The newest position; 0 while there is none.
    pub last_seq: Seq,
    /// How many events there are.
    pub events: u64,
    /// Bytes in use, but for the values of workspaces that lie beside the journal.
    pub bytes: u64,
    /// When the oldest event came in.
    pub oldest: Option<Timestamp>,
    /// When the event at `first_seq` came in.
    pub first_received: Option<Timestamp>,
}

/// A batch of the oldest events that shall be deleted.
#[derive(Debug, Clone)]
pub struct Prune {
    /// Begin after this position.
    pub after: Seq,
    /// Nothing behind this position.
    pub until: Seq,
    /// Nothing that came in later.
    pub received_before: Timestamp,
    /// Ids of events, questions and messages: what has one of them or tells of it stays.
    pub keep: Arc<BTreeSet<String>>,
    /// Look at so many events: what one transaction can do without being in the way.
    pub limit: usize,
    /// Names of the snapshots into which everything up to `until` was folded: who has not seen the events before they
    /// go needs them.
    pub pictures: &'static [&'static str],
}

/// What became of a [`Prune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// How many events were deleted.
    pub deleted: usize,
    /// The last position looked at; where it began, there is nothing more to do.
    pub upto: Seq,
}

/// Why the journal could not do what was asked. Nothing was half-done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk is full or failing, or the server is away: the same call may succeed later.
    #[error("the journal cannot be written or read at present: {0}")]
    Unavailable(String),
    /// What is stored is not what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

impl JournalError {
    /// The reason alone, for whoever says by himself what cannot be done.
    pub fn into_why(self) -> String {
        match self {
            Self::Unavailable(why) | Self::Damaged(why) => why,
        }
    }
}

/// How a journal stands of which this daemon is not the only writer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest position that can be read.
    pub last_seq: Seq,
    /// Why nothing can be appended; `None`: as far as is known, it can.
    pub trouble: Option<JournalError>,
}

/// Under this name it is tried whether anything can be written.
const PROBE: &str = "probe";

/// The newest position among those that events have or got; 0 where there is none.
pub fn last_of(appended: &[Appended]) -> Seq {
    appended.iter().map(|appended| appended.seq()).max().unwrap_or(0)
}

/// What becomes of events that a journal has taken over: once they are durable and can be read, where they stand.
pub type Storing = Pin<Box<dyn Future<Output = Result<Vec<Appended>, JournalError>> + Send>>;

/// How a journal wants events to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commits {
    /// Events in one commit, about: large enough that the commit's cost vanishes, small enough that nobody waits long for
    /// it.
    pub events: usize,
    /// Commits underway at once: enough that the journal always has one to go on with, few enough that events which come
    /// one by one come together in them.
    pub underway: usize,
}

impl Commits {
    /// What suits a journal that writes one commit after the other, and has to wait for the disk at the end of each.
    pub const LARGE: Self = Self { events: 10_000, underway: 3 };
    /// What suits one whose events go one by one over a network: a commit is no less work by being large, and while one is
    /// waited for, the daemon has another one to prepare.
    pub const SMALL: Self = Self { events: 1_000, underway: 5 };
}

/// The durable, ordered list of events, without gaps but for those that were deleted.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes the events over, to be stored in order and each id once. Returns once it can take over those that are to
    /// stand behind them.
    async fn store(&self, entries: Arc<[Entry]>) -> Storing;

    /// How it wants events to be handed over.
    fn commits(&self) -> Commits {
        Commits::LARGE
    }

    /// Up to `limit` of the wanted events after `after`, in order.
    async fn read(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError>;

    /// The newest `limit` of the wanted events before `before` (`None`: of all), oldest first.
    async fn latest(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError>;

    /// Up to `limit` of the events before `before` that match, newest first, a page of them at most. A store with an index does better than this
    /// one, which reads backwards; what is found must be the same.
    async fn search(&self, search: &Search, before: Seq, limit: usize) -> Result<Found, JournalError> {
        let Some(first) = self.read(0, 1, &Filter::ALL).await?.first().map(|record| record.seq) else {
            return Ok(Found::default());
        };
        let mut end = before.min(self.last_seq().await? + 1);
        let stop = end.saturating_sub(SEARCHED_EVENTS).max(first);
        let (mut records, mut bytes) = (Vec::new(), 0);
        while end > stop {
            let start = end.saturating_sub(SEARCH_PAGE).max(stop);
            let wanted = usize::try_from(end - start).unwrap_or(usize::MAX);
            for record in self.read(start - 1, wanted, &Filter::ALL).await?.into_iter().rev() {
                if records.len() == limit {
                    let older = records.last().map(|record: &Arc<Record>| record.seq);
                    return Ok(Found { records, older });
                }
                if record.seq < end && search.matches(&record.event) {
                    bytes += record.json.len();
                    if bytes > PAGE_BYTES && !records.is_empty() {
                        return Ok(Found { records, older: Some(record.seq + 1) });
                    }
                    records.push(record);
                }
            }
            end = start;
        }
        Ok(Found { records, older: (stop > first).then_some(stop) })
    }

    /// The position of the newest event; 0 while there is none.
    async fn last_seq(&self) -> Result<Seq, JournalError>;

    /// The first position from which on nothing is missing: 1 until events were deleted.
    async fn first_seq(&self) -> Result<Seq, JournalError>;

    /// How much there is.
    async fn extent(&self) -> Result<Extent, JournalError>;

    /// Deletes old events. The newest event stays whatever is asked, so that no position is given twice.
    async fn prune(&self, batch: Prune) -> Result<Pruned, JournalError>;

    /// The newest snapshot saved under a name.
    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError>;

    /// Replaces the snapshot of a name.
    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError>;

    /// Tries whether an event of so many bytes could be appended, without appending one.
    async fn probe(&self, bytes: usize) -> Result<(), JournalError> {
        self.save_snapshot(PROBE, Snapshot { seq: 0, body: vec![0; bytes] }).await?;
        self.save_snapshot(PROBE, Snapshot { seq: 0, body: Vec::new() }).await
    }

    /// Returns once the journal stands otherwise than `known`, by whoever's doing. A journal that only this daemon
    /// writes never does: what becomes of it is known from what was appended.
    async fn standing(&self, known: &Standing) -> Standing {
        let _ = known;
        std::future::pending().await
    }
}

//! Which actors get the journaled events: an explicit map that outlives the bus's restarts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use crate::model::{Record, Seq};

/// Journaled events on their way to a subscriber.
///
/// A subscriber that has seen less than `from - 1` has missed something and reads it from the journal.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The first position.
    pub from: Seq,
    /// The last position.
    pub to: Seq,
    /// The events, in order and without gaps.
    pub records: Arc<[Arc<Record>]>,
    /// What they are part of.
    pub span: Span,
    /// Keeps room taken until the actors have folded the events, so that publishers cannot outrun them.
    _room: Arc<Vec<OwnedSemaphorePermit>>,
}

/// Hands deliveries over: finds its actor by name, so that it survives the actor's restarts. Must not block.
pub type Sink = Box<dyn Fn(Delivery) + Send>;

#[derive(Default)]
struct State {
    by_id: HashMap<u64, Sink>,
    last_id: u64,
    /// `None` until the first bus has started.
    delivered: Option<Seq>,
}

/// The map.
#[derive(Default)]
pub struct Subscribers {
    state: Mutex<State>,
}

impl Subscribers {
    /// No code under this lock can panic halfway through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an actor.
    pub(crate) fn add(&self, sink: Sink) -> u64 {
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        state.by_id.insert(id, sink);
        id
    }

    /// Removes an actor.
    pub(crate) fn remove(&self, id: u64) {
        self.state().by_id.remove(&id);
    }

    /// The last position delivered; `None` until the first bus has started.
    pub(crate) fn delivered(&self) -> Option<Seq> {
        self.state().delivered
    }

    /// Says that everything up to `seq` was there before the first subscriber.
    pub(crate) fn start_at(&self, seq: Seq) {
        self.state().delivered = Some(seq);
    }

    /// Delivers consecutive records, the first of which follows the last delivered one.
    pub(crate) fn deliver(&self, records: &Arc<[Arc<Record>]>, room: Vec<OwnedSemaphorePermit>) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let (from, to, room, span) = (first.seq, last.seq, Arc::new(room), Span::current());
        let mut state = self.state();
        state.delivered = Some(to);
        for sink in state.by_id.values() {
            sink(Delivery { from, to, records: Arc::clone(records), span: span.clone(), _room: Arc::clone(&room) });
        }
    }
}

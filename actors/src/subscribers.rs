//! Who gets the journaled events: an explicit map that outlives the bus's restarts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use crate::{
    model::{Record, Seq},
    ports::Filter,
};

/// Journaled events on their way to a subscriber.
///
/// `from..=to` is the span that the delivery accounts for: all wanted events in it are here. A subscriber that has
/// seen less than `from - 1` has missed something and reads it from the journal.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The first position accounted for.
    pub from: Seq,
    /// The last position accounted for.
    pub to: Seq,
    /// The wanted events, in order.
    pub records: Arc<[Arc<Record>]>,
    /// What they are part of.
    pub span: Span,
    /// Keeps room taken until the actors have folded the events, so that publishers cannot outrun them.
    _room: Option<Arc<Vec<OwnedSemaphorePermit>>>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was handed over, or the subscriber will notice by the gap that it was not.
    Ok,
    /// The subscriber is gone for good.
    Gone,
}

/// Hands deliveries over. Must not block.
pub type Sink = Box<dyn Fn(Delivery) -> Sent + Send>;

struct Subscriber {
    filter: Filter,
    /// The first position that its next delivery accounts for.
    next: Seq,
    holds_room: bool,
    sink: Sink,
}

#[derive(Default)]
struct State {
    by_id: HashMap<u64, Subscriber>,
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

    /// Adds an actor. `sink` finds it by name, so that it survives the actor's restarts.
    pub(crate) fn add_actor(&self, sink: Sink) -> u64 {
        self.add(Filter::ALL, true, sink)
    }

    /// Adds a reader outside the actors; it may lag without slowing anyone.
    pub(crate) fn add_reader(&self, filter: Filter, sink: Sink) -> u64 {
        self.add(filter, false, sink)
    }

    fn add(&self, filter: Filter, holds_room: bool, sink: Sink) -> u64 {
        let mut state = self.state();
        state.last_id += 1;
        let (id, next) = (state.last_id, state.delivered.unwrap_or(0) + 1);
        state.by_id.insert(id, Subscriber { filter, next, holds_room, sink });
        id
    }

    /// Removes a subscriber.
    pub(crate) fn remove(&self, id: u64) {
        self.state().by_id.remove(&id);
    }

    /// The last position delivered; `None` until the first bus has started.
    pub(crate) fn delivered(&self) -> Option<Seq> {
        self.state().delivered
    }

    /// Says that everything up to `seq` was there before the first subscriber.
    pub(crate) fn start_at(&self, seq: Seq) {
        let mut state = self.state();
        state.delivered = Some(seq);
        for subscriber in state.by_id.values_mut() {
            subscriber.next = seq + 1;
        }
    }

    /// Delivers consecutive records, the first of which follows the last delivered one.
    pub(crate) fn deliver(&self, records: Vec<Arc<Record>>, room: Vec<OwnedSemaphorePermit>) {
        let Some(to) = records.last().map(|record| record.seq) else { return };
        let records: Arc<[_]> = records.into();
        let room = Some(Arc::new(room));
        let mut state = self.state();
        state.delivered = Some(to);
        state.by_id.retain(|_, subscriber| {
            let wanted = subscriber.wanted(&records);
            if wanted.is_empty() {
                return true;
            }
            let from = std::mem::replace(&mut subscriber.next, to + 1);
            let room = room.clone().filter(|_| subscriber.holds_room);
            let span = Span::current();
            (subscriber.sink)(Delivery { from, to, records: wanted, span, _room: room }) == Sent::Ok
        });
    }
}

impl Subscriber {
    fn wanted(&self, records: &Arc<[Arc<Record>]>) -> Arc<[Arc<Record>]> {
        if self.holds_room {
            return Arc::clone(records);
        }
        records.iter().filter(|record| self.filter.matches(&record.event)).cloned().collect()
    }
}

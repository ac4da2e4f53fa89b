//! What the daemon knows of its own health: whether the journal works, and which events were put aside because an
//! actor died over them. It outlives the actors; what was put aside outlives the daemon.
//!
//! An actor that dies over an event starts again from its snapshot and meets the same event again. At the second death
//! the event is put aside for this actor: were it tried for ever, one bad event would stop everything.

use std::{
    any::Any,
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{
    inbox_coordinator::InboxCoordinatorMessage,
    model::{PutAside, Record, Seq, Troubles},
    ports::{JournalError, Snapshot},
    state_aggregator::StateAggregatorMessage,
    system::{Role, System},
};

/// Under this name the journal keeps what was put aside.
const SNAPSHOT: &str = "put-aside-1";
/// Deaths over one event after which it is put aside: the first may have been an accident.
const DEATHS: u32 = 2;
/// Events listed as put aside; of more, the oldest are folded again at the next start, and put aside again.
const LISTED: usize = 100;

/// The health.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Bounded by the restart budget: each death is a restart.
    deaths: HashMap<(Role, Seq), u32>,
    troubles: Troubles,
    unsaved: bool,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is wrong.
    pub(crate) fn troubles(&self) -> Troubles {
        self.state().troubles.clone()
    }

    /// The events that an actor goes on without.
    pub(crate) fn put_aside_for(&self, role: Role) -> BTreeSet<Seq> {
        let state = self.state();
        state.troubles.put_aside.iter().filter(|event| event.actor == role.as_str()).map(|event| event.seq).collect()
    }

    /// How often an actor has died over an event.
    pub(crate) fn deaths(&self) -> u32 {
        self.state().deaths.values().sum()
    }

    /// True while the journal takes nothing.
    pub(crate) fn journal_fails(&self) -> bool {
        self.state().troubles.journal.is_some()
    }
}

impl System {
    /// Notes that an actor died over an event.
    pub(crate) fn died_over(&self, role: Role, record: &Record, panic: &(dyn Any + Send)) {
        let error = text_of(panic);
        let mut state = self.health.state();
        let deaths = state.deaths.entry((role, record.seq)).or_default();
        *deaths += 1;
        if *deaths < DEATHS {
            return;
        }
        tracing::error!(
            actor = role.as_str(),
            seq = record.seq,
            error,
            "event put aside, the actor died over it twice"
        );
        let put_aside = &mut state.troubles.put_aside;
        put_aside.push(PutAside::new(role.as_str(), record, error, Timestamp::now()));
        let surplus = put_aside.len().saturating_sub(LISTED);
        put_aside.drain(..surplus);
        self.metrics.events_put_aside.set(put_aside.len() as i64);
        state.unsaved = true;
        drop(state);
        self.tell_of_health();
    }

    /// Notes whether the journal works.
    pub(crate) fn note_journal(&self, result: Result<(), &JournalError>) {
        let trouble = result.err().map(ToString::to_string);
        let mut state = self.health.state();
        if state.troubles.journal == trouble {
            return;
        }
        match &trouble {
            Some(error) => tracing::error!(error, "nothing can be journaled"),
            None => {
                tracing::info!("the journal works again");
                // What was claimed meanwhile may not be journaled.
                self.cast(Role::InboxCoordinator, InboxCoordinatorMessage::Recover);
            }
        }
        state.troubles.journal = trouble;
        drop(state);
        self.tell_of_health();
    }

    fn tell_of_health(&self) {
        self.cast(Role::StateAggregator, StateAggregatorMessage::Health);
    }

    /// Remembers what an earlier run put aside.
    pub(crate) async fn load_health(&self) -> Result<(), JournalError> {
        let Some(snapshot) = self.journal().load_snapshot(SNAPSHOT).await? else { return Ok(()) };
        match serde_json::from_slice::<Vec<PutAside>>(&snapshot.body) {
            Ok(put_aside) => {
                self.metrics.events_put_aside.set(put_aside.len() as i64);
                self.health.state().troubles.put_aside = put_aside;
            }
            Err(error) => tracing::warn!(%error, "what was put aside cannot be read, it will be put aside again"),
        }
        Ok(())
    }

    /// Saves what was put aside since the last time.
    pub(crate) async fn save_health(&self) {
        let (seq, body) = {
            let mut state = self.health.state();
            if !std::mem::take(&mut state.unsaved) {
                return;
            }
            let put_aside = &state.troubles.put_aside;
            let seq = put_aside.iter().map(|event| event.seq).max().unwrap_or(0);
            (seq, serde_json::to_vec(put_aside).unwrap_or_default())
        };
        if let Err(error) = self.journal().save_snapshot(SNAPSHOT, Snapshot { seq, body }).await {
            tracing::warn!(%error, "what was put aside is not saved, the next start will put it aside again");
            self.health.state().unsaved = true;
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}

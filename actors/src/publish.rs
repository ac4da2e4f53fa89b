//! Publishing: from validated events to durable positions.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::{
    event_bus::{EventBusMessage, Publish},
    model::{Event, Seq},
    ports::{Appended, Entry, Filter, JournalError, last_of},
    system::{Role, System, Unreachable},
};

/// Why events were not taken in. None of them was, as far as the caller may rely on; sending them again is harmless.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// Too many events are on their way.
    #[error(
        "the daemon is busy: {what} wait for the journal, more are not allowed by `{limit}`; try again in a moment"
    )]
    Busy {
        /// What waits.
        what: &'static str,
        /// The setting.
        limit: &'static str,
    },
    /// The journal does not take them.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The bus, or another actor, does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl System {
    /// Publishes what came from outside, if there is room for it.
    pub(crate) async fn publish(&self, entries: Arc<[Entry]>) -> Result<Vec<Appended>, PublishError> {
        let bytes = entries.iter().map(|entry| entry.json.len()).sum();
        let room = [
            self.take_room(&self.event_room, entries.len(), "too many events", "publishing_events")?,
            self.take_room(&self.byte_room, bytes, "too many bytes", "publishing_bytes")?,
        ];
        self.send(entries, false, room.into()).await
    }

    fn take_room(
        &self,
        room: &Arc<Semaphore>,
        size: usize,
        what: &'static str,
        limit: &'static str,
    ) -> Result<OwnedSemaphorePermit, PublishError> {
        let taken = u32::try_from(size).ok().and_then(|size| Arc::clone(room).try_acquire_many_owned(size).ok());
        taken.ok_or_else(|| {
            self.metrics.publish_refused.inc();
            self.metrics.hit(limit);
            PublishError::Busy { what, limit }
        })
    }

    /// Publishes what follows from a person's or a workspace's doing. It needs no room: there is at most one such
    /// event for each step of an open question. Returns the last of the events' positions.
    pub(crate) async fn publish_urgent(&self, events: Vec<Event>) -> Result<Seq, PublishError> {
        let entries: Arc<[Entry]> = events.into_iter().map(Entry::from).collect();
        let appended = self.send(Arc::clone(&entries), true, Vec::new()).await?;
        let last = last_of(&appended);
        let displaced = self.displaced(&entries, &appended).await?;
        if displaced.is_empty() {
            return Ok(last);
        }
        Ok(last.max(last_of(&self.send(displaced, true, Vec::new()).await?)))
    }

    /// The events whose ids are another event's. The ids of a question's steps can be foreseen, and whoever took one
    /// before must not keep the step from being told.
    async fn displaced(&self, entries: &[Entry], appended: &[Appended]) -> Result<Arc<[Entry]>, JournalError> {
        let mut displaced = Vec::new();
        for (Entry { event, .. }, appended) in entries.iter().zip(appended) {
            let Appended::Duplicate(seq) = *appended else { continue };
            let found = self.journal().read(seq - 1, 1, &Filter::ALL).await?;
            let is_same = |known: &Event| known.kind() == event.kind() && known.agent_id == event.agent_id;
            if found.first().is_some_and(|found| found.seq == seq && !is_same(&found.event)) {
                tracing::warn!(
                    seq,
                    kind = event.kind(),
                    "the id of this event was taken by another one, it gets a new one"
                );
                displaced.push(Entry::from(Event { id: Uuid::now_v7().to_string(), ..Event::clone(event) }));
            }
        }
        Ok(displaced.into())
    }

    #[tracing::instrument(name = "publish", level = "debug", skip_all, fields(events = entries.len(), urgent))]
    async fn send(
        &self,
        entries: Arc<[Entry]>,
        urgent: bool,
        room: Vec<OwnedSemaphorePermit>,
    ) -> Result<Vec<Appended>, PublishError> {
        // Should the bus die over the message, the room goes with it and the repetition does without.
        let room = Mutex::new(room);
        let message = |reply| {
            let room = std::mem::take(&mut *room.lock().unwrap_or_else(PoisonError::into_inner));
            let span = tracing::Span::current();
            EventBusMessage::Publish(Publish { entries: Arc::clone(&entries), urgent, room, span, reply })
        };
        Ok(self.call(Role::EventBus, message).await??)
    }
}

//! The `Notifier`: tells people who do not look at the page. What is due follows from the journal, the targets' policies
//! and the time; that a target was told, or could not be, is journaled in its turn.
//!
//! A notice goes out at least once: where the daemon dies after a delivery and before it is journaled, it goes out again
//! under the same id.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde_json::json;
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use crate::{
    metrics::TargetLabel,
    model::{
        AnsweredBy, Category, Event, Limits, Seq, actions,
        notice::{Ledger, Notice, Underway},
    },
    ports::{DeliveryError, Duty, RETAKEN_AFTER, Retry},
    publish::PublishError,
    replica::{Fold, Replica},
    subscribers::Delivery,
    system::{Role, System},
};

impl Fold for Ledger {
    const SNAPSHOT: &'static str = "notices-1";

    fn last_seq(&self) -> Seq {
        self.last_seq()
    }

    fn skip(&mut self, seq: Seq) {
        self.skip(seq);
    }

    fn limit(&mut self, limits: &Limits) {
        self.limit(limits);
    }
}

/// Pause before the journal is tried again, as the coordinator makes it.
const JOURNAL_RETRY: Duration = Duration::from_millis(500);
/// Longest sleep toward what is due next, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Longest pause between two tries, also where the target asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// By what the pause grows from try to try: with 8 tries a target may be away for a quarter of an hour.
const PAUSE_FACTOR: f32 = 3.0;

/// What a person wants to become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is sent again.
    Retry,
    /// It is let go.
    Dismiss,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is due again.
    Retried,
    /// It is off the list.
    Dismissed,
    /// It is off the list: there is nothing to tell any more.
    Moot,
    /// There is no such letter.
    Unknown,
}

/// What the notifier is told.
#[derive(Debug)]
pub enum NotifierMessage {
    /// Follow these events.
    Deliver(Delivery),
    /// Something may be due, or this daemon may have got or lost the duty to tell of it.
    Due,
    /// A delivery was tried.
    Tried(Box<Notice>, Result<(), DeliveryError>),
    /// Another daemon tries the same delivery, or has a moment ago.
    Taken(Box<Notice>),
    /// Try again to journal what could not be journaled.
    Flush,
    /// A person decides on a dead letter.
    Decide {
        /// The letter.
        id: String,
        /// What shall become of it.
        fate: Fate,
        /// Who decides.
        by: AnsweredBy,
        /// What became of it.
        reply: RpcReplyPort<Result<Outcome, PublishError>>,
    },
    /// Save a snapshot; the reply is up to where it goes.
    Save(RpcReplyPort<Option<Seq>>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

/// The actor.
#[derive(Debug)]
pub struct Notifier;

/// Its state.
pub struct NotifierState {
    myself: ActorRef<NotifierMessage>,
    system: Arc<System>,
    ledger: Replica<Ledger>,
    underway: Underway,
    /// The deliveries at work; they end with the actor.
    flights: JoinSet<()>,
    timer: Option<AbortHandle>,
    /// Outcomes that the journal has refused so far: bounded by the deliveries at work, whose room they keep.
    unpublished: Vec<(Notice, Event)>,
    flush_due: bool,
    /// Waits for the duty to change hands.
    duties: AbortHandle,
}

impl Actor for Notifier {
    type Msg = NotifierMessage;
    type State = NotifierState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<NotifierState, ActorProcessingErr> {
        let new = Ledger::new(system.limits());
        let ledger = Replica::start(&system, Role::Notifier, NotifierMessage::Deliver, new, |ledger, record| {
            ledger.apply(record);
        })
        .await?;
        let _ = myself.cast(NotifierMessage::Due);
        Ok(NotifierState {
            duties: system.tell_of_duties(myself.clone(), || NotifierMessage::Due),
            myself,
            system,
            ledger,
            underway: Underway::default(),
            flights: JoinSet::new(),
            timer: None,
            unpublished: Vec::new(),
            flush_due: false,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut NotifierState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("notifier", &message);
        match message {
            NotifierMessage::Deliver(delivery) => {
                let mut changed = false;
                state.ledger.admit(&delivery, |ledger, record| changed |= ledger.apply(record)).await?;
                drop(delivery);
                if changed {
                    state.advance();
                }
            }
            NotifierMessage::Due => state.advance(),
            NotifierMessage::Tried(notice, outcome) => state.tried(*notice, outcome).await,
            NotifierMessage::Taken(notice) => {
                let until = Timestamp::now().checked_add(RETAKEN_AFTER).unwrap_or(Timestamp::MAX);
                let tries = state.underway.tries(&notice);
                state.underway.put_off(&notice, tries, until);
                state.advance();
            }
            NotifierMessage::Flush => {
                state.flush_due = false;
                state.flush().await;
            }
            NotifierMessage::Decide { id, fate, by, reply } => {
                let _ = reply.send(state.decide(&id, fate, &by).await);
            }
            NotifierMessage::Save(reply) => {
                state.ledger.save_aside(move |saved| _ = reply.send(saved));
            }
            NotifierMessage::Ping(reply) => {
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Self::Msg>, state: &mut NotifierState) -> Result<(), ActorProcessingErr> {
        state.ledger.save().await;
        Ok(())
    }
}

impl Drop for NotifierState {
    fn drop(&mut self) {
        self.duties.abort();
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

impl NotifierState {
    /// Sends what is due, and sleeps toward what is due next.
    fn advance(&mut self) {
        self.system.metrics.dead_letters.set(self.ledger.letters().len() as i64);
        if !self.system.has(Duty::Notices) {
            return;
        }
        let now = Timestamp::now();
        let plan = self.ledger.plan(&self.system.world.settings.notify.policies, &mut self.underway, now);
        for notice in plan.notices {
            self.underway.start(&notice);
            self.send(notice);
        }
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
        if let Some(at) = plan.wake_at {
            let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            let timer = self.myself.send_after(left.min(LONGEST_SLEEP), || NotifierMessage::Due);
            self.timer = Some(timer.abort_handle());
        }
    }

    fn send(&mut self, notice: Notice) {
        while self.flights.try_join_next().is_some() {}
        let (system, myself) = (Arc::clone(&self.system), self.myself.clone());
        let delivery = format!("{}/{}", notice.id, self.underway.tries(&notice));
        self.flights.spawn(async move {
            // Whoever was paused before this point may not know that another daemon has the duty now.
            let message = if system.world.duties.take(&delivery).await {
                let outcome = system.world.courier.deliver(&notice).await;
                NotifierMessage::Tried(Box::new(notice), outcome)
            } else {
                NotifierMessage::Taken(Box::new(notice))
            };
            let _ = myself.cast(message);
        });
    }

    async fn tried(&mut self, notice: Notice, outcome: Result<(), DeliveryError>) {
        let (now, label) = (Timestamp::now(), TargetLabel { target: notice.target.clone() });
        let tries = self.underway.tries(&notice) + 1;
        let metrics = &self.system.metrics;
        let event_id = Uuid::now_v7().to_string();
        let event = match outcome {
            Ok(()) => {
                metrics.notices_sent.get_or_create(&label).inc();
                notice.delivered(event_id, now)
            }
            Err(DeliveryError { reason, retry }) => {
                metrics.notice_failures.get_or_create(&label).inc();
                let notify = &self.system.world.settings.notify;
                let (target, id) = (&notice.target, &notice.id);
                match pause(retry, tries, notify.first_pause).filter(|_| tries < notify.tries) {
                    Some(pause) => {
                        tracing::warn!(to = %target, notice = %id, tries, reason, "notice not delivered, trying again");
                        self.underway.put_off(&notice, tries, now.checked_add(pause).unwrap_or(Timestamp::MAX));
                        return self.advance();
                    }
                    None => {
                        tracing::error!(to = %target, notice = %id, tries, reason, "notice given up");
                        metrics.notices_dead.get_or_create(&label).inc();
                        notice.given_up(event_id, now, &reason, tries)
                    }
                }
            }
        };
        self.unpublished.push((notice, event));
        self.flush().await;
    }

    /// Journals what became of notices, now or as soon as the journal takes it.
    async fn flush(&mut self) {
        if self.unpublished.is_empty() {
            return;
        }
        let events = self.unpublished.iter().map(|(_, event)| event.clone()).collect();
        match self.publish(events).await {
            Ok(()) => {
                for (notice, _) in std::mem::take(&mut self.unpublished) {
                    self.underway.finish(&notice);
                }
                self.advance();
            }
            Err(error) if !self.flush_due => {
                tracing::warn!(%error, waiting = self.unpublished.len(), "notices not journaled yet, trying again");
                self.flush_due = true;
                self.myself.send_after(JOURNAL_RETRY, || NotifierMessage::Flush);
            }
            Err(_) => {}
        }
    }

    /// Journals events and folds them before it returns.
    async fn publish(&mut self, events: Vec<Event>) -> Result<(), PublishError> {
        let seq = self.system.publish_urgent(events).await?;
        self.ledger.catch_up(seq, |ledger, record| _ = ledger.apply(record)).await?;
        Ok(())
    }

    async fn decide(&mut self, id: &str, fate: Fate, by: &AnsweredBy) -> Result<Outcome, PublishError> {
        let Some(letter) = self.ledger.letters().get(id) else { return Ok(Outcome::Unknown) };
        let (action, outcome) = match fate {
            Fate::Dismiss => (actions::NOTICE_DISMISSED, Outcome::Dismissed),
            Fate::Retry if !self.ledger.still_matters(letter) => (actions::NOTICE_DISMISSED, Outcome::Moot),
            Fate::Retry => (actions::NOTICE_RETRIED, Outcome::Retried),
        };
        let payload = json!({"notice": id, "target": letter.target, "by": by});
        let key = [id, &letter.at.to_string()];
        let event = Event::of_agent(&letter.agent_id, action, Timestamp::now(), &key, payload);
        self.publish(vec![Event { category: Category::User, ..event }]).await?;
        self.advance();
        Ok(outcome)
    }
}

/// How long to wait after so many tries; `None`: there is no use in another one.
fn pause(retry: Retry, tries: u32, first: Duration) -> Option<Duration> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(first)
        .with_factor(PAUSE_FACTOR)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
        .nth(tries.saturating_sub(1) as usize)
        .unwrap_or(LONGEST_PAUSE);
    match retry {
        Retry::Never => None,
        Retry::Later => Some(backoff),
        Retry::After(wait) => Some(wait.min(LONGEST_PAUSE).max(backoff)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_target_may_ask_for_more() {
        let first = Duration::from_secs(1);
        assert_eq!(pause(Retry::Never, 1, first), None);
        for (tries, at_least) in [(1, 1), (2, 3), (3, 9), (20, 600)] {
            let found = pause(Retry::Later, tries, first).expect("another try");
            assert!(found >= Duration::from_secs(at_least) && found <= 2 * LONGEST_PAUSE, "{tries}: {found:?}");
        }
        assert!(pause(Retry::After(Duration::from_secs(30)), 1, first) >= Some(Duration::from_secs(30)));
        let for_ever = pause(Retry::After(Duration::from_secs(1 << 40)), 1, first);
        assert_eq!(for_ever, Some(LONGEST_PAUSE), "a target cannot silence itself for ever");
    }
}

//! The `EventBus`: numbers events by journaling them, then delivers them.
//!
//! The journal takes over one commit at a time. Events that come meanwhile go into the next one together; a lone event
//! does not wait for company. What a person does comes before what agents do. Commits end in the order in which they
//! began. Where other daemons append to the same journal, their events are delivered as well, in the one order of the
//! journal.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::AbortHandle,
};
use tracing::{Instrument, Span, debug_span};

use crate::{
    model::{Record, Seq},
    ports::{Appended, Commits, Entry, JournalError, Standing, last_of},
    replica,
    system::{Role, System},
};

#[cfg(test)]
mod tests;

/// While nothing can be journaled, time between two tries whether something can: a full disk is not freed faster.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// A publisher's events.
#[derive(Debug)]
pub struct Publish {
    /// The events, validated.
    pub entries: Arc<[Entry]>,
    /// True for what a person has done: it goes into the next commit.
    pub urgent: bool,
    /// The room they take up.
    pub room: Vec<OwnedSemaphorePermit>,
    /// What they are part of.
    pub span: Span,
    /// Told once the events are durable, or are not.
    pub reply: RpcReplyPort<Result<Vec<Appended>, JournalError>>,
}

/// A commit that has ended.
#[derive(Debug)]
pub struct Commit {
    publishes: Vec<Publish>,
    result: Result<Vec<Appended>, JournalError>,
    span: Span,
}

/// What the bus is told.
#[derive(Debug)]
pub enum EventBusMessage {
    /// Take these events in.
    Publish(Publish),
    /// The journal has taken a commit over: the next one can begin.
    TakenOver,
    /// A commit has ended.
    Committed(Box<Commit>),
    /// Others have appended events, or the journal has begun or ceased to work.
    Stands(Standing),
    /// Try whether the journal works again.
    Probe,
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

/// A commit's turn to be taken over by the journal. Where it ends, however it does, the bus is told.
struct Turn(ActorRef<EventBusMessage>);

impl Drop for Turn {
    fn drop(&mut self) {
        // A bus that has come meanwhile begins commits of its own.
        let _ = self.0.cast(EventBusMessage::TakenOver);
    }
}

/// The actor.
#[derive(Debug)]
pub struct EventBus;

/// Its state.
#[derive(Debug)]
pub struct EventBusState {
    system: Arc<System>,
    /// How the journal wants them.
    commits: Commits,
    waiting: VecDeque<Publish>,
    /// True while the journal takes a commit over.
    handing_over: bool,
    /// Commits that have not ended.
    underway: usize,
    /// Resolves once the newest of them has.
    newest: Option<oneshot::Receiver<()>>,
    probing: bool,
    /// What others do to the journal, until it is attended to.
    stands: Option<Standing>,
    /// True while others are the trouble.
    away: bool,
    /// Waits for what others do.
    others: AbortHandle,
}

impl Drop for EventBusState {
    fn drop(&mut self) {
        self.others.abort();
    }
}

impl Actor for EventBus {
    type Msg = EventBusMessage;
    type State = EventBusState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<EventBusState, ActorProcessingErr> {
        let last = system.journal().last_seq().await?;
        let mut state = EventBusState {
            others: follow_others(&system, myself.clone()),
            commits: system.journal().commits(),
            system,
            waiting: VecDeque::new(),
            handing_over: false,
            underway: 0,
            newest: None,
            probing: false,
            stands: None,
            away: false,
        };
        state.deliver_until(last).await?;
        state.probe_later(&myself);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut EventBusState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("event-bus", &message);
        match message {
            EventBusMessage::Publish(publish) if publish.urgent => state.waiting.push_front(publish),
            EventBusMessage::Publish(publish) => state.waiting.push_back(publish),
            EventBusMessage::TakenOver => state.handing_over = false,
            EventBusMessage::Committed(commit) => {
                // One of an earlier bus is not counted here.
                state.underway = state.underway.saturating_sub(1);
                state.finish(*commit).await;
                state.probe_later(&myself);
            }
            EventBusMessage::Stands(standing) => state.stands = Some(standing),
            EventBusMessage::Probe => {
                state.probing = false;
                state.probe().await;
                state.probe_later(&myself);
            }
            EventBusMessage::Ping(reply) => {
                let _ = reply.send(());
            }
        }
        // What this bus commits it delivers itself, and need not read back.
        if let Some(standing) = state.stands.take_if(|_| state.underway == 0) {
            state.attend(standing).await;
            state.probe_later(&myself);
        }
        if !state.handing_over && state.underway < state.commits.underway && !state.waiting.is_empty() {
            state.start_commit(&myself);
        }
        Ok(())
    }
}

impl EventBusState {
    fn start_commit(&mut self, myself: &ActorRef<EventBusMessage>) {
        let mut publishes = Vec::new();
        let mut events = 0;
        while let Some(publish) = self.waiting.pop_front() {
            events += publish.entries.len();
            publishes.push(publish);
            if events >= self.commits.events {
                break;
            }
        }
        let entries = match publishes.as_slice() {
            [single] => Arc::clone(&single.entries),
            many => many.iter().flat_map(|publish| publish.entries.iter().cloned()).collect(),
        };
        let span = span_of(&publishes, entries.len());
        self.handing_over = true;
        self.underway += 1;
        let (ended, end) = oneshot::channel();
        let before = self.newest.replace(end);
        let (system, turn) = (Arc::clone(&self.system), Turn(myself.clone()));
        let myself = myself.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            // A task of its own: should the journal panic, this commit has failed and no more.
            let stored = tokio::spawn(store(Arc::clone(&system), entries, turn).instrument(span.clone()));
            let result = stored.await.unwrap_or_else(|_| Err(panicked()));
            if let Some(before) = before {
                // However it has ended.
                let _ = before.await;
            }
            system.metrics.commit_latency.observe(began.elapsed());
            let commit = EventBusMessage::Committed(Box::new(Commit { publishes, result, span }));
            // Should this bus have died meanwhile, its successor delivers; the publishers then ask again, and the
            // events' ids make that harmless.
            if let Err(ractor::MessagingErr::SendErr(commit)) = myself.cast(commit) {
                system.cast(Role::EventBus, commit);
            }
            drop(ended);
        });
    }

    async fn finish(&mut self, commit: Commit) {
        let Commit { mut publishes, result, span } = commit;
        let appended = match result {
            Ok(appended) => appended,
            Err(error) => {
                self.system.metrics.journal_failures.inc();
                self.system.note_journal(Err(&error));
                for publish in publishes {
                    let _ = publish.reply.send(Err(error.clone()));
                }
                return;
            }
        };
        self.system.metrics.journal_commits.inc();
        self.system.note_journal(Ok(()));
        self.deliver(&mut publishes, &appended).instrument(span).await;
        let mut rest = appended.as_slice();
        for publish in publishes {
            let (mine, others) = rest.split_at(publish.entries.len());
            rest = others;
            let _ = publish.reply.send(Ok(mine.to_vec()));
        }
    }

    fn probe_later(&mut self, myself: &ActorRef<EventBusMessage>) {
        if !self.probing && self.system.health.journal_fails() {
            self.probing = true;
            myself.send_after(PROBE_PAUSE, || EventBusMessage::Probe);
        }
    }

    /// Tries the largest event, so that the trouble is over for every event when this succeeds.
    async fn probe(&self) {
        let result = self.system.journal().probe(self.system.limits().event_bytes).await;
        self.system.note_journal(result.as_ref().copied());
    }

    /// Delivers what others have appended, and says whether the journal works.
    async fn attend(&mut self, standing: Standing) {
        let was_away = std::mem::replace(&mut self.away, standing.trouble.is_some());
        match &standing.trouble {
            Some(error) => self.system.note_journal(Err(error)),
            None if was_away => self.system.note_journal(Ok(())),
            None => {}
        }
        if let Err(error) = self.deliver_until(standing.last_seq).await {
            tracing::error!(%error, "events that others appended cannot be read");
        }
    }

    async fn deliver(&mut self, publishes: &mut [Publish], appended: &[Appended]) {
        let room = publishes.iter_mut().flat_map(|publish| publish.room.drain(..)).collect();
        let entries = publishes.iter().flat_map(|publish| publish.entries.iter());
        let records: Vec<_> = entries.zip(appended).filter_map(|(entry, appended)| record(entry, *appended)).collect();
        let System { metrics, .. } = &*self.system;
        metrics.events_accepted.inc_by(records.len() as u64);
        metrics.events_duplicate.inc_by((appended.len() - records.len()) as u64);
        let next = self.system.subscribers.delivered().map_or(1, |seq| seq + 1);
        // Where others append as well, their events may stand between these.
        if !records.is_empty() && records.iter().zip(next..).all(|(record, seq)| record.seq == seq) {
            self.system.deliver(records, room);
            return;
        }
        // Under steady load a commit is always underway: what others did is attended to here as well.
        let others = self.stands.as_ref().map_or(0, |standing| standing.last_seq);
        if let Err(error) = self.deliver_until(last_of(appended).max(others)).await {
            // The next delivery closes the gap.
            tracing::error!(%error, "journaled events cannot be read back");
        }
    }

    /// Delivers from the journal what was not delivered yet up to a position, whoever has appended it.
    async fn deliver_until(&mut self, last: Seq) -> Result<(), JournalError> {
        let system = &self.system;
        match system.subscribers.delivered() {
            // Followers read the history by themselves when they start.
            None => system.subscribers.start_at(last),
            Some(delivered) => {
                let deliver = |page| system.deliver(page, Vec::new());
                replica::replay_pages(system.journal(), delivered, last, deliver).await?;
            }
        }
        Ok(())
    }
}

async fn store(system: Arc<System>, entries: Arc<[Entry]>, turn: Turn) -> Result<Vec<Appended>, JournalError> {
    let storing = system.journal().store(entries).await;
    drop(turn);
    storing.await
}

fn panicked() -> JournalError {
    JournalError::Unavailable("it has panicked, see the log; please report it".to_owned())
}

fn follow_others(system: &Arc<System>, myself: ActorRef<EventBusMessage>) -> AbortHandle {
    let system = Arc::clone(system);
    let follow = async move {
        let mut known = Standing::default();
        loop {
            known = system.journal().standing(&known).await;
            if myself.cast(EventBusMessage::Stands(known.clone())).is_err() {
                return;
            }
        }
    };
    tokio::spawn(follow).abort_handle()
}

/// A commit is part of what the first of its publishers does, and follows from what the others do.
fn span_of(publishes: &[Publish], events: usize) -> Span {
    let Some((first, others)) = publishes.split_first() else { return Span::none() };
    let span = debug_span!(parent: &first.span, "commit", events);
    for other in others {
        span.follows_from(&other.span);
    }
    span
}

fn record(entry: &Entry, appended: Appended) -> Option<Arc<Record>> {
    match appended {
        Appended::New(seq) => Some(Record::new(seq, Arc::clone(&entry.event), entry.json.clone())),
        Appended::Duplicate(_) => None,
    }
}

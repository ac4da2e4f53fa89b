//! The `InboxCoordinator`: every question has one record here, and every answer passes through here once.
//!
//! What happens to a question is decided by claiming it, durably, in one place; then it is journaled; then it is
//! written into the workspace. Whatever a crash leaves undone of the last two, the next start completes. An answer that
//! can be taken back is claimed at once, too, and journaled as held; of its end of waiting and its undoing only one can
//! replace that claim.

mod claim;
mod commands;
mod deadlines;
mod message;
mod observations;
mod watchers;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::task::AbortHandle;

pub use claim::{Claim, Outcome};
pub use commands::{Ask, AskError, Asked, Cancel, FindError, Respond, RespondError, SendError, SendMessage, Target};
pub use message::InboxCoordinatorMessage;

use crate::{
    model::{AgentState, Category, Event, Inbox, Limits, QuestionKey, QuestionRecord, Record, Seq, Status, actions},
    ports::Duty,
    publish::PublishError,
    replica::{Fold, Replica},
    subscribers::Delivery,
    system::{Role, System},
    workspace_registry::WorkspaceRegistryMessage,
};
use deadlines::due;
use watchers::Watcher;

impl Fold for Inbox {
    const SNAPSHOT: &'static str = "inbox-2";

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

/// Pause before the journal is tried again: a full disk is not freed faster.
const RETRY: Duration = Duration::from_millis(500);
/// The actor.
#[derive(Debug)]
pub struct InboxCoordinator;

/// Its state.
pub struct InboxCoordinatorState {
    myself: ActorRef<InboxCoordinatorMessage>,
    system: Arc<System>,
    inbox: Replica<Inbox>,
    watchers: HashMap<String, Watcher>,
    /// Long polls: bounded by the connections.
    waiters: HashMap<QuestionKey, Vec<RpcReplyPort<QuestionRecord>>>,
    /// When something is due: a question's deadline, or the end of the time in which an answer can be taken back.
    /// An entry may be out of date.
    due: BTreeSet<(Timestamp, QuestionKey)>,
    /// Wakes the coordinator when the first of them comes.
    timer: Option<(Timestamp, AbortHandle)>,
    /// Events that the journal has refused so far: bounded by the open questions, each has a few ids in its life.
    unpublished: Vec<Event>,
    flush_due: bool,
    /// True since this daemon watches the workspaces for all.
    watches_all: bool,
    /// Waits for duties to change hands.
    duties: AbortHandle,
}

impl Actor for InboxCoordinator {
    type Msg = InboxCoordinatorMessage;
    type State = InboxCoordinatorState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<InboxCoordinatorState, ActorProcessingErr> {
        let new = Inbox::new(system.limits());
        let inbox =
            Replica::start(&system, Role::InboxCoordinator, InboxCoordinatorMessage::Deliver, new, |inbox, record| {
                inbox.apply(record);
            })
            .await?;
        let due = inbox.iter().filter_map(due).collect();
        let _ = myself.cast(InboxCoordinatorMessage::Recover);
        Ok(InboxCoordinatorState {
            watches_all: system.has(Duty::Workspaces),
            duties: system.tell_of_duties(myself.clone(), || InboxCoordinatorMessage::Duties),
            myself,
            system,
            inbox,
            watchers: HashMap::new(),
            waiters: HashMap::new(),
            due,
            timer: None,
            unpublished: Vec::new(),
            flush_due: false,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut InboxCoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("inbox-coordinator", &message);
        match message {
            InboxCoordinatorMessage::Deliver(delivery) => state.fold(&delivery).await?,
            InboxCoordinatorMessage::Recover => state.recover().await,
            InboxCoordinatorMessage::Deadline => state.pass_deadlines().await,
            InboxCoordinatorMessage::Duties => state.take_duties().await,
            InboxCoordinatorMessage::Flush => {
                state.flush_due = false;
                state.record(Vec::new()).await;
            }
            InboxCoordinatorMessage::Save(reply) => {
                state.inbox.save_aside(move |saved| _ = reply.send(saved));
            }
            InboxCoordinatorMessage::Unfinished(reply) => {
                let _ = reply.send(state.inbox.unfinished());
            }
            InboxCoordinatorMessage::Ping(reply) => {
                let _ = reply.send(());
            }
            message => {
                if let Some(message) = state.command(message).await {
                    state.observe(message).await;
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut InboxCoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(cell, _) = &event {
            state.replace_watcher(cell.get_id());
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        state: &mut InboxCoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        state.inbox.save().await;
        Ok(())
    }
}

impl Drop for InboxCoordinatorState {
    fn drop(&mut self) {
        self.duties.abort();
        self.stop_timer();
    }
}

/// What a stretch of events has changed.
#[derive(Default)]
struct Changes {
    questions: Vec<QuestionKey>,
    messages: Vec<String>,
    written_messages: Vec<String>,
    ended_agents: Vec<String>,
}

impl Changes {
    fn apply(&mut self, inbox: &mut Inbox, record: &Record) {
        self.questions.extend(inbox.apply(record));
        let event = &record.event;
        if event.is(Category::User, actions::MESSAGED) || event.is(Category::User, actions::STOP_REQUESTED) {
            self.messages.push(event.text("message_id").unwrap_or(&event.id).to_owned());
        }
        if event.is(Category::Agent, actions::MESSAGE_WRITTEN) {
            self.written_messages.extend(event.text("message_id").map(str::to_owned));
        }
        if event.category == Category::Agent && AgentState::terminal(&event.action).is_some() {
            self.ended_agents.extend(event.agent_id.clone());
        }
    }
}

impl InboxCoordinatorState {
    async fn fold(&mut self, delivery: &Delivery) -> Result<(), ActorProcessingErr> {
        let mut changes = Changes::default();
        self.inbox.admit(delivery, |inbox, record| changes.apply(inbox, record)).await?;
        self.follow_up(changes).await;
        Ok(())
    }

    /// Journals events and folds them before it returns, so that the next command sees them.
    async fn publish(&mut self, events: Vec<Event>) -> Result<(), PublishError> {
        let seq = self.system.publish_urgent(events).await?;
        let mut changes = Changes::default();
        self.inbox.catch_up(seq, |inbox, record| changes.apply(inbox, record)).await?;
        Box::pin(self.follow_up(changes)).await;
        Ok(())
    }

    /// Journals events, now or as soon as the journal takes them.
    async fn record(&mut self, events: Vec<Event>) {
        self.unpublished.extend(events);
        if self.unpublished.is_empty() {
            return;
        }
        // Taken out first: what follows from these events may have to be recorded, too.
        let events = std::mem::take(&mut self.unpublished);
        let Err(error) = self.publish(events.clone()).await else { return };
        self.unpublished.splice(..0, events);
        if !self.flush_due {
            tracing::warn!(%error, waiting = self.unpublished.len(), "events not journaled yet, trying again");
            self.flush_due = true;
            self.myself.send_after(RETRY, || InboxCoordinatorMessage::Flush);
        }
    }

    async fn follow_up(&mut self, changes: Changes) {
        for key in changes.questions {
            let Some(record) = self.inbox.get(&key).cloned() else { continue };
            let open = record.status == Status::Open;
            match due(&record) {
                Some(due) => self.due.insert(due),
                None => record.question.expires_at.is_some_and(|at| self.due.remove(&(at, key.clone()))),
            };
            if record.is_unwritten() {
                self.write_answer(&record).await;
            }
            if record.status == Status::Cancelled && !changes.ended_agents.contains(&record.question.agent_id) {
                self.tell_cancelled(&record);
            }
            if open {
                self.refuse_surplus(&record).await;
            } else {
                for waiter in self.waiters.remove(&key).unwrap_or_default() {
                    let _ = waiter.send(record.clone());
                }
            }
        }
        for message_id in changes.messages {
            self.write_message(&message_id).await;
        }
        for message_id in changes.written_messages {
            self.settle_message(&message_id);
        }
        for agent_id in changes.ended_agents {
            self.leave_embedded(&agent_id);
        }
        self.set_timer();
    }

    /// Closes at once what an agent asks beyond its limit.
    async fn refuse_surplus(&mut self, record: &QuestionRecord) {
        let limit = self.system.limits().open_questions_per_agent;
        if self.inbox.open_of(&record.question.agent_id).len() > limit {
            let reason = format!("the agent has more than {limit} questions open, see `open_questions_per_agent`");
            let _ = self.close(&record.question.key(), Outcome::cancelled(&reason)).await;
        }
    }

    /// Goes on with what another daemon did so far.
    async fn take_duties(&mut self) {
        let watches_all = self.system.has(Duty::Workspaces);
        if std::mem::replace(&mut self.watches_all, watches_all) != watches_all {
            if watches_all {
                self.recover().await;
            } else {
                self.leave_all_embedded();
            }
        }
        self.pass_deadlines().await;
    }

    /// Completes what a crash left undone: questions claimed but not journaled, answers and messages not written.
    async fn recover(&mut self) {
        self.system.cast(Role::WorkspaceRegistry, WorkspaceRegistryMessage::Announce);
        let open: Vec<_> = self.inbox.open().into_iter().map(|record| record.question.key()).collect();
        for key in open {
            let is_held = self.inbox.get(&key).is_some_and(|record| record.held.is_some());
            match self.stored_claim(&key).await {
                // Taken back, and that may be journaled already.
                Ok(Some(claim)) if claim.undone && !is_held => {}
                Ok(Some(claim)) => self.complete(&key, &claim).await,
                _ => {}
            }
        }
        let unwritten: Vec<_> = self.inbox.iter().filter(|record| record.is_unwritten()).cloned().collect();
        for record in unwritten {
            self.write_answer(&record).await;
        }
        let messages: Vec<_> =
            self.inbox.messages().filter(|m| m.delivered_at.is_none()).map(|m| m.message_id.clone()).collect();
        for message_id in messages {
            self.write_message(&message_id).await;
        }
        self.set_timer();
    }
}

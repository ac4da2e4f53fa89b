//! The `InboxCoordinator`: every question has one record here, and every answer passes through here once.
//!
//! What happens to a question is decided by claiming it, durably, in one place; then it is journaled; then it is
//! written into the workspace. Whatever a crash leaves undone of the last two, the next start completes. An answer that
//! can be taken back is claimed at once, too, and journaled as held; of its end of waiting and its undoing only one can
//! replace that claim.

mod claim;
mod commands;
mod watchers;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use serde_json::{Map, Value};
use tokio::task::AbortHandle;

pub use claim::{Claim, Outcome};
pub use commands::{Ask, AskError, Asked, Cancel, FindError, Respond, RespondError, SendError, SendMessage, Target};

use crate::{
    model::{
        AgentState, Category, Event, Inbox, Limits, OnDeadline, QuestionKey, QuestionRecord, Record, Seq, Status,
        UserMessage, actions,
    },
    ports::Duty,
    publish::PublishError,
    replica::{Fold, Replica},
    subscribers::Delivery,
    system::{Role, System},
    workspace_registry::{Watched, WorkspaceRegistryMessage},
};
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
/// Deadlines enforced at a time: what a person does meanwhile need not wait for all of thousands.
const DEADLINES: usize = 100;
/// Longest sleep toward a deadline, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What the coordinator is told.
#[derive(Debug)]
pub enum InboxCoordinatorMessage {
    /// Follow these events.
    Deliver(Delivery),
    /// An agent asks through Remora.
    Ask(Box<Ask>, RpcReplyPort<Result<Asked, AskError>>),
    /// Somebody answers.
    Respond(Box<Respond>, RpcReplyPort<Result<QuestionRecord, RespondError>>),
    /// Nobody wants an answer any more.
    Cancel(Box<Cancel>, RpcReplyPort<Result<QuestionRecord, RespondError>>),
    /// Somebody takes an answer back.
    Undo(Target, RpcReplyPort<Result<QuestionRecord, RespondError>>),
    /// One question.
    Find(Target, RpcReplyPort<Result<QuestionRecord, FindError>>),
    /// The questions of a status, or all.
    List(Option<Status>, RpcReplyPort<Vec<QuestionRecord>>),
    /// One question, once it is not open any more.
    Wait(QuestionKey, RpcReplyPort<QuestionRecord>),
    /// A person writes to an agent; the reply is the message's id.
    SendMessage(Box<SendMessage>, RpcReplyPort<Result<String, SendError>>),
    /// The messages that people sent to an agent, the oldest first.
    Messages(String, RpcReplyPort<Vec<UserMessage>>),
    /// The agent has the answer.
    PickedUp {
        /// Which.
        key: QuestionKey,
        /// Told the question afterwards.
        reply: Option<RpcReplyPort<QuestionRecord>>,
    },
    /// A workspace's outbox holds a question.
    OutboxQuestion {
        /// Which.
        key: QuestionKey,
        /// Whose workspace it is.
        agent_id: String,
        /// The outbox entry.
        fields: Map<String, Value>,
    },
    /// A workspace's inbox holds an answer.
    InboxResponse {
        /// To which question.
        key: QuestionKey,
        /// The inbox entry.
        response: Value,
    },
    /// An answer was written into the workspace.
    Written {
        /// To which question.
        key: QuestionKey,
        /// When.
        at: Timestamp,
    },
    /// The agent has marked its question as timed out.
    GaveUp {
        /// Which.
        key: QuestionKey,
    },
    /// A message was written into the workspace.
    MessageWritten {
        /// To whom.
        agent_id: String,
        /// Which.
        message_id: String,
    },
    /// The agent has taken a message out of its inbox.
    MessageTaken {
        /// Who.
        agent_id: String,
        /// Which.
        message_id: String,
    },
    /// A workspace cannot be used, or can be again.
    Trouble {
        /// Whose.
        agent_id: String,
        /// Which.
        workspace_id: String,
        /// Why; `None`: it works again.
        detail: Option<String>,
        /// Since when.
        at: Timestamp,
    },
    /// Watch a workspace.
    Watch(Watched),
    /// Stop watching a workspace.
    Unwatch(String),
    /// A deadline may have passed.
    Deadline,
    /// This daemon may have got or lost a duty.
    Duties,
    /// Try again to journal what could not be journaled.
    Flush,
    /// Complete what an earlier run left undone.
    Recover,
    /// Save a snapshot; the reply is up to where it goes.
    Save(RpcReplyPort<Option<Seq>>),
    /// The ids of all questions and messages that are not done with.
    Unfinished(RpcReplyPort<BTreeSet<String>>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

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

/// When the next thing is due that happens to a question by itself.
fn due(record: &QuestionRecord) -> Option<(Timestamp, QuestionKey)> {
    let acts = record.status == Status::Open && record.question.on_deadline != OnDeadline::Wait;
    let held = record.held.as_ref().map(|held| held.deliver_at);
    Some((held.or(record.question.expires_at.filter(|_| acts))?, record.question.key()))
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

    fn stop_timer(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
    }

    /// Most events leave the first deadline as it is, and then cost nothing here.
    fn set_timer(&mut self) {
        let first = self.due.first().map(|(deadline, _)| *deadline).filter(|_| self.system.has(Duty::Deadlines));
        if self.timer.as_ref().map(|(deadline, _)| *deadline) == first {
            return;
        }
        self.stop_timer();
        let Some(deadline) = first else { return };
        let left = Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default();
        let timer = self.myself.send_after(left.min(LONGEST_SLEEP), || InboxCoordinatorMessage::Deadline);
        self.timer = Some((deadline, timer.abort_handle()));
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

    async fn pass_deadlines(&mut self) {
        self.stop_timer();
        if !self.system.has(Duty::Deadlines) {
            return;
        }
        let now = Timestamp::now();
        for _ in 0..DEADLINES {
            let Some((at, key)) = self.due.first().cloned().filter(|(at, _)| *at <= now) else { break };
            self.due.remove(&(at, key.clone()));
            let Some(record) = self.inbox.get(&key).filter(|r| due(r).is_some_and(|(at, _)| at <= now)).cloned() else {
                continue;
            };
            let done = match record.held {
                Some(_) => self.end_hold(&key).await,
                None => self.close(&key, Outcome::of_deadline(&record.question, now)).await,
            };
            if let Err(error) = done {
                tracing::warn!(msg_id = key.msg_id, %error, "deadline not enforced yet, trying again");
                self.due.insert((now + RETRY, key));
            }
        }
        self.set_timer();
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

//! Deciding a question: the first claim wins, durably.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::InboxCoordinatorState;
use crate::{
    model::{
        Answer, AnsweredBy, Door, Event, Held, Limits, OnDeadline, Question, QuestionKey, QuestionRecord, Status,
        actions,
    },
    ports::WorkspaceError,
};

/// How a question ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// With an answer.
    Answered(Answer),
    /// Without one, by its deadline.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Without one, because nobody wants it any more.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// Cancelled now.
    pub fn cancelled(reason: &str) -> Self {
        Self::Cancelled { at: Timestamp::now(), reason: reason.to_owned() }
    }

    /// What a question's own policy says at its deadline.
    pub fn of_deadline(question: &Question, now: Timestamp) -> Self {
        let by_policy = |answer: Value| {
            let answered_by = AnsweredBy { who: "deadline".to_owned(), door: Door::Policy };
            Self::Answered(Answer { answer, answered_by, responded_at: now })
        };
        match question.on_deadline {
            OnDeadline::Expire | OnDeadline::Wait => Self::Expired { at: now },
            OnDeadline::Default => by_policy(question.default.clone()),
            OnDeadline::Deny => by_policy(question.denial()),
        }
    }
}

/// A claim on a question, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Who claims: the same claim made again, after a lost reply, is the same.
    pub claim_id: String,
    /// What is claimed.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Until when it can be taken back; `None`: it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_at: Option<Timestamp>,
    /// True once it was taken back: it stands for nothing any more.
    #[serde(default)]
    pub undone: bool,
}

impl Claim {
    /// A claim of its own.
    pub fn new(outcome: Outcome) -> Self {
        Self { claim_id: Uuid::now_v7().to_string(), outcome, deliver_at: None, undone: false }
    }

    /// True while it can be taken back.
    pub(super) fn is_held(&self) -> bool {
        self.deliver_at.is_some() && !self.undone
    }

    /// The event that tells that an answer was given which can be taken back, or that it was.
    pub(super) fn to_held_event(&self, question: &Question) -> Option<Event> {
        let (Outcome::Answered(answer), Some(deliver_at)) = (&self.outcome, self.deliver_at) else { return None };
        let Answer { answered_by, responded_at, .. } = answer.clone();
        let mut payload = json!({"msg_id": question.msg_id, "workspace_id": question.workspace_id});
        let key = [question.workspace_id.as_str(), question.msg_id.as_str(), self.claim_id.as_str()];
        Some(if self.undone {
            payload["answered_by"] = json!(answered_by);
            Event::of_agent(&question.agent_id, actions::ANSWER_UNDONE, Timestamp::now(), &key, payload)
        } else {
            payload["held"] = json!(Held { answered_by, responded_at, deliver_at });
            Event::of_agent(&question.agent_id, actions::ANSWER_HELD, responded_at, &key, payload)
        })
    }

    /// The event that tells of it. It always has the same id, so it is journaled once.
    fn to_event(&self, question: &Question) -> Event {
        let key = [question.workspace_id.as_str(), question.msg_id.as_str()];
        let mut payload = json!({
            "msg_id": question.msg_id,
            "workspace_id": question.workspace_id,
            "question": question.question,
        });
        let (action, at) = match &self.outcome {
            Outcome::Answered(answer) => {
                payload["answer"] = answer.answer.clone();
                payload["answered_by"] = json!(answer.answered_by);
                if answer.answered_by.door == Door::External {
                    payload["picked_up"] = Value::Bool(false);
                }
                (actions::RESUMED, answer.responded_at)
            }
            Outcome::Expired { at } => {
                payload["reason"] = "nobody answered before the deadline".into();
                (actions::QUESTION_EXPIRED, *at)
            }
            Outcome::Cancelled { at, reason } => {
                payload["reason"] = reason.as_str().into();
                (actions::QUESTION_CANCELLED, *at)
            }
        };
        Event::of_agent(&question.agent_id, action, at, &key, payload)
    }

    /// The question as it will be once the claim is journaled.
    pub(super) fn applied_to(&self, mut record: QuestionRecord) -> QuestionRecord {
        match &self.outcome {
            Outcome::Answered(answer) => {
                record.status = Status::Answered;
                record.answer = Some(answer.clone());
            }
            Outcome::Expired { .. } => record.status = Status::Expired,
            Outcome::Cancelled { reason, .. } => {
                record.status = Status::Cancelled;
                record.closed_reason = Some(reason.clone());
            }
        }
        record
    }
}

/// What somebody wrote into a workspace, as it is recorded. The agent has all of it, whatever its size.
fn external_answer(response: &Value, limits: &Limits) -> Answer {
    let text = |name: &str| response.get(name).and_then(Value::as_str);
    let answer = response.get("answer").unwrap_or(response);
    let bytes = answer.to_string().len();
    let too_large =
        || json!(format!("{bytes} bytes, over the limit `answer_bytes`: they stand in the workspace alone"));
    let who = text("answered_by").filter(|who| who.len() <= limits.id_bytes).unwrap_or("unknown").to_owned();
    Answer {
        answer: if bytes <= limits.answer_bytes { answer.clone() } else { too_large() },
        answered_by: AnsweredBy { who, door: Door::External },
        responded_at: text("responded_at").and_then(|t| t.parse().ok()).unwrap_or_else(Timestamp::now),
    }
}

fn claim_key(key: &QuestionKey) -> String {
    Event::stable_id("claim", &[&key.workspace_id, &key.msg_id])
}

/// What a claim may push aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing: the first one wins.
    Nothing,
    /// An answer that does not count yet: its agent wants none any more, or has one already.
    HeldAnswer,
}

impl InboxCoordinatorState {
    /// The claim on a question, if there is one.
    pub(super) async fn claimed(&self, key: &QuestionKey) -> Result<Option<Claim>, WorkspaceError> {
        Ok(self.stored_claim(key).await?.filter(|claim| !claim.undone))
    }

    /// The same, or the last one that was taken back.
    pub(super) async fn stored_claim(&self, key: &QuestionKey) -> Result<Option<Claim>, WorkspaceError> {
        let stored = self.system.world.claims.get(&claim_key(key)).await?;
        Ok(stored.and_then(|value| serde_json::from_value(value).ok()))
    }

    /// Claims a question. Returns the claim that won, which may be an earlier one.
    pub(super) async fn claim(&self, key: &QuestionKey, claim: Claim, over: Over) -> Result<Claim, WorkspaceError> {
        if self.replace_claim(key, None, &claim).await? {
            return Ok(claim);
        }
        let stored = self.stored_claim(key).await?;
        let gives_way = |old: &Claim| old.undone || over == Over::HeldAnswer && old.is_held();
        if let Some(old) = stored.as_ref().filter(|old| gives_way(old))
            && self.replace_claim(key, Some(old), &claim).await?
        {
            return Ok(claim);
        }
        Ok(self.claimed(key).await?.unwrap_or(claim))
    }

    /// One step of a claim's life, compared and set: of an answer's end of waiting and its undoing only one succeeds.
    async fn replace_claim(&self, key: &QuestionKey, old: Option<&Claim>, new: &Claim) -> Result<bool, WorkspaceError> {
        let value = |claim: &Claim| serde_json::to_value(claim).unwrap_or_default();
        let (old, new) = (old.map(value), value(new));
        self.system.world.claims.compare_and_set(&claim_key(key), old.as_ref(), &new).await
    }

    /// Journals what a claim decided. A claim that cannot be journaled now is journaled later: it stands.
    pub(super) async fn complete(&mut self, key: &QuestionKey, claim: &Claim) {
        let Some(record) = self.inbox.get(key) else { return };
        let held = claim.to_held_event(&record.question);
        let event = held.unwrap_or_else(|| claim.to_event(&record.question));
        self.record(vec![event]).await;
    }

    /// Lets an answer count that can be taken back, unless it was.
    pub(super) async fn end_hold(&mut self, key: &QuestionKey) -> Result<(), WorkspaceError> {
        let Some(held) = self.stored_claim(key).await? else { return Ok(()) };
        let mut claim = held.clone();
        claim.deliver_at = None;
        if held.is_held() && !self.replace_claim(key, Some(&held), &claim).await? {
            return Ok(());
        }
        let claim = if held.undone { held } else { claim };
        self.complete(key, &claim).await;
        Ok(())
    }

    /// Takes an answer back that does not count yet. `false`: it is too late.
    pub(super) async fn undo_claim(&mut self, key: &QuestionKey) -> Result<bool, WorkspaceError> {
        let Some(held) = self.stored_claim(key).await? else { return Ok(false) };
        let undone = Claim { undone: true, ..held.clone() };
        if held.is_held() && !self.replace_claim(key, Some(&held), &undone).await? || held.deliver_at.is_none() {
            return Ok(false);
        }
        self.complete(key, &undone).await;
        Ok(true)
    }

    /// Ends a question, unless it has ended already.
    pub(super) async fn close(&mut self, key: &QuestionKey, outcome: Outcome) -> Result<(), WorkspaceError> {
        if self.inbox.get(key).is_none_or(|record| record.status != Status::Open) {
            return Ok(());
        }
        self.decide(key, outcome, Over::Nothing).await
    }

    /// Ends an open question.
    pub(super) async fn decide(
        &mut self,
        key: &QuestionKey,
        outcome: Outcome,
        over: Over,
    ) -> Result<(), WorkspaceError> {
        let claim = self.claim(key, Claim::new(outcome), over).await?;
        self.complete(key, &claim).await;
        Ok(())
    }

    /// An answer that somebody wrote into the workspace without Remora is the truth, as the agent reads it.
    pub(super) async fn accept_external(&mut self, key: &QuestionKey, response: &Value) {
        let Some(record) = self.inbox.get(key) else { return };
        let unwritten = record.status == Status::Answered && record.is_unwritten();
        if record.status != Status::Open && !unwritten {
            return;
        }
        // Read back after a crash: Remora's own, and journaled as such.
        if record.response().as_ref() == Some(response) {
            return;
        }
        let question = record.question.clone();
        let answer = external_answer(response, self.system.limits());
        let mine = Claim::new(Outcome::Answered(answer));
        match self.claim(key, mine.clone(), Over::HeldAnswer).await {
            Ok(won) if won == mine => self.complete(key, &won).await,
            // Decided here at the same moment: the decision stays on record, the workspace's answer outweighs it.
            _ => {
                let event = mine.to_event(&question);
                let id = Event::stable_id("superseded", &[&key.workspace_id, &key.msg_id]);
                self.record(vec![Event { id, ..event }]).await;
            }
        }
    }
}

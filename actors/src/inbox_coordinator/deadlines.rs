//! What happens to questions by itself, when its time comes.

use std::time::Duration;

use jiff::Timestamp;

use super::{InboxCoordinatorMessage, InboxCoordinatorState, Outcome, RETRY};
use crate::{
    model::{OnDeadline, QuestionKey, QuestionRecord, Status},
    ports::Duty,
};

/// Deadlines enforced at a time: what a person does meanwhile need not wait for all of thousands.
const DEADLINES: usize = 100;
/// Longest sleep toward a deadline, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// When the next thing is due that happens to a question by itself.
pub(super) fn due(record: &QuestionRecord) -> Option<(Timestamp, QuestionKey)> {
    let acts = record.status == Status::Open && record.question.on_deadline != OnDeadline::Wait;
    let held = record.held.as_ref().map(|held| held.deliver_at);
    Some((held.or(record.question.expires_at.filter(|_| acts))?, record.question.key()))
}

impl InboxCoordinatorState {
    pub(super) fn stop_timer(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
    }

    /// Most events leave the first deadline as it is, and then cost nothing here.
    pub(super) fn set_timer(&mut self) {
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

    /// Does what is due: lets an answer count that could be taken back, or closes a question as it wanted.
    pub(super) async fn pass_deadlines(&mut self) {
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
}

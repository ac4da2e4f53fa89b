//! Questions, asked by request.
//!
//! The request holds the question's record; the reply is the record once the question is closed. Two more things can be
//! said: `msg_id`, by which an agent that asks again means the same question, whichever daemon took the first request
//! and whatever became of it; and `wait`, the seconds after which the reply is the record as it stands.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Message, header::NATS_MESSAGE_ID};
use remora_actors::{
    inbox_coordinator::{Ask, Target},
    model::{Invalid, QuestionKey, QuestionRecord, Status},
};
use remora_web::{Asked, Problem};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

use super::NatsDoor;

/// The field that says how long the request waits, in seconds.
const WAIT: &str = "wait";
/// Longest time that one request waits: whoever still wants to know asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// Requests that wait for one question. An agent that asks again has mostly given up the request before.
const REQUESTS_PER_QUESTION: u64 = 4;
/// Pause after a wait that ended early, since a part of the daemon was restarted.
const RETRY: Duration = Duration::from_millis(100);

/// Answers questions for as long as the daemon runs.
pub(super) async fn run(door: Arc<NatsDoor>) {
    let all = door.names.ask_subject();
    let subjects = vec![all.clone(), format!("{all}.>")];
    let crowds = Arc::new(Crowds::default());
    door.serve(subjects, |door, request| {
        let crowds = Arc::clone(&crowds);
        async move { answer(&door, &crowds, &request).await }
    })
    .await;
}

async fn answer(door: &NatsDoor, crowds: &Crowds, request: &Message) {
    match asked(door, crowds, request).await {
        Err(problem) => door.refuse(request, &problem).await,
        Ok(record) if record.status == Status::Answered => {
            if door.reply_heard(request, &json!(record)).await {
                // Not noted: the page shows the answer as one that was not picked up, and asking again notes it.
                let _ = door.handle.picked_up(record.question.key()).await;
            }
        }
        Ok(record) => door.reply(request, &json!(record)).await,
    }
}

/// Puts the question and waits.
async fn asked(door: &NatsDoor, crowds: &Crowds, request: &Message) -> Result<QuestionRecord, Problem> {
    let (ask, wait) = read(door, request)?;
    let record = door.handle.ask(ask).await??.record;
    if record.status != Status::Open || request.reply.is_none() {
        return Ok(record);
    }
    let key = record.question.key();
    tokio::select! {
        record = closed(door, &key, wait) => record,
        () = crowds.pushed_out(&key) => Ok(record),
    }
}

/// The question once it is closed, or as it stands when the time is up.
async fn closed(door: &NatsDoor, key: &QuestionKey, wait: Duration) -> Result<QuestionRecord, Problem> {
    let until = Instant::now() + wait;
    loop {
        let (msg_id, workspace_id) = (Some(key.msg_id.clone()), Some(key.workspace_id.clone()));
        let target = Target { msg_id, workspace_id, agent_id: None };
        let left = until.saturating_duration_since(Instant::now());
        let record = door.handle.wait_unread(target, left).await??;
        if record.status != Status::Open || Instant::now() >= until {
            return Ok(record);
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The question and how long to wait for its end.
fn read(door: &NatsDoor, request: &Message) -> Result<(Ask, Duration), Problem> {
    let limits = door.handle.limits();
    Invalid::over(request.payload.len(), limits.body_bytes, "the request", "body_bytes")?;
    let mut asked = Asked::read(&request.payload, &[WAIT])?;
    let wait = match asked.take(WAIT) {
        None => LONGEST_WAIT,
        Some(wait) => seconds(&wait).ok_or_else(|| Problem::unprocessable("field `wait` must be seconds"))?,
    };
    let named = request.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
    let msg_id = asked.text("msg_id")?.or_else(|| named.map(|id| id.as_str().to_owned()));
    let msg_id = msg_id.unwrap_or_else(|| Uuid::now_v7().to_string());
    let agent_id = agent_id(door, request, &asked)?;
    Ok((asked.into_ask(agent_id, msg_id)?, wait))
}

/// The agent of the subject, where there is one, or of the body.
fn agent_id(door: &NatsDoor, request: &Message, asked: &Asked) -> Result<String, Problem> {
    let Some(named) = request.subject.strip_prefix(&format!("{}.", door.names.ask_subject())) else {
        return asked.agent_id();
    };
    if asked.text("agent_id")?.is_some_and(|given| given != named) {
        return Err(Problem::unprocessable(format_args!("field `agent_id` must be `{named}` as in the subject")));
    }
    Ok(named.to_owned())
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())))
}

/// The requests that wait for each question, so that those of an agent that keeps asking do not pile up.
#[derive(Default)]
struct Crowds(Mutex<HashMap<QuestionKey, watch::Sender<u64>>>);

impl Crowds {
    /// Returns once [`REQUESTS_PER_QUESTION`] younger requests wait for the same question.
    async fn pushed_out(&self, key: &QuestionKey) {
        let mut place = Standing::take(self, key);
        let last = place.number + REQUESTS_PER_QUESTION;
        // The sender lives as long as anybody waits.
        let _ = place.newest.wait_for(|newest| *newest >= last).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QuestionKey, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request among those for its question, until it is dropped.
struct Standing<'a> {
    crowds: &'a Crowds,
    key: QuestionKey,
    number: u64,
    newest: watch::Receiver<u64>,
}

impl<'a> Standing<'a> {
    fn take(crowds: &'a Crowds, key: &QuestionKey) -> Self {
        let mut all = crowds.lock();
        let newest = all.entry(key.clone()).or_insert_with(|| watch::Sender::new(0));
        newest.send_modify(|newest| *newest += 1);
        let number = *newest.borrow();
        Self { crowds, key: key.clone(), number, newest: newest.subscribe() }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let mut all = self.crowds.lock();
        // Still counted: this one.
        if all.get(&self.key).is_some_and(|newest| newest.receiver_count() <= 1) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_oldest_of_too_many_requests_for_a_question_ends() {
        let crowds = Crowds::default();
        let key = |msg_id: &str| QuestionKey { msg_id: msg_id.to_owned(), workspace_id: "w".to_owned() };
        let first = key("first");
        let mut oldest = pin!(crowds.pushed_out(&first));
        assert_eq!((&mut oldest).now_or_never(), None);
        let mut younger: Vec<_> = (0..REQUESTS_PER_QUESTION).map(|_| Box::pin(crowds.pushed_out(&first))).collect();
        let another = key("another");
        let other = Box::pin(crowds.pushed_out(&another));
        for waiting in younger.iter_mut() {
            assert_eq!(oldest.as_mut().now_or_never(), None);
            assert_eq!(waiting.as_mut().now_or_never(), None);
        }
        assert_eq!(oldest.as_mut().now_or_never(), Some(()));
        drop((younger, other));
    }

    #[test]
    fn a_wait_is_in_seconds() {
        assert_eq!(seconds(&json!(1.5)), Some(Duration::from_millis(1_500)));
        assert_eq!(seconds(&json!(1e300)), Some(LONGEST_WAIT));
        assert_eq!((seconds(&json!(-1)), seconds(&json!("1"))), (None, None));
    }
}

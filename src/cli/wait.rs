//! Waiting for an answer, across a restart of the daemon too.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use remora_actors::model::{OnDeadline, QuestionRecord, Status};
use reqwest::Method;

use super::{
    client::{Client, PATIENCE},
    error::Error,
};

/// Seconds of one long poll: below the idle timeouts of common proxies, and below the client's own.
const WAIT_S: &str = "30";
/// Shortest time between two polls, in case something on the way answers at once with "still open".
const POLL_PAUSE: Duration = Duration::from_secs(1);

/// Waits until a question that was asked is no longer open.
pub(crate) async fn until_closed(client: &Client, mut record: QuestionRecord) -> Result<QuestionRecord, Error> {
    let call = client.call_about(Method::GET, &record.question, &[])?.query("wait", WAIT_S);
    loop {
        let started = Instant::now();
        record = client.json_patiently(&call, patience(&record, Timestamp::now())).await?;
        if record.status != Status::Open {
            return Ok(record);
        }
        tokio::time::sleep(POLL_PAUSE.saturating_sub(started.elapsed())).await;
    }
}

/// How long a daemon that has gone away is waited for: until the deadline, and some more for it to come back and
/// say what became of the question. Without a deadline for ever.
fn patience(record: &QuestionRecord, now: Timestamp) -> Option<Duration> {
    let question = &record.question;
    let deadline = question.expires_at.filter(|_| question.on_deadline != OnDeadline::Wait)?;
    let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
    Some(left + PATIENCE)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_daemon_is_waited_for_as_long_as_the_question_lives() {
        let record = |fields: Value| {
            let mut record = json!({"msg_id": "m", "agent_id": "a", "workspace_id": "a", "question": "q",
                "created_at": "2026-01-01T00:00:00Z", "status": "open"});
            record.as_object_mut().expect("valid").extend(fields.as_object().expect("valid").clone());
            serde_json::from_value::<QuestionRecord>(record).expect("valid")
        };
        let now = "2026-01-01T00:04:00Z".parse().expect("valid");
        let deadline = "2026-01-01T00:05:00Z";
        assert_eq!(patience(&record(json!({})), now), None);
        assert_eq!(patience(&record(json!({"expires_at": deadline})), now), Some(PATIENCE + Duration::from_secs(60)));
        assert_eq!(patience(&record(json!({"expires_at": "2026-01-01T00:00:01Z"})), now), Some(PATIENCE));
        assert_eq!(patience(&record(json!({"expires_at": deadline, "on_deadline": "wait"})), now), None);
    }
}

//! The clock of the machine is set, back and forth, while the daemon runs.
//!
//! The daemon runs under `libfaketime`: setting the machine's clock would be felt by everybody on it, and a time
//! namespace shifts only the clocks that cannot be set anyway. The monotonic clock goes on as it does in reality.

use std::{collections::HashSet, fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{Daemon, http::text, wait_until};

/// What `faketime` loads into the programs it starts.
fn library() -> String {
    let output = Command::new("faketime").args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output();
    let output = output.expect("NOT TESTED: a clock that is set, because there is no `faketime` (Debian: faketime)");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sets the clock by so much from the real time, such as `-2h`.
fn set(clock: &Path, offset: &str) {
    let next = clock.with_extension("next");
    fs::write(&next, offset).unwrap();
    fs::rename(next, clock).unwrap();
}

/// The ids of new events, which the daemon has to make.
async fn emit(daemon: &Daemon, count: usize) {
    let event = json!({"category": "tool", "action": "called", "agent_id": "a"});
    daemon.api.emit(&Value::from(vec![event; count])).await;
}

async fn expired(daemon: &Daemon, msg_id: &str) -> usize {
    let expired = daemon.api.journal("agent:question_expired").await;
    expired.iter().filter(|event| event["payload"]["msg_id"] == msg_id).count()
}

#[tokio::test]
async fn a_clock_that_is_set_changes_no_order_and_no_deadline_fires_twice() {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    set(&clock, "+0s");
    let mut daemon = Daemon::setup()
        .var("LD_PRELOAD", &library())
        .var("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .var("FAKETIME_NO_CACHE", "1")
        .var("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start()
        .await;
    daemon.api.start_agent("a").await;
    let ask = async |daemon: &Daemon, msg_id: &str, seconds: u64| {
        let question = json!({"agent_id": "a", "msg_id": msg_id, "question": "Sure?", "timeout": seconds});
        daemon.api.ask(&question).await
    };
    ask(&daemon, "hour", 3_600).await;
    emit(&daemon, 50).await;

    set(&clock, "-2h");
    emit(&daemon, 50).await;
    let early = ask(&daemon, "short", 1).await;
    daemon.api.question_is("short", "expired").await;
    assert!(text(&early, "created_at") < text(&daemon.api.question("hour").await, "created_at"), "the clock was set");
    assert_eq!(daemon.api.question("hour").await["status"], "open", "its hour has become three");
    // Everything that shows times shows them, although most lie in the future.
    for path in ["/", "/agents/a", "/api/v1/state", "/readyz", "/metrics"] {
        daemon.api.get(path).await.expect(200);
    }
    // A start in the past picks up what a present has left.
    daemon.crash().await;
    emit(&daemon, 50).await;
    assert_eq!(daemon.api.question("hour").await["status"], "open");

    set(&clock, "+2h");
    // Whatever happens makes the daemon look at its clock; else it does so within a minute.
    ask(&daemon, "next", 3_600).await;
    daemon.api.question_is("hour", "expired").await;
    set(&clock, "-2h");
    let answered = ask(&daemon, "last", 3_600).await;
    daemon.api.answer(&text(&answered, "msg_id"), &json!("yes")).await.expect(200);
    wait_until("the answer is written", async || daemon.api.question("last").await["written_at"].as_str().map(drop))
        .await;
    daemon.crash().await;

    assert_eq!(
        (expired(&daemon, "hour").await, expired(&daemon, "short").await, expired(&daemon, "next").await),
        (1, 1, 0)
    );
    let journal = daemon.api.journal("*").await;
    let seqs: Vec<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=journal.len() as u64).collect::<Vec<_>>());
    let ids: HashSet<_> = journal.iter().map(|event| text(event, "id")).collect();
    assert_eq!(ids.len(), journal.len(), "no id was made twice");
    assert!(!daemon.log().contains("panicked"));
}

//! Recorded logs: sent by the command line, and followed by the daemon while they grow.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    guard::{OPERATOR, guarded},
    support::{Browser, Daemon, fixture, repository, wait_until},
};

/// Lines of `run.jsonl`, two of which are alike but for their place.
const LINES: u64 = 19;

/// The journal as a reader of the log would tell it: what happened, in order, without what Remora adds.
async fn told(daemon: &Daemon) -> Vec<(Value, Value, Value)> {
    let events = daemon.api.journal("*").await;
    events
        .into_iter()
        .map(|mut event| (event["category"].take(), event["action"].take(), event["payload"].take()))
        .collect()
}

async fn journal_has(daemon: &Daemon, lines: u64) {
    let state = daemon.api.state_at(lines).await;
    assert_eq!(state["last_seq"], lines);
}

#[tokio::test]
async fn a_log_is_sent_once_however_often_it_is_replayed() {
    let daemon = Daemon::start().await;
    let file = fixture("run.jsonl");
    let replay = async || daemon.remora(["replay", file.to_str().unwrap()]).wait().await.expect(0);
    let first = replay().await;
    assert!(first.stdout.contains(&format!("{LINES} accepted")), "{first:?}");
    journal_has(&daemon, LINES).await;
    let before = told(&daemon).await;
    let second = replay().await;
    assert!(second.stdout.contains("0 accepted") && second.stdout.contains(&format!("{LINES} dup")), "{second:?}");
    assert_eq!(told(&daemon).await, before);

    let state = daemon.api.state().await;
    assert_eq!((&state["progress"]["completed"], &state["progress"]["failed"]), (&json!(1), &json!(1)));
    assert_eq!(state["progress"]["total"], 3);
    assert_eq!(state["agentStates"]["a3"]["name"], "Late");
    assert_eq!(daemon.api.question("r1").await["answer"], "no");
}

#[tokio::test]
async fn what_cannot_be_replayed_is_told_with_its_line() {
    let daemon = Daemon::start().await;
    let good = r#"{"category":"tool","action":"called"}"#;
    let file = daemon.folder().join("bad.jsonl");
    fs::write(&file, format!("{good}\n{{broken\n\n{good}\n")).unwrap();
    let finished = daemon.remora(["replay", file.to_str().unwrap()]).wait().await.expect(1);
    assert!(finished.stdout.contains("2 accepted") && finished.stdout.contains("1 refused"), "{finished:?}");
    finished.complains(&["line 2"]);
    daemon.remora(["replay", "/no/such/file.jsonl"]).wait().await.expect(1).complains(&["/no/such/file.jsonl"]);
}

fn append(file: &Path, text: &str) {
    let mut file = File::options().create(true).append(true).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn following(file: &Path) -> Daemon {
    Daemon::setup().args(["--follow", file.to_str().unwrap()]).start().await
}

#[tokio::test]
async fn a_growing_log_is_followed_and_a_half_line_waits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let text = fs::read_to_string(fixture("run.jsonl")).unwrap();
    // In the middle of a line, and of a character in it.
    let middle = text.find('ü').unwrap() + 1;
    let (head, tail) = text.as_bytes().split_at(middle);
    let whole_lines = head.iter().filter(|byte| **byte == b'\n').count() as u64;
    fs::write(&file, head).unwrap();
    let mut daemon = following(&file).await;
    journal_has(&daemon, whole_lines).await;
    daemon.crash().await;
    journal_has(&daemon, whole_lines).await;
    File::options().append(true).open(&file).unwrap().write_all(tail).unwrap();
    journal_has(&daemon, LINES).await;
    let told_live = told(&daemon).await;

    // A restart reads nothing twice; nor does a replay of the same log add anything.
    daemon.crash().await;
    append(&file, "{\"category\":\"tool\",\"action\":\"called\",\"payload\":{\"n\":1}}\n");
    journal_has(&daemon, LINES + 1).await;
    assert_eq!(told(&daemon).await[..LINES as usize], told_live);
    let replayed = daemon.remora(["replay", file.to_str().unwrap()]).wait().await.expect(0);
    assert!(replayed.stdout.contains("0 accepted"), "{replayed:?}");
}

#[tokio::test]
async fn a_log_that_does_not_exist_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("later.jsonl");
    let daemon = following(&file).await;
    fs::copy(fixture("run.jsonl"), &file).unwrap();
    journal_has(&daemon, LINES).await;
}

#[tokio::test]
async fn a_rotated_log_is_followed_on() {
    let folder = tempfile::tempdir().unwrap();
    let (file, old) = (folder.path().join("run.jsonl"), folder.path().join("run.jsonl.1"));
    let line = |n: u64| format!("{}\n", json!({"category": "tool", "action": "called", "payload": {"n": n}}));
    let daemon = following(&file).await;
    append(&file, &(line(1) + &line(2)));
    journal_has(&daemon, 2).await;
    // Renamed, as logrotate does; what was written just before is not lost.
    append(&file, &line(3));
    fs::rename(&file, &old).unwrap();
    append(&old, &line(4));
    append(&file, &line(5));
    journal_has(&daemon, 5).await;
    // Cut off in place, as logrotate's copytruncate does.
    File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    wait_until("the cut is noticed", async || {
        append(&file, &line(6));
        let state = daemon.api.state().await;
        (state["last_seq"].as_u64() > Some(5)).then_some(())
    })
    .await;
    let numbers: Vec<_> =
        told(&daemon).await.iter().take(6).map(|(_, _, payload)| payload["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_log_that_was_rotated_again_and_again_meanwhile_is_followed_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let line = |n: u64| format!("{}\n", json!({"category": "tool", "action": "called", "payload": {"n": n}}));
    let old = |end: &str| folder.path().join(format!("run.jsonl.{end}"));
    let mut daemon = following(&file).await;
    // The place behind the first line is kept once the second one is read.
    for n in 0..=1 {
        append(&file, &line(n));
        journal_has(&daemon, n + 1).await;
    }
    daemon.kill().await;
    append(&file, &line(2));
    fs::rename(&file, old("2")).unwrap();
    append(&file, &line(3));
    fs::rename(&file, old("1")).unwrap();
    append(&file, &line(4));
    daemon.start_again().await;
    journal_has(&daemon, 5).await;
    daemon.kill().await;
    // The one that was read last is packed.
    append(&file, &line(5));
    let packed = Command::new("gzip").arg(&file).status().unwrap();
    assert!(packed.success());
    fs::rename(folder.path().join("run.jsonl.gz"), old("3.gz")).unwrap();
    append(&file, &line(6));
    daemon.start_again().await;
    journal_has(&daemon, 6).await;
    let numbers: Vec<_> = told(&daemon).await.iter().map(|(_, _, payload)| payload["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 6]);
    let log = daemon.log_since_start();
    assert!(log.contains("run.jsonl.3.gz") && log.contains("it is compressed"), "{log}");
}

#[tokio::test]
async fn a_bad_line_in_a_followed_log_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let daemon = following(&file).await;
    let good = r#"{"category":"tool","action":"called","payload":{"n":1}}"#;
    append(&file, &format!("{good}\n{{broken\n\u{0}\u{1}\n{}\n{}\n", "x".repeat(300 << 10), good.replace('1', "2")));
    journal_has(&daemon, 2).await;
    let log = daemon.log();
    assert!(log.contains("run.jsonl") && log.contains("line"), "{log}");
}

#[tokio::test]
async fn where_there_are_tokens_no_followed_line_speaks_for_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let (daemon, _tokens) = guarded(Daemon::setup().args(["--follow", file.to_str().unwrap()])).await;
    let api = daemon.api.with_token(Some(OPERATOR));
    api.start_agent("a").await;
    let msg_id = api.ask_text("a", "May I?").await;
    let resumed = json!({"category": "agent", "action": "resumed", "agent_id": "a",
        "payload": {"msg_id": msg_id, "answer": "yes", "answered_by": {"who": "alice", "door": "browser"}}});
    append(&file, &format!("{resumed}\n{{\"category\":\"tool\",\"action\":\"called\",\"payload\":{{}}}}\n"));
    wait_until("the line after it is there", async || (!api.journal("tool:called").await.is_empty()).then_some(()))
        .await;
    assert_eq!(api.question(&msg_id).await["status"], "open");
    assert!(daemon.log().contains("line refused") && daemon.log().contains("a person's doing"), "{}", daemon.log());
}

/// The first half of a real run, where whoever runs the tests has it.
fn recorded_run() -> Option<PathBuf> {
    let file = repository().parent()?.join("shared/data/remora-run.jsonl");
    if !file.is_file() {
        eprintln!("NOT TESTED on the recorded run: {} is not there", file.display());
        return None;
    }
    Some(file)
}

#[tokio::test]
async fn a_recorded_run_is_shown() {
    let file = recorded_run().unwrap_or_else(|| fixture("run.jsonl"));
    let text = fs::read_to_string(&file).unwrap();
    let count = |needle: &str| text.lines().filter(|line| line.contains(needle)).count();
    let lines = text.lines().count() as u64;
    let started = count("\"AgentStartEvent\"") + count("\"started\"");
    let completed = count("\"AgentCompleteEvent\"");
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let first = daemon.remora(["replay", file.to_str().unwrap()]).wait().await.expect(0);
    assert!(first.stdout.contains(&format!("{lines} accepted")), "{first:?}");
    journal_has(&daemon, lines).await;
    let state = daemon.api.state().await;
    assert_eq!((&state["progress"]["total"], &state["progress"]["completed"]), (&json!(started), &json!(completed)));
    browser.text_has("#progress-text", &format!("{completed}")).await;
    browser.text_has("#progress-text", &format!("{started}")).await;
    let second = daemon.remora(["replay", file.to_str().unwrap()]).wait().await.expect(0);
    assert!(second.stdout.contains("0 accepted"), "{second:?}");
    assert_eq!(daemon.api.state().await["progress"], state["progress"]);

    let follower = following(&file).await;
    journal_has(&follower, lines).await;
    assert_eq!(told(&follower).await, told(&daemon).await);
    browser.has_no_complaint().await;
}

//! Moving from a data folder to NATS and back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use async_nats::jetstream;
use serde_json::{Value, json};

use super::on;
use crate::{
    links::{button, tap, told},
    retention::first_seq_is,
    support::{
        Daemon, NatsServer, Process,
        http::{event, rows, text},
        receiver::Receiver,
        wait_until,
    },
};

fn migrate(home: &Path, from: &str, to: &str) -> Process {
    let mut command = Daemon::program(home);
    command.args(["migrate", "--json", "--from", from, "--to", to]);
    Process::spawn(command)
}

/// What a move says of itself.
async fn moved(home: &Path, from: &str, to: &str) -> Value {
    let said = migrate(home, from, to).wait().await.expect(0).stdout;
    serde_json::from_str(&said).unwrap()
}

/// A data folder in which something has happened: one question is answered and one is open, a message and a value wait.
async fn lived_in(home: &Path) -> (PathBuf, Vec<Value>) {
    let data = home.join("data");
    let mut daemon = Daemon::setup().data(&data).start().await;
    daemon.api.start_agent("a").await;
    let events: Vec<_> =
        (0..1_200).map(|n| event("tool", "called", "a", &json!({"n": n, "text": "ünïcödé 漢字"}))).collect();
    daemon.api.emit(&json!(events)).await;
    for msg_id in ["answered", "open"] {
        daemon.api.ask(&json!({"agent_id": "a", "msg_id": msg_id, "question": "Which?"})).await;
    }
    daemon.api.answer("answered", &json!("this")).await.expect(200);
    daemon.api.post("/api/v1/agents/a/messages", &json!({"content": "mind the tone"})).await;
    daemon.api.put("/api/v1/workspaces/a/kv/notes:1", &json!({"b": [1, 2.5], "a": null})).await;
    daemon.api.value_of("a", "inbox:response:answered").await;
    let messages = "/api/v1/workspaces/a/kv?prefix=inbox:user_message:";
    wait_until("the message waits", async || {
        let waiting = rows(daemon.api.get(messages).await.expect(200).json(), "entries");
        (!waiting.is_empty()).then_some(())
    })
    .await;
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    let journal = daemon.api.journal("*").await;
    assert!(daemon.terminate().await.success());
    (data, journal)
}

#[tokio::test]
async fn there_and_back_again_everything_is_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let server = NatsServer::start().await;
    let (data, before) = lived_in(home.path()).await;
    let (data, url) = (data.display().to_string(), server.url());
    let said = moved(home.path(), &data, &url).await;
    assert_eq!(said["events"], json!({"all": before.len(), "new": before.len()}));
    assert_eq!(said["values"]["all"], said["values"]["new"]);
    let again = moved(home.path(), &data, &url).await;
    assert_eq!((&again["events"]["new"], &again["values"]["new"]), (&json!(0), &json!(0)));

    let mut daemon = on(&server).start().await;
    assert_eq!(daemon.api.journal("*").await, before);
    assert_eq!(daemon.api.question("open").await["status"], "open");
    daemon.api.answer("answered", &json!("that")).await.expect(409);
    assert_eq!(daemon.api.value_of("a", "notes:1").await, json!({"b": [1, 2.5], "a": null}));
    daemon.api.answer("open", &json!("this too")).await.expect(200);
    daemon.api.value_of("a", "inbox:response:open").await;
    let after = wait_until("the story ends", async || {
        let after = daemon.api.journal("*").await;
        (after.last()?["action"] == "answer_written").then_some(after)
    })
    .await;
    assert!(daemon.terminate().await.success());

    let back = home.path().join("back");
    let said = moved(home.path(), &url, &back.display().to_string()).await;
    assert_eq!(said["events"]["all"], json!(after.len()));
    let daemon = Daemon::setup().data(&back).start().await;
    assert_eq!(daemon.api.journal("*").await, after);
    for msg_id in ["answered", "open"] {
        daemon.api.answer(msg_id, &json!("too late")).await.expect(409);
    }
    assert_eq!(daemon.api.value_of("a", "notes:1").await, json!({"b": [1, 2.5], "a": null}));
    let waiting = daemon.api.get("/api/v1/workspaces/a/kv?prefix=inbox:user_message:").await.expect(200).json();
    assert_eq!(text(&rows(waiting, "entries")[0]["value"], "content"), "mind the tone");
}

#[tokio::test]
async fn positions_and_links_hold_and_what_only_deleted_events_told_is_known() {
    let (home, mut receiver, server) =
        (tempfile::tempdir().unwrap(), Receiver::start().await, NatsServer::start().await);
    let data = home.path().join("data");
    let keep = ["--housekeeping-s", "1", "--retain-at-least-s", "1", "--retain-events", "100"];
    let mut daemon = told(&receiver, &home).args(keep).data(&data).start().await;
    let finished = event("agent", "completed", "early", &json!({}));
    daemon.api.emit(&json!([event("agent", "started", "early", &json!({})), finished])).await; // 1 and 2
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q", "question": "Deploy?", "options": ["yes", "no"]})).await; // 3
    let yes = button(&receiver.next().await, "yes");
    wait_until("the notice is journaled", async || {
        (!daemon.api.journal("user:notified").await.is_empty()).then_some(())
    })
    .await;
    let calls: Vec<_> = (0..1_000).map(|n| event("tool", "called", "busy", &json!({"n": n}))).collect();
    daemon.api.emit(&json!(calls)).await;
    let last = daemon.api.journal("*").await.last().unwrap()["seq"].as_u64().unwrap();
    let kept = first_seq_is(&daemon.api, last - 99).await;
    assert!(kept[0] == 3 && kept.len() < 110, "{kept:?}");
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    let before = daemon.api.journal("*").await;
    let agents = async |daemon: &Daemon| daemon.api.state().await["agentStates"].clone();
    let told_of = agents(&daemon).await;
    assert!(told_of.to_string().contains("early"), "{told_of}");
    assert!(daemon.terminate().await.success());

    let (from, url, back) = (data.display().to_string(), server.url(), home.path().join("back").display().to_string());
    for (from, to) in [(&from, &url), (&url, &back)] {
        let said = migrate(home.path(), from, to).wait().await.expect(0);
        assert!(!said.stderr.contains("deleted"), "{}", said.stderr);
        assert_eq!(moved(home.path(), from, to).await["events"]["new"], 0);
    }
    let there = told(&receiver, &home).args(["--bus", &url]).start().await;
    let here = told(&receiver, &home).data(Path::new(&back)).start().await;
    for daemon in [&there, &here] {
        assert_eq!(daemon.api.journal("*").await, before, "also their positions");
        assert_eq!(first_seq_is(&daemon.api, last - 99).await, kept);
        assert_eq!(agents(daemon).await, told_of);
        assert_eq!(tap(daemon, &yes).await.expect(200).json()["answer"], "yes");
    }
}

/// A daemon that must not start, since only a part is where it is told to begin, and must say what to do.
async fn starts_not_on_a_part(home: &Path, args: &[&str], from: &str, to: &str) {
    let mut command = Daemon::program(home);
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(args);
    let again = format!("remora migrate --from {from} --to {to}");
    Process::spawn(command).wait().await.expect(1).complains(&["did not come to its end", &again, "or remove"]);
}

async fn has_all(daemon: &Daemon, count: usize) {
    let numbers: Vec<_> =
        daemon.api.journal("*").await.iter().map(|event| event["payload"]["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..count as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_interrupted_move_keeps_daemons_away_and_goes_on_where_it_was() {
    const EVENTS: usize = 20_000;
    let home = tempfile::tempdir().unwrap();
    let server = NatsServer::start().await;
    let data = home.path().join("data");
    let mut daemon = Daemon::setup().data(&data).start().await;
    let events: Vec<_> = (0..EVENTS).map(|n| event("tool", "called", "a", &json!({"n": n}))).collect();
    for batch in events.chunks(5_000) {
        daemon.api.emit(&json!(batch)).await;
    }
    assert!(daemon.terminate().await.success());

    let (data, url) = (data.display().to_string(), server.url());
    let jetstream = jetstream::new(server.client().await);
    let mut moving = migrate(home.path(), &data, &url);
    wait_until("some of it is moved", async || {
        assert!(moving.is_running(), "it is killed in the middle");
        let stream = jetstream.get_stream("remora-events").await.ok()?;
        (stream.cached_info().state.messages > 0).then_some(())
    })
    .await;
    assert_eq!(moving.kill().await.code, None);
    starts_not_on_a_part(home.path(), &["--data", "new", "--bus", &url], &data, &url).await;
    migrate(home.path(), &url, "elsewhere").wait().await.expect(1).complains(&["did not come to its end"]);
    let said = moved(home.path(), &data, &url).await;
    let new = said["events"]["new"].as_u64().unwrap();
    assert!(said["events"]["all"] == json!(EVENTS) && (1..EVENTS as u64).contains(&new), "{said}");
    let mut daemon = on(&server).start().await;
    has_all(&daemon, EVENTS).await;
    assert!(daemon.terminate().await.success());

    let back = home.path().join("back");
    let mut moving = migrate(home.path(), &url, "back");
    wait_until("some of it is moved back", async || {
        assert!(moving.is_running(), "it is killed in the middle");
        fs::metadata(back.join("remora.db-wal")).is_ok_and(|wal| wal.len() > 500_000).then_some(())
    })
    .await;
    assert_eq!(moving.kill().await.code, None);
    starts_not_on_a_part(home.path(), &["--data", "back"], &url, "back").await;
    migrate(home.path(), "back", "elsewhere").wait().await.expect(1).complains(&["did not come to its end"]);
    let said = moved(home.path(), &url, "back").await;
    let new = said["events"]["new"].as_u64().unwrap();
    assert!(said["events"]["all"] == json!(EVENTS) && (1..EVENTS as u64).contains(&new), "{said}");
    has_all(&Daemon::setup().data(&back).start().await, EVENTS).await;
}

#[tokio::test]
async fn what_is_in_use_or_holds_something_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let server = NatsServer::start().await;
    let url = server.url();
    let (one, other) = (home.path().join("one"), home.path().join("other"));
    let (from, to) = (one.display().to_string(), other.display().to_string());
    migrate(home.path(), &from, &url).wait().await.expect(1).complains(&["no journal", &from]);
    migrate(home.path(), &url, &from).wait().await.expect(1).complains(&["no journal", &url]);
    for folder in [&one, &other] {
        let mut daemon = Daemon::setup().data(folder).start().await;
        daemon.api.start_agent(&folder.display().to_string()).await;
        migrate(home.path(), &folder.display().to_string(), &url).wait().await.expect(1).complains(&["runs on"]);
        assert!(daemon.terminate().await.success());
    }
    migrate(home.path(), &from, &to).wait().await.expect(1).complains(&["other events", &to]);
    moved(home.path(), &from, &url).await;
    migrate(home.path(), &to, &url).wait().await.expect(1).complains(&["other events", &url]);

    let mut daemon = on(&server).start().await;
    let which = format!("process {} at 127.0.0.1 on {}", daemon.pid(), daemon.folder().join("data").display());
    for (from, to) in [(&from, &url), (&url, &from)] {
        migrate(home.path(), from, to).wait().await.expect(1).complains(&["a daemon runs on", &url, &which]);
    }
    daemon.api.start_agent("late").await;
    assert!(daemon.terminate().await.success());
    migrate(home.path(), &from, &url).wait().await.expect(1).complains(&["more events", &url]);
    let same = url.replace("127.0.0.1", "localhost");
    for (from, to) in [(&from, &format!("{from}/../one")), (&url, &same)] {
        let said = migrate(home.path(), from, to).wait().await.expect(1);
        said.complains(&[from, "is both where everything is and where it shall be"]);
    }
}

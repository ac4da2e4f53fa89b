//! Disks that are full or fail, under the whole flow of events, questions and answers.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Daemon, Process, SmallDisk, Stream,
    daemon::Setup,
    disk::{WITH_WRITE_ERRORS, limit_files},
    fixture,
    http::event,
    wait_until,
};

/// An event with an id, too large for what little room a full disk may still have.
fn large(id: &str) -> Value {
    let mut event = event("tool", "called", "busy", &json!({"text": "x".repeat(200_000)}));
    event["id"] = json!(id);
    event
}

/// Everything that a daemon promises while `fail` is in force and after `heal`.
async fn outlives(setup: Setup, fail: impl AsyncFn(&Daemon), heal: impl AsyncFn(&Daemon)) {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let mut daemon = setup.args(["--workspace-root", root.path().to_str().unwrap()]).start().await;
    let locked = acknowledged_over_a_locked_file(&daemon, &file).await;
    daemon.api.ask(&json!({"agent_id": "other", "msg_id": "later", "question": "Go on?"})).await;
    daemon.api.emit(&large("before")).await;
    let mut page = Stream::open(&daemon.api, "/events").await;
    fail(&daemon).await;

    let refusal = daemon.api.post("/api/v1/events", &large("refused")).await;
    assert_eq!(refusal.header("retry-after"), "1", "{refusal:?}");
    refusal.problem(503, &["journal"]);
    let not_ready = daemon.api.get("/readyz").await.expect(503).json();
    assert_ne!(not_ready["journal"], "ok", "{not_ready}");
    daemon.api.get("/healthz").await.expect(200);
    let said = "Nothing can be stored";
    page.until("the page says it", |frame| frame.data.contains(said).then_some(())).await;
    assert!(daemon.api.get("/").await.expect(200).body.contains(said));
    // Small as it is, it may have found room; whoever is told so can rely on it.
    let taken = daemon.api.answer("later", &json!("yes")).await.status == 200;
    // The agent lets go of its file; whether the answer can be written now or not, it is not lost.
    assert!(locked.wait().await.expect(0).stdout.contains("released"));

    heal(&daemon).await;
    wait_until("the daemon is ready by itself", async || (daemon.api.get("/readyz").await.status == 200).then_some(()))
        .await;
    page.until("the page says that it is over", |frame| {
        (!frame.data.contains(said) && frame.data.contains("troubles")).then_some(())
    })
    .await;
    daemon.api.emit(&large("after")).await;
    let record = daemon.api.question("later").await;
    assert_eq!((record["status"] != "open", record["answer"] == "yes"), (taken, taken), "{record}");
    if !taken {
        daemon.api.answer("later", &json!("yes")).await.expect(200);
    }
    wait_until("both answers are written", async || {
        let (early, later) = (daemon.api.question("early").await, daemon.api.question("later").await);
        (early["written_at"].is_string() && later["written_at"].is_string()).then_some(())
    })
    .await;
    daemon.crash().await;
    in_order(&daemon, &file).await;
}

/// An agent asks over its file, locks the file, and is answered: the answer is taken, and waits.
async fn acknowledged_over_a_locked_file(daemon: &Daemon, file: &Path) -> Process {
    let path = file.to_str().unwrap();
    let entry = json!({"question": "Early?", "status": "pending"}).to_string();
    let put = ["put", "outbox:question:early", &entry];
    Process::python(&fixture("workspace.py"), &[&[path], &put[..]].concat()).wait().await.expect(0);
    daemon.api.put("/api/v1/workspaces/filer", &json!({"agent_id": "filer", "path": file})).await;
    daemon.api.question_is("early", "open").await;
    let mut locked = Process::python(&fixture("workspace.py"), &[path, "hold"]);
    locked.line_with("locked").await;
    daemon.api.answer("early", &json!("yes")).await.expect(200);
    locked
}

async fn in_order(daemon: &Daemon, file: &Path) {
    let journal = daemon.api.journal("*").await;
    let seqs: Vec<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=journal.len() as u64).collect::<Vec<_>>());
    let times = |id: &str| journal.iter().filter(|event| event["id"] == json!(id)).count();
    assert_eq!((times("before"), times("refused"), times("after")), (1, 0, 1));
    for msg_id in ["early", "later"] {
        let of_question = |event: &&Value| event["action"] == "resumed" && event["payload"]["msg_id"] == msg_id;
        assert_eq!(journal.iter().filter(of_question).count(), 1, "{msg_id}");
    }
    let args = [file.to_str().unwrap(), "get", "inbox:response:early"];
    let found = Process::python(&fixture("workspace.py"), &args).wait().await.expect(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["answer"], "yes");
    assert_eq!(daemon.api.value_of("other", "inbox:response:later").await["answer"], "yes");
}

/// No write reaches any file, from one moment to the next.
#[tokio::test]
async fn write_errors_are_said_and_outlived() {
    let fail = async |daemon: &Daemon| limit_files(daemon.pid(), Some(1));
    let heal = async |daemon: &Daemon| limit_files(daemon.pid(), None);
    outlives(Daemon::setup().under(WITH_WRITE_ERRORS), fail, heal).await;
}

/// Somebody else fills the disk, and makes room again.
#[tokio::test]
async fn a_full_disk_delays_answers_and_loses_none() {
    let disk = SmallDisk::new("8m");
    let filler = disk.path().join("filler");
    let fail = async |_: &Daemon| {
        let full = fs::write(&filler, vec![0; 16 << 20]).expect_err("it does not fit");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    };
    let heal = async |_: &Daemon| fs::remove_file(&filler).unwrap();
    outlives(Daemon::setup().data(&disk.path().join("data")), fail, heal).await;
}

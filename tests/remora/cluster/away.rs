//! NATS is gone for a while, or a daemon's own disk.

use serde_json::json;

use super::{daemons, has_duty, one_picture};
use crate::support::{Daemon, NatsServer, SmallDisk, http::event, wait_until};

async fn is_ready(daemon: &Daemon, status: u16) {
    wait_until(&format!("/readyz answers {status}"), async || {
        (daemon.api.get("/readyz").await.status == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_nats_is_away_nothing_is_taken_in_and_everything_is_shown() {
    let mut server = NatsServer::start().await;
    let daemons = daemons(&server.url(), 2, &[]).await;
    let (api, other) = (&daemons[0].api, &daemons[1].api);
    api.start_agent("a").await;
    let msg_id = api.ask_text("a", "Deploy?").await;
    other.question_is(&msg_id, "open").await;
    for _ in 0..2 {
        let before = one_picture(&[&daemons[0], &daemons[1]], 2).await;
        server.kill().await;
        is_ready(&daemons[0], 503).await;
        let ready = api.get("/readyz").await.json();
        assert!(ready["journal"].as_str().unwrap().contains("nats"), "{ready}");
        assert!(api.get("/").await.expect(200).body.contains("the connection to nats is lost"), "the page says it");
        api.post("/api/v1/events", &event("tool", "called", "a", &json!({}))).await.problem(503, &[]);
        api.answer(&msg_id, &json!("yes")).await.problem(503, &[]);
        api.post("/api/v1/questions", &json!({"agent_id": "a", "question": "More?"})).await.problem(503, &[]);
        assert_eq!(api.state().await, before, "nothing is half-done");
        assert!(api.get("/").await.expect(200).body.contains("Deploy?"));
        server.start_again().await;
        for daemon in &daemons {
            is_ready(daemon, 200).await;
        }
        api.emit(&event("tool", "called", "a", &json!({}))).await;
        one_picture(&[&daemons[0], &daemons[1]], 3).await;
    }
    other.answer(&msg_id, &json!("yes")).await.expect(200);
    api.question_is(&msg_id, "answered").await;
    assert_eq!(api.value_of("a", &format!("inbox:response:{msg_id}")).await["answer"], "yes");
    // Somebody has the duties again.
    api.ask(&json!({"agent_id": "a", "msg_id": "late", "question": "In time?", "timeout": 1})).await;
    other.question_is("late", "expired").await;
}

#[tokio::test]
async fn a_daemon_whose_disk_is_full_says_so_and_leaves_everything_to_the_others() {
    let (server, disk) = (NatsServer::start().await, SmallDisk::new("16m"));
    let full = Daemon::setup().args(["--bus", &server.url()]).data(&disk.path().join("data")).start().await;
    let holds = async |daemon: &Daemon| {
        wait_until("it has the duties", async || has_duty(daemon, "deadlines").then_some(())).await;
    };
    holds(&full).await;
    let other = &daemons(&server.url(), 1, &[]).await[0];
    let msg_id = full.api.ask_text("a", "Deploy?").await;
    one_picture(&[&full, other], 1).await;

    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![0; 16 << 20]).expect_err("it does not fit");
    // Small as it is, a full disk may have room for some.
    let large = event("tool", "called", "a", &json!({"text": "x".repeat(200_000)}));
    wait_until("the copy finds no room", async || {
        other.api.emit(&large).await;
        (full.api.get("/readyz").await.status == 503).then_some(())
    })
    .await;
    let ready = full.api.get("/readyz").await.json();
    let said = "cannot be written or read at present: database or disk is full";
    assert_eq!(ready["journal"], format!("the journal {said}"));
    let page = full.api.get("/").await.expect(200).body;
    assert!(page.contains("Nothing can be stored") && page.contains("Deploy?"), "the page says it");
    full.api.post("/api/v1/events", &large).await.problem(503, &["full"]);
    full.api.answer(&msg_id, &json!("yes")).await.problem(503, &["full"]);
    holds(other).await;
    other.api.ask(&json!({"agent_id": "a", "msg_id": "late", "question": "In time?", "timeout": 1})).await;
    other.api.question_is("late", "expired").await;
    other.api.answer(&msg_id, &json!("no")).await.expect(200);
    wait_until("the answer is written", async || other.api.question(&msg_id).await["written_at"].as_str().map(drop))
        .await;

    std::fs::remove_file(&filler).unwrap();
    is_ready(&full, 200).await;
    one_picture(&[&full, other], 1).await;
    assert_eq!(full.api.question(&msg_id).await["answer"], "no");
    full.api.emit(&large).await;
    one_picture(&[&full, other], 1).await;
}

#[tokio::test]
async fn a_daemon_that_finds_no_nats_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let mut command = Daemon::program(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", &data, "--bus", "nats://127.0.0.1:9"]);
    let ended = crate::support::Process::spawn(command).wait().await;
    assert_ne!(ended.code, Some(0));
    ended.complains(&["nats://127.0.0.1:9", "bus"]);
}

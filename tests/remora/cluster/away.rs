//! NATS is gone for a while.

use serde_json::json;

use super::{daemons, one_picture};
use crate::support::{Daemon, NatsServer, http::event, wait_until};

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
async fn a_daemon_that_finds_no_nats_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let mut command = Daemon::program(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", &data, "--bus", "nats://127.0.0.1:9"]);
    let ended = crate::support::Process::spawn(command).wait().await;
    assert_ne!(ended.code, Some(0));
    ended.complains(&["nats://127.0.0.1:9", "bus"]);
}

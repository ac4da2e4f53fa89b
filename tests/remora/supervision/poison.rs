//! What kills an actor each time: an event that cannot be folded, a request that cannot be handled.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::arm;
use crate::support::{Api, Daemon, Stream, http::event, wait_until};

/// The actors that fold events.
const REPLICAS: [&str; 3] = ["inbox-coordinator", "state-aggregator", "workspace-registry"];

fn poison(actor: &str) -> Value {
    event("tool", "poison", "bad", &json!({"actor": actor}))
}

async fn put_aside(daemon: &Daemon, count: usize) -> Vec<Value> {
    wait_until(&format!("{count} events are put aside"), async || {
        let alive = daemon.api.get("/healthz").await.expect(200).json();
        let listed = alive["put_aside"].as_array().unwrap().clone();
        (listed.len() == count).then_some(listed)
    })
    .await
}

async fn serves(daemon: &Daemon, round: &str) {
    wait_until("every actor answers", async || {
        Api::try_send(daemon.api.request(Method::GET, "/readyz")).await.filter(|reply| reply.status == 200)
    })
    .await;
    daemon.api.start_agent(round).await;
    daemon.api.state_with("the picture goes on", |state| state["agentStates"][round].is_object()).await;
    daemon.api.ask(&json!({"agent_id": round, "msg_id": round, "question": "Go on?"})).await;
    daemon.api.answer(round, &json!("yes")).await.expect(200);
    assert_eq!(daemon.api.value_of(round, &format!("inbox:response:{round}")).await["answer"], "yes");
}

#[tokio::test]
async fn an_event_that_kills_its_reader_is_put_aside_and_the_rest_goes_on() {
    let mut daemon = Daemon::start().await;
    let mut page = Stream::open(&daemon.api, "/events").await;
    for (n, actor) in REPLICAS.into_iter().enumerate() {
        let seq = daemon.api.emit(&poison(actor)).await["last_seq"].clone();
        let listed = put_aside(&daemon, n + 1).await;
        assert_eq!(listed[n], json!({"seq": seq, "kind": "tool:poison", "actor": actor}));
        serves(&daemon, actor).await;
        let link = format!("/api/v1/events?after={}&amp;limit=1", seq.as_u64().unwrap() - 1);
        page.until("the page links the event", |frame| frame.data.contains(&link).then_some(())).await;
    }
    let metrics = daemon.api.get("/metrics").await.expect(200).body;
    assert!(metrics.contains("remora_events_put_aside 3"), "{metrics}");
    assert!(daemon.api.get("/").await.expect(200).body.contains("put aside"));
    assert_eq!(daemon.api.journal("tool:poison").await.len(), 3, "nothing is taken out of the journal");
    // A start reads the same events again, and dies over none.
    daemon.crash().await;
    put_aside(&daemon, 3).await;
    serves(&daemon, "after-the-crash").await;
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    put_aside(&daemon, 3).await;
    assert_eq!(daemon.log().matches("event put aside").count(), 3);
}

#[tokio::test]
async fn a_start_puts_aside_what_it_dies_over() {
    let mut daemon = Daemon::start().await;
    for actor in REPLICAS {
        daemon.api.emit(&poison(actor)).await;
    }
    put_aside(&daemon, 3).await;
    daemon.kill().await;
    // As if the power had failed before anything of it was noted.
    let script =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM snapshots'); c.commit()";
    let database = daemon.folder().join("data/remora.db");
    assert!(Command::new("python3").args(["-c", script]).arg(database).status().unwrap().success());
    daemon.start_again().await;
    put_aside(&daemon, 3).await;
    serves(&daemon, "after-the-start").await;
}

#[tokio::test]
async fn a_request_that_kills_its_handler_is_given_up() {
    let daemon = Daemon::start().await;
    arm(&daemon, "inbox-coordinator", "Ask", 3).await;
    let question = json!({"agent_id": "a", "msg_id": "q", "question": "Go on?"});
    daemon.api.post("/api/v1/questions", &question).await.problem(500, &["do not repeat"]);
    serves(&daemon, "others").await;
    // It was not put half.
    daemon.api.post("/api/v1/questions", &question).await.expect(201);
}

#[tokio::test]
async fn a_daemon_that_restarts_cannot_help_says_so_and_ends() {
    let mut daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    arm(&daemon, "workspace-registry", "Ping", 1_000).await;
    let api = daemon.api.clone();
    let asking = async { while Api::try_send(api.request(Method::GET, "/readyz")).await.is_some() {} };
    let (status, ()) = tokio::join!(daemon.ended(), asking);
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(daemon.log().contains("actors died too often"), "{}", daemon.log());
    daemon.start_again().await;
    assert_eq!(daemon.api.journal("*").await.len(), 1);
}

//! `Idempotency-Key`: an agent that is not sure whether it has asked asks again.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Daemon, Reply, http::text};

async fn ask(daemon: &Daemon, key: &str, question: &Value) -> Reply {
    let request = daemon.api.request(Method::POST, "/api/v1/questions").header("idempotency-key", key);
    Api::send(request.json(question)).await
}

#[tokio::test]
async fn the_same_key_is_the_same_question_also_after_a_restart() {
    let mut daemon = Daemon::start().await;
    let question = json!({"agent_id": "a", "question": "Deploy?", "options": ["yes", "no"], "timeout": 300});
    let first = text(&ask(&daemon, "k1", &question).await.expect(201).json(), "msg_id");
    let again = ask(&daemon, "\"k1\"", &question).await.expect(200).json();
    assert_eq!(again["msg_id"], json!(first), "quoted, as the header's draft has it, or not");
    daemon.crash().await;
    let again = ask(&daemon, "k1", &question).await.expect(200).json();
    assert_eq!(again["msg_id"], json!(first));
    daemon.api.answer(&first, &json!("yes")).await.expect(200);
    assert_eq!(ask(&daemon, "k1", &question).await.expect(200).json()["answer"], "yes");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
}

#[tokio::test]
async fn another_question_under_the_same_key_is_refused() {
    let daemon = Daemon::start().await;
    ask(&daemon, "k", &json!({"agent_id": "a", "question": "Deploy?"})).await.expect(201);
    let other = json!({"agent_id": "a", "question": "Delete?"});
    ask(&daemon, "k", &other).await.problem(422, &["Idempotency-Key"]);
    ask(&daemon, "k2", &other).await.expect(201);
    // A key is its agent's.
    ask(&daemon, "k", &json!({"agent_id": "b", "question": "Delete?"})).await.expect(201);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let daemon = Daemon::start().await;
    let question = json!({"agent_id": "a", "question": "Deploy?"});
    ask(&daemon, "\"\"", &question).await.problem(422, &["Idempotency-Key"]);
    ask(&daemon, &"k".repeat(300), &question).await.problem(413, &["id_bytes"]);
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_wait_is_capped() {
    let daemon = Daemon::setup().args(["--limit", "wait_s=1"]).start().await;
    let msg_id = daemon.api.ask_text("a", "Name?").await;
    // Without the cap this reply would come in thirty years.
    let record = daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=1e9")).await.expect(200).json();
    assert_eq!(record["status"], "open");
    for wait in ["-1", "NaN", "inf", "soon"] {
        daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait={wait}")).await.problem(400, &[]);
    }
}

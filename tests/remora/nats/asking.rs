//! Questions by request.

use async_nats::{HeaderMap, Request};
use serde_json::{Value, json};

use super::{ask, on, refused, reply_to};
use crate::support::{DEADLINE, Daemon, NatsServer, http::text, wait_until};

async fn waiting_requests(daemon: &Daemon, count: usize) {
    wait_until(&format!("{count} requests wait"), async || {
        (daemon.metric("bus_requests").await == count as f64).then_some(())
    })
    .await;
}

/// Answers question `m` once a request waits for it.
async fn answered(daemon: &Daemon) {
    waiting_requests(daemon, 1).await;
    daemon.api.answer("m", &json!("this")).await.expect(200);
}

#[tokio::test]
async fn the_reply_is_the_answer() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    let question = json!({"agent_id": "a", "msg_id": "m", "question": "Deploy?", "options": ["yes", "no"]});
    let person = async {
        let open = daemon.api.question_is("m", "open").await;
        assert_eq!((&open["options"], &open["agent_id"]), (&json!(["yes", "no"]), &json!("a")));
        daemon.api.answer("m", &json!("yes")).await.expect(200);
    };
    let (record, ()) = tokio::join!(ask(&client, "remora.ask", &question), person);
    assert_eq!((&record["answer"], &record["answered_by"]["door"]), (&json!("yes"), &json!("http")));
    // It has reached the agent, and that shows.
    daemon.api.question_is("m", "delivered").await;
}

#[tokio::test]
async fn asked_again_it_is_the_same_question_also_after_the_daemon_died() {
    let server = NatsServer::start().await;
    let mut daemon = on(&server).start().await;
    let client = server.client().await;
    let question = json!({"agent_id": "a", "msg_id": "m", "question": "Which?", "wait": 0.1});
    assert_eq!(ask(&client, "remora.ask", &question).await["status"], "open");
    let waiting = json!({"agent_id": "a", "msg_id": "m", "question": "Which?", "wait": 3_000});
    let lost = {
        let (client, waiting) = (client.clone(), waiting.clone());
        tokio::spawn(async move {
            let request = Request::new().payload(waiting.to_string().into()).timeout(Some(DEADLINE));
            client.send_request("remora.ask", request).await
        })
    };
    waiting_requests(&daemon, 1).await;
    daemon.crash().await;
    lost.abort();
    let (record, ()) = tokio::join!(ask(&client, "remora.ask", &waiting), answered(&daemon));
    assert_eq!(record["answer"], "this");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
    assert_eq!(daemon.api.journal("agent:resumed").await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_nobody_heard_is_not_picked_up() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let question = json!({"agent_id": "a", "msg_id": "m", "question": "Which?"});
    let client = server.client().await;
    ask(&client, "remora.ask", &json!({"agent_id": "a", "msg_id": "m", "question": "Which?", "wait": 0})).await;
    client.publish_with_reply("remora.ask", "_INBOX.gone", question.to_string().into()).await.unwrap();
    answered(&daemon).await;
    waiting_requests(&daemon, 0).await;
    assert_eq!(daemon.api.question("m").await["status"], "answered");
    assert_eq!(ask(&client, "remora.ask", &question).await["answer"], "this");
    daemon.api.question_is("m", "delivered").await;
}

#[tokio::test]
async fn a_subject_or_a_header_can_say_who_asks_what() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    let body = json!({"question": "Which?", "wait": 0});
    for _ in 0..2 {
        wait_until("a daemon replies", async || {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", "m");
            let request = Request::new().headers(headers).payload(body.to_string().into());
            client.send_request("remora.ask.host.example", request).await.ok()
        })
        .await;
    }
    let record = daemon.api.question("m").await;
    assert_eq!(text(&record, "agent_id"), "host.example");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
    let other = json!({"agent_id": "b", "question": "Which?"});
    refused(&client, "remora.ask.a", &other, 422, &["`a` as in the subject"]).await;
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    for (body, status, needle) in [
        (json!([]), 422, "json object"),
        (json!({"question": "Which?"}), 422, "`agent_id`"),
        (json!({"agent_id": "a"}), 422, "`question`"),
        (json!({"agent_id": "a", "question": "Which?", "wait": "soon"}), 422, "`wait`"),
        (json!({"agent_id": "a", "question": "Which?", "option": ["yes"]}), 400, "unknown field `option`"),
        (json!({"agent_id": "a", "question": "x".repeat(20_000)}), 413, "question_bytes"),
    ] {
        refused(&client, "remora.ask", &body, status, &[needle]).await;
    }
    let known = json!({"agent_id": "a", "msg_id": "m", "question": "Which?", "wait": 0});
    ask(&client, "remora.ask", &known).await;
    let other = json!({"agent_id": "a", "msg_id": "m", "question": "Another?"});
    refused(&client, "remora.ask", &other, 409, &["msg_id"]).await;
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused_and_counted() {
    let server = NatsServer::start().await;
    let daemon = on(&server).args(["--limit", "bus_requests=1"]).start().await;
    let client = server.client().await;
    let first = json!({"agent_id": "a", "msg_id": "m", "question": "Which?"});
    let second = async {
        waiting_requests(&daemon, 1).await;
        let reply = reply_to(&client, "remora.ask", &json!({"agent_id": "b", "question": "Which?"})).await;
        let problem: Value = serde_json::from_slice(&reply.payload).unwrap();
        assert_eq!((&problem["status"], &problem["limit"]), (&json!(503), &json!("bus_requests")));
        assert_eq!(daemon.metric("limit_hits_total{limit=\"bus_requests\"}").await, 1.0);
        answered(&daemon).await;
    };
    let (record, ()) = tokio::join!(ask(&client, "remora.ask", &first), second);
    assert_eq!(record["answer"], "this");
}

//! Events published on NATS: validated, journaled once, in order, whatever dies.

use async_nats::{Client, HeaderMap, jetstream};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::on;
use crate::support::{DEADLINE, Daemon, NatsServer, http::text, wait_until};

/// Publishes so that it is durable on return; there may be no stream for it yet.
async fn publish(client: &Client, subject: &str, id: Option<&str>, body: &Value) {
    let jetstream = jetstream::new(client.clone());
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert("Nats-Msg-Id", id);
    }
    wait_until("the event is durable", async || {
        let sent = jetstream.publish_with_headers(subject.to_owned(), headers.clone(), body.to_string().into());
        sent.await.ok()?.await.ok()
    })
    .await;
}

async fn journal_of(daemon: &Daemon, events: usize) -> Vec<Value> {
    wait_until(&format!("{events} events are in the journal"), async || {
        let journal = daemon.api.journal("*").await;
        (journal.len() >= events).then_some(journal)
    })
    .await
}

#[tokio::test]
async fn a_published_event_is_in_the_journal_and_on_the_page() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    publish(&client, "remora.events.lint-7.agent.started", None, &json!({"payload": {"name": "Linter"}})).await;
    let plain = json!({"id": "e2", "graph_id": "g1", "payload": {"name": "ruff"}});
    client.publish("remora.events.lint-7.tool.called", plain.to_string().into()).await.unwrap();
    client.publish("remora.events.host.example.agent.started", "".into()).await.unwrap();

    let journal = journal_of(&daemon, 3).await;
    let kinds: Vec<_> = journal
        .iter()
        .map(|e| format!("{} {}:{}", text(e, "agent_id"), text(e, "category"), text(e, "action")))
        .collect();
    assert_eq!(kinds, ["lint-7 agent:started", "lint-7 tool:called", "host.example agent:started"]);
    assert_eq!((&journal[1]["id"], &journal[1]["graph_id"]), (&json!("e2"), &json!("g1")));
    let state = daemon.api.state_with("the agent is shown", |state| state["agentStates"]["lint-7"].is_object()).await;
    assert_eq!(state["agentStates"]["lint-7"]["name"], "Linter");
}

#[tokio::test]
async fn the_first_daemon_hears_what_is_published_as_soon_as_it_listens() {
    let server = NatsServer::start().await;
    let client = server.client().await;
    let daemon = on(&server).start().await;
    client.publish("remora.events.a.agent.started", "".into()).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(text(&journal_of(&daemon, 1).await[0], "agent_id"), "a");
}

#[tokio::test]
async fn an_event_that_is_sent_again_is_one_event() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    for _ in 0..3 {
        publish(&client, "remora.events.a.tool.called", Some("same"), &json!({})).await;
        let with_id = json!({"id": "own"});
        client.publish("remora.events.a.tool.called", with_id.to_string().into()).await.unwrap();
    }
    // Nothing tells these from one another but that they are two.
    for _ in 0..2 {
        client.publish("remora.events.a.tool.completed", "{}".into()).await.unwrap();
    }
    publish(&client, "remora.events.a.agent.completed", None, &json!({})).await;
    let journal = wait_until("the last event is there", async || {
        let journal = daemon.api.journal("*").await;
        journal.iter().any(|event| event["category"] == "agent").then_some(journal)
    })
    .await;
    let mut ids: Vec<_> = journal[..2].iter().map(|event| text(event, "id")).collect();
    ids.sort();
    assert_eq!(ids, ["own", "same"]);
    assert_eq!(journal.len(), 5, "{journal:#?}");
}

#[tokio::test]
async fn what_is_no_event_is_told_and_holds_nothing_up() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    let mut told = client.subscribe("remora.refused.a").await.unwrap();
    client.flush().await.unwrap();
    for (rest, body, needle) in [
        ("a.agent.started", "nonsense", "not valid json"),
        ("a.nobody.started", "{}", "`category`"),
        ("a.agent.started", r#"{"agent_id":"b"}"#, "as in the subject"),
        ("a.agent.resumed", r#"{"payload":{"msg_id":"m","answer":"yes"}}"#, "a person's doing"),
        ("a.user.answered", r#"{"payload":{"msg_id":"m","answer":"yes"}}"#, "a person's doing"),
    ] {
        let subject = format!("remora.events.{rest}");
        publish_text(&client, &subject, body).await;
        let refusal = tokio::time::timeout(DEADLINE, told.next()).await.expect("it is told").expect("a message");
        let refusal: Value = serde_json::from_slice(&refusal.payload).unwrap();
        assert!(text(&refusal, "detail").contains(needle), "{refusal}");
        assert_eq!(refusal["subject"], subject);
    }
    publish(&client, "remora.events.a.agent.started", None, &json!({})).await;
    assert_eq!(journal_of(&daemon, 1).await.len(), 1);
    assert_eq!(daemon.metric("bus_refused_total").await, 5.0);
    assert!(daemon.log().contains("event published on nats refused"), "{}", daemon.log());
}

async fn publish_text(client: &Client, subject: &str, body: &str) {
    let jetstream = jetstream::new(client.clone());
    wait_until("it is taken", async || {
        jetstream.publish(subject.to_owned(), body.to_owned().into()).await.ok()?.await.ok()
    })
    .await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_out_of_order_when_daemons_die() {
    const EVENTS: usize = 1_000;
    let server = NatsServer::start().await;
    let mut daemon = on(&server).start().await;
    let client = server.client().await;
    let publisher = async {
        for number in 0..EVENTS {
            let id = number.to_string();
            publish(&client, "remora.events.a.tool.called", Some(&id), &json!({})).await;
        }
    };
    let killer = async {
        for part in 1..4 {
            journal_of(&daemon, part * EVENTS / 8).await;
            daemon.crash().await;
        }
        daemon.kill().await;
    };
    tokio::join!(publisher, killer);
    daemon.start_again().await;
    let journal = journal_of(&daemon, EVENTS).await;
    let ids: Vec<usize> = journal.iter().map(|event| text(event, "id").parse().unwrap()).collect();
    assert_eq!(ids, (0..EVENTS).collect::<Vec<_>>());
}

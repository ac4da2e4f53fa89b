//! Many daemons, one door: whichever takes a request or an event, it is as if there were one.

use std::collections::HashSet;

use async_nats::{HeaderMap, jetstream};
use serde_json::{Value, json};

use super::{ask, on};
use crate::support::{Daemon, NatsServer, http::text, wait_until};

async fn waiting(daemons: &[Daemon]) -> Option<usize> {
    for (place, daemon) in daemons.iter().enumerate() {
        if daemon.metric("bus_requests").await == 1.0 {
            return Some(place);
        }
    }
    None
}

#[tokio::test]
async fn an_answer_given_on_one_reaches_the_request_that_another_holds() {
    let server = NatsServer::start().await;
    let daemons = [on(&server).start().await, on(&server).start().await];
    let client = server.client().await;
    for msg_id in ["first", "second"] {
        let question = json!({"agent_id": "a", "msg_id": msg_id, "question": "Which?"});
        let person = async {
            let holder = wait_until("a daemon holds the request", async || waiting(&daemons).await).await;
            let other = &daemons[1 - holder];
            other.api.question_is(msg_id, "open").await;
            other.api.answer(msg_id, &json!("this")).await.expect(200);
        };
        let (record, ()) = tokio::join!(ask(&client, "remora.ask", &question), person);
        assert_eq!(record["answer"], "this");
        for daemon in &daemons {
            daemon.api.question_is(msg_id, "delivered").await;
            assert_eq!(
                daemon.api.journal("agent:answer_delivered").await.iter().filter(|e| about(e, msg_id)).count(),
                1
            );
        }
    }
}

fn about(event: &Value, msg_id: &str) -> bool {
    event["payload"]["msg_id"] == msg_id
}

#[tokio::test]
async fn events_stay_in_order_while_the_daemons_take_turns() {
    const EVENTS: usize = 1_000;
    let server = NatsServer::start().await;
    let mut daemons = [on(&server).start().await, on(&server).start().await];
    let jetstream = jetstream::new(server.client().await);
    let publisher = async {
        for number in 0..EVENTS {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", number.to_string());
            wait_until("the event is durable", async || {
                let sent = jetstream.publish_with_headers("remora.events.a.tool.called", headers.clone(), "".into());
                sent.await.ok()?.await.ok()
            })
            .await;
        }
    };
    let killer = async {
        for round in 1..=4 {
            let [first, second] = &mut daemons;
            let (victim, other) = if round % 2 == 0 { (first, second) } else { (second, first) };
            wait_until("some are in the journal", async || {
                (other.api.journal("*").await.len() >= round * EVENTS / 5).then_some(())
            })
            .await;
            victim.crash().await;
        }
    };
    tokio::join!(publisher, killer);
    for daemon in &daemons {
        let journal = wait_until("all are in the journal", async || {
            let journal = daemon.api.journal("*").await;
            (journal.len() >= EVENTS).then_some(journal)
        })
        .await;
        let ids: Vec<usize> = journal.iter().map(|event| text(event, "id").parse().unwrap()).collect();
        assert_eq!(ids, (0..EVENTS).collect::<Vec<_>>());
        let seqs: HashSet<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs.len(), EVENTS);
    }
}

#[tokio::test]
async fn under_prefixes_of_their_own_they_share_a_server_and_nothing_else() {
    let server = NatsServer::start().await;
    let [one, other] = [
        on(&server).args(["--bus-prefix", "one"]).start().await,
        on(&server).args(["--bus-prefix", "other"]).start().await,
    ];
    one.api.ask(&json!({"agent_id": "a", "msg_id": "q", "question": "Which?"})).await;
    let jetstream = jetstream::new(server.client().await);
    jetstream.publish("other.events.b.tool.called", "".into()).await.unwrap().await.unwrap();
    let journal = wait_until("the event has come", async || {
        let journal = other.api.journal("*").await;
        (!journal.is_empty()).then_some(journal)
    })
    .await;
    assert_eq!((journal.len(), text(&journal[0], "agent_id").as_str()), (1, "b"));
    other.api.get("/api/v1/questions/q").await.expect(404);
    one.api.question_is("q", "open").await;
    assert!(one.api.journal("tool:*").await.is_empty());
}

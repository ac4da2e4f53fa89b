//! A NATS that has no room left: nothing is half-taken, it is said, and it mends itself.

use async_nats::jetstream::{self, stream};
use serde_json::{Value, json};

use super::on;
use crate::support::{Daemon, NatsServer, http::text, wait_until};

const EVENTS: &str = "/api/v1/events";

/// A large event.
fn large(id: &str) -> Value {
    json!({"id": id, "category": "tool", "action": "called", "agent_id": "a", "payload": {"text": "x".repeat(100_000)}})
}

/// What a daemon says of itself that can store nothing.
async fn says_so(daemon: &Daemon, why: &str) {
    let ready = wait_until("the daemon is not ready", async || {
        let ready = daemon.api.get("/readyz").await;
        (ready.status == 503).then_some(ready)
    })
    .await;
    assert!(ready.body.contains(why), "{}", ready.body);
    let page = daemon.api.get("/").await.expect(200).body;
    assert!(page.contains("Nothing can be stored at present") && page.contains(why), "{page}");
}

async fn is_well(daemon: &Daemon) {
    wait_until("the daemon is ready", async || (daemon.api.get("/readyz").await.status == 200).then_some(())).await;
    assert!(!daemon.api.get("/").await.expect(200).body.contains("Nothing can be stored at present"));
}

async fn ids(daemon: &Daemon) -> Vec<String> {
    daemon.api.journal("*").await.iter().map(|event| text(event, "id")).collect()
}

#[tokio::test]
async fn a_full_server_is_said_and_outlived() {
    let server =
        NatsServer::with(|f| format!("jetstream {{ store_dir: {:?}, max_file_store: 2MB }}", f.join("js"))).await;
    let daemon = on(&server).start().await;
    let jetstream = jetstream::new(server.client().await);
    let others = stream::Config { name: "others".to_owned(), ..stream::Config::default() };
    jetstream.create_stream(others).await.unwrap();
    for _ in 0..10 {
        jetstream.publish("others", vec![b'x'; 100_000].into()).await.unwrap().await.unwrap();
    }
    let mut taken = Vec::new();
    let refused = wait_until("the server is full", async || {
        let id = taken.len().to_string();
        let reply = daemon.api.post(EVENTS, &large(&id)).await;
        if reply.status == 200 {
            taken.push(id);
            return None;
        }
        reply.problem(503, &["insufficient resources"]);
        Some(id)
    })
    .await;
    says_so(&daemon, "insufficient resources").await;
    assert_eq!(ids(&daemon).await, taken);
    jetstream.delete_stream("others").await.unwrap();
    is_well(&daemon).await;
    daemon.api.post(EVENTS, &large(&refused)).await.expect(200);
    taken.push(refused);
    assert_eq!(ids(&daemon).await, taken);
}

#[tokio::test]
async fn a_batch_that_was_taken_in_part_is_refused_and_may_be_sent_again() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    daemon.api.emit(&large("0")).await;
    let jetstream = jetstream::new(server.client().await);
    let bound = async |events: i64| {
        let mut config = jetstream.get_stream("remora-events").await.unwrap().cached_info().config.clone();
        (config.max_messages, config.discard) = (events, stream::DiscardPolicy::New);
        jetstream.update_stream(config).await.unwrap();
    };
    bound(6).await;
    let batch: Vec<_> = (1..=10).map(|id| large(&id.to_string())).collect();
    let batch = Value::Array(batch);
    daemon.api.post(EVENTS, &batch).await.problem(503, &["maximum messages exceeded"]);
    says_so(&daemon, "max").await;
    daemon.api.post(EVENTS, &large("11")).await.problem(503, &["max"]);
    bound(-1).await;
    is_well(&daemon).await;
    let reply = daemon.api.emit(&batch).await;
    assert_eq!((&reply["accepted"], &reply["duplicates"]), (&json!(5), &json!(5)), "{reply}");
    assert_eq!(ids(&daemon).await, (0..=10).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(daemon.api.emit(&batch).await["duplicates"], 10);
}

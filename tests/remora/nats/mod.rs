//! Agents that speak nothing but NATS, and the ways into a NATS server.

mod asking;
mod daemons;
mod doctor;
mod events;
mod example;
mod full;
mod login;
mod messages;
mod migrate;

use async_nats::{Client, Message, Request};
use serde_json::{Value, json};

use crate::support::{DEADLINE, Daemon, NatsServer, daemon::Setup};

/// A daemon that is to be started on a server.
fn on(server: &NatsServer) -> Setup {
    Daemon::setup().args(["--bus", &server.url()])
}

/// A reply to a request; no daemon may have heard of it yet.
async fn reply_to(client: &Client, subject: &str, body: &Value) -> Message {
    crate::support::wait_until("a daemon replies", async || {
        let request = Request::new().payload(body.to_string().into()).timeout(Some(DEADLINE));
        client.send_request(subject.to_owned(), request).await.ok()
    })
    .await
}

/// The same, which must be no error.
async fn ask(client: &Client, subject: &str, body: &Value) -> Value {
    let reply = reply_to(client, subject, body).await;
    assert_eq!(reply.headers, None, "{}", String::from_utf8_lossy(&reply.payload));
    serde_json::from_slice(&reply.payload).expect("json")
}

/// The same, which must be a problem of this status that says each of the needles.
async fn refused(client: &Client, subject: &str, body: &Value, status: u64, needles: &[&str]) {
    let reply = reply_to(client, subject, body).await;
    let headers = reply.headers.expect("a reply that is an error says so");
    assert_eq!(headers.get("Nats-Service-Error-Code").map(|code| code.as_str()), Some(status.to_string().as_str()));
    let problem: Value = serde_json::from_slice(&reply.payload).expect("json");
    assert_eq!(problem["status"], json!(status));
    for needle in needles {
        let said = headers.get("Nats-Service-Error").map(|said| said.as_str()).unwrap_or_default();
        assert!(said.contains(needle) && problem["detail"].as_str().unwrap_or_default().contains(needle), "{problem}");
    }
}

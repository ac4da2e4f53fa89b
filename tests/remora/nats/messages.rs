//! What people wrote to an agent, fetched by request.

use serde_json::json;

use super::{ask, on, refused};
use crate::support::{NatsServer, http::rows, wait_until};

#[tokio::test]
async fn a_message_comes_until_the_agent_says_that_it_has_it() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let client = server.client().await;
    daemon.api.start_agent("a").await;
    for content in ["first", "second"] {
        let message = json!({"content": content, "who": "alice"});
        daemon.api.post("/api/v1/agents/a/messages", &message).await;
    }
    let messages = wait_until("both are there", async || {
        let messages = rows(ask(&client, "remora.messages.a", &json!({})).await, "messages");
        (messages.len() == 2).then_some(messages)
    })
    .await;
    assert_eq!((&messages[0]["content"], &messages[1]["content"]), (&json!("first"), &json!("second")));
    let left = rows(ask(&client, "remora.messages.a", &json!({"taken": [messages[0]["id"]]})).await, "messages");
    assert_eq!(left, messages[1..]);
    let left = rows(ask(&client, "remora.messages.a", &json!({"taken": [messages[1]["id"]]})).await, "messages");
    assert!(left.is_empty());
    wait_until("both are shown as delivered", async || {
        let list = rows(daemon.api.get("/api/v1/agents/a/messages").await.expect(200).json(), "messages");
        list.iter().all(|message| message["state"] == "delivered").then_some(())
    })
    .await;
    refused(&client, "remora.messages.a", &json!({"token": "x"}), 400, &["taken"]).await;
}

//! Embedded workspaces: the daemon's own key-value spaces, reached over HTTP.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Api, Daemon,
    http::{event, rows, text},
};

#[tokio::test]
async fn the_embedded_workspace_keeps_bare_json_values() {
    let mut daemon = Daemon::start().await;
    let key = |key: &str| format!("/api/v1/workspaces/w%201/kv/{key}");
    for (name, value) in [("a", json!({"n": 1})), ("b%2Fc%20%C3%A9", json!("text")), ("outbox:d", json!(null))] {
        let reply = daemon.api.put(&key(name), &value).await;
        assert!([200, 201, 204].contains(&reply.status), "{reply:?}");
        assert_eq!(daemon.api.get(&key(name)).await.expect(200).json(), value);
    }
    daemon.crash().await;
    let list = daemon.api.get("/api/v1/workspaces/w%201/kv?prefix=b").await.expect(200);
    assert!(
        list.body.contains("b/c é") && list.body.contains("text") && !list.body.contains("outbox"),
        "{}",
        list.body
    );
    let gone = daemon.api.delete(&key("a")).await;
    assert!([200, 204].contains(&gone.status), "{gone:?}");
    daemon.api.get(&key("a")).await.problem(404, &["a"]);
    daemon.api.delete(&key("a")).await.problem(404, &["a"]);
    daemon.api.get("/api/v1/workspaces/other/kv/b").await.problem(404, &[]);
}

/// More bytes than any page may have, and less than a page may leave out.
const PAGE: std::ops::Range<usize> = 2 << 20..5 << 20;

#[tokio::test]
async fn what_is_large_comes_page_by_page() {
    let daemon = Daemon::start().await;
    let large = "x".repeat(200_000);
    for n in 10..50 {
        daemon.api.put(&format!("/api/v1/workspaces/w/kv/k:{n}"), &json!(large)).await.expect(204);
        daemon.api.emit(&event("tool", "called", "a", &json!({"n": n, "text": large}))).await;
    }
    let (mut keys, mut next) = (Vec::new(), String::new());
    while keys.len() < 40 {
        let page = daemon.api.get(&format!("/api/v1/workspaces/w/kv?prefix=k:{next}")).await.expect(200);
        assert!(page.body.len() < PAGE.end && (page.body.len() > PAGE.start || keys.len() > 20), "{}", page.body.len());
        next = page.json()["next"].as_str().map_or_else(String::new, |next| format!("&after={next}"));
        keys.extend(rows(page.json(), "entries").iter().map(|entry| text(entry, "key")));
        assert_eq!(next.is_empty(), keys.len() == 40);
    }
    assert_eq!(keys, (10..50).map(|n| format!("k:{n}")).collect::<Vec<_>>());

    let (mut found, mut before) = (Vec::new(), String::new());
    while found.len() < 40 {
        let page = daemon.api.get(&format!("/api/v1/events/search?agent_id=a{before}")).await.expect(200);
        assert!(
            page.body.len() < PAGE.end && (page.body.len() > PAGE.start || found.len() > 20),
            "{}",
            page.body.len()
        );
        before = page.json()["older"].as_u64().map_or_else(String::new, |older| format!("&before={older}"));
        found.extend(rows(page.json(), "events").iter().map(|event| event["payload"]["n"].as_u64().unwrap()));
        assert_eq!(before.is_empty(), found.len() == 40);
    }
    assert_eq!(found, (10..50).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn bad_values_are_refused() {
    let daemon = Daemon::start().await;
    let put = async |body: Vec<u8>| {
        let request = daemon.api.request(Method::PUT, "/api/v1/workspaces/w/kv/k").body(body);
        Api::send(request.header("content-type", "application/json")).await
    };
    put(b"{broken".to_vec()).await.problem(400, &["json"]);
    put(b"\"\xff\"".to_vec()).await.problem(400, &["json"]);
    put(format!("\"{}\"", "x".repeat(1 << 20)).into_bytes()).await.problem(413, &["value_bytes"]);
    daemon.api.get("/api/v1/workspaces/w/kv/k").await.problem(404, &[]);
}

#[tokio::test]
async fn an_agent_asks_over_the_embedded_workspace() {
    let daemon = Daemon::start().await;
    let question = json!({"question": "Sure?", "status": "pending", "options": ["yes", "no"], "timeout": 300});
    daemon.api.put("/api/v1/workspaces/w", &json!({"agent_id": "a"})).await;
    daemon.api.put("/api/v1/workspaces/w/kv/outbox:question:m1", &question).await;
    daemon.api.question_is("m1", "open").await;
    daemon.api.answer("m1", &json!("no")).await.expect(200);
    assert_eq!(daemon.api.value_of("w", "inbox:response:m1").await["answer"], "no");
    let mut answered = question;
    answered["status"] = json!("answered");
    daemon.api.put("/api/v1/workspaces/w/kv/outbox:question:m1", &answered).await;
    daemon.api.question_is("m1", "delivered").await;
}

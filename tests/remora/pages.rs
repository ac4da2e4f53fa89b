//! The pages beside the dashboard: each follows what it shows, and leaves alone what a person does on it.

use serde_json::json;

use crate::support::{Browser, Daemon, http::event};

#[tokio::test]
async fn an_agents_page_follows_the_agent_while_a_message_is_typed() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&event("agent", "started", "lint 7/ü", &json!({"name": "Linter"}))).await;
    let browser = Browser::open(&daemon.url("/agents/lint%207%2F%C3%BC")).await;
    browser.connected().await;
    browser.type_into("#message-content", "mind the ").await;
    for n in 0..20 {
        daemon.api.emit(&event("tool", "called", "lint 7/ü", &json!({"name": format!("step-{n}")}))).await;
    }
    browser.text_has(".timeline", "step-19").await;
    browser.find("#message-content").await.send_keys("changelog").await.expect("typed");
    let typed = browser.eval("return document.querySelector('#message-content').value", &[]).await;
    assert_eq!(typed, "mind the changelog");
    daemon.api.ask_text("other", "Deploy?").await;
    browser.text_is(".bar nav .badge", "1").await;
    browser.title_is("the title counts the question of another agent", |title| title.starts_with("(1) Linter")).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_page_that_is_none_has_no_stream() {
    let daemon = Daemon::start().await;
    for path in ["/events?of=/nothing", "/agents/unknown", "/nothing"] {
        daemon.api.get(path).await.problem(404, &[]);
    }
    let browser = Browser::open(&daemon.url("/nothing?at=all")).await;
    browser.text_is("h1", "Not found").await;
}

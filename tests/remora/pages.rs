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
async fn a_message_that_is_being_written_is_kept_until_it_is_sent() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let page = daemon.url("/agents/a");
    let browser = Browser::open(&page).await;
    browser.connected().await;
    let holds = async |text: &str| {
        let script = "return document.querySelector('#message-content')?.value === arguments[0]";
        browser.until(&format!("the message is {text:?}"), script, &[text.into()]).await;
    };
    browser.type_into("#message-content", "mind the").await;
    browser.goto(&page).await;
    holds("mind the").await;
    browser.type_into("#message-content", " changelog").await;
    daemon.api.emit(&event("agent", "completed", "a", &json!({}))).await;
    browser.count_is("#message-form", 0).await;
    browser.text_is("#messages .draft pre", "mind the changelog").await;
    daemon.api.start_agent("a").await;
    holds("mind the changelog").await;
    browser.click("#message-form button").await;
    browser.text_has("#messages .rows", "mind the changelog").await;
    holds("").await;
    browser.goto(&page).await;
    browser.connected().await;
    holds("").await;
    let kept = browser.eval("return localStorage.length + sessionStorage.length", &[]).await;
    assert_eq!(kept, 0);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_address_holds_only_what_is_looked_for() {
    let daemon = Daemon::start().await;
    daemon.api.ask_text("a", "Deploy?").await;
    let browser = Browser::open(&daemon.url("/history")).await;
    browser.connected().await;
    let address = async |wanted: &str| {
        let script = "return location.pathname + location.search === arguments[0]";
        browser.until(&format!("the address is {wanted}"), script, &[wanted.into()]).await;
    };
    browser.type_into("#q", "deploy").await;
    address("/history?q=deploy").await;
    browser.click("#search button").await;
    address("/history?q=deploy").await;
    browser.text_has("#found", "1 event").await;
    browser.goto(&daemon.url("/")).await;
    browser.connected().await;
    browser.click("#inbox-search summary").await;
    browser.type_into("[name=agent]", "a").await;
    browser.click("#inbox-filter button").await;
    address("/?agent=a").await;
    browser.connected().await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn what_is_printed_is_what_is_read() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    daemon.api.ask_text("a", "Deploy?").await;
    let browser = Browser::of(&daemon).await;
    browser.prefer_dark(true).await;
    let seen = "const shown = (css) => [...document.querySelectorAll(css)].some((one) => one.checkVisibility()); \
        const style = getComputedStyle(document.body); \
        return [shown('.bar nav'), shown('button'), shown('footer.foot'), shown(arguments[0]), style.color, style.backgroundColor]";
    for (path, read) in [("/", ".question"), ("/agents/a", "#story li")] {
        browser.goto(&daemon.url(path)).await;
        browser.connected().await;
        browser.print().await;
        let printed = browser.eval(seen, &[read.into()]).await;
        assert_eq!(printed, json!([false, false, false, true, "rgb(0, 0, 0)", "rgb(255, 255, 255)"]), "{path}");
        browser.prefer_dark(true).await;
    }
}

#[tokio::test]
async fn a_page_that_is_none_has_no_stream() {
    let daemon = Daemon::start().await;
    for path in ["/events?of=/nothing", "/agents/unknown", "/nothing"] {
        daemon.api.get(path).await.problem(404, &[]);
    }
    let browser = Browser::open(&daemon.url("/nothing?at=all")).await;
    browser.text_is("h1", "Not found").await;
    browser.goto(&daemon.url("/at")).await;
    browser.text_has("main", "There is no past to look at").await;
}

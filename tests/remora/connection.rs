//! The page's connection: lost and mended, over restarts, and in more tabs than a browser has connections.

use serde_json::json;

use crate::support::{Browser, Daemon, Process, fixture, http::event};

#[tokio::test]
async fn a_lost_connection_is_said_and_mended_without_a_reload() {
    let mut daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    browser.fill(&msg_id, "half a tho").await;
    browser.eval("window.neverReloaded = true", &[]).await;

    daemon.kill().await;
    browser.text_is("#connection-status", "Disconnected, retrying").await;
    daemon.start_again().await;
    browser.connected().await;
    daemon.api.emit(&event("tool", "called", "a", &json!({"name": "after-the-restart"}))).await;
    browser.text_has("#events-list", "after-the-restart").await;
    assert_eq!(browser.eval("return window.neverReloaded === true", &[]).await, true);
    let value = "return document.querySelector(arguments[0]).value";
    let field = format!("{} [name=answer]", Browser::card(&msg_id));
    assert_eq!(browser.eval(value, &[field.as_str().into()]).await, "half a tho");

    // The way it ends on request is told in the same words.
    assert!(daemon.terminate().await.success());
    browser.text_is("#connection-status", "Disconnected, retrying").await;
    daemon.start_again().await;
    browser.connected().await;
    browser.type_into(&field, "ught").await;
    browser.submit(&msg_id).await;
    assert_eq!(daemon.api.question_is(&msg_id, "answered").await["answer"], "half a thought");
    assert_eq!(browser.eval("return window.neverReloaded === true", &[]).await, true);
    assert_eq!(
        browser.count(&Browser::card(&msg_id)).await,
        browser.count(&format!("#blocked-agents {}", Browser::card(&msg_id))).await
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_at_its_form_and_sent_by_nobody_but_a_person() {
    let mut daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    let browser = Browser::open(&daemon.url("/agents/a")).await;
    browser.connected().await;
    browser.fill(&msg_id, "no").await;
    browser.type_into("#message-content", "hurry").await;
    daemon.kill().await;
    browser.submit(&msg_id).await;
    browser.text_has(&format!("{} .note", Browser::card(&msg_id)), "Not sent: the daemon cannot be reached").await;
    browser.click("#message-form button").await;
    browser.text_has("#message-note", "Not sent: the daemon cannot be reached").await;

    daemon.start_again().await;
    browser.connected().await;
    assert_eq!(daemon.api.question(&msg_id).await["status"], "open");
    browser.click("#message-form button").await;
    browser.text_is("#message-note", "Sent.").await;
    let typed = "return document.querySelector('#message-content').value === ''";
    browser.until("the field is empty again", typed, &[]).await;
    assert_eq!(daemon.api.journal("user:messaged").await.len(), 1);
    browser.fill(&msg_id, " yes").await;
    browser.submit(&msg_id).await;
    assert_eq!(daemon.api.question_is(&msg_id, "answered").await["answer"], "no yes");
    browser.text_has(".settled", "no yes").await;
    assert_eq!(browser.count(".draft:not([hidden])").await, 0);
}

#[tokio::test]
async fn nothing_is_shown_twice_after_a_reconnect() {
    let mut daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let events: Vec<_> = (0..20).map(|n| event("tool", "called", "a", &json!({"name": format!("t{n}")}))).collect();
    daemon.api.emit(&json!(events)).await;
    browser.count_is("#events-list > *", 20).await;
    for more in 1..=3 {
        daemon.kill().await;
        browser.text_is("#connection-status", "Disconnected, retrying").await;
        daemon.start_again().await;
        browser.connected().await;
        daemon.api.emit(&event("tool", "called", "a", &json!({"name": format!("more-{more}")}))).await;
        browser.text_has("#events-list", &format!("more-{more}")).await;
        browser.count_is("#events-list > *", 20 + more).await;
    }
    let ids = "const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
        return ids.filter((id, at) => ids.indexOf(id) !== at)";
    assert_eq!(browser.eval(ids, &[]).await, json!([]));
}

#[tokio::test]
async fn seven_tabs_all_load_and_answer() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    for _ in 1..7 {
        browser.goto_in_new_tab(&daemon.url("/")).await;
    }
    let msg_id = daemon.api.ask_text("a", "Still there?").await;
    browser.text_has(&Browser::card(&msg_id), "Still there?").await;
    browser.fill(&msg_id, "yes").await;
    browser.submit(&msg_id).await;
    assert_eq!(daemon.api.question_is(&msg_id, "answered").await["answer"], "yes");

    // A tab that gave its stream up says so, and takes it back when it is wanted again.
    browser.to_first_tab().await;
    let shown = browser.until(
        "the first tab tells how it stands",
        "return ['Connected', 'Paused'].find(word => document.querySelector('#connection-status').innerText.trim() === word)",
        &[],
    );
    if shown.await == "Paused" {
        browser.click("#parked button").await;
    }
    browser.connected().await;
    browser.title_is("the title counts no question", |title| title.trim() == "Remora Dashboard").await;
}

#[tokio::test]
async fn an_agent_and_a_person_meet_over_restarts() {
    let mut daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let mut asker = Process::python(&fixture("http_agent.py"), &[&daemon.url(""), "deployer", "Which branch?"]);
    asker.line_with("asked").await;
    let msg_id = "deployer-question";
    browser.text_has(&Browser::card(msg_id), "Which branch?").await;
    daemon.crash().await;
    assert!(daemon.terminate().await.success());
    browser.text_is("#connection-status", "Disconnected, retrying").await;
    assert!(asker.is_running());
    daemon.start_again().await;
    browser.connected().await;
    browser.fill(msg_id, "main").await;
    browser.submit(msg_id).await;
    assert_eq!(asker.line_with("answered").await, "answered: \"main\"");
    asker.wait().await.expect(0);
    browser.text_has("#results", "went on with main").await;
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
}

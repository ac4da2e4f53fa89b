//! The pages for people who see, hear or move otherwise: axe-core finds nothing serious, and everything is done by keys.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    screenshots::busy,
    support::{Browser, Daemon, python::Packages},
};

/// Carries the bundle of axe-core.
static AXE: Packages = Packages::alone(&["axe-playwright-python==0.1.8"]);

const RUN: &str = "window.remora_axe = null; axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', \
    'wcag22aa', 'best-practice']}).then((found) => window.remora_axe = found.violations \
    .map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target + ' ' + n.failureSummary).join('; ')}`) \
    .filter((line) => !line.startsWith('minor')))";

/// What axe-core finds on the page as it is now.
async fn findings(browser: &Browser) -> Value {
    browser.eval(&AXE.file("axe_playwright_python/axe.min.js"), &[]).await;
    browser.eval(RUN, &[]).await;
    let found = browser.until("axe-core is done", "return window.remora_axe && [window.remora_axe]", &[]).await;
    found[0].clone()
}

async fn check(browser: &Browser, daemon: &Daemon, path: &str, ready: &str) {
    for dark in [false, true] {
        for width in [1280, 360] {
            browser.prefer_dark(dark).await;
            browser.size(width, 800).await;
            browser.goto(&daemon.url(path)).await;
            browser.find(ready).await;
            assert_eq!(findings(browser).await, json!([]), "{path}, dark: {dark}, {width} px wide");
        }
    }
}

#[tokio::test]
async fn axe_finds_nothing_serious_on_a_busy_day() {
    let daemon = Daemon::start().await;
    busy(&daemon).await;
    let browser = Browser::of(&daemon).await;
    for (path, ready) in [
        ("/", "#connection-status[data-link=connected]"),
        ("/agents/deployer", "#connection-status[data-link=connected]"),
        ("/graphs", "#connection-status[data-link=connected]"),
        ("/graphs/release-2.4", "#connection-status[data-link=connected]"),
        ("/projector", "#connection-status[data-link=connected]"),
        ("/api", "main"),
    ] {
        check(&browser, &daemon, path, ready).await;
    }
}

#[tokio::test]
async fn axe_finds_nothing_serious_where_nothing_is_yet() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    for (path, ready) in [("/", "#welcome"), ("/projector", ".calm"), ("/login", "#token")] {
        check(&browser, &daemon, path, ready).await;
    }
}

#[tokio::test]
async fn a_question_is_answered_without_a_mouse() {
    let daemon = Daemon::start().await;
    let asked = json!({"agent_id": "a", "question": "Which?", "options": ["left", "right"]});
    let choice = crate::support::http::text(&daemon.api.ask(&asked).await, "msg_id");
    let browser = Browser::of(&daemon).await;
    browser.find(&Browser::card(&choice)).await;
    let there = format!("return document.activeElement.matches('{} input[name=answer]')", Browser::card(&choice));
    for _ in 0..40 {
        if browser.eval(&there, &[]).await == json!(true) {
            break;
        }
        browser.press(Key::Tab).await;
    }
    browser.press(Key::Down).await;
    browser.press(Key::Enter).await;
    assert_eq!(daemon.api.question_is(&choice, "answered").await["answer"], "right");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_question_mark_opens_the_help_unless_it_is_text() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Really?").await;
    let browser = Browser::of(&daemon).await;
    let open = "return document.querySelector('#help').matches(':popover-open')";
    browser.fill(&msg_id, "why?").await;
    assert_eq!(browser.eval(open, &[]).await, false);
    browser.eval("document.activeElement.blur()", &[]).await;
    browser.press_text("?").await;
    browser.until("the help is open", open, &[]).await;
    assert_eq!(findings(&browser).await, json!([]));
    browser.click("#help label").await;
    browser.press(Key::Escape).await;
    browser.count_is("#help:popover-open", 0).await;
    // Switched off, and still so after a reload.
    browser.goto(&daemon.url("/")).await;
    browser.connected().await;
    browser.press_text("?").await;
    assert_eq!(browser.eval(open, &[]).await, false);
    browser.has_no_complaint().await;
}

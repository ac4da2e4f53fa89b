//! What a browser does when a question comes while nobody looks at the page.

use serde_json::{Value, json};

use crate::support::{Browser, Daemon};

/// Stands in for the browser's own notifications and sound, which a test cannot see, and looks away.
const WATCH: &str = "window.told = []; window.tones = 0;
    window.Notification = function (title, options) { window.told.push({title, ...options}); };
    window.Notification.permission = window.permission ?? 'default';
    window.Notification.requestPermission = async () => (window.Notification.permission = 'granted');
    const Real = AudioContext;
    window.AudioContext = class extends Real { constructor() { super(); window.tones += 1; } };
    document.hasFocus = () => false;";

async fn watch(browser: &Browser, permission: &str) {
    browser.eval(&format!("window.permission = '{permission}'; {WATCH}"), &[]).await;
}

async fn told(browser: &Browser) -> Vec<Value> {
    browser.eval("return window.told", &[]).await.as_array().unwrap().clone()
}

async fn ask(daemon: &Daemon, question: &str) {
    daemon.api.ask(&json!({"agent_id": "linter", "question": question})).await;
}

/// Waits until the page shows so many questions: what would have rung has rung by then, but for the moment in which
/// tabs agree on who rings.
async fn settled(browser: &Browser, waiting: usize) {
    browser.title_is("the title counts", |title| title.starts_with(&format!("({waiting}) "))).await;
}

#[tokio::test]
async fn nothing_rings_unless_it_was_asked_for() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    watch(&browser, "granted").await;
    let is_shown = "return document.querySelector('#alerts').checkVisibility()";
    assert_eq!(browser.eval(is_shown, &[]).await, false, "the choices are folded away");
    ask(&daemon, "One?").await;
    settled(&browser, 1).await;
    let marked = "return document.querySelector('link[rel=icon]').href.includes('waiting')";
    browser.until("the icon has a mark", marked, &[]).await;
    browser.click("[popovertarget=alerts]").await;
    browser.click("#alerts [data-bind\\:_sound]").await;
    browser.until("the sound is tried out", "return window.tones === 1", &[]).await;
    ask(&daemon, "Two?").await;
    browser.until("it sounds", "return window.tones === 2", &[]).await;
    assert_eq!(told(&browser).await, Vec::<Value>::new());
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_new_question_is_told_and_an_old_one_is_not() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("linter").await;
    ask(&daemon, "Old?").await;
    let browser = Browser::of(&daemon).await;
    watch(&browser, "default").await;
    browser.click("[popovertarget=alerts]").await;
    browser.click("#alerts [data-bind\\:_notify]").await;
    let kept = "return localStorage.getItem('remora.notify') === 'on'";
    browser.until("the choice is kept", kept, &[]).await;
    let hostile = "'); alert(1); (' ${1} <b>new</b> \\";
    ask(&daemon, hostile).await;
    browser.until("it is told", "return window.told.length === 1", &[]).await;
    let first = &told(&browser).await[0];
    assert_eq!((&first["title"], &first["body"]), (&json!("linter asks"), &json!(hostile)));
    // The same page again: its questions are old now, the choice is not.
    browser.eval("location.reload()", &[]).await;
    browser.connected().await;
    watch(&browser, "granted").await;
    ask(&daemon, "Third?").await;
    browser.until("it is told", "return window.told.length > 0", &[]).await;
    let bodies: Vec<_> = told(&browser).await.iter().map(|told| told["body"].clone()).collect();
    assert_eq!(bodies, ["Third?"]);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn of_many_tabs_one_rings_and_none_where_one_is_looked_at() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    browser.eval("localStorage.setItem('remora.notify', 'on'); location.reload()", &[]).await;
    browser.connected().await;
    watch(&browser, "granted").await;
    browser.goto_in_new_tab(&daemon.url("/")).await;
    browser.connected().await;
    watch(&browser, "granted").await;
    // What a tab was told is noted where both can read it.
    let note = "const push = window.told.push.bind(window.told); window.told.push = (told) => { \
        localStorage.setItem('told.' + told.body, Number(localStorage.getItem('told.' + told.body) ?? 0) + 1); push(told); };";
    browser.eval(note, &[]).await;
    browser.to_first_tab().await;
    browser.eval(note, &[]).await;
    ask(&daemon, "One?").await;
    browser.until("one tab tells", "return localStorage.getItem('told.One?') !== null", &[]).await;
    // Now the first tab is looked at.
    browser.eval("document.hasFocus = () => true", &[]).await;
    ask(&daemon, "Two?").await;
    settled(&browser, 2).await;
    browser.eval("document.hasFocus = () => false", &[]).await;
    ask(&daemon, "Three?").await;
    browser.until("one tab tells", "return localStorage.getItem('told.Three?') !== null", &[]).await;
    let counts = "return ['One?', 'Two?', 'Three?'].map((body) => localStorage.getItem('told.' + body))";
    assert_eq!(browser.eval(counts, &[]).await, json!(["1", null, "1"]));
}

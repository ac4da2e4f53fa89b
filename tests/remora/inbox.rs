//! The life of a card in a real browser: nothing that a person does is lost, whatever happens meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Api, Browser, Daemon,
    http::{event, text},
    wait_until,
};

/// What a person would not like to type again, and nobody should run.
const DRAFT: &str = "not yet: \"staging\" <b>first</b> ${$_x} @get('/x') \\n";

/// The number of `agent:resumed` events of a question.
async fn resumed(api: &Api, msg_id: &str) -> usize {
    let events = api.journal("agent:resumed").await;
    events.iter().filter(|event| event["payload"]["msg_id"] == msg_id).count()
}

fn field(msg_id: &str) -> String {
    format!("{} [name=answer]", Browser::card(msg_id))
}

async fn value(browser: &Browser, css: &str) -> Value {
    browser.eval("return document.querySelector(arguments[0])?.value ?? null", &[css.into()]).await
}

/// Waits until a field that was rendered anew has its text back.
async fn has_value(browser: &Browser, css: &str, value: &str) {
    let script = "return document.querySelector(arguments[0])?.value === arguments[1]";
    browser.until(&format!("{css} holds {value:?}"), script, &[css.into(), value.into()]).await;
}

#[tokio::test]
async fn an_answered_card_stays_a_moment_and_leaves_by_itself() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    daemon.api.start_agent("linter").await;
    let msg_id = daemon.api.ask_text("linter", "Deploy?").await;
    browser.text_has("#announcement", "linter asks: Deploy?").await;
    browser.fill(&msg_id, "yes").await;
    browser.submit(&msg_id).await;
    browser.text_has("#questions .settled", "sent, waiting for the agent").await;
    browser.text_has("#questions .settled", "operator").await;
    browser.count_is(&Browser::card(&msg_id), 0).await;
    daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=1")).await.expect(200);
    browser.text_has("#questions .leaving", "picked up").await;
    // The pointer goes elsewhere, and the focus.
    browser.eval("document.activeElement.blur()", &[]).await;
    browser.click("#event-log h2").await;
    browser.count_is("#questions > *", 0).await;
    browser.goto(&daemon.url("/")).await;
    browser.connected().await;
    assert_eq!(browser.text("#announcement").await, "", "what was announced is no news");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn somebody_elses_answer_closes_my_card_and_leaves_me_my_draft() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let msg_id = daemon.api.ask_text("a", "Deploy?").await;
    browser.fill(&msg_id, DRAFT).await;
    let by_ann = json!({"answer": "no", "who": "ann"});
    daemon.api.post(&format!("/api/v1/questions/{msg_id}/answer"), &by_ann).await.expect(200);
    browser.text_has("#questions .settled .state", "ann").await;
    browser.text_is("#questions .settled .draft pre", DRAFT.trim()).await;
    // The agent hears of it: the draft stays.
    daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=1")).await.expect(200);
    browser.text_is("#questions .leaving .draft pre", DRAFT.trim()).await;
    browser.click("#questions .leaving .draft button").await;
    let stored = "return Object.keys(localStorage).filter(key => key.startsWith('remora-draft')).length";
    assert_eq!(browser.eval(stored, &[]).await, 0);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn drafts_outlive_a_reload_and_a_restart() {
    let mut daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let typed = daemon.api.ask_text("a", "Describe it?").await;
    let ask = |fields: Value| {
        let mut asked = json!({"agent_id": "b", "question": "Which?", "options": ["x", "y", "z"]});
        asked.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        asked
    };
    let one = text(&daemon.api.ask(&ask(json!({}))).await, "msg_id");
    let several = text(&daemon.api.ask(&ask(json!({"multiple": true}))).await, "msg_id");
    browser.fill(&typed, DRAFT).await;
    browser.fill(&one, "y").await;
    browser.fill(&several, "x").await;
    browser.fill(&several, "z").await;

    let checked = async |msg_id: &str, expected: &[&str]| {
        let script =
            "return [...document.querySelectorAll(arguments[0])].filter(f => f.checked).map(f => f.value).join()";
        let script = format!("return (() => {{ {script} }}).apply(null, arguments) === arguments[1]");
        let args = [field(msg_id).into(), expected.join(",").into()];
        browser.until(&format!("{expected:?} is chosen"), &script, &args).await;
    };
    for _ in 0..2 {
        browser.goto(&daemon.url("/")).await;
        browser.connected().await;
        has_value(&browser, &field(&typed), DRAFT).await;
        checked(&one, &["y"]).await;
        checked(&several, &["x", "z"]).await;
    }
    browser.eval("document.querySelector(arguments[0]).same = true", &[field(&typed).into()]).await;
    daemon.kill().await;
    browser.text_has("#connection-status", "Disconnected").await;
    daemon.start_again().await;
    browser.connected().await;
    assert_eq!(value(&browser, &field(&typed)).await, DRAFT);
    assert_eq!(browser.eval("return document.querySelector(arguments[0]).same", &[field(&typed).into()]).await, true);
    browser.submit(&typed).await;
    assert_eq!(daemon.api.question_is(&typed, "answered").await["answer"], DRAFT);
}

/// Events up to which some of the load's questions are critical: no more of these than leave room for two others among
/// the cards that the page shows, however long somebody types.
const CRITICAL_UNTIL: usize = 1_600;

/// Two hundred events a second from elsewhere, until told to stop: tools, agents, results, and questions that come, are
/// answered and are pushed about.
async fn load(api: Api, mut stop: tokio::sync::oneshot::Receiver<()>) -> usize {
    let mut sent = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! { _ = &mut stop => return sent, _ = tick.tick() => {} }
        let events: Vec<_> = (sent..sent + 10)
            .map(|n| {
                let agent = format!("agent-{}", n % 70);
                let msg_id = format!("load-{}", n / 20);
                match n % 20 {
                    0 => event("agent", "started", &agent, &json!({"name": format!("Agent {n}")})),
                    4 => event(
                        "agent",
                        "blocked",
                        "asker",
                        &json!({"question": format!("{n}?"), "msg_id": msg_id,
                    "urgency": if n % 200 == 4 && n < CRITICAL_UNTIL { "critical" } else { "low" }}),
                    ),
                    9 => event("agent", "completed", &agent, &json!({"result": format!("result {n}")})),
                    14 if n % 40 > 20 => {
                        event("agent", "question_cancelled", "asker", &json!({"msg_id": msg_id, "reason": "enough"}))
                    }
                    _ => event("tool", "called", &agent, &json!({"name": format!("tool-{n}")})),
                }
            })
            .collect();
        sent += events.len();
        api.emit(&json!(events)).await;
    }
}

#[tokio::test]
async fn nothing_is_clobbered_by_two_hundred_events_a_second() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let context: Vec<_> = (0..100).map(|n| format!("line {n}")).collect();
    let asked =
        json!({"agent_id": "a", "question": "Describe it, please?", "context": {"log": context}, "urgency": "high"});
    let typed = text(&daemon.api.ask(&asked).await, "msg_id");
    let chosen = json!({"agent_id": "b", "question": "Choose?", "options": ["left", "right"]});
    let chosen = text(&daemon.api.ask(&chosen).await, "msg_id");
    browser.fill(&chosen, "right").await;
    let events: Vec<_> =
        (0..150).map(|n| event("tool", "called", "busy", &json!({"name": format!("before-{n}")}))).collect();
    daemon.api.emit(&json!(events)).await;
    browser.text_has("#events-list", "before-149").await;
    let card = Browser::card(&typed);
    browser.click(&format!("{card} details.context summary")).await;
    browser.click(&field(&typed)).await;
    browser
        .eval(
            "const card = document.querySelector(arguments[0]);
        card.querySelector('details.context pre').scrollTop = 120;
        document.querySelector('#events-list').scrollTop = 200;
        card.querySelector('[name=answer]').same = true;",
            &[card.as_str().into()],
        )
        .await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let load = tokio::spawn(load(daemon.api.clone(), stopped));
    let sentence = "every single character arrives, in its order, while the page changes";
    let element = browser.find(&field(&typed)).await;
    for character in sentence.chars() {
        element.send_keys(&character.to_string()).await.unwrap();
    }
    browser.eval("document.querySelector(arguments[0]).setSelectionRange(6, 12)", &[field(&typed).into()]).await;
    let first = daemon.api.state().await["last_seq"].as_u64().unwrap();
    wait_until("six hundred more events came", async || {
        (daemon.api.state().await["last_seq"].as_u64()? > first + 600).then_some(())
    })
    .await;
    let state = browser
        .eval(
            "const card = document.querySelector(arguments[0]), field = card.querySelector('[name=answer]');
        return {text: field.value, same: field.same === true, focus: document.activeElement === field,
            from: field.selectionStart, to: field.selectionEnd,
            open: card.querySelector('details.context').open,
            scrolled: card.querySelector('details.context pre').scrollTop,
            log: document.querySelector('#events-list').scrollTop > 0,
            right: document.querySelector(arguments[1]).checked}",
            &[card.as_str().into(), format!("{}[value=right]", field(&chosen)).into()],
        )
        .await;
    let expected = json!({"text": sentence, "same": true, "focus": true, "from": 6, "to": 12, "open": true,
        "scrolled": 120, "log": true, "right": true});
    assert_eq!(state, expected);
    element.send_keys("last").await.unwrap();
    // Text that is selected on the page stays selected, too.
    browser
        .eval(
            "const range = document.createRange(); range.selectNodeContents(document.querySelector(arguments[0]));
        getSelection().removeAllRanges(); getSelection().addRange(range)",
            &[format!("{card} .question").into()],
        )
        .await;
    let first = daemon.api.state().await["last_seq"].as_u64().unwrap();
    wait_until("two hundred more events came", async || {
        (daemon.api.state().await["last_seq"].as_u64()? > first + 200).then_some(())
    })
    .await;
    let selected = browser.eval("return getSelection().toString().trim()", &[]).await;
    assert_eq!(selected, "Describe it, please?");
    stop.send(()).unwrap();
    assert!(load.await.unwrap() > 800);
    browser.submit(&typed).await;
    assert_eq!(daemon.api.question_is(&typed, "answered").await["answer"], sentence.replacen("single", "last", 1));
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_answer_is_taken_back_in_the_browser() {
    let daemon = Daemon::setup().args(["--undo-s", "60"]).start().await;
    let browser = Browser::of(&daemon).await;
    let msg_id = daemon.api.ask_text("a", "Deploy?").await;
    browser.fill(&msg_id, "yes, of course").await;
    browser.submit(&msg_id).await;
    browser.text_has("#questions .settled", "operator").await;
    let record = daemon.api.question(&msg_id).await;
    assert_eq!((&record["status"], &record["answer"]), (&json!("open"), &Value::Null), "{record}");
    daemon.api.answer(&msg_id, &json!("no")).await.problem(409, &["operator answered first"]);
    browser.click("#questions .settled .undo button").await;
    // The question waits again, with what was typed.
    has_value(&browser, &field(&msg_id), "yes, of course").await;
    assert_eq!(daemon.api.question(&msg_id).await["held"], Value::Null);
    assert_eq!(resumed(&daemon.api, &msg_id).await, 0);
    daemon.remora(["answer", &msg_id, "no"]).wait().await.expect(0);
    daemon.remora(["answer", "--undo", &msg_id]).wait().await.expect(0);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "open");
    browser.has_no_complaint().await;
}

/// A decision; the more urgent, the higher on the page.
async fn ask_to_decide(api: &Api, urgency: &str) -> String {
    let asked = json!({"agent_id": "a", "question": "May I?", "reason": "confirmation", "urgency": urgency});
    text(&api.ask(&asked).await, "msg_id")
}

/// Notes in `hit` whose card would take a click on a button's place as soon as the page has something; now whose does.
const POINT: &str = "
    const [button, something] = arguments;
    const box = document.querySelector(button).getBoundingClientRect();
    const card = () => document.elementFromPoint(box.x + 5, box.y + 5)?.closest('.card')?.dataset.msgId ?? 'none';
    const look = () => requestAnimationFrame(() =>
        document.querySelector(something) ? requestAnimationFrame(() => window.hit = card()) : look());
    look();
    return card()";

#[tokio::test]
async fn a_question_that_arrives_takes_no_click_that_was_meant_for_another() {
    let daemon = Daemon::start().await;
    let first = ask_to_decide(&daemon.api, "normal").await;
    let browser = Browser::of(&daemon).await;
    let approve = |msg_id: &str| format!("{} [value=approve]", Browser::card(msg_id));
    let stands = "return document.querySelector(arguments[0]).getAnimations().length === 0";
    browser.until("the card stands still", stands, &[Browser::card(&first).into()]).await;
    let now = browser.eval(POINT, &[approve(&first).into(), ".pressing".into()]).await;
    assert_eq!(now, first.as_str());
    let second = ask_to_decide(&daemon.api, "critical").await;
    assert_eq!(browser.until("it came", "return window.hit", &[]).await, "none");
    for msg_id in [&second, &first] {
        browser.click(&approve(msg_id)).await;
        daemon.api.question_is(msg_id, "answered").await;
    }
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn what_nobody_answered_in_time_does_not_look_like_a_success() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let asked = json!({"agent_id": "a", "question": "May I?", "reason": "confirmation", "timeout": 1,
        "on_deadline": "deny"});
    daemon.api.ask(&asked).await;
    browser.text_has("#questions .unattended", "rejected automatically, nobody answered in time").await;
    assert!(!browser.text("#questions .unattended").await.contains("sent"));
}

#[tokio::test]
async fn an_answer_is_taken_back_where_it_was_given() {
    let daemon = Daemon::setup().args(["--undo-s", "60"]).start().await;
    let msg_id = ask_to_decide(&daemon.api, "normal").await;
    ask_to_decide(&daemon.api, "normal").await;
    for page in ["/?agent=a", "/agents/a"] {
        let browser = Browser::open(&daemon.url(page)).await;
        browser.connected().await;
        browser.click(&format!("{} [value=approve]", Browser::card(&msg_id))).await;
        browser.text_has(".cards > .settled:first-child", "operator").await;
        browser.text_has(".cards > .settled:first-child", "Your answer: “approved”").await;
        browser.count_is(".cards > .blocked-agent:last-child", 1).await;
        browser.click(".settled .undo button").await;
        browser.count_is(".cards > .blocked-agent", 2).await;
        assert_eq!(daemon.api.question(&msg_id).await["held"], Value::Null);
        browser.has_no_complaint().await;
    }
}

#[tokio::test]
async fn an_answer_can_still_be_taken_back_after_the_daemon_died_and_stays_so() {
    let mut daemon = Daemon::setup().args(["--undo-s", "60"]).start().await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    daemon.crash().await;
    assert_eq!(daemon.api.question(&msg_id).await["held"]["answered_by"]["who"], "operator");
    daemon.api.delete(&format!("/api/v1/questions/{msg_id}/answer")).await.expect(200);
    daemon.crash().await;
    let record = daemon.api.question(&msg_id).await;
    assert_eq!((&record["status"], &record["held"]), (&json!("open"), &Value::Null));
    // What the agent no longer wants is not delivered, either.
    daemon.api.answer(&msg_id, &json!("again")).await.expect(200);
    daemon.api.delete(&format!("/api/v1/questions/{msg_id}")).await.expect(200);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "cancelled");
    assert_eq!(resumed(&daemon.api, &msg_id).await, 0);
}

#[tokio::test]
async fn an_answer_that_was_not_taken_back_is_delivered_once_though_the_daemon_dies() {
    let mut daemon = Daemon::setup().args(["--undo-s", "1"]).start().await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    daemon.crash().await;
    let record = daemon.api.question_is(&msg_id, "answered").await;
    assert_eq!((&record["answer"], &record["answered_by"]["door"]), (&json!("yes"), &json!("http")));
    let undo = format!("/api/v1/questions/{msg_id}/answer");
    daemon.api.delete(&undo).await.problem(409, &["no answer to take back"]);
    daemon.crash().await;
    assert_eq!(daemon.api.value_of("a", &format!("inbox:response:{msg_id}")).await["answer"], "yes");
    assert_eq!(resumed(&daemon.api, &msg_id).await, 1);
}

#[tokio::test]
async fn equal_questions_are_answered_together_and_nothing_else_is() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let ask = async |n: usize| {
        let asked = json!({"agent_id": format!("agent-{n}"), "question": "Overwrite?", "options": ["yes", "no"]});
        text(&daemon.api.ask(&asked).await, "msg_id")
    };
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(ask(n).await);
    }
    let other = daemon.api.ask_text("other", "Something else?").await;
    browser.text_has(&format!("{} .alike", Browser::card(&ids[3])), "12 equal questions").await;
    browser.click(&format!("{} .alike", Browser::card(&ids[3]))).await;
    browser.text_is("h1", "12 equal questions").await;
    // Meanwhile another one is asked, and somebody answers one of these.
    let late = ask(12).await;
    let by_ann = json!({"answer": "no", "who": "ann"});
    daemon.api.post(&format!("/api/v1/questions/{}/answer", ids[0]), &by_ann).await.expect(200);
    browser.click("form[action='/alike/answer'] [name=answer][value=yes]").await;
    browser.click("form[action='/alike/answer'] button").await;
    browser.text_is("h1", "11 answered, 1 was answered by ann meanwhile").await;
    for msg_id in &ids[1..] {
        assert_eq!(daemon.api.question(msg_id).await["answer"], "yes");
    }
    for msg_id in [&late, &other] {
        assert_eq!(daemon.api.question(msg_id).await["status"], "open");
    }
    ask(13).await;
    daemon.remora(["dismiss", &late, "--all-equal"]).wait().await.expect(2).complains(&["--yes", "2"]);
    let args = ["dismiss", &late, "--all-equal", "--yes", "--reason", "not needed", "--who", "bob"];
    let dismissed = daemon.remora(args).wait().await.expect(0);
    assert_eq!(dismissed.stdout.trim(), "2 dismissed");
    let record = daemon.api.question(&late).await;
    assert_eq!(
        (&record["status"], &record["closed_reason"]),
        (&json!("cancelled"), &json!("dismissed by bob: not needed"))
    );
    let report = daemon.api.post("/api/v1/answers", &json!({"questions": [{"msg_id": late}], "answer": "yes"})).await;
    assert_eq!(report.expect(200).json()["summary"], "1 was cancelled meanwhile");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn keys_lead_from_card_to_card_and_do_not_get_in_the_way() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let first = daemon.api.ask_text("a", "First?").await;
    let second = daemon.api.ask_text("b", "Second?").await;
    browser.text_has(&Browser::card(&second), "Second?").await;
    let press = async |key: &str| {
        let body = browser.eval("return document.activeElement.matches('body')", &[]).await == true;
        let focused = if body { "body".to_owned() } else { ":focus".to_owned() };
        browser.find(&focused).await.send_keys(key).await.unwrap();
    };
    let focused = async |msg_id: &str| {
        let script = "return document.activeElement === document.querySelector(arguments[0])";
        browser.until("the card has the focus", script, &[Browser::card(msg_id).into()]).await;
    };
    press("j").await;
    focused(&first).await;
    press("j").await;
    focused(&second).await;
    press("k").await;
    focused(&first).await;
    press("\u{e007}").await;
    press("just kidding").await;
    assert_eq!(value(&browser, &field(&first)).await, "just kidding");
    press("\u{e00c}").await;
    focused(&first).await;
    browser.has_no_complaint().await;
}

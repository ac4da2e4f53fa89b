//! The dashboard in a real browser: a person sees, types, answers, and is told the truth about the connection.

use serde_json::{Value, json};

use crate::support::{
    Browser, Daemon, Process, fixture,
    http::{event, text},
};

/// An agent that is a process of its own, asks over HTTP, and goes on with the answer.
fn asking_agent(daemon: &Daemon, agent_id: &str, question: &str, options: &[&str]) -> Process {
    let url = daemon.url("");
    let mut args = vec![url.as_str(), agent_id, question];
    args.extend(options);
    Process::python(&fixture("http_agent.py"), &args)
}

#[tokio::test]
async fn a_person_answers_in_the_browser_and_the_process_goes_on() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let mut asker = asking_agent(&daemon, "deployer", "Which branch?", &[]);
    let msg_id = asker.line_with("asked").await.split_once(' ').unwrap().1.to_owned();
    browser.text_has(&Browser::card(&msg_id), "Which branch?").await;
    browser.text_has(&Browser::card(&msg_id), "deployer").await;
    browser.title_is("the title counts one question", |title| title.contains('1') && title.contains("Remora")).await;
    browser.text_has("#agent-status", "deployer").await;

    browser.fill(&msg_id, "main, please").await;
    browser.submit(&msg_id).await;
    assert_eq!(asker.line_with("answered").await, "answered: \"main, please\"");
    asker.wait().await.expect(0);

    browser.count_is(&format!("{} form", Browser::card(&msg_id)), 0).await;
    browser.text_has("#results", "went on with main, please").await;
    browser.text_has("#progress-text", "1").await;
    browser.title_is("the title counts no question", |title| title.trim() == "Remora Dashboard").await;
    let record = daemon.api.question(&msg_id).await;
    assert_eq!((&record["answered_by"]["door"], &record["status"]), (&json!("browser"), &json!("delivered")));
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_person_chooses_an_option() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let mut asker = asking_agent(&daemon, "deployer", "Deploy?", &["yes", "no", "only to staging"]);
    let msg_id = asker.line_with("asked").await.split_once(' ').unwrap().1.to_owned();
    browser.fill(&msg_id, "only to staging").await;
    browser.submit(&msg_id).await;
    assert_eq!(asker.line_with("answered").await, "answered: \"only to staging\"");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_person_chooses_several_options() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let asked = json!({"agent_id": "a", "question": "Which?", "options": ["x", "y", "z"], "multiple": true});
    let msg_id = text(&daemon.api.ask(&asked).await, "msg_id");
    browser.click(&format!("{} [name=answer][value=x]", Browser::card(&msg_id))).await;
    browser.click(&format!("{} [name=answer][value=z]", Browser::card(&msg_id))).await;
    browser.submit(&msg_id).await;
    assert_eq!(daemon.api.question_is(&msg_id, "answered").await["answer"], json!(["x", "z"]));
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn what_a_person_types_survives_fifty_events() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    // Enough that the log and the page can be scrolled.
    let before: Vec<_> =
        (0..150).map(|n| event("tool", "called", "busy", &json!({"name": format!("before-{n}")}))).collect();
    daemon.api.emit(&json!(before)).await;
    let choice = json!({"agent_id": "other", "question": "Choose?", "options": ["left", "right"]});
    let choice = text(&daemon.api.ask(&choice).await, "msg_id");
    let typed = daemon.api.ask_text("a", "Describe it?").await;
    browser.fill(&choice, "right").await;
    browser.fill(&typed, "hello brave world").await;
    let look = "
        const field = document.querySelector(arguments[0]);
        let list = document.querySelector('#events-list');
        while (list && list.scrollHeight <= list.clientHeight + 1) list = list.parentElement;
        return {field, list};";
    let begin = format!(
        "const {{field, list}} = (() => {{ {look} }}).apply(null, arguments);
        field.setSelectionRange(6, 11); field.isTheSame = true;
        list.scrollTop = 300; window.scrollTo(0, 40); return true;"
    );
    let field = format!("{} [name=answer]", Browser::card(&typed));
    browser.eval(&begin, &[field.as_str().into()]).await;
    let now = format!(
        "const {{field, list}} = (() => {{ {look} }}).apply(null, arguments);
        return {{value: field.value, same: field.isTheSame === true, focus: document.activeElement === field,
            from: field.selectionStart, to: field.selectionEnd, list: list.scrollTop > 0,
            right: document.querySelector(arguments[1]).checked ?? document.querySelector(arguments[1]).selected}}"
    );
    let right = format!("{} [value=right]", Browser::card(&choice));
    let args: [Value; 2] = [field.as_str().into(), right.as_str().into()];
    let expected = json!({"value": "hello brave world", "same": true, "focus": true, "from": 6, "to": 11,
        "list": true, "right": true});
    assert_eq!(browser.eval(&now, &args).await, expected);

    for n in 0..50 {
        // Every panel changes: the log, the agents, the results, the progress, and the very list of cards.
        let agent = format!("agent-{n}");
        let happened = match n % 5 {
            0 => event("agent", "started", &agent, &json!({"name": agent})),
            1 => event("agent", "blocked", &agent, &json!({"question": format!("Question {n}?"), "urgency": "high"})),
            2 => event("agent", "completed", &format!("agent-{}", n - 1), &json!({"result": format!("result {n}")})),
            3 => event("tool", "called", &agent, &json!({"name": format!("tool-{n}")})),
            _ => event("agent", "failed", &agent, &json!({"error": "no disk"})),
        };
        daemon.api.emit(&happened).await;
    }
    daemon.api.emit(&event("tool", "called", "the-last-one", &json!({"name": "the-last-one"}))).await;
    browser.text_has("#events-list", "the-last-one").await;
    assert_eq!(browser.eval(&now, &args).await, expected);

    // And it is still a form that works.
    browser.find(&field).await.send_keys("bold").await.unwrap();
    browser.submit(&typed).await;
    assert_eq!(daemon.api.question_is(&typed, "answered").await["answer"], "hello bold world");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn two_browsers_see_the_same() {
    let daemon = Daemon::start().await;
    let (first, second) = (Browser::of(&daemon).await, Browser::of(&daemon).await);
    daemon.api.start_agent("a").await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    for browser in [&first, &second] {
        browser.text_has(&Browser::card(&msg_id), "Sure?").await;
    }
    second.fill(&msg_id, "I was about to say").await;
    first.fill(&msg_id, "yes").await;
    first.submit(&msg_id).await;
    for browser in [&first, &second] {
        browser.count_is(&format!("{} form", Browser::card(&msg_id)), 0).await;
        browser.title_is("the title counts no question", |title| title.trim() == "Remora Dashboard").await;
    }
    daemon.api.emit(&event("tool", "called", "a", &json!({"name": "the-last-one"}))).await;
    for panel in ["#events-list", "#agent-status", "#results", "#blocked-agents", "#execution-progress"] {
        first.text_has("#events-list", "the-last-one").await;
        second.text_has("#events-list", "the-last-one").await;
        // Relative times go on in each browser for itself.
        let texts = "const panel = document.querySelector(arguments[0]).cloneNode(true);
            panel.querySelectorAll('time, .draft, .note').forEach(own => own.remove()); return panel.textContent";
        assert_eq!(first.eval(texts, &[panel.into()]).await, second.eval(texts, &[panel.into()]).await, "{panel}");
    }
    first.has_no_complaint().await;
    second.has_no_complaint().await;
}

#[tokio::test]
async fn the_log_keeps_the_latest_two_hundred() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    for batch in 0..5 {
        let events: Vec<_> =
            (0..100).map(|n| event("tool", "called", "a", &json!({"name": format!("t{}", batch * 100 + n)}))).collect();
        daemon.api.emit(&json!(events)).await;
        browser.text_has("#events-list", &format!("t{}", batch * 100 + 99)).await;
    }
    browser.count_is("#events-list > *", 200).await;
    browser.eval("location.reload()", &[]).await;
    browser.connected().await;
    browser.count_is("#events-list > *", 200).await;
    browser.text_has("#events-list", "t499").await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn the_page_tells_what_became_of_an_answer() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    daemon.api.start_agent("a").await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    browser.fill(&msg_id, "certainly").await;
    browser.submit(&msg_id).await;
    let waits_for_pickup = "return document.querySelector('#blocked-agents').textContent.includes('not picked up yet')";
    browser.until("the page says so", waits_for_pickup, &[]).await;
    daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=30")).await.expect(200);
    browser.until("the page no longer says so", &waits_for_pickup.replace("return ", "return !"), &[]).await;

    let msg_id = daemon.api.ask_text("a", "Really?").await;
    browser.text_has(&Browser::card(&msg_id), "Really?").await;
    daemon.api.emit(&event("agent", "failed", "a", &json!({"error": "out of memory"}))).await;
    browser.count_is(&format!("{} form", Browser::card(&msg_id)), 0).await;
    let reason = "return document.body.textContent.includes('the agent has failed')";
    browser.until("the page says why", reason, &[]).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_agent_has_a_page_of_its_own() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a/b c").await;
    daemon.api.start_agent("other").await;
    daemon.api.emit(&event("tool", "called", "a/b c", &json!({"name": "its-own-tool"}))).await;
    daemon.api.emit(&event("tool", "called", "other", &json!({"name": "anothers-tool"}))).await;
    let browser = Browser::open(&daemon.url("/agents/a%2Fb%20c")).await;
    browser.text_has("body", "its-own-tool").await;
    assert!(!browser.text("body").await.contains("anothers-tool"));
    browser.has_no_complaint().await;
    daemon.api.get("/agents/nobody").await.expect(404);
}

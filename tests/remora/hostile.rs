//! Text that an agent wrote is text, wherever it stands: it never becomes markup, script, a frame or a path.

use serde_json::{Value, json};

use crate::support::{Browser, Daemon, Stream, http::event};

/// What would run, break out or start a new frame, where it were taken for more than text.
const HOSTILE: [&str; 9] = [
    "<script>window.pwned = 'script'</script>",
    "<img src=x onerror=\"window.pwned = 'img'\">",
    "\"'><svg onload=\"window.pwned='svg'\">",
    "\r\revent: datastar-patch-signals\rdata: signals {\"pwned\": (window.pwned = 'cr')}\r\r",
    "\n\nevent: datastar-patch-elements\ndata: elements <script>window.pwned = 'lf'</script>\n\n",
    "\u{2028}\u{2029}\u{85}\u{b}\u{c}data: elements <b>separators</b>",
    "`${window.pwned = 'template'}` ${window.pwned = 'expression'} @post('/agent/a/respond') $pwned",
    "</textarea></form></template></style></title><div data-init=\"window.pwned = 'attribute'\">",
    "'; window.pwned = 'quote'; //",
];

/// A hostile text that may be an id: control characters are refused there.
fn as_id(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

async fn harmless(browser: &Browser, needle: &str) {
    browser.text_has("body", needle).await;
    let pwned = browser.eval("return window.pwned ?? null", &[]).await;
    assert_eq!(pwned, Value::Null, "an agent's text was executed");
    let elements =
        "return document.querySelectorAll('script:not([src]), svg[onload], img[onerror], b:not([class])').length";
    assert_eq!(browser.eval(elements, &[]).await, 0, "an agent's text became markup");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn hostile_text_is_shown_as_text() {
    let daemon = Daemon::start().await;
    let live = Browser::of(&daemon).await;
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let (agent, id) = (as_id(text), format!("{n} {}", as_id(text)));
        let tell = async |category: &str, action: &str, payload: Value| {
            let mut event = event(category, action, &agent, &payload);
            event["graph_id"] = json!(as_id(text));
            event["node_id"] = json!(as_id(text));
            event["session_id"] = json!(as_id(text));
            daemon.api.emit(&event).await;
        };
        tell("agent", "started", json!({"name": text, text: text})).await;
        tell("graph", "progress", json!({"completed": text, "total": text, "message": text})).await;
        tell("tool", "called", json!({"name": text, "tool_name": text, "arguments": {text: text}})).await;
        tell("agent", "progress", json!({"message": text})).await;
        let options = [text, "something else"];
        let blocked = json!({"msg_id": id, "question": text, "context": text, "options": options});
        tell("agent", "blocked", blocked).await;
        tell(
            "agent",
            "blocked",
            json!({"msg_id": format!("{id} 2"), "question": format!("{text}\0"), "context": {text: text}}),
        )
        .await;
        daemon.api.question_is(&encoded(&format!("{id} 2")), "open").await;
        daemon.api.answer(&encoded(&format!("{id} 2")), &json!(text)).await.expect(200);
        let (failed, done) = (format!("{agent} 3"), format!("{agent} 4"));
        daemon.api.emit(&event("agent", "failed", &failed, &json!({"error": text}))).await;
        daemon.api.emit(&event("agent", "completed", &done, &json!({"result": text}))).await;
    }
    let last = daemon.api.emit(&event("tool", "called", "a", &json!({"name": "the-last-one"}))).await;
    daemon.api.state_at(last["last_seq"].as_u64().unwrap()).await;
    // Once as frames that came in one by one, once as a page that is loaded whole.
    harmless(&live, "the-last-one").await;
    harmless(&Browser::of(&daemon).await, "the-last-one").await;
    let shown = live.text("#blocked-agents").await;
    for text in ["<script>window.pwned = 'script'</script>", "${window.pwned = 'expression'}", "'; window.pwned"] {
        assert!(shown.contains(text), "not shown: {text}\n{shown}");
    }
    for text in HOSTILE {
        let own = Browser::open(&daemon.url(&format!("/agents/{}", encoded(&as_id(text))))).await;
        harmless(&own, "").await;
    }
}

#[tokio::test]
async fn a_hostile_card_can_be_answered_and_the_agent_gets_its_own_words() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let agent = as_id(text);
        let msg_id = format!("m{n}");
        let asked = json!({"agent_id": agent, "msg_id": msg_id, "question": text, "options": [text, "no"]});
        daemon.api.ask(&asked).await;
        let card = format!(".blocked-agent[data-msg-id=\"{msg_id}\"]");
        let first = format!("{card} [name=answer]:not([value=no])");
        let tag = browser.find(&first).await.tag_name().await.unwrap();
        let choice = if tag == "select" { format!("{card} option:not([value=no]):not([value=''])") } else { first };
        browser.click(&choice).await;
        browser.click(&format!("{card} form [type=submit]")).await;
        assert_eq!(daemon.api.question_is(&msg_id, "answered").await["answer"], text);
    }
    assert_eq!(browser.eval("return window.pwned ?? null", &[]).await, Value::Null);
}

#[tokio::test]
async fn no_text_starts_a_frame_of_its_own() {
    let daemon = Daemon::start().await;
    let mut frames = Stream::open(&daemon.api, "/events").await;
    for text in HOSTILE {
        daemon.api.emit(&event("agent", "failed", "a", &json!({"error": text, "name": text}))).await;
        daemon.api.ask(&json!({"agent_id": "a", "question": text, "context": text})).await;
    }
    daemon.api.emit(&event("tool", "called", "a", &json!({"name": "the-last-one"}))).await;
    frames
        .until("the last event is in a frame", |frame| {
            let known = ["datastar-patch-elements", "datastar-patch-signals"];
            assert!(known.contains(&frame.event.as_str()), "{frame:?}");
            assert!(!frame.data.contains('\r'), "{frame:?}");
            if let Some(signals) = frame.data.strip_prefix("signals ") {
                let parsed: Result<Value, _> = serde_json::from_str(&signals.replace("\nsignals ", "\n"));
                assert!(parsed.is_ok_and(|signals| signals.get("pwned").is_none()), "{frame:?}");
            }
            frame.data.contains("the-last-one").then_some(())
        })
        .await;
}

/// One path segment.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

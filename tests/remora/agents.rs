//! Where agents stand as time passes, the lists of them, and stopping one.

use serde_json::{Value, json};

use crate::support::{Browser, Daemon, Process, fixture, http::event};

fn standing<'a>(state: &'a Value, agent: &str) -> &'a str {
    state["agentStates"][agent]["standing"].as_str().unwrap_or_default()
}

async fn stands(daemon: &Daemon, agent: &str, expected: &str) {
    daemon.api.state_with(&format!("{agent} is {expected}"), |state| standing(state, agent) == expected).await;
}

async fn tell(daemon: &Daemon, category: &str, action: &str, agent: &str, payload: Value) {
    daemon.api.emit(&event(category, action, agent, &payload)).await;
}

#[tokio::test]
async fn time_alone_stalls_an_agent_at_work_and_no_other() {
    let daemon = Daemon::setup().args(["--stalled-after-s", "2", "--stalled-tool-after-s", "3600"]).start().await;
    let browser = Browser::of(&daemon).await;
    for agent in ["silent", "building", "idle", "waiting"] {
        tell(&daemon, "agent", "started", agent, json!({"name": format!("The {agent} one")})).await;
    }
    tell(&daemon, "tool", "called", "building", json!({"tool_name": "cargo", "call_id": "c1"})).await;
    tell(&daemon, "model", "turn_completed", "idle", json!({"tool_calls_count": 0})).await;
    daemon.api.ask_text("waiting", "Go on?").await;
    browser.text_has("#agent-list", "The silent one").await;
    stands(&daemon, "silent", "stalled").await;
    let state = daemon.api.state().await;
    let others = ["building", "idle", "waiting"].map(|agent| standing(&state, agent));
    assert_eq!(others, ["running", "idle", "waiting"]);
    assert_eq!(state["agentStates"]["silent"]["state"], "started", "no event says otherwise");
    // Told of by the stream alone: the row has moved behind the one that waits.
    let names = "return [...document.querySelectorAll('#agent-list li')].map(row => row.textContent).join('|')";
    let second = format!("const rows = (() => {{ {names} }})().split('|'); return rows[1].startsWith('stalled')");
    browser.until("the stalled one is the second", &second, &[]).await;
    browser.text_has("#agent-counts", "1 stalled").await;
    browser.text_has("#agent-list", "waits ").await;
    let wall = daemon.api.get("/projector").await.expect(200).body;
    for figure in ["<strong>1</strong> <span>stalled", "<strong>1</strong> <span>running"] {
        assert!(wall.contains(figure), "{wall}");
    }
    // What it says now must not be overtaken by time again.
    tell(&daemon, "agent", "idle", "silent", json!({"message": "back again"})).await;
    stands(&daemon, "silent", "idle").await;
    browser.text_has("#agent-counts", "2 idle").await;
    browser.count_is("#agent-list li", 4).await;
    let page = daemon.api.get("/agents/silent").await.expect(200).body;
    assert!(page.contains("<dt>Did last</dt>") && !page.contains("Doing"), "{page}");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_answer_that_was_not_picked_up_yet_is_a_state_of_its_own() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let question = daemon.api.ask_text("a", "Go on?").await;
    stands(&daemon, "a", "waiting").await;
    daemon.api.answer(&question, &json!("yes")).await.expect(200);
    stands(&daemon, "a", "answered").await;
    daemon.api.get(&format!("/api/v1/questions/{question}?wait=1")).await.expect(200);
    stands(&daemon, "a", "running").await;
}

#[tokio::test]
async fn time_blocked_is_counted_once_for_questions_that_overlap() {
    let daemon = Daemon::start().await;
    let at = |second: u32, action: &str, payload: Value| {
        let mut event = event("agent", action, "a", &payload);
        event["timestamp"] = json!(format!("2026-02-24T10:00:{second:02}Z"));
        event
    };
    let events = json!([
        at(0, "started", json!({})),
        at(10, "blocked", json!({"msg_id": "m1", "question": "One?"})),
        at(20, "blocked", json!({"msg_id": "m2", "question": "Two?"})),
        at(30, "resumed", json!({"msg_id": "m1", "answer": "1"})),
        at(50, "resumed", json!({"msg_id": "m2", "answer": "2"})),
    ]);
    daemon.api.emit(&events).await;
    let state = daemon.api.state_at(5).await;
    assert_eq!(state["agentStates"]["a"]["blocked_ms"], 40_000);
    let page = daemon.api.get("/agents/a").await.expect(200).body;
    assert!(page.contains("waited 40 s"), "{page}");
}

#[tokio::test]
async fn the_list_is_filtered_and_paged_by_links_and_follows_what_happens() {
    let daemon = Daemon::start().await;
    let events: Vec<_> = (0..230)
        .map(|number| {
            let mut event = event("agent", "started", &format!("worker-{number:03}"), &json!({}));
            event["graph_id"] = json!(if number < 5 { "small & fine" } else { "large" });
            event
        })
        .collect();
    daemon.api.emit(&json!(events)).await;
    tell(&daemon, "agent", "failed", "worker-007", json!({"error": "out of disk"})).await;
    let browser = Browser::open(&daemon.url("/agents")).await;
    browser.connected().await;
    browser.count_is("#agent-list li", 100).await;
    browser.text_has("nav.pages", "1 to 100 of 230").await;
    for (from, rows) in [("101 to 200", 100), ("201 to 230", 30)] {
        browser.click("nav.pages a[rel=next]").await;
        browser.text_has("nav.pages", from).await;
        browser.count_is("#agent-list li", rows).await;
    }
    browser.click("#agent-counts .is.failed").await;
    browser.text_has("#agent-list", "out of disk").await;
    browser.count_is("#agent-list li", 1).await;
    assert!(browser.eval("return location.search", &[]).await == "?state=failed", "the address can be shared");
    browser.connected().await;
    tell(&daemon, "agent", "failed", "worker-008", json!({"error": "no network"})).await;
    browser.text_has("#agent-list", "no network").await;
    browser.goto(&daemon.url("/agents?q=WORKER-00&graph=small+%26+fine")).await;
    browser.count_is("#agent-list li", 5).await;
    browser.text_has(".filters", "small & fine").await;
    browser.click(".filters li:last-child a").await;
    browser.count_is("#agent-list li", 10).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_page_tells_the_story_and_keeps_what_is_typed_and_unfolded() {
    let daemon = Daemon::start().await;
    tell(&daemon, "agent", "started", "..", json!({"name": "Dots"})).await;
    tell(&daemon, "model", "request", "..", json!({"turn": 1, "model": "local-32b"})).await;
    let usage = json!({"prompt_tokens": 1935, "completion_tokens": 70});
    tell(&daemon, "model", "response", "..", json!({"turn": 1, "usage": usage, "tool_calls_count": 1})).await;
    tell(&daemon, "tool", "called", "..", json!({"tool_name": "run_tests", "call_id": "c1"})).await;
    let failure = json!({"tool_name": "run_tests", "call_id": "c1", "error": "exit code 101", "duration_ms": 1500});
    tell(&daemon, "tool", "failed", "..", failure).await;
    let question = daemon.api.ask_text("..", "Rerun the tests?").await;
    daemon.api.answer(&question, &json!("once more")).await.expect(200);
    daemon.api.put("/api/v1/workspaces/~../kv/notes", &json!({"done": 3})).await.expect(204);
    let browser = Browser::of(&daemon).await;
    browser.click("#agent-list a").await;
    browser.text_has("#agent-title", "Dots").await;
    browser.connected().await;
    for told in ["run_tests: exit code 101", "1.5 s", "Turn 1 · 1 tool call · 1935 in, 70 out", "“once more” by"]
    {
        browser.text_has("#story", told).await;
    }
    browser.text_has(".facts", "1935 in, 70 out").await;
    browser.text_has("#workspace-keys", "notes").await;
    browser.type_into("#message-content", "mind the ").await;
    browser.click("#story li:first-child summary").await;
    browser.click("#workspace-keys li:last-child summary").await;
    tell(&daemon, "agent", "progress", "..", json!({"message": "second run"})).await;
    browser.text_has("#story", "second run").await;
    browser.find("#message-content").await.send_keys("changelog").await.expect("typed");
    let kept = "return [document.querySelector('#message-content').value, \
        document.querySelectorAll('#story details[open]').length, \
        document.querySelectorAll('#workspace-keys details[open]').length]";
    assert_eq!(browser.eval(kept, &[]).await, json!(["mind the changelog", 1, 1]));
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn older_events_stand_on_further_pages() {
    let daemon = Daemon::start().await;
    let events: Vec<_> = (0..450)
        .map(|number| event("tool", "called", "a", &json!({"tool_name": format!("step-{number:03}")})))
        .collect();
    daemon.api.emit(&json!(events)).await;
    let browser = Browser::open(&daemon.url("/agents/a")).await;
    browser.text_has("#story", "step-449").await;
    for (first, last) in [("step-249", "step-050"), ("step-049", "step-000")] {
        browser.click("#story nav.pages a[rel=next]").await;
        browser.text_has("#story", first).await;
        browser.text_has("#story", last).await;
    }
    browser.click("#story nav.pages a").await;
    browser.text_has("#story", "step-449").await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_agent_that_is_asked_to_stop_ends_and_the_page_tells() {
    let daemon = Daemon::start().await;
    let mut agent = Process::python(&fixture("stoppable.py"), &[&daemon.url(""), "worker"]);
    agent.line_with("working").await;
    let browser = Browser::open(&daemon.url("/agents/worker")).await;
    browser.connected().await;
    browser.click("#stop summary").await;
    browser.type_into("#stop-reason", "the branch was deleted").await;
    browser.click("#stop-form button").await;
    agent.line_with("stop_request the branch was deleted").await;
    assert_eq!(agent.wait().await.code, Some(0));
    browser.text_has("#stop-state", "seen").await;
    browser.text_has(".facts", "cancelled").await;
    browser.count_is("#stop-form", 0).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_request_to_stop_is_made_once_and_reaches_claude_code() {
    let daemon = Daemon::start().await;
    tell(&daemon, "agent", "started", "s1", json!({})).await;
    let asked = daemon.remora(["stop", "s1", "--reason", "wrong branch", "--who", "ann", "--json"]).wait().await;
    let first: Value = serde_json::from_str(&asked.expect(0).stdout).expect("json");
    let again = daemon.api.post("/api/v1/agents/s1/stop", &json!({})).await.expect(201).json();
    assert_eq!(first["message_id"], again["message_id"], "it has not seen the first one yet");
    assert_eq!(daemon.api.journal("user:stop_requested").await.len(), 1);
    let page = daemon.api.get("/agents/s1").await.expect(200).body;
    assert!(page.contains("Stop requested by ann (cli), not seen yet"), "{page}");
    let call = json!({"session_id": "s1", "cwd": "/", "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_use_id": "t1", "tool_input": {"command": "ls"}});
    let hook = async || {
        let mut hook = daemon.remora(["hook", "claude-code", "--limit-ms", "60000"]);
        hook.feed(call.to_string().as_bytes()).await;
        hook.wait().await.expect(0).stdout
    };
    let said: Value = serde_json::from_str(&hook().await).expect("json");
    let reason = "Request to stop from ann, sent through Remora: wrong branch";
    assert_eq!(said, json!({"continue": false, "stopReason": reason}));
    assert_eq!(hook().await, "", "once is enough");
    daemon.api.state_with("it was seen", |state| state["events"].to_string().contains("message_delivered")).await;
    let page = daemon.api.get("/agents/s1").await.expect(200).body;
    assert!(page.contains("Stop requested by ann (cli), seen"), "{page}");
}

#[tokio::test]
async fn an_unknown_agent_has_a_page_that_says_so() {
    let daemon = Daemon::start().await;
    daemon.api.get("/agents/nobody").await.problem(404, &[]);
    let browser = Browser::open(&daemon.url("/agents/nobody")).await;
    browser.text_has("h1", "Not found").await;
    browser.click("main a").await;
    browser.text_has("h1", "Agents").await;
}

#[tokio::test]
async fn a_limit_that_was_lowered_counts_from_the_next_start() {
    let mut daemon = Daemon::setup().start().await;
    for n in 0..30 {
        daemon.api.emit(&event("agent", "started", &format!("agent-{n}"), &json!({}))).await;
    }
    daemon.terminate().await;
    let data = daemon.folder().join("data");
    let daemon = Daemon::setup().data(&data).args(["--limit", "agents=10"]).start().await;
    daemon.api.emit(&event("agent", "started", "newest", &json!({}))).await;
    let few = |state: &Value| state["agentStates"].as_object().is_some_and(|agents| agents.len() <= 10);
    daemon
        .api
        .state_with("the others are forgotten", |state| few(state) && !state["agentStates"]["newest"].is_null())
        .await;
}

//! Every actor is made to panic: it is back and serving within moments, nothing is lost, no page is reloaded.

use serde_json::{Value, json};

use crate::support::{Browser, Daemon, Process, Stream, fixture, http::event, wait_until};

/// Makes one actor panic.
async fn panic(daemon: &Daemon, actor: &str) {
    let reply = daemon.api.post(&format!("/api/v1/faults/{actor}"), &json!({})).await;
    assert!([200, 202, 204].contains(&reply.status), "{actor}: {reply:?}");
}

/// Everything that the daemon does, done once; `round` keeps the ids apart.
async fn serves_everything(daemon: &Daemon, browser: &Browser, round: &str, file: &std::path::Path) {
    let api = &daemon.api;
    let when_ready = async |path: &str, body: &Value| {
        wait_until(&format!("{path} is served"), async || {
            let reply = api.post(path, body).await;
            assert!(reply.status == 503 || reply.status < 300, "{reply:?}");
            (reply.status != 503).then_some(())
        })
        .await;
    };
    wait_until("every actor answers", async || (api.get("/readyz").await.status == 200).then_some(())).await;
    let agent = format!("agent-{round}");
    let mut started = event("agent", "started", &agent, &json!({"name": agent}));
    started["id"] = json!(format!("started-{round}"));
    when_ready("/api/v1/events", &started).await;
    browser.text_has("#agent-status", &agent).await;
    browser.text_has("#events-list", &agent).await;

    let msg_id = format!("q-{round}");
    let asked = json!({"agent_id": agent, "msg_id": msg_id, "question": format!("Question {round}?")});
    when_ready("/api/v1/questions", &asked).await;
    browser.text_has(&format!(".blocked-agent[data-msg-id=\"{msg_id}\"]"), "Question").await;
    when_ready(&format!("/api/v1/questions/{msg_id}/answer"), &json!({"answer": "yes"})).await;
    assert_eq!(api.value_of(&agent, &format!("inbox:response:{msg_id}")).await["answer"], "yes");
    browser.count_is(&format!(".blocked-agent[data-msg-id=\"{msg_id}\"] form"), 0).await;

    // The workspace file's watcher sees a new question, and carries the answer.
    let in_file = format!("f-{round}");
    let entry = json!({"question": format!("In a file {round}?"), "status": "pending"}).to_string();
    let path = file.to_str().unwrap();
    let key = format!("outbox:question:{in_file}");
    Process::python(&fixture("workspace.py"), &[path, "put", &key, &entry]).wait().await.expect(0);
    api.question_is(&in_file, "open").await;
    when_ready(&format!("/api/v1/questions/{in_file}/answer"), &json!({"answer": "yes"})).await;
    wait_until("the answer is in the file", async || {
        let key = format!("inbox:response:{in_file}");
        let found = Process::python(&fixture("workspace.py"), &[path, "get", &key]).wait().await.expect(0);
        found.stdout.contains("yes").then_some(())
    })
    .await;
}

async fn survives(actor: &str) {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let daemon = Daemon::setup().args(["--workspace-root", root.path().to_str().unwrap()]).start().await;
    Process::python(&fixture("workspace.py"), &[file.to_str().unwrap(), "keys", ""]).wait().await.expect(0);
    daemon.api.put("/api/v1/workspaces/files", &json!({"agent_id": "filer", "path": file})).await;
    let browser = Browser::of(&daemon).await;
    browser.eval("window.neverReloaded = true", &[]).await;
    let mut raw = Stream::resume(&daemon.api, "/api/v1/events/stream", Some("0")).await;
    serves_everything(&daemon, &browser, "before", &file).await;
    for round in ["first", "second", "third"] {
        panic(&daemon, actor).await;
        serves_everything(&daemon, &browser, round, &file).await;
    }
    browser.connected().await;
    assert_eq!(browser.eval("return window.neverReloaded === true", &[]).await, true);
    whole_journal(&daemon, &mut raw, actor).await;
    for round in ["before", "first", "second", "third"] {
        let times = async |pattern: &str| {
            let journal = daemon.api.journal(pattern).await;
            let of_round = |event: &&Value| event["payload"]["msg_id"] == format!("q-{round}");
            journal.iter().filter(of_round).count()
        };
        assert_eq!((times("agent:blocked").await, times("agent:resumed").await), (1, 1), "{round}");
    }
    // What was rebuilt is what is shown.
    browser.eval("location.reload()", &[]).await;
    browser.connected().await;
    browser.text_has("#agent-status", "agent-before").await;
}

/// The journal has no gap, and a reader of the raw stream has seen all of it, over every restart.
async fn whole_journal(daemon: &Daemon, raw: &mut Stream, actor: &str) {
    let journal = daemon.api.journal("*").await;
    let seqs: Vec<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=journal.len() as u64).collect::<Vec<_>>());
    let mut seen = 0;
    while seen < journal.len() as u64 {
        match raw.next().await {
            Some(frame) => {
                assert_eq!(frame.id, (seen + 1).to_string(), "{actor}: a gap or a repeat in the stream");
                seen += 1;
            }
            // A stream may be ended: its reader comes back with the last id it saw.
            None => *raw = Stream::resume(&daemon.api, "/api/v1/events/stream", Some(&seen.to_string())).await,
        }
    }
}

#[tokio::test]
async fn the_event_bus() {
    survives("event-bus").await;
}

#[tokio::test]
async fn the_state_aggregator() {
    survives("state-aggregator").await;
}

#[tokio::test]
async fn the_workspace_registry() {
    survives("workspace-registry").await;
}

#[tokio::test]
async fn the_inbox_coordinator() {
    survives("inbox-coordinator").await;
}

#[tokio::test]
async fn a_workspace_watcher() {
    survives("workspace-watcher").await;
}

#[tokio::test]
async fn the_notifier() {
    survives("notifier").await;
}

#[tokio::test]
async fn the_session_supervisor() {
    survives("session-supervisor").await;
}

#[tokio::test]
async fn a_session() {
    survives("sse-session").await;
}

#[tokio::test]
async fn an_unknown_actor_is_named() {
    let daemon = Daemon::start().await;
    daemon.api.post("/api/v1/faults/nobody", &json!({})).await.problem(404, &["actor"]);
}

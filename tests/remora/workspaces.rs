//! Workspaces: the agents' files, read beside them and never held, and the embedded ones.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Browser, Daemon, Process, fixture,
    http::{event, text},
    wait_until,
};

/// Runs the agent's side of a workspace file.
fn agent(file: &Path, args: &[&str]) -> Process {
    let mut all = vec![file.to_str().expect("utf-8")];
    all.extend(args);
    Process::python(&fixture("workspace.py"), &all)
}

/// A daemon that may open files below `root`, which is where the agents work.
async fn daemon_over(root: &Path) -> Daemon {
    Daemon::setup().args(["--workspace-root", root.to_str().expect("utf-8")]).start().await
}

/// What is said to be wrong with the agent's workspace.
async fn trouble(daemon: &Daemon, agent_id: &str) -> String {
    wait_until(&format!("{agent_id} is said to be in trouble"), async || {
        let events = daemon.api.journal("agent:workspace_trouble").await;
        let of_agent = events.iter().rfind(|event| event["agent_id"] == agent_id)?;
        Some(text(&of_agent["payload"], "detail").to_lowercase())
    })
    .await
}

async fn register(daemon: &Daemon, agent_id: &str, file: &Path) {
    let body = json!({"agent_id": agent_id, "path": file});
    let reply = daemon.api.put(&format!("/api/v1/workspaces/{agent_id}-space"), &body).await;
    assert!([200, 201].contains(&reply.status), "{reply:?}");
}

#[tokio::test]
async fn an_agent_asks_over_its_file_and_goes_on_with_the_answer() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let daemon = daemon_over(root.path()).await;
    let mut asker = agent(&file, &["ask", "m1", "Deploy?", "yes", "no"]);
    asker.line_with("asked").await;
    let started = json!({"name": "Deployer", "workspace_id": "w1", "workspace": file});
    daemon.api.emit(&event("agent", "started", "a", &started)).await;

    let record = daemon.api.question_is("m1", "open").await;
    assert_eq!((&record["question"], &record["options"]), (&json!("Deploy?"), &json!(["yes", "no"])));
    assert_eq!((&record["agent_id"], &record["workspace_id"]), (&json!("a"), &json!("w1")));
    assert!(record["expires_at"].is_string(), "its timeout counts: {record}");

    daemon.api.answer("m1", &json!("yes")).await.expect(200);
    assert_eq!(asker.line_with("answered").await, "answered: \"yes\"");
    asker.wait().await.expect(0);
    // The agent marked its entry: the answer was picked up.
    let record = daemon.api.question_is("m1", "delivered").await;
    assert!(record["written_at"].is_string(), "{record}");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
    assert_eq!(daemon.api.journal("agent:resumed").await.len(), 1);
    let response: Value =
        serde_json::from_str(&agent(&file, &["get", "inbox:response:m1"]).wait().await.expect(0).stdout).unwrap();
    assert_eq!(response["answer"], "yes");
    assert!(response["responded_at"].is_string() && !response["answered_by"].is_null(), "{response}");
}

#[tokio::test]
async fn a_question_in_a_file_is_published_once_over_restarts() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let mut daemon = daemon_over(root.path()).await;
    let mut asker = agent(&file, &["ask", "m1", "Still there?"]);
    asker.line_with("asked").await;
    register(&daemon, "a", &file).await;
    daemon.api.question_is("m1", "open").await;
    daemon.crash().await;
    daemon.api.question_is("m1", "open").await;
    // A second question shows that the file is read again.
    agent(&file, &["put", "outbox:question:m2", r#"{"question": "And now?", "status": "pending"}"#]).wait().await;
    daemon.api.question_is("m2", "open").await;
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 2);
    daemon.api.answer("m1", &json!("yes")).await.expect(200);
    asker.wait().await.expect(0);
}

#[tokio::test]
async fn an_answer_waits_for_a_locked_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let mut daemon = daemon_over(root.path()).await;
    agent(&file, &["put", "outbox:question:m1", r#"{"question": "Sure?", "status": "pending"}"#])
        .wait()
        .await
        .expect(0);
    register(&daemon, "a", &file).await;
    daemon.api.question_is("m1", "open").await;

    let mut holder = agent(&file, &["hold"]);
    holder.line_with("locked").await;
    let browser = Browser::of(&daemon).await;
    browser.fill("m1", "yes").await;
    browser.submit("m1").await;
    let record = daemon.api.question_is("m1", "answered").await;
    assert_eq!(record["written_at"], Value::Null);
    assert!(trouble(&daemon, "a").await.contains("locked"));
    browser.text_has("#blocked-agents", "not written into the workspace yet").await;
    browser.text_has("#blocked-agents", "locked").await;
    // The answer was acknowledged: a crash must not lose it either.
    daemon.crash().await;
    assert_eq!(daemon.api.question("m1").await["written_at"], Value::Null);

    holder.feed(b"").await;
    holder.wait().await.expect(0);
    wait_until("the answer is written", async || daemon.api.question("m1").await["written_at"].as_str().map(|_| ()))
        .await;
    wait_until("the trouble is over", async || {
        (!daemon.api.journal("agent:workspace_recovered").await.is_empty()).then_some(())
    })
    .await;
    let found = agent(&file, &["get", "inbox:response:m1"]).wait().await.expect(0);
    assert!(found.stdout.contains("\"yes\""), "{found:?}");
    assert_eq!(daemon.api.journal("agent:resumed").await.len(), 1);
    browser.connected().await;
    let locked = "return !['#blocked-agents', '#agent-status'].some(panel =>
        document.querySelector(panel).textContent.includes('locked by'))";
    browser.until("the page no longer speaks of a lock", locked, &[]).await;
}

#[tokio::test]
async fn what_another_coordinator_wrote_is_the_truth() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let daemon = daemon_over(root.path()).await;
    let question = r#"{"question": "Sure?", "status": "pending"}"#;
    let response = r#"{"answer": "no", "responded_at": "2026-02-24T09:37:15"}"#;
    agent(&file, &["put", "outbox:question:m1", question]).wait().await.expect(0);
    register(&daemon, "a", &file).await;
    daemon.api.question_is("m1", "open").await;

    agent(&file, &["put", "inbox:response:m1", response]).wait().await.expect(0);
    let record = daemon.api.question_is("m1", "answered").await;
    assert_eq!((&record["answer"], &record["answered_by"]["door"]), (&json!("no"), &json!("external")));
    daemon.api.answer("m1", &json!("yes")).await.problem(409, &["external"]);

    // Written while ours was on its way and could not be written: theirs is what the agent reads.
    agent(&file, &["put", "outbox:question:m2", question]).wait().await.expect(0);
    daemon.api.question_is("m2", "open").await;
    let mut holder = agent(&file, &["hold", "inbox:response:m2", response]);
    holder.line_with("locked").await;
    daemon.api.answer("m2", &json!("yes")).await.expect(200);
    holder.feed(b"").await;
    holder.wait().await.expect(0);
    wait_until("the record tells what the agent reads", async || {
        (daemon.api.question("m2").await["answer"] == "no").then_some(())
    })
    .await;
    let kept = agent(&file, &["get", "inbox:response:m2"]).wait().await.expect(0);
    assert_eq!(kept.stdout.trim(), response);
}

#[tokio::test]
async fn a_file_outside_the_roots_is_refused() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret.db");
    agent(&secret, &["put", "outbox:question:m1", r#"{"question": "?", "status": "pending"}"#]).wait().await.expect(0);
    std::os::unix::fs::symlink(&secret, root.path().join("link.db")).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("folder")).unwrap();
    let daemon = daemon_over(root.path()).await;
    let dotted = root.path().join("..").join(outside.path().file_name().unwrap()).join("secret.db");
    for path in [secret.clone(), root.path().join("link.db"), root.path().join("folder/secret.db"), dotted] {
        let reply = daemon.api.put("/api/v1/workspaces/w", &json!({"agent_id": "a", "path": path})).await;
        let status = reply.status;
        assert!([403, 422].contains(&status), "{}: {reply:?}", path.display());
        reply.problem(status, &["root"]);
    }
    let relative = daemon.api.put("/api/v1/workspaces/w", &json!({"agent_id": "a", "path": "../secret.db"})).await;
    assert!([403, 422].contains(&relative.status), "{relative:?}");

    // An event cannot be refused for it: it happened. Its agent shows the trouble.
    daemon.api.emit(&event("agent", "started", "b", &json!({"workspace_id": "w", "workspace": secret}))).await;
    assert!(trouble(&daemon, "b").await.contains("root"));
    daemon.api.get("/api/v1/questions/m1").await.problem(404, &[]);
}

#[tokio::test]
async fn without_a_root_no_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start().await;
    let body = json!({"agent_id": "a", "path": folder.path().join("agent.db")});
    let reply = daemon.api.put("/api/v1/workspaces/w", &body).await;
    let status = reply.status;
    assert!([403, 422].contains(&status), "{reply:?}");
    reply.problem(status, &["workspace-root"]);
}

#[tokio::test]
async fn a_link_made_after_the_registration_is_refused_too() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, secret) = (root.path().join("agent.db"), outside.path().join("secret.db"));
    agent(&secret, &["put", "outbox:question:m1", r#"{"question": "?", "status": "pending"}"#]).wait().await.expect(0);
    let daemon = daemon_over(root.path()).await;
    register(&daemon, "a", &file).await;
    std::os::unix::fs::symlink(&secret, &file).unwrap();
    assert!(trouble(&daemon, "a").await.contains("root"));
    daemon.api.get("/api/v1/questions/m1").await.problem(404, &[]);
}

#[tokio::test]
async fn a_file_may_come_later() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("deep/er/agent.db");
    let daemon = daemon_over(root.path()).await;
    register(&daemon, "a", &file).await;
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut asker = agent(&file, &["ask", "m1", "Now?"]);
    daemon.api.question_is("m1", "open").await;
    daemon.api.answer("m1", &json!("yes")).await.expect(200);
    asker.line_with("answered").await;
    asker.wait().await.expect(0);
}

#[tokio::test]
async fn a_damaged_file_troubles_only_its_own_agent() {
    let root = tempfile::tempdir().unwrap();
    let (damaged, sound) = (root.path().join("damaged.db"), root.path().join("sound.db"));
    fs::write(&damaged, "this is no database, and longer than a header of one hundred bytes has to be ".repeat(9))
        .unwrap();
    let before = fs::read(&damaged).unwrap();
    agent(&sound, &["put", "outbox:question:m1", r#"{"question": "Sure?", "status": "pending"}"#])
        .wait()
        .await
        .expect(0);
    let daemon = daemon_over(root.path()).await;
    register(&daemon, "a", &damaged).await;
    register(&daemon, "b", &sound).await;
    assert!(!trouble(&daemon, "a").await.is_empty());
    daemon.api.question_is("m1", "open").await;
    assert_eq!(fs::read(&damaged).unwrap(), before, "left as it was");

    // A sound file in its place is read without a restart.
    fs::remove_file(&damaged).unwrap();
    agent(&damaged, &["put", "outbox:question:m2", r#"{"question": "Better?", "status": "pending"}"#]).wait().await;
    daemon.api.question_is("m2", "open").await;
}

#[tokio::test]
async fn a_damaged_entry_hides_no_other() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    for (key, value) in [
        ("outbox:question:1", "{broken"),
        ("outbox:question:2", "[]"),
        ("outbox:question:3", r#"{"status": "pending"}"#),
        ("outbox:question:4", r#"{"question": 5, "options": "x", "status": "pending"}"#),
        ("outbox:question:5", r#"{"question": "old", "status": "answered"}"#),
        ("outbox:question:", r#"{"question": "nameless", "status": "pending"}"#),
        ("outbox:question:6", r#"{"question": "Sure?", "options": null, "status": "pending", "timeout": null}"#),
        ("inbox:response:6", "{broken"),
        ("outbox:question:7", r#"{"question": "Sure?", "status": "pending"}"#),
    ] {
        agent(&file, &["put", key, value]).wait().await.expect(0);
    }
    let daemon = daemon_over(root.path()).await;
    register(&daemon, "a", &file).await;
    daemon.api.question_is("7", "open").await;
    daemon.api.answer("7", &json!("yes")).await.expect(200);
    wait_until("the answer is in the file", async || {
        let found = agent(&file, &["get", "inbox:response:7"]).wait().await.expect(0);
        found.stdout.contains("\"yes\"").then_some(())
    })
    .await;
    daemon.api.get("/api/v1/questions/5").await.problem(404, &[]);
}

#[tokio::test]
async fn a_persons_message_reaches_the_file_and_its_pickup_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let daemon = daemon_over(root.path()).await;
    agent(&file, &["keys", ""]).wait().await.expect(0);
    register(&daemon, "a", &file).await;
    daemon.api.post("/api/v1/agents/a/messages", &json!({"content": "look at the tests"})).await;
    wait_until("the message is in the file", async || {
        let keys = agent(&file, &["keys", "inbox:user_message:"]).wait().await.expect(0);
        keys.stdout.contains("inbox:user_message:").then_some(())
    })
    .await;
    assert_eq!(agent(&file, &["drain"]).wait().await.expect(0).stdout.trim(), "look at the tests");
    wait_until("its pickup is seen", async || {
        (!daemon.api.journal("agent:message_delivered").await.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_workspace_of_many_keys_is_shown_in_part() {
    let daemon = Daemon::start().await;
    for number in 0..=200 {
        let set = daemon.api.put(&format!("/api/v1/workspaces/w/kv/k{number:03}"), &json!(number)).await;
        set.expect(204);
        if number >= 199 {
            let page = daemon.api.get("/workspaces/w").await.body;
            for (sign, expected) in [(">200 keys<", 199), (">the first 200 keys<", 200), ("All of them", 200)] {
                assert_eq!(page.contains(sign), number == expected, "{sign} with the key {number}");
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_an_agent_forgets_its_workspace() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let daemon = daemon_over(root.path()).await;
    agent(&file, &["put", "outbox:question:m1", r#"{"question": "?", "status": "pending"}"#]).wait().await.expect(0);
    register(&daemon, "a", &file).await;
    daemon.api.question_is("m1", "open").await;
    daemon.api.emit(&event("agent", "completed", "a", &json!({}))).await;
    daemon.api.question_is("m1", "cancelled").await;
    // The file is no longer read; an agent registered anew is.
    agent(&file, &["put", "outbox:question:m2", r#"{"question": "?", "status": "pending"}"#]).wait().await.expect(0);
    register(&daemon, "b", &root.path().join("other.db")).await;
    agent(&root.path().join("other.db"), &["put", "outbox:question:m3", r#"{"question": "?", "status": "pending"}"#])
        .wait()
        .await
        .expect(0);
    daemon.api.question_is("m3", "open").await;
    daemon.api.get("/api/v1/questions/m2").await.problem(404, &[]);
}

#[tokio::test]
async fn who_only_looks_into_workspaces_leaves_nothing_behind() {
    let daemon = Daemon::start().await;
    for n in 0..50 {
        daemon.api.get(&format!("/api/v1/workspaces/w{n}/kv")).await.expect(200);
        daemon.api.get(&format!("/api/v1/workspaces/w{n}/kv/none")).await.problem(404, &[]);
    }
    // The coordinator has handled everything before it.
    daemon.api.ask_text("a", "Sure?").await;
    assert!(daemon.metric("remora_workspaces").await <= 1.0);
    let question = json!({"question": "Which?", "status": "pending"});
    daemon.api.put("/api/v1/workspaces/w7/kv/outbox:question:q7", &question).await.expect(204);
    daemon.api.question_is("q7", "open").await;
}

#[tokio::test]
async fn an_answer_finds_the_file_of_an_agent_that_has_ended() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let mut daemon = daemon_over(root.path()).await;
    let asked = r#"{"question": "Sure?", "status": "pending"}"#;
    agent(&file, &["put", "outbox:question:m1", asked]).wait().await.expect(0);
    register(&daemon, "a", &file).await;
    daemon.api.question_is("m1", "open").await;
    let mut holder = agent(&file, &["hold"]);
    holder.line_with("locked").await;
    daemon.api.answer("m1", &json!("yes")).await.expect(200);
    daemon.api.emit(&event("agent", "failed", "a", &json!({}))).await;
    daemon.crash().await;
    holder.feed(b"").await;
    holder.wait().await.expect(0);
    wait_until("the answer is written", async || daemon.api.question("m1").await["written_at"].as_str().map(|_| ()))
        .await;
    let found = agent(&file, &["get", "inbox:response:m1"]).wait().await.expect(0);
    assert!(found.stdout.contains("\"yes\""), "{found:?}");
}

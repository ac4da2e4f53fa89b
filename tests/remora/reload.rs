//! SIGHUP: a running daemon reads its tokens again.

use std::path::Path;

use reqwest::Method;
use serde_json::json;

use crate::{
    guard::{AGENT, OPERATOR, guarded, token_file},
    support::{Api, DEADLINE, Daemon, Stream, wait_until},
};

const NEW: &str = "operator-of-the-next-week";

/// Writes the token file, and lets the daemon read it.
async fn give(daemon: &Daemon, folder: &Path, text: &str) {
    token_file(&folder.join("tokens"), text, 0o600);
    daemon.signal("HUP").await;
}

async fn status(api: &Api, path: &str, status: u16) {
    wait_until("the tokens are read again", async || (api.get(path).await.status == status).then_some(())).await;
}

#[tokio::test]
async fn a_token_that_is_gone_opens_nothing_and_a_new_one_does() {
    let (daemon, folder) = guarded(Daemon::setup()).await;
    let [agent, operator, new] = [AGENT, OPERATOR, NEW].map(|token| daemon.api.with_token(Some(token)));
    let asked = json!({"agent_id": "a", "msg_id": "q", "question": "Which?"});
    agent.post("/api/v1/questions", &asked).await.expect(201);
    new.get("/api/v1/state").await.problem(401, &["token"]);
    let mut streams = Vec::new();
    for path in ["/api/v1/events/stream?after=0", "/events"] {
        let mut stream = Stream::open(&operator, path).await;
        stream.next().await.unwrap();
        streams.push(stream);
    }
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "client", "version": "1"}}});
    let accepts = ("accept", "application/json, text/event-stream");
    let opened = Api::send(operator.request(Method::POST, "/mcp").header(accepts.0, accepts.1).json(&initialize)).await;
    let session = opened.header("mcp-session-id").to_owned();
    let hearing = operator.request(Method::GET, "/mcp").header(accepts.0, accepts.1).header("mcp-session-id", session);
    let hearing = hearing.timeout(2 * DEADLINE).send().await.unwrap();
    assert_eq!(hearing.status(), 200);
    let waiting = {
        let agent = agent.clone();
        tokio::spawn(async move { agent.get("/api/v1/questions/q?wait=50").await })
    };
    status(&agent, "/api/v1/questions/q", 200).await;

    give(&daemon, folder.path(), &format!("operator {NEW} bob\n")).await;
    status(&new, "/api/v1/state", 200).await;
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
    let _ = tokio::time::timeout(DEADLINE, hearing.bytes()).await.expect("it ends");
    waiting.await.unwrap().problem(401, &["not known", "SIGHUP"]);
    for old in [&agent, &operator] {
        for path in ["/api/v1/questions/q", "/events", "/mcp"] {
            old.get(path).await.problem(401, &["not known"]);
        }
    }
    let answered = new.post("/api/v1/questions/q/answer", &json!({"answer": "this"})).await.expect(200).json();
    assert_eq!(answered["answered_by"]["who"], "bob");
}

#[tokio::test]
async fn a_stream_outlives_what_leaves_its_token_alone() {
    let (daemon, folder) = guarded(Daemon::setup()).await;
    let [operator, new] = [OPERATOR, NEW].map(|token| daemon.api.with_token(Some(token)));
    let mut stream = Stream::open(&operator, "/api/v1/events/stream?after=0").await;
    give(&daemon, folder.path(), &format!("operator {NEW} bob\noperator {OPERATOR} alice\n")).await;
    status(&new, "/api/v1/state", 200).await;
    new.start_agent("late").await;
    stream.until("the event comes", |event| event.data.contains("late").then_some(())).await;
    // An operator who has become an agent may not read on.
    give(&daemon, folder.path(), &format!("operator {NEW} bob\nagent {OPERATOR}\n")).await;
    status(&operator, "/api/v1/state", 403).await;
    while stream.next().await.is_some() {}
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing() {
    let (daemon, folder) = guarded(Daemon::setup()).await;
    let operator = daemon.api.with_token(Some(OPERATOR));
    for (text, why) in [("operator short bob\n", "line 1"), ("# nobody\n", "no operator token")] {
        give(&daemon, folder.path(), text).await;
        wait_until("the daemon says so", async || {
            let log = daemon.log();
            (log.contains("tokens not read again") && log.contains(why)).then_some(())
        })
        .await;
        operator.get("/api/v1/state").await.expect(200);
    }
    std::fs::remove_file(folder.path().join("tokens")).unwrap();
    daemon.signal("HUP").await;
    wait_until("the daemon says so", async || daemon.log().contains("No such file").then_some(())).await;
    operator.get("/api/v1/state").await.expect(200);
}

#[tokio::test]
async fn without_tokens_a_daemon_goes_on() {
    let daemon = Daemon::start().await;
    daemon.signal("HUP").await;
    wait_until("the daemon says so", async || daemon.log().contains("nothing to read again").then_some(())).await;
    daemon.api.start_agent("a").await;
}

//! The daemon that is away, that restarts, that is guarded.

use std::{fs, os::unix::fs::PermissionsExt};

use reqwest::Method;
use serde_json::json;

use super::open_question;
use crate::support::{
    Api, Daemon,
    http::text,
    mcp::{McpClient, Way, structured},
    wait_until,
};

#[tokio::test]
async fn without_a_daemon_each_tool_says_how_to_start_it() {
    let mut daemon = Daemon::start().await;
    daemon.terminate().await;
    let mut client = McpClient::of(&daemon, Way::Stdio, "auto", "a1").await;
    let question = json!({"question": "Deploy?"});
    for (tool, args) in [
        ("ask_user", &question),
        ("ask_user_async", &question),
        ("check_answer", &json!({"msg_id": "m1"})),
        ("notify_user", &json!({"message": "hello"})),
        ("report_event", &json!({"category": "agent", "action": "started"})),
        ("get_user_messages", &json!({})),
    ] {
        let error = client.refusal(tool, args).await;
        assert!(error.contains("remora serve") && error.contains(&daemon.url("")), "{tool}: {error}");
    }
    let id = client.order(json!({"read": "remora://inbox"})).await;
    assert!(client.line_about(id, "error").await.as_str().unwrap().contains("remora serve"));

    daemon.start_again().await;
    client.call("notify_user", &json!({"message": "hello"})).await;
    daemon.terminate().await;
    let error = client.refusal("notify_user", &json!({"message": "are you there?"})).await;
    assert!(error.contains("remora serve"), "{error}");
    daemon.start_again().await;
    client.call("notify_user", &json!({"message": "hello again"})).await;
    client.close().await;
}

#[tokio::test]
async fn a_wait_outlives_a_restart_of_the_daemon() {
    let mut daemon = Daemon::start().await;
    let mut client = McpClient::of(&daemon, Way::Stdio, "auto", "a1").await;
    let asked = client.begin("ask_user", &json!({"question": "Deploy?"})).await;
    let msg_id = open_question(&daemon).await;
    daemon.crash().await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    assert_eq!(structured(&client.end(asked).await)["answer"], "yes");
    client.close().await;
}

#[tokio::test]
async fn a_question_outlives_the_daemon_that_took_it_over_http() {
    for mode in ["legacy", "auto"] {
        let mut daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, Way::Http, mode, "a1").await;
        client.begin("ask_user", &json!({"question": "Deploy?", "msg_id": "m1"})).await;
        open_question(&daemon).await;
        daemon.terminate().await;
        client.kill().await;
        daemon.start_again().await;
        assert_eq!(daemon.api.question("m1").await["status"], "open", "{mode}");

        let mut client = McpClient::of(&daemon, Way::Http, mode, "a1").await;
        let again = client.begin("ask_user", &json!({"question": "Deploy?", "msg_id": "m1"})).await;
        daemon.api.answer("m1", &json!("yes")).await.expect(200);
        assert_eq!(structured(&client.end(again).await)["answer"], "yes");
        client.close().await;
    }
}

#[tokio::test]
async fn an_agents_token_opens_the_tools_and_no_other_agents_inbox() {
    const AGENT: &str = "agent-3f9c2b7e5d1a4c80";
    const OPERATOR: &str = "operator-9b1e7f04c6d84a2f";
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, format!("agent {AGENT}\noperator {OPERATOR} alice\n")).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    let tokens = tokens.to_str().unwrap();
    let daemon = Daemon::setup().args(["--token-file", tokens]).start().await;
    let operator = daemon.api.with_token(Some(OPERATOR));
    daemon.api.post("/mcp", &json!({})).await.problem(401, &["token"]);
    daemon.api.with_token(Some(AGENT)).get("/api/v1/questions").await.problem(403, &["agent_id"]);
    operator.ask_text("somebody-else", "Me too?").await;

    for mode in ["legacy", "auto"] {
        let url = daemon.url("/mcp?agent=a1");
        let mut http = McpClient::over_http(mode, &[&url, AGENT]).await;
        let mut stdio =
            McpClient::over_stdio(mode, &["--url", &daemon.url(""), "--agent", "a1", "--token-file", tokens]).await;
        for client in [&mut http, &mut stdio] {
            let asked = client.call("ask_user_async", &json!({"question": "Deploy?"})).await;
            let msg_id = text(&asked, "msg_id");
            let inbox = client.read("remora://inbox").await;
            assert_eq!(inbox["questions"].as_array().map(Vec::len), Some(1), "{inbox}");
            operator.answer(&msg_id, &json!("yes")).await.expect(200);
            let outcome = client.call("check_answer", &json!({"msg_id": msg_id, "wait": 50})).await;
            assert_eq!((&outcome["answer"], &outcome["answered_by"]), (&json!("yes"), &json!("alice")), "{outcome}");
            assert_eq!(client.call("get_user_messages", &json!({})).await, json!({"messages": []}));
        }
        http.close().await;
        stdio.close().await;
    }
    assert!(!daemon.log().contains(AGENT), "a token is in the log");
}

#[tokio::test]
async fn sessions_are_bounded() {
    let daemon = Daemon::setup().args(["--limit", "sessions=1"]).start().await;
    let session = McpClient::of(&daemon, Way::Http, "legacy", "a1").await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {},
        "protocolVersion": "2025-06-18", "clientInfo": {"name": "second", "version": "1"}}});
    let open = || daemon.api.request(Method::POST, "/mcp").header("accept", "application/json, text/event-stream");
    let refused = Api::send(open().json(&hello)).await.expect(503);
    assert!(refused.body.contains("sessions") && refused.header("retry-after") == "1", "{refused:?}");
    // A client that needs no session is served, and a session that ends makes room.
    let mut client = McpClient::of(&daemon, Way::Http, "auto", "a2").await;
    client.call("notify_user", &json!({"message": "hello"})).await;
    client.close().await;
    session.close().await;
    wait_until("there is room", async || (Api::send(open().json(&hello)).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn another_sites_page_cannot_speak_to_it() {
    let daemon = Daemon::start().await;
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let request = daemon.api.request(Method::POST, "/mcp").header(name, value);
        let request = request.header("accept", "application/json, text/event-stream");
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        assert_eq!(Api::send(request.json(&ping)).await.status, 403, "{name}");
    }
}

#[tokio::test]
async fn an_agent_has_a_name_without_being_given_one() {
    let daemon = Daemon::start().await;
    let mut http = McpClient::over_http("legacy", &[&daemon.url("/mcp")]).await;
    let mut stdio = McpClient::over_stdio("auto", &["--url", &daemon.url("")]).await;
    http.call("notify_user", &json!({"message": "hello"})).await;
    stdio.call("notify_user", &json!({"message": "hello"})).await;
    let journal = daemon.api.journal("*").await;
    // The client calls itself `mcp`.
    assert_eq!(journal[0]["agent_id"], "mcp");
    let agent_id = text(&journal[1], "agent_id");
    assert!(agent_id.starts_with("mcp-") && agent_id.contains('@'), "{agent_id}");
    http.close().await;
    stdio.close().await;
}

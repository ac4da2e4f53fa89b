//! The examples do what they say.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Daemon, Process,
    http::text,
    mcp::{McpClient, python},
    repository, wait_until,
};

#[tokio::test]
async fn the_example_runs_over_both() {
    for over_http in [false, true] {
        let daemon = Daemon::start().await;
        let remora = Path::new(env!("CARGO_BIN_EXE_remora")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = python();
        command.arg(repository().join("examples/mcp/agent.py")).env("REMORA_URL", daemon.url(""));
        command.env("PATH", format!("{}:{path}", remora.display()));
        if over_http {
            command.arg(daemon.url("/mcp"));
        }
        let mut example = Process::spawn(command);
        daemon.api.post("/api/v1/agents/release-notes/messages", &json!({"content": "mind the tone"})).await;
        wait_until("the example ends", async || {
            daemon.api.answer_all().await;
            (!example.is_running()).then_some(())
        })
        .await;
        let output = example.wait().await.expect(0).stdout;
        assert!(output.contains("choice: publish") && output.contains("message: mind the tone"), "{output}");
        let state = daemon.api.state_with("its result is shown", |state| state["results"][0].is_object()).await;
        assert!(text(&state["results"][0], "content").contains("publish – go on"), "{state}");
    }
}

#[tokio::test]
async fn the_configurations_name_what_there_is() {
    let daemon = Daemon::start().await;
    let read = |name: &str| -> Value {
        let file = fs::read_to_string(repository().join("examples/mcp").join(name)).unwrap();
        serde_json::from_str::<Value>(&file).unwrap()["mcpServers"]["remora"].clone()
    };
    let stdio = read("stdio.mcp.json");
    assert_eq!((&stdio["command"], &stdio["args"][0]), (&json!("remora"), &json!("mcp")));
    let args: Vec<_> = stdio["args"].as_array().unwrap()[1..].iter().map(|arg| arg.as_str().unwrap()).collect();
    let mut client = McpClient::over_stdio("auto", &[&args[..], &["--url", &daemon.url("")]].concat()).await;
    client.call("notify_user", &json!({"message": "hello"})).await;
    client.close().await;

    let url = text(&read("http.mcp.json"), "url").replace("http://127.0.0.1:8000", &daemon.url(""));
    let mut client = McpClient::over_http("auto", &[&url]).await;
    client.call("notify_user", &json!({"message": "hello"})).await;
    client.close().await;
    let agents: Vec<_> = daemon.api.journal("*").await.iter().map(|event| text(event, "agent_id")).collect();
    assert_eq!(agents, ["reviewer", "reviewer"]);
}

#[tokio::test]
async fn without_a_daemon_the_example_says_where_it_looked_and_how_to_start_one() {
    let remora = Path::new(env!("CARGO_BIN_EXE_remora")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    for args in [&[][..], &["http://127.0.0.1:1/mcp"]] {
        let mut command = python();
        // Port 1 is nobody's.
        command.arg(repository().join("examples/mcp/agent.py")).args(args).env("REMORA_URL", "http://127.0.0.1:1");
        command.env("PATH", format!("{}:{path}", remora.display()));
        let finished = Process::spawn(command).wait().await;
        assert!(!finished.stderr.contains("Traceback"), "{}", finished.stderr);
        finished.expect(1).complains(&["http://127.0.0.1:1", "remora serve"]);
    }
}

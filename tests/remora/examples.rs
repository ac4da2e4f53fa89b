//! The examples do what they say, as somebody who copies them would run them.

use std::{env, path::Path};

use serde_json::json;
use tokio::process::Command;

use crate::support::{Daemon, Process, http::text, repository, wait_until};

/// Starts an example against the daemon, with `remora` on its path.
fn start(daemon: &Daemon, program: &Path, args: &[&str]) -> Process {
    let remora = Path::new(env!("CARGO_BIN_EXE_remora")).parent().unwrap();
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(args).env("REMORA_URL", daemon.url("")).env("PATH", format!("{}:{path}", remora.display()));
    command.current_dir(daemon.folder());
    Process::spawn(command)
}

/// Answers what the example asks until it ends well; what it wrote.
async fn answered_to_its_end(daemon: &Daemon, mut example: Process) -> String {
    let mut asked = 0;
    wait_until("the example ends", async || {
        asked += daemon.api.answer_all().await.len();
        (!example.is_running()).then_some(())
    })
    .await;
    assert!(asked >= 2, "an option and a text");
    let state = daemon.api.state_with("its result is shown", |state| state["results"][0].is_object()).await;
    assert!(text(&state["results"][0], "content").contains("go on"), "{state}");
    assert_eq!(state["progress"]["completed"], 1);
    example.wait().await.expect(0).stdout
}

#[tokio::test]
async fn the_python_agent_over_http() {
    let daemon = Daemon::start().await;
    let script = repository().join("examples/python/http_agent.py");
    let example = start(&daemon, Path::new("python3"), &[script.to_str().unwrap(), "--agent-id", "a1"]);
    daemon.api.post("/api/v1/agents/a1/messages", &json!({"content": "mind the changelog"})).await;
    let output = answered_to_its_end(&daemon, example).await;
    assert!(output.contains("decision: publish") && output.contains("message: mind the changelog"), "{output}");
}

#[tokio::test]
async fn the_python_agent_over_a_workspace_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("review.db");
    let daemon = Daemon::setup().args(["--workspace-root", root.path().to_str().unwrap()]).start().await;
    let script = repository().join("examples/python/workspace_agent.py");
    let args = [script.to_str().unwrap(), "--workspace", file.to_str().unwrap(), "--agent-id", "a1"];
    let example = start(&daemon, Path::new("python3"), &args);
    wait_until("it has started", async || (!daemon.api.journal("agent:started").await.is_empty()).then_some(())).await;
    daemon.api.post("/api/v1/agents/a1/messages", &json!({"content": "mind the cents"})).await;
    let output = answered_to_its_end(&daemon, example).await;
    assert!(output.contains("intended: yes") && output.contains("message: mind the cents"), "{output}");
}

#[tokio::test]
async fn the_shell_agent() {
    let daemon = Daemon::start().await;
    let example = start(&daemon, &repository().join("examples/shell/agent.sh"), &[]);
    let output = answered_to_its_end(&daemon, example).await;
    assert!(output.contains("choice: delete"), "{output}");
}

#[tokio::test]
async fn the_rust_agent() {
    let daemon = Daemon::start().await;
    let built = Path::new(env!("CARGO_BIN_EXE_remora")).with_file_name("examples").join("agent");
    assert!(built.is_file(), "{} is not there; run: cargo build --examples", built.display());
    let output = answered_to_its_end(&daemon, start(&daemon, &built, &[])).await;
    assert!(output.contains("choice: drop"), "{output}");
}

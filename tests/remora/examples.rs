//! The examples do what they say, as somebody who copies them would run them.

use std::{env, path::Path};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

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

/// Reads messages while the daemon breaks off.
const READ_MESSAGES: &str = "
import http_agent, sys
agent = http_agent.RemoraAgent('a1', sys.argv[1])
try:
    for message in agent.get_user_messages():
        print(message)
except http_agent.Refused:
    print('refused')
";

#[tokio::test]
async fn the_python_agent_loses_no_message() {
    let entry = |id: u8| json!({"key": format!("inbox:user_message:{id}"), "value": {"sent_at": id, "content": id}});
    let list = json!({"entries": [entry(2), entry(1)]}).to_string();
    // The reply to the first removal breaks off, the second message is not given out.
    let replies = [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{list}", list.len()),
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnu".to_owned(),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for reply in replies {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(caller.read_u8().await.unwrap());
            }
            caller.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    let mut command = Command::new("python3");
    command.args(["-B", "-c", READ_MESSAGES, &url]).env("PYTHONPATH", repository().join("examples/python"));
    assert_eq!(Process::spawn(command).wait().await.expect(0).stdout, "1\nrefused\n");
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

#[tokio::test]
async fn without_a_daemon_an_example_says_where_it_looked_and_how_to_start_one() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("review.db").display().to_string();
    for args in [&["examples/python/http_agent.py"][..], &["examples/python/workspace_agent.py", "--workspace", &file]]
    {
        let mut command = Command::new("python3");
        command.args(args).current_dir(repository()).env("PYTHONDONTWRITEBYTECODE", "1");
        without_a_daemon(command).await;
    }
}

/// Runs a program that finds no daemon at its address.
async fn without_a_daemon(mut command: Command) {
    // Port 1 is nobody's.
    command.env("REMORA_URL", "http://127.0.0.1:1");
    let finished = Process::spawn(command).wait().await;
    assert!(!finished.stderr.contains("Traceback"), "{}", finished.stderr);
    finished.expect(1).complains(&["http://127.0.0.1:1", "remora serve"]);
}

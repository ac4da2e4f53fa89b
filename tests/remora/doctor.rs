//! `remora doctor`: each thing that can be wrong is named with its cure.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Daemon, Process, wait_until};

const AGENT: &str = "agent-0123456789";
const OPERATOR: &str = "operator-0123456";

/// Asks the doctor, in JSON: whether all is well, and what was found by name.
async fn findings(daemon: &Daemon, args: &[&str], code: i32) -> Value {
    let data = daemon.folder().join("data").display().to_string();
    let args = [&["doctor", "--json", "--data", &data], args].concat();
    let report: Value = serde_json::from_str(&daemon.remora(args).wait().await.expect(code).stdout).unwrap();
    assert_eq!(report["ok"], code == 0, "{report}");
    let checks = report["checks"].as_array().unwrap().iter();
    for failed in checks.clone().filter(|check| check["health"] == "failed") {
        assert!(failed["cure"].as_str().is_some_and(|cure| !cure.is_empty()), "{failed}");
    }
    checks
        .map(|check| (check["check"].as_str().unwrap().to_owned(), check.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn says(finding: &Value, health: &str, needle: &str) {
    let detail = finding["detail"].as_str().unwrap_or_default();
    assert!(finding["health"] == health && detail.contains(needle), "{finding} should be {health}: {needle}");
}

#[tokio::test]
async fn all_is_well() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let found = findings(&daemon, &[], 0).await;
    says(&found["daemon"], "ok", &daemon.url(""));
    says(&found["version"], "ok", env!("CARGO_PKG_VERSION"));
    says(&found["token"], "ok", "none needed");
    says(&found["journal"], "ok", "sqlite");
    says(&found["workspaces"], "ok", "none");
    says(&found["clock"], "ok", "agrees");
    says(&found["data folder"], "ok", "can be written");
    says(&found["data lock"], "ok", "process");
    let text = daemon.remora(["doctor"]).wait().await.expect(0).stdout;
    assert!(text.contains("ok") && !text.contains('\u{1b}'), "no colours in a pipe: {text}");
}

#[tokio::test]
async fn the_token_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let all = file("all", &format!("agent {AGENT}\noperator {OPERATOR} alice\n"));
    let daemon = Daemon::setup().args(["--token-file", &all]).start().await;
    let absent = folder.path().join("absent").display().to_string();
    for (token, code, needle) in [
        (file("operator", OPERATOR), 0, "operator"),
        (file("agent", AGENT), 0, "agent's"),
        (file("wrong", "unheard-of-0123456"), 1, "does not know"),
        (absent, 5, "absent"),
    ] {
        let found = findings(&daemon, &["--token-file", &token], code).await;
        says(&found["token"], if code == 0 { "ok" } else { "failed" }, needle);
    }
    says(&findings(&daemon, &[], 1).await["token"], "failed", "wants one");
}

#[tokio::test]
async fn trouble_is_named_with_its_cure() {
    let root = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::setup().args(["--workspace-root", root.path().to_str().unwrap()]).start().await;
    let file = root.path().join("broken.db");
    fs::write(&file, "this is no database at all, and long enough to be looked at as one").unwrap();
    let payload = json!({"workspace_id": "w", "workspace": file});
    daemon.api.emit(&json!({"category": "agent", "action": "started", "agent_id": "a", "payload": payload})).await;
    let is_troubled = |state: &Value| state["agentStates"]["a"]["workspace_trouble"].is_string();
    daemon.api.state_with("the workspace is in trouble", is_troubled).await;
    says(&findings(&daemon, &[], 1).await["workspace"], "failed", "agent a");

    let ahead = json!({"category": "tool", "action": "called", "agent_id": "a", "timestamp": "2200-01-01T00:00:00Z"});
    let receipt = daemon.api.emit(&ahead).await;
    daemon.api.state_at(receipt["last_seq"].as_u64().unwrap()).await;
    says(&findings(&daemon, &[], 1).await["clock"], "failed", "future");

    let elsewhere = findings(&daemon, &["--url", "http://127.0.0.1:1"], 5).await;
    says(&elsewhere["daemon"], "failed", "http://127.0.0.1:1");
    says(&elsewhere["data lock"], "failed", "another address");
    daemon.kill().await;
    wait_until("the lock is free", async || {
        let found = findings(&daemon, &[], 5).await;
        (found["data lock"]["health"] == "ok").then_some(())
    })
    .await;
}

#[tokio::test]
async fn unusable_settings_are_told() {
    let daemon = Daemon::start().await;
    let config = daemon.folder().join("remora.toml");
    fs::write(&config, "heartbeat = 5").unwrap();
    let found = findings(&daemon, &["--config", config.to_str().unwrap()], 1).await;
    says(&found["settings"], "failed", "heartbeat_s");
}

#[tokio::test]
async fn shells_and_readers_are_told_of_every_command() {
    let home = tempfile::tempdir().unwrap();
    let run = async |args: &[&str]| {
        let mut command = Daemon::program(home.path());
        command.args(args);
        Process::spawn(command).wait().await.expect(0).stdout
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell]).await;
        assert!(script.contains("remora") && script.contains("doctor") && script.contains("claude-code"), "{shell}");
    }
    assert!(run(&["man"]).await.contains(".TH remora"));
    run(&["man", "pages"]).await;
    for page in ["remora.1", "remora-ask.1", "remora-hook-claude-code.1"] {
        let text = fs::read_to_string(home.path().join("pages").join(page)).unwrap();
        assert!(text.contains(".SH"), "{page}: {text}");
    }
    let mut mistyped = Daemon::program(home.path());
    mistyped.arg("docter");
    Process::spawn(mistyped).wait().await.expect(2).complains(&["similar", "doctor"]);
}

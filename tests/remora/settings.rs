//! Settings as they are in the end, and logs as they are wanted.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Daemon, Process, http::event, process::Finished};

/// Has the settings looked at.
async fn check(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = Daemon::program(home);
    command.args(["serve", "--check-config"]).args(args).envs(variables.iter().copied());
    Process::spawn(command).wait().await
}

#[tokio::test]
async fn every_setting_is_shown_with_where_it_comes_from_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("given.toml");
    let data = folder.path().join("data");
    fs::write(&file, format!("heartbeat_s = 9\ndata = {data:?}\n[limits]\noptions = 7\n")).unwrap();
    let args = ["--config", file.to_str().unwrap(), "--frame-interval-ms", "50", "--limit", "agents=9"];
    let endpoint = ("REMORA_OTLP_ENDPOINT", "http://user:s3cret@collector:4318/?key=s3cret");
    let finished = check(folder.path(), &args, &[("REMORA_LOG", "debug"), endpoint]).await.expect(0);
    let file = file.display();
    for line in [
        format!("heartbeat_s = 9  # {file}"),
        "frame_interval_ms = 50  # flag".to_owned(),
        "log = \"debug\"  # REMORA_LOG".to_owned(),
        "listen = \"127.0.0.1:8000\"  # default".to_owned(),
        "otlp_endpoint = \"http://***@collector:4318/?***\"  # REMORA_OTLP_ENDPOINT".to_owned(),
        "# retain_age_s is not set".to_owned(),
        "[limits]".to_owned(),
        format!("options = 7  # {file}"),
        "agents = 9  # flag".to_owned(),
        "event_bytes = 262144  # default".to_owned(),
    ] {
        assert!(finished.stdout.lines().any(|shown| shown == line), "{line} is not in {}", finished.stdout);
    }
    assert!(!finished.stdout.contains("s3cret"), "{}", finished.stdout);
    assert!(!data.exists(), "nothing was made");

    // What is shown can be used.
    let shown = folder.path().join("shown.toml");
    let usable = finished.stdout.replace("***@", "").replace("/?***", "");
    fs::write(&shown, usable).unwrap();
    check(folder.path(), &["--config", shown.to_str().unwrap()], &[]).await.expect(0);
}

#[tokio::test]
async fn every_problem_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("tokens");
    fs::write(&open, "operator 0123456789abcdef0123 alice\n").unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("remora.db"), "precious notes").unwrap();
    let config = folder.path().join("remora.toml");
    fs::write(&config, "[[notify]]\nkind = 'json'\nurl_file = '/nowhere/url'\n").unwrap();
    let args = [
        "--config",
        config.to_str().unwrap(),
        "--token-file",
        open.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
        "--workspace-root",
        "/nowhere/at/all",
        "--follow",
        "/nowhere/at/all/run.jsonl",
    ];
    let finished = check(folder.path(), &args, &[]).await.expect(2);
    finished.complains(&["tokens", "/nowhere/url", "not a sqlite database", "/nowhere/at/all", "run.jsonl"]);
    check(folder.path(), &["--listen", "0.0.0.0:8000"], &[]).await.expect(2).complains(&["without tokens"]);
    check(folder.path(), &["--heartbeat-s", "0"], &[]).await.expect(2).complains(&["`heartbeat_s`"]);
    let https = ["--otlp-endpoint", "https://collector:4318"];
    check(folder.path(), &https, &[]).await.expect(2).complains(&["`otlp_endpoint`", "http://"]);
}

#[tokio::test]
async fn logs_are_written_as_they_are_wanted() {
    for (format, variable) in [("json", true), ("json", false), ("compact", false), ("pretty", false)] {
        let setup = Daemon::setup();
        let setup = if variable {
            setup.var("REMORA_LOG_FORMAT", format).var("REMORA_LOG", "debug")
        } else {
            setup.args(["--log-format", format, "--log", "debug"])
        };
        let mut daemon = setup.start().await;
        daemon.api.emit(&event("agent", "started", "a", &json!({}))).await;
        assert!(daemon.terminate().await.success());
        let log = daemon.log();
        assert!(log.contains("stopped"), "{log}");
        assert!(!log.contains('\u{1b}'), "no colours in a file: {log}");
        let json = log.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()));
        let all = log.lines().count();
        assert_eq!(json.count(), if format == "json" { all } else { 0 }, "{log}");
    }
}

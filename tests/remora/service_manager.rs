//! Under a service manager: the socket it hands over, what it is told, and one program after the other on one folder.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::support::{Api, Browser, Daemon, Process, Stream, fixture, http::event, wait_until};

/// A program in Remora's clean environment.
fn command(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).current_dir(home);
    command
}

/// A service manager with a daemon to manage, and the port of its socket.
async fn manager(folder: &Path) -> (Process, u16) {
    let mut python = command("python3", folder);
    python.arg("-u").arg(fixture("service_manager.py")).arg(env!("CARGO_BIN_EXE_remora"));
    // The socket counts, wherever the settings point.
    python.args(["serve", "--listen", "127.0.0.1:1", "--data"]).arg(folder.join("data"));
    let mut manager = Process::spawn(python);
    let line = manager.line().await;
    let port = line.strip_prefix("port ").and_then(|port| port.parse().ok()).unwrap();
    (manager, port)
}

/// Posts until it is taken, as a sender does that must not lose anything.
async fn post_patiently(api: &Api, event: &Value) {
    wait_until("the event is taken", async || {
        let request = api.request(reqwest::Method::POST, "/api/v1/events").json(event);
        Api::try_send(request).await.filter(|reply| reply.status == 200)
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_loses_no_event_no_request_and_no_browser() {
    let folder = tempfile::tempdir().unwrap();
    let (mut manager, port) = manager(folder.path()).await;
    manager.tell("start").await;
    manager.line_with("notify READY=1").await;
    let url = format!("http://127.0.0.1:{port}");
    let api = Api::new(&url);
    api.start_agent("before").await;
    let browser = Browser::open(&url).await;
    browser.connected().await;
    browser.eval("window.kept = true", &[]).await;
    let mut raw = Stream::open(&api, "/api/v1/events/stream?after=0").await;
    let last_id = raw.next().await.unwrap().id;

    let send = async {
        for n in 0..60 {
            let mut event = event("tool", "called", "busy", &json!({"n": n}));
            event["id"] = json!(format!("busy-{n}"));
            post_patiently(&api, &event).await;
        }
    };
    let upgrade = async {
        api.state_with("the sender is at work", |state| state["last_seq"].as_u64() > Some(5)).await;
        manager.tell("term").await;
        manager.line_with("notify STOPPING=1").await;
        assert_eq!(manager.line_with("ended").await, "ended 0");
        // Nobody serves now: this one waits in the socket.
        let mut waiting = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        manager.tell("start").await;
        let mut reply = String::new();
        waiting.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    };
    tokio::join!(send, upgrade);

    api.start_agent("after").await;
    browser.text_has("#agent-status", "after").await;
    browser.connected().await;
    assert_eq!(browser.eval("return window.kept", &[]).await, true, "the page was not loaded anew");
    let journal = api.journal("*").await;
    let seqs: Vec<_> = journal.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=62).collect::<Vec<_>>(), "each event once");
    let mut resumed = Stream::resume(&api, "/api/v1/events/stream", Some(&last_id)).await;
    for seq in 2..=62 {
        assert_eq!(resumed.next().await.unwrap().id, seq.to_string());
    }
}

#[tokio::test]
async fn the_service_manager_hears_that_the_daemon_lives_and_how_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let (mut manager, port) = manager(folder.path()).await;
    manager.tell("start").await;
    manager.line_with("notify READY=1").await;
    let api = Api::new(&format!("http://127.0.0.1:{port}"));
    api.start_agent("a").await;
    api.ask_text("a", "Sure?").await;
    manager.line_with("notify STATUS=1 agents, 1 questions waiting").await;
    for _ in 0..3 {
        manager.line_with("notify WATCHDOG=1").await;
    }
    manager.tell("term").await;
    manager.line_with("notify STOPPING=1").await;
    assert_eq!(manager.line_with("ended").await, "ended 0");
}

/// systemd's own activation of a daemon, on a port of an address.
fn activate(folder: &Path, address: &str) -> (Process, u16) {
    // It does not take port 0. This one is free: it was a moment ago.
    let port = std::net::TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
    let mut activate = command("systemd-socket-activate", folder);
    activate.arg("--listen").arg(format!("{address}:{port}"));
    activate.args([env!("CARGO_BIN_EXE_remora"), "serve", "--data"]).arg(folder.join("data"));
    (Process::spawn(activate), port)
}

#[tokio::test]
async fn systemds_own_activation_starts_the_daemon_with_the_first_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (activated, port) = activate(folder.path(), "127.0.0.1");
    let api = Api::new(&format!("http://127.0.0.1:{port}"));
    let ready =
        wait_until("the socket is there", async || Api::try_send(api.request(reqwest::Method::GET, "/readyz")).await);
    ready.await.expect(200);
    activated.interrupt().await.expect(0).complains(&["stopped"]);
}

#[tokio::test]
async fn a_socket_open_to_others_needs_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (activated, port) = activate(folder.path(), "0.0.0.0");
    wait_until("the socket is there", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
    activated.wait().await.expect(2).complains(&["0.0.0.0", "token"]);
}

#[tokio::test]
async fn a_new_daemon_waits_for_the_old_one_to_leave() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut old = Daemon::setup().data(&data).start().await;
    old.api.start_agent("kept").await;
    let log = folder.path().join("log");
    let mut shell = command("sh", folder.path());
    shell.args(["-c", "exec \"$@\" 2>log", "sh", env!("CARGO_BIN_EXE_remora"), "serve"]);
    shell.args(["--listen", "127.0.0.1:0", "--lock-wait-s", "60", "--data"]).arg(&data);
    let mut new = Process::spawn(shell);
    wait_until("the new one waits", async || {
        fs::read_to_string(&log).ok().filter(|log| log.contains("waiting for the daemon"))
    })
    .await;
    assert!(old.terminate().await.success());
    let line = new.line_with("listening on").await;
    let api = Api::new(line.strip_prefix("listening on ").unwrap());
    assert_eq!(api.journal("agent:started").await.len(), 1);
    new.interrupt().await.expect(0);
}

/// What systemd's own tools say of the units.
async fn analyze(folder: &Path, args: &[&str]) -> String {
    let mut analyze = command("systemd-analyze", folder);
    analyze.args(args);
    let finished = Process::spawn(analyze).wait().await.expect(0);
    format!("{}{}", finished.stdout, finished.stderr)
}

#[tokio::test]
async fn the_units_are_sound_and_tight() {
    let folder = tempfile::tempdir().unwrap();
    let units = crate::support::repository().join("examples/systemd");
    for name in ["remora.service", "remora.socket"] {
        // The program need not be installed where this is tested.
        let unit = fs::read_to_string(units.join(name)).unwrap();
        fs::write(folder.path().join(name), unit.replace("/usr/local/bin/remora", env!("CARGO_BIN_EXE_remora")))
            .unwrap();
    }
    assert_eq!(analyze(folder.path(), &["verify", "./remora.service", "./remora.socket"]).await, "");
    // In tenths; 20 is what systemd calls well protected.
    analyze(folder.path(), &["security", "--offline=true", "--threshold=20", "./remora.service"]).await;
}

//! What can be wrong with the machine: folders, files, ports and the disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{Daemon, Process, SmallDisk, http::event, process::Finished, wait_until};

/// Tries to serve, which must fail with a plain error.
async fn cannot_serve(listen: &str, data: &Path) -> Finished {
    let home = tempfile::tempdir().unwrap();
    let mut command = Daemon::program(home.path());
    command.args(["serve", "--listen", listen, "--lock-wait-s", "1", "--data"]).arg(data);
    let finished = Process::spawn(command).wait().await;
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(!finished.stdout.contains("listening"), "{finished:?}");
    finished
}

/// A data folder that a daemon has used, and its database.
async fn used_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut daemon = Daemon::setup().data(&data).start().await;
    let events: Vec<_> = (0..200).map(|n| event("tool", "called", "a", &json!({"n": n}))).collect();
    daemon.api.emit(&json!(events)).await;
    assert!(daemon.terminate().await.success());
    let database = data.join("remora.db");
    assert!(database.is_file(), "{:?}", fs::read_dir(&data).unwrap().collect::<Vec<_>>());
    (folder, database)
}

#[tokio::test]
async fn a_second_daemon_on_the_same_folder_says_so_and_exits() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::setup().data(folder.path()).start().await;
    daemon.api.start_agent("a").await;
    let finished = cannot_serve("127.0.0.1:0", folder.path()).await;
    finished.complains(&["another", "--data", folder.path().to_str().unwrap()]);
    daemon.api.start_agent("b").await;
    assert_eq!(daemon.api.journal("*").await.len(), 2);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let daemon = Daemon::start().await;
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", daemon.port());
    cannot_serve(&address, &folder.path().join("data")).await.complains(&[&address, "in use"]);
    daemon.api.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // Not even root makes a folder below a file.
    let file = folder.path().join("a-file");
    fs::write(&file, "precious").unwrap();
    let data = file.join("data");
    cannot_serve("127.0.0.1:0", &data).await.complains(&[data.to_str().unwrap(), "--data"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn a_foreign_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("remora.db");
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('CREATE TABLE theirs (x)'); \
        c.execute('PRAGMA application_id = 7'); c.execute(\"INSERT INTO theirs VALUES ('precious')\"); c.commit()";
    let made = Command::new("python3").args(["-c", script]).arg(&database).status().unwrap();
    assert!(made.success());
    let before = fs::read(&database).unwrap();
    cannot_serve("127.0.0.1:0", folder.path()).await.complains(&[database.to_str().unwrap()]);
    assert!(fs::read(&database).unwrap() == before, "left as it was");
}

#[tokio::test]
async fn a_damaged_database_is_left_alone() {
    for damage in ["header", "middle", "half"] {
        let (folder, database) = used_folder().await;
        let mut bytes = fs::read(&database).unwrap();
        let middle = bytes.len() / 2;
        match damage {
            "header" => bytes[..100].fill(b'x'),
            "middle" => bytes[middle - 6_000..middle + 6_000].fill(b'x'),
            _ => bytes.truncate(middle),
        }
        fs::write(&database, &bytes).unwrap();
        let finished = cannot_serve("127.0.0.1:0", &folder.path().join("data")).await;
        finished.complains(&[database.to_str().unwrap(), "damaged"]);
        assert!(fs::read(&database).unwrap() == bytes, "{damage}: left as it was");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("remora.db");
    fs::write(&database, "my shopping list ".repeat(100)).unwrap();
    cannot_serve("127.0.0.1:0", folder.path()).await.complains(&[database.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&database).unwrap(), "my shopping list ".repeat(100));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() {
    let home = tempfile::tempdir().unwrap();
    let (unknown, value) = (home.path().join("unknown.toml"), home.path().join("value.toml"));
    fs::write(&unknown, "colour = \"red\"\n").unwrap();
    fs::write(&value, "[limits]\nevent_bytes = \"many\"\n").unwrap();
    for (args, needle) in [
        (vec!["--listen", "nowhere"], "listen"),
        (vec!["--config", unknown.to_str().unwrap()], "colour"),
        (vec!["--config", value.to_str().unwrap()], "event_bytes"),
        (vec!["--config", "/no/such/file.toml"], "/no/such/file.toml"),
        (vec!["--no-such-flag"], "--no-such-flag"),
    ] {
        let mut command = Daemon::program(home.path());
        command.args(["serve", "--data"]).arg(home.path().join("data")).args(args);
        let finished = Process::spawn(command).wait().await;
        finished.expect(2).complains(&[needle]);
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_outlived() {
    let disk = SmallDisk::new("3m");
    let mut daemon = Daemon::setup().data(&disk.path().join("data")).start().await;
    let large = |id: usize| event_of_size(id, 100_000);
    let mut taken = Vec::new();
    let refusal = wait_until("the disk is full", async || {
        let id = taken.len();
        let reply = daemon.api.post("/api/v1/events", &large(id)).await;
        if reply.status == 200 {
            taken.push(id.to_string());
            return None;
        }
        Some(reply)
    })
    .await;
    assert!([503, 507].contains(&refusal.status), "{refusal:?}");
    let status = refusal.status;
    refusal.problem(status, &["disk"]);
    // It goes on with what needs no room, and takes events again once there is some.
    daemon.api.get("/healthz").await.expect(200);
    daemon.api.get("/").await.expect(200);
    let ids = async |daemon: &Daemon| -> Vec<Value> {
        daemon.api.journal("*").await.into_iter().map(|event| event["id"].clone()).collect()
    };
    assert_eq!(ids(&daemon).await, taken.iter().map(|id| json!(id)).collect::<Vec<_>>());
    disk.resize("64m");
    let next = taken.len();
    wait_until("events are taken again", async || {
        (daemon.api.post("/api/v1/events", &large(next)).await.status == 200).then_some(())
    })
    .await;
    taken.push(next.to_string());
    daemon.crash().await;
    assert_eq!(ids(&daemon).await, taken.iter().map(|id| json!(id)).collect::<Vec<_>>());
}

fn event_of_size(id: usize, bytes: usize) -> Value {
    let mut event = event("tool", "called", "a", &json!({"text": "x".repeat(bytes)}));
    event["id"] = json!(id.to_string());
    event
}

#[tokio::test]
async fn a_folder_that_is_moved_away_is_written_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let mut first = Daemon::setup().data(&data).start().await;
    first.api.start_agent("a").await;
    fs::rename(&data, &aside).unwrap();
    let refused = first.api.post("/api/v1/events", &event("agent", "started", "b", &json!({}))).await;
    refused.problem(503, &["moved", data.to_str().unwrap()]);
    assert!(first.api.get("/readyz").await.expect(503).body.contains("moved"));
    // What takes its place is left alone.
    let mut second = Daemon::setup().data(&data).start().await;
    second.api.start_agent("c").await;
    assert!(first.terminate().await.success());
    second.api.start_agent("d").await;
    second.crash().await;
    assert_eq!(second.api.journal("agent:started").await.len(), 2);
    // And what was moved is whole, without what was refused.
    let moved = Daemon::setup().data(&aside).start().await;
    assert_eq!(moved.api.journal("agent:started").await.len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_put_back_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let mut daemon = Daemon::setup().data(&data).start().await;
    daemon.api.start_agent("a").await;
    fs::rename(&data, &aside).unwrap();
    daemon.api.post("/api/v1/events", &event("agent", "started", "b", &json!({}))).await.problem(503, &["moved"]);
    fs::rename(&aside, &data).unwrap();
    wait_until("it works again", async || (daemon.api.get("/readyz").await.status == 200).then_some(())).await;
    daemon.api.start_agent("c").await;
    daemon.crash().await;
    assert_eq!(daemon.api.journal("agent:started").await.len(), 2);
}

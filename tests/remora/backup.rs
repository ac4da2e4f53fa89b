//! Copies, restored; databases of other versions.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{Daemon, Process, SmallDisk, http::event, process::Finished, wait_until};

/// Runs one of the program's commands that needs no daemon.
async fn remora(home: &Path, args: &[&str]) -> Finished {
    let mut command = Daemon::program(home);
    command.args(args);
    Process::spawn(command).wait().await
}

fn python(script: &str, args: &[&Path]) {
    let done = Command::new("python3").args(["-c", script]).args(args).status().unwrap();
    assert!(done.success());
}

/// Where a test keeps its things.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn backup(&self, data: &str, file: &str) -> Finished {
        let (data, file) = (self.path(data), self.path(file));
        remora(self.folder.path(), &["backup", file.to_str().unwrap(), "--json", "--data", data.to_str().unwrap()])
            .await
    }

    async fn restore(&self, file: &str, data: &str) -> Finished {
        let (data, file) = (self.path(data), self.path(file));
        remora(self.folder.path(), &["restore", file.to_str().unwrap(), "--data", data.to_str().unwrap()]).await
    }
}

#[tokio::test]
async fn a_copy_made_while_events_pour_in_is_whole() {
    let place = Place::new();
    let daemon = Daemon::setup().data(&place.path("data")).start().await;
    let msg_id = daemon.api.ask_text("asker", "Restore me?").await;
    daemon.api.put("/api/v1/workspaces/w/kv/notes", &json!({"kept": true})).await;
    let pouring = {
        let api = daemon.api.clone();
        tokio::spawn(async move {
            for n in 0.. {
                let events: Vec<_> =
                    (0..20).map(|k| event("tool", "called", "busy", &json!({"n": n, "k": k}))).collect();
                api.emit(&json!(events)).await;
            }
        })
    };
    let before = daemon.api.state_with("events pour in", |s| s["last_seq"].as_u64() > Some(200)).await;
    let finished = place.backup("data", "copy").await.expect(0);
    pouring.abort();
    let contents: Value = serde_json::from_str(&finished.stdout).unwrap();
    let last = contents["last_seq"].as_u64().unwrap();
    assert!(last >= before["last_seq"].as_u64().unwrap(), "{contents}");
    assert_eq!((&contents["events"], &contents["agents"]), (&json!(last), &json!(2)));

    let restored = place.restore("copy", "restored/data").await.expect(0);
    assert!(restored.stdout.contains(&format!("{last} events")), "{}", restored.stdout);
    let second = Daemon::setup().data(&place.path("restored/data")).start().await;
    let seqs: Vec<_> = second.api.journal("*").await.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
    assert_eq!(second.api.value_of("w", "notes").await, json!({"kept": true}));
    assert_eq!(second.api.question(&msg_id).await["status"], "open");
    second.api.answer(&msg_id, &json!("yes")).await.expect(200);
    second.api.value_of("asker", &format!("inbox:response:{msg_id}")).await;
}

#[tokio::test]
async fn nothing_is_replaced_and_nothing_broken_is_restored() {
    let place = Place::new();
    place.backup("data", "copy").await.expect(1).complains(&["no database", "--data"]);
    let mut daemon = Daemon::setup().data(&place.path("data")).start().await;
    daemon.api.start_agent("a").await;
    assert!(daemon.terminate().await.success());
    // Also while no daemon runs.
    place.backup("data", "copy").await.expect(0);
    place.backup("data", "copy").await.expect(1).complains(&["copy", "there already"]);
    place.restore("copy", "data").await.expect(1).complains(&["not empty"]);
    let mut daemon = Daemon::setup().data(&place.path("data")).start().await;
    assert_eq!(daemon.api.journal("*").await.len(), 1, "left as it was");
    assert!(daemon.terminate().await.success());

    let mut broken = fs::read(place.path("copy")).unwrap();
    let middle = broken.len() / 2;
    broken[middle - 6_000..middle + 6_000].fill(b'x');
    fs::write(place.path("broken"), &broken).unwrap();
    place.restore("broken", "new").await.expect(1).complains(&["damaged"]);
    fs::write(place.path("notes"), "precious").unwrap();
    place.restore("notes", "new").await.expect(1).complains(&["not a sqlite database"]);
    assert!(!place.path("new/remora.db").exists());
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A data folder with some megabytes in it.
async fn filled(data: &Path) {
    let mut daemon = Daemon::setup().data(data).start().await;
    for _ in 0..4 {
        let events: Vec<_> =
            (0..100).map(|n| event("tool", "called", "a", &json!({"n": n, "text": "x".repeat(20_000)}))).collect();
        daemon.api.emit(&json!(events)).await;
    }
    assert!(daemon.terminate().await.success());
}

/// Runs a command and ends it without warning as soon as the file is there, whatever it is at by then.
async fn killed_at(home: &Path, args: &[&str], file: &Path) {
    let mut command = Daemon::program(home);
    command.args(args);
    let mut process = Process::spawn(command);
    wait_until("the file is there", async || (file.exists() || !process.is_running()).then_some(())).await;
    process.kill().await;
}

#[tokio::test]
async fn what_a_killed_copy_leaves_the_next_one_takes_away() {
    let place = Place::new();
    let home = place.folder.path();
    filled(&place.path("data")).await;
    killed_at(home, &["backup", "copy", "--data", "data"], &place.path("copy.part")).await;
    let left = names(home);
    let known = ["copy", "copy.part", "copy.part-journal", "data"];
    assert!(left.iter().all(|name| known.contains(&name.as_str())), "{left:?}");
    // As if it had come in the middle, wherever it came.
    let _ = fs::remove_file(place.path("copy"));
    fs::write(place.path("copy.part"), "half").unwrap();
    place.backup("data", "copy").await.expect(0);
    assert_eq!(names(home), ["copy", "data"]);

    killed_at(home, &["restore", "copy", "--data", "new"], &place.path("new/remora.db.part")).await;
    let left = names(&place.path("new"));
    let known = ["remora.db", "remora.db.part", "remora.lock"];
    assert!(left.iter().all(|name| known.contains(&name.as_str())), "{left:?}");
    let _ = fs::remove_file(place.path("new/remora.db"));
    fs::write(place.path("new/remora.db.part"), "half").unwrap();
    let restored = place.restore("copy", "new").await.expect(0);
    assert!(restored.stdout.contains(" 400 events"), "{}", restored.stdout);
    assert_eq!(names(&place.path("new")), ["remora.db", "remora.lock"]);
    Daemon::setup().data(&place.path("new")).start().await;
}

#[tokio::test]
async fn a_copy_that_finds_no_room_says_so_of_itself() {
    let place = Place::new();
    filled(&place.path("data")).await;
    place.backup("data", "copy").await.expect(0);
    let disk = SmallDisk::new("1M");
    let (data, copy) = (place.path("data").display().to_string(), disk.path().join("copy"));
    let (target, new) = (copy.display().to_string(), disk.path().join("new").display().to_string());
    for args in [["backup", &target, "--data", &data], ["restore", "copy", "--data", &new]] {
        let refused = remora(place.folder.path(), &args).await.expect(1);
        let path = if args[0] == "backup" { &target } else { &new };
        assert!(!refused.stderr.contains(&data), "{}", refused.stderr);
        refused.complains(&[path, "no space left"]);
    }
    assert_eq!(
        (names(disk.path()), names(&disk.path().join("new"))),
        (vec!["new".to_owned()], vec!["remora.lock".to_owned()])
    );
}

#[tokio::test]
async fn what_lies_in_nats_is_not_backed_up_from_a_folder() {
    let place = Place::new();
    let mut daemon = Daemon::setup().data(&place.path("data")).start().await;
    assert!(daemon.terminate().await.success());
    // What a daemon on NATS leaves beside the database from before.
    fs::write(place.path("data/copy.db"), "").unwrap();
    place.backup("data", "copy").await.expect(1).complains(&["data", "nats", "remora migrate --from nats://"]);
    let mut command = Daemon::program(place.folder.path());
    command.args(["backup", "copy"]).env("REMORA_BUS", "nats://127.0.0.1:4222");
    Process::spawn(command).wait().await.expect(1).complains(&["remora migrate --from nats://"]);
    assert!(!place.path("copy").exists());
}

#[tokio::test]
async fn a_file_without_its_newest_commits_is_not_restored() {
    let place = Place::new();
    let mut daemon = Daemon::setup().data(&place.path("data")).start().await;
    daemon.api.start_agent("a").await;
    daemon.kill().await;
    let needles = ["remora.db-wal", "remora backup", "wal_checkpoint"];
    place.restore("data/remora.db", "new").await.expect(1).complains(&needles);
    assert!(!place.path("new").exists());
    let checkpoint = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')";
    python(checkpoint, &[&place.path("data/remora.db")]);
    let restored = place.restore("data/remora.db", "new").await.expect(0);
    assert!(restored.stdout.contains(" 1 events"), "{}", restored.stdout);
}

#[tokio::test]
async fn no_copy_is_made_where_its_name_cannot_be_said() {
    let place = Place::new();
    let mut daemon = Daemon::setup().data(&place.path("data")).start().await;
    assert!(daemon.terminate().await.success());
    let folder = place.folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&folder).unwrap();
    let mut command = Daemon::program(place.folder.path());
    command.arg("backup").arg(folder.join("copy")).arg("--data").arg(place.path("data"));
    Process::spawn(command).wait().await.expect(1).complains(&["not utf-8", "another folder"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 2, "nor is there anything beside it");
}

#[tokio::test]
async fn the_database_is_nobody_elses() {
    let place = Place::new();
    // Open to all, as a person makes it.
    fs::create_dir(place.path("data")).unwrap();
    let daemon = Daemon::setup().data(&place.path("data")).start().await;
    daemon.api.start_agent("a").await;
    for name in ["remora.db", "remora.db-wal", "remora.db-shm"] {
        let mode = fs::metadata(place.path("data").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// A data folder as the first version of the schema had it.
const FIRST_VERSION: &str = r#"
import json, pathlib, sqlite3, sys
pathlib.Path(sys.argv[1]).mkdir()
c = sqlite3.connect(sys.argv[1] + "/remora.db")
c.executescript("""
    CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, category TEXT NOT NULL, action TEXT NOT NULL,
        agent_id TEXT, body TEXT NOT NULL);
    CREATE TABLE agent_spans (agent_id TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (agent_id, first)) WITHOUT ROWID;
    CREATE TABLE snapshots (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE kv (workspace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (workspace, key)) WITHOUT ROWID;
    PRAGMA application_id = 0x524d5241; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
""")
for seq, (action, payload) in enumerate([
        ("started", {"name": "Old"}), ("blocked", {"msg_id": "q", "question": "Still?", "workspace_id": "old"})], 1):
    event = {"id": f"e{seq}", "timestamp": "2026-02-24T09:37:15.120Z", "category": "agent", "action": action,
             "agent_id": "old", "graph_id": None, "node_id": None, "session_id": None, "payload": payload}
    c.execute("INSERT INTO events VALUES (?, ?, 'agent', ?, 'old', ?)", (seq, event["id"], action, json.dumps(event)))
c.execute("INSERT INTO agent_spans VALUES ('old', 1, 2)")
c.execute("INSERT INTO kv VALUES ('old', 'notes', '\"kept\"')")
c.commit()
"#;

#[tokio::test]
async fn a_folder_of_an_older_version_is_brought_forward() {
    let place = Place::new();
    python(FIRST_VERSION, &[&place.path("data")]);
    let daemon = Daemon::setup().data(&place.path("data")).start().await;
    assert_eq!(daemon.api.journal("*").await.len(), 2);
    assert_eq!(daemon.api.value_of("old", "notes").await, "kept");
    daemon.api.answer("q", &json!("yes")).await.expect(200);
    assert!(daemon.log().contains("bringing the database up to date"), "{}", daemon.log());
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_refused_with_both_versions() {
    let place = Place::new();
    let mut daemon = Daemon::setup().data(&place.path("data")).start().await;
    daemon.api.start_agent("a").await;
    assert!(daemon.terminate().await.success());
    place.backup("data", "copy").await.expect(0);
    let newer =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version = 99'); c.commit()";
    for file in ["data/remora.db", "copy"] {
        python(newer, &[&place.path(file)]);
    }
    let before = fs::read(place.path("data/remora.db")).unwrap();
    let data = place.path("data");
    let needles = ["schema 99", "knows up to", "install that version", "restore a backup"];
    for args in [&["serve", "--listen", "127.0.0.1:0", "--data"][..], &["backup", "another", "--data"]] {
        let args: Vec<_> = args.iter().copied().chain(data.to_str()).collect();
        remora(place.folder.path(), &args).await.expect(1).complains(&needles);
    }
    place.restore("copy", "new").await.expect(1).complains(&needles);
    assert!(fs::read(place.path("data/remora.db")).unwrap() == before, "left as it was");
}

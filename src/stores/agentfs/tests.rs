//! AgentFS files in the hands of other processes.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::json;

use super::*;
use crate::stores::conformance::workspace::{changes_until, keeps_the_contract};

/// Polling never comes to the help of a missed notification.
const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(20);
const VALUE_BYTES: usize = 1000;

struct Fixture {
    folder: tempfile::TempDir,
    agentfs: AgentFs,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let roots = Roots::new(&[folder.path().to_owned()]).expect("roots");
        Self { agentfs: AgentFs::new(roots, FileWatcher::start(NEVER), VALUE_BYTES), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("agent.db")
    }

    fn workspace(&self) -> AgentFsWorkspace {
        self.agentfs.workspace(&self.path()).expect("below the root")
    }

    /// Runs SQL on the file as an agent's Python would.
    fn python(&self, sql: &[&str]) -> Python {
        Python::new(&self.path(), sql)
    }
}

/// A second process that has run its statements and holds the file open until it is told to go on.
struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    fn new(path: &Path, sql: &[&str]) -> Self {
        const PROGRAM: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.argv[2:]: db.execute(line)
print('ready', flush=True)
for line in sys.stdin:
    db.execute(line)
    print('done', flush=True)
db.close()
";
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM])
            .arg(path)
            .args(sql)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut python = Self { child, input, output };
        assert_eq!(python.line(), "ready");
        python
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn execute(&mut self, sql: &str) {
        writeln!(self.input, "{sql}").expect("write");
        assert_eq!(self.line(), "done");
    }

    fn close(mut self) {
        drop(self.input);
        self.output.read_to_string(&mut String::new()).expect("the end");
        assert!(self.child.wait().expect("an end").success());
    }
}

const CREATE: &str = "CREATE TABLE kv_store (key TEXT PRIMARY KEY, value TEXT NOT NULL,
                      created_at INTEGER DEFAULT (unixepoch()), updated_at INTEGER DEFAULT (unixepoch()))";
const WAL: &str = "PRAGMA journal_mode=WAL";

#[tokio::test]
async fn keeps_the_contract_with_a_rollback_journal() {
    keeps_the_contract(async || {
        let fixture = Fixture::new();
        fs::write(fixture.path(), "").expect("a file without a table");
        (fixture.workspace(), fixture)
    })
    .await;
}

#[tokio::test]
async fn keeps_the_contract_with_a_write_ahead_log() {
    let template = Fixture::new();
    template.python(&[WAL, CREATE]).close();
    keeps_the_contract(async || {
        let fixture = Fixture::new();
        fs::copy(template.path(), fixture.path()).expect("copy");
        (fixture.workspace(), fixture)
    })
    .await;
}

#[tokio::test]
async fn a_missing_file_stays_missing() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let missing = WorkspaceError::Missing { path: fixture.path() };
    assert_eq!(workspace.list("").await, Err(missing.clone()));
    assert_eq!(workspace.set("k", &json!(1)).await, Err(missing.clone()));
    assert_eq!(workspace.compare_and_set("k", None, &json!(1)).await, Err(missing));
    assert_eq!(fs::read_dir(fixture.folder.path()).expect("list").count(), 0, "nothing was created");

    let python = fixture.python(&[CREATE, r#"INSERT INTO kv_store (key, value) VALUES ('k', '"here"')"#]);
    changes_until(&workspace, "the agent's file", async |w| w.get("k").await == Ok(Some(json!("here")))).await;
    python.close();
}

#[tokio::test]
async fn reading_creates_no_table() {
    let fixture = Fixture::new();
    fixture.python(&["CREATE TABLE other (x)"]).close();
    let before = fs::read(fixture.path()).expect("read");
    let workspace = fixture.workspace();
    assert_eq!(workspace.list("").await, Ok(vec![]));
    assert_eq!(workspace.get("k").await, Ok(None));
    assert_eq!(workspace.delete("k").await, Ok(false));
    assert_eq!(workspace.compare_and_set("k", Some(&json!(1)), &json!(2)).await, Ok(false));
    assert_eq!(fs::read(fixture.path()).expect("read"), before);
}

#[tokio::test]
async fn a_locked_file_is_locked_until_it_is_free() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let mut python = fixture.python(&[CREATE, "BEGIN EXCLUSIVE"]);
    let locked = WorkspaceError::Locked { path: fixture.path() };
    assert_eq!(workspace.list("").await, Err(locked.clone()));
    assert_eq!(workspace.get("k").await, Err(locked.clone()));
    assert_eq!(workspace.delete("k").await, Err(locked.clone()));
    assert_eq!(workspace.compare_and_set("k", None, &json!("yes")).await, Err(locked));
    python.execute("COMMIT");
    assert_eq!(workspace.compare_and_set("k", None, &json!("yes")).await, Ok(true), "still open there, but free");
    python.close();
}

#[tokio::test]
async fn shares_a_write_ahead_log_with_its_agent() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let mut python = fixture.python(&[WAL, CREATE]);
    for n in 0..5 {
        python.execute(&format!("INSERT OR REPLACE INTO kv_store (key, value) VALUES ('q', '{n}')"));
        changes_until(&workspace, "the question", async |w| w.get("q").await == Ok(Some(json!(n)))).await;
    }
    python.execute("BEGIN IMMEDIATE");
    assert_eq!(workspace.get("q").await, Ok(Some(json!(4))), "a writer does not shut readers out");
    assert_eq!(workspace.set("a", &json!(1)).await, Err(WorkspaceError::Locked { path: fixture.path() }));
    python.execute("COMMIT");
    workspace.set("a", &json!("yes")).await.expect("set");
    python.execute("UPDATE kv_store SET key = 'seen' WHERE key = 'a' AND value = '\"yes\"'");
    python.close();
    assert_eq!(workspace.get("seen").await, Ok(Some(json!("yes"))));
}

#[tokio::test]
async fn keeps_the_time_in_seconds() {
    let fixture = Fixture::new();
    let row = "INSERT INTO kv_store VALUES ('old', '1', 100, 100)";
    fixture.python(&[CREATE, row]).close();
    let workspace = fixture.workspace();
    workspace.set("old", &json!(2)).await.expect("set");
    workspace.set("new", &json!(2)).await.expect("set");
    fixture
        .python(&[
            "CREATE TABLE t (x CHECK (x))",
            "INSERT INTO t
            SELECT (key = 'new' OR created_at = 100) AND abs(unixepoch() - updated_at) < 600 FROM kv_store",
        ])
        .close();
}

#[tokio::test]
async fn one_bad_value_hides_no_other() {
    let fixture = Fixture::new();
    let big = format!("INSERT INTO kv_store (key, value) VALUES ('big', '\"{}\"')", "x".repeat(VALUE_BYTES));
    let rows = "INSERT INTO kv_store (key, value) VALUES
                ('a', '1'), ('bad', '{oops'), ('nan', 'NaN'), ('blob', CAST('[3]' AS BLOB)), ('z', '2'), (NULL, '4')";
    fixture.python(&[CREATE, rows, &big]).close();
    let workspace = fixture.workspace();
    let readable = [("a", json!(1)), ("blob", json!([3])), ("z", json!(2))].map(|(k, v)| (k.to_owned(), v));
    assert_eq!(workspace.list("").await, Ok(readable.to_vec()));
    for key in ["bad", "nan", "big"] {
        let broken = workspace.get(key).await.expect_err("broken");
        assert!(matches!(&broken, WorkspaceError::Broken { why, .. } if why.contains(key)), "{broken}");
        assert_eq!(workspace.compare_and_set(key, None, &json!(1)).await, Ok(false), "it is not nothing");
    }
}

#[tokio::test]
async fn what_is_no_workspace_is_broken() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    fs::write(fixture.path(), "my diary, which is certainly no database ".repeat(100)).expect("write");
    assert!(matches!(workspace.list("").await, Err(WorkspaceError::Broken { .. })));
    assert!(matches!(workspace.set("k", &json!(1)).await, Err(WorkspaceError::Broken { .. })));
    assert!(fs::read_to_string(fixture.path()).expect("read").starts_with("my diary"), "untouched");
    fs::remove_file(fixture.path()).expect("remove");
    fixture.python(&["CREATE TABLE kv_store (name TEXT)"]).close();
    assert!(matches!(workspace.list("").await, Err(WorkspaceError::Broken { .. })));
    fs::remove_file(fixture.path()).expect("remove");
    fs::create_dir(fixture.path()).expect("create");
    assert!(matches!(workspace.list("").await, Err(WorkspaceError::Refused { .. })));
}

#[tokio::test]
async fn a_link_that_leads_out_later_is_refused() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let elsewhere = Fixture::new();
    elsewhere.python(&[CREATE, "INSERT INTO kv_store (key, value) VALUES ('secret', '1')"]).close();
    symlink(elsewhere.path(), fixture.path()).expect("link");
    for refused in [workspace.list("").await.map(|_| ()), workspace.set("k", &json!(1)).await] {
        assert!(matches!(refused, Err(WorkspaceError::Refused { .. })), "{refused:?}");
    }
    assert_eq!(elsewhere.workspace().list("").await.expect("list").len(), 1);
}

/// Waits for the watch: the first version is its own, the second tells that the folder is watched.
async fn watched(changes: &FileChanges) {
    while changes.seen.version() < 2 {
        changes.next().await;
    }
}

#[tokio::test]
async fn a_name_is_watched_where_it_leads_now() {
    let folder = tempfile::tempdir().expect("tempdir");
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    for root in [&one, &two] {
        fs::create_dir(root).expect("create");
    }
    let roots = Roots::new(&[one.clone(), two.clone()]).expect("roots");
    let agentfs = AgentFs::new(roots, FileWatcher::start(SOON), VALUE_BYTES);
    let value = |n: u8| format!("INSERT INTO kv_store (key, value) VALUES ('k', '{n}')");
    let holds = |n: u8| async move |w: &AgentFsWorkspace| w.get("k").await == Ok(Some(json!(n)));

    let relative = agentfs.workspace(Path::new("agent.db")).expect("below a root");
    watched(&relative.changes).await;
    Python::new(&two.join("agent.db"), &[CREATE, &value(1)]).close();
    changes_until(&relative, "the file below the second root", holds(1)).await;

    let link = one.join("link.db");
    for (n, name) in [(2, "a.db"), (3, "b.db")] {
        Python::new(&one.join(name), &[CREATE, &value(n)]).close();
        // So old that a poll need not look again whether it is written still.
        let file = fs::File::options().append(true).open(one.join(name)).expect("open");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("set");
    }
    symlink(one.join("a.db"), &link).expect("link");
    let linked = agentfs.workspace(&link).expect("below a root");
    watched(&linked.changes).await;
    assert!(holds(2)(&linked).await);
    symlink(one.join("b.db"), one.join("new")).expect("link");
    fs::rename(one.join("new"), &link).expect("switch");
    changes_until(&linked, "the other file behind it", holds(3)).await;
}

#[tokio::test]
async fn reading_wakes_no_reader() {
    for journal_mode in [WAL, "PRAGMA journal_mode=DELETE"] {
        let fixture = Fixture::new();
        fixture.python(&[journal_mode, CREATE]).close();
        let workspace = fixture.workspace();
        let marker_path = fixture.folder.path().join("marker");
        let marker = fixture.agentfs.watcher.watch(&marker_path);
        watched(&workspace.changes).await;
        watched(&marker).await;
        for _ in 0..3 {
            assert_eq!(workspace.list("").await, Ok(vec![]));
        }
        // Notifications of one folder come in order: the marker's comes after those of the reads.
        fs::write(&marker_path, "").expect("write");
        marker.next().await;
        assert!(!workspace.changes.seen.has_news(), "{journal_mode}");
        workspace.set("k", &json!(1)).await.expect("set");
        workspace.changed().await;
    }
}

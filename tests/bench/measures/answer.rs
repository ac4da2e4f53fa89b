//! A person's answer on its way into the workspace, and a question on its way from a workspace file to the browser:
//! one at a time, while the daemon has nothing else to do.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use memchr::memmem;
use serde_json::json;
use tokio_rusqlite::rusqlite::{Connection, OptionalExtension};

use crate::{
    Bench,
    daemon::{DASHBOARD, Daemon},
    http::write_request,
    process::{pause, wait_for},
    statistics::percentile,
    table::{Figure, Goal, Row, Unit},
};

const ANSWERS: usize = 500;
const QUESTIONS: usize = 200;
const THREE_COMMITS: &str = "three commits one after the other: the decision, the journal, the workspace";
/// No further question is asked after so long: a daemon that needs seconds for each has shown it by then.
const ASKING: Duration = Duration::from_secs(30);
const AGENT: &str = "asker";
const WORKSPACE: &str = "asker-files";
/// Between two questions, so that the daemon has done with the last one.
const REST: Duration = Duration::from_millis(25);
/// How long something may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let [mut answers, mut questions] = bench.interleave(
        "answer",
        [
            ("answers", &mut || answers(&Daemon::start(bench)?)),
            ("questions", &mut || questions(&Daemon::start_with_files(bench)?)),
        ],
    )?;
    let figure = |turns: &mut [Vec<f64>], percent| {
        Figure::new(Unit::Millis, turns.iter_mut().map(|turn| percentile(turn, percent)))
    };
    let (answer, question) = ("answer sent to readable in the workspace", "question in a file to card in a browser");
    Ok(vec![
        Row::new(format!("{answer}, p99"), figure(&mut answers, 99.0))
            .goal(Goal::at_most(3.0, 1.0))
            .why_missed(THREE_COMMITS),
        Row::new(format!("{answer}, p50"), figure(&mut answers, 50.0)),
        Row::new(format!("{question}, p99"), figure(&mut questions, 99.0)).goal(Goal::at_most(150.0, 30.0)),
        Row::new(format!("{question}, p50"), figure(&mut questions, 50.0)),
    ])
}

/// Milliseconds from the sending of each answer until a second connection reads it.
pub(super) fn answers(daemon: &Daemon) -> Result<Vec<f64>> {
    let (mut person, mut agent) = (daemon.http()?, daemon.http()?);
    let mut waits = Vec::with_capacity(ANSWERS);
    for number in 0..ANSWERS {
        let msg_id = format!("question-{number:06}");
        let question = json!({"agent_id": AGENT, "msg_id": msg_id, "question": "Deploy?", "options": ["yes", "no"]});
        let record = agent.json("POST /api/v1/questions", &question)?;
        let workspace = record["workspace_id"].as_str().context("a question has its workspace")?;
        let read = format!("GET /api/v1/workspaces/{workspace}/kv/inbox:response:{msg_id}");
        let answer = json!({"msg_id": msg_id, "answer": "yes"}).to_string();
        let began = Instant::now();
        person.send(&format!("POST /agent/{AGENT}/respond"), "application/json", answer.as_bytes())?;
        while agent.ask(&read, "application/json", b"")?.0 != 200 {
            if began.elapsed() > PATIENCE {
                bail!("the answer is not in the workspace after {PATIENCE:?}");
            }
        }
        waits.push(began.elapsed().as_secs_f64() * 1e3);
        let (status, body) = person.receive()?;
        if status != 200 {
            bail!("an answer was refused: {}", String::from_utf8_lossy(&body));
        }
    }
    Ok(waits)
}

/// Milliseconds from the writing of each question until a browser has its card.
fn questions(daemon: &Daemon) -> Result<Vec<f64>> {
    let mut person = daemon.http()?;
    let file = WorkspaceFile::create(&daemon.path("asker.db"))?;
    file.register(daemon, WORKSPACE)?;
    let mut browser = Browser::open(daemon)?;
    let mut waits = Vec::with_capacity(QUESTIONS);
    let until = Instant::now() + ASKING;
    for number in 0..QUESTIONS {
        if Instant::now() > until {
            eprintln!("{number} questions instead of {QUESTIONS} within {ASKING:?}");
            break;
        }
        let msg_id = format!("question-{number:06}");
        pause(REST);
        let began = Instant::now();
        file.write_question(&msg_id, "pending")?;
        browser.until(msg_id.as_bytes())?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
        person.json(&format!("POST /agent/{AGENT}/respond"), &json!({"msg_id": msg_id, "answer": "yes"}))?;
        wait_for("the answer is in the file", PATIENCE, || file.has(&format!("inbox:response:{msg_id}")))?;
        file.write_question(&msg_id, "answered")?;
    }
    Ok(waits)
}

/// An agent's side of a workspace file.
pub(super) struct WorkspaceFile {
    path: String,
    connection: Connection,
}

impl WorkspaceFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE kv_store (key TEXT PRIMARY KEY, value TEXT NOT NULL, created_at INTEGER, updated_at INTEGER)",
        )?;
        Ok(Self { path: path.display().to_string(), connection })
    }

    /// Tells the daemon of it.
    pub(super) fn register(&self, daemon: &Daemon, workspace: &str) -> Result<()> {
        let registration = json!({"agent_id": AGENT, "path": self.path});
        daemon.http()?.json(&format!("PUT /api/v1/workspaces/{workspace}"), &registration).map(drop)
    }

    fn write_question(&self, msg_id: &str, status: &str) -> Result<()> {
        let key = format!("outbox:question:{msg_id}");
        let question = json!({"question": "Deploy?", "options": ["yes", "no"], "status": status, "timeout": 300});
        let sql = "INSERT INTO kv_store VALUES (?1, ?2, unixepoch(), unixepoch())
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = unixepoch()";
        self.connection.prepare_cached(sql)?.execute((key, question.to_string()))?;
        Ok(())
    }

    fn has(&self, key: &str) -> Result<Option<()>> {
        let mut find = self.connection.prepare_cached("SELECT 1 FROM kv_store WHERE key = ?1")?;
        Ok(find.query_row([key], |_| Ok(())).optional()?)
    }
}

/// A browser with the dashboard open.
struct Browser {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Browser {
    /// Opens the stream and reads what it begins with.
    fn open(daemon: &Daemon) -> Result<Self> {
        let address = daemon.server.address();
        let mut stream = TcpStream::connect(address)?;
        let mut request = Vec::new();
        write_request(&mut request, address, &format!("GET {DASHBOARD}"), "application/json", b"");
        std::io::Write::write_all(&mut stream, &request)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut browser = Self { stream, unread: Vec::new() };
        browser.until(b"\nid: ")?;
        Ok(browser)
    }

    /// Reads until something has come.
    fn until(&mut self, needle: &[u8]) -> Result<()> {
        loop {
            if let Some(found) = memmem::find(&self.unread, needle) {
                self.unread.drain(..found + needle.len());
                return Ok(());
            }
            let kept = self.unread.len().min(needle.len() - 1);
            self.unread.drain(..self.unread.len() - kept);
            let mut piece = [0; 64 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => bail!("the browser's stream has ended"),
                Ok(read) => self.unread.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    bail!("the browser waited {PATIENCE:?} in vain for {}", String::from_utf8_lossy(needle))
                }
                Err(error) => return Err(error).context("the browser's stream broke off"),
            }
        }
    }
}

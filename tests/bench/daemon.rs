//! Remora under test: the real program, journaling durably on a real disk.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Bench,
    event::{EVENT_BYTES, Template, agent_id},
    http::Http,
    process::{Place, Server, wait_for},
};

/// Takes events in.
pub(crate) const EVENTS: &str = "/api/v1/events";
/// Raw events as they come.
pub(crate) const STREAM: &str = "/api/v1/events/stream";
/// The stream behind the dashboard.
pub(crate) const DASHBOARD: &str = "/events";

/// Agents of a daemon that has something to show, and events in its log: as many rows as a page has.
pub(crate) const AGENTS: u32 = 20;
pub(crate) const LOG_ROWS: u32 = 200;
/// Events sent at once when a journal is filled: several to a request of the largest size by default.
const FILL_BATCH: u32 = 5_000;
/// How long the page may take to show everything that was taken in.
const CATCH_UP: Duration = Duration::from_secs(120);

/// A folder on the disk of the build, which vanishes with it.
pub(crate) fn folder() -> Result<TempDir> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    TempDir::new_in(parent).with_context(|| format!("cannot make a folder in {}", parent.display()))
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) server: Server,
    /// From the start of the process until the first page was there as a whole.
    pub(crate) first_page: Duration,
    /// Bytes of that page.
    pub(crate) page: Vec<u8>,
    folder: TempDir,
}

impl Daemon {
    /// Starts one that knows nothing.
    pub(crate) fn start(bench: &Bench) -> Result<Self> {
        Self::start_with(bench, Place::Server, |data| vec!["--data".to_owned(), data])
    }

    /// Starts one on NATS, whose copy is empty.
    pub(crate) fn start_on_bus(bench: &Bench, place: Place, url: &str) -> Result<Self> {
        let bus = ["--bus".to_owned(), url.to_owned()];
        Self::start_with(bench, place, |data| ["--data".to_owned(), data].into_iter().chain(bus).collect())
    }

    /// Starts one that may open workspace files below its folder.
    pub(crate) fn start_with_files(bench: &Bench) -> Result<Self> {
        Self::start_with(bench, Place::Server, |data| {
            let root = Path::new(&data).parent().unwrap_or(Path::new("/")).display().to_string();
            vec!["--data".to_owned(), data, "--workspace-root".to_owned(), root]
        })
    }

    /// Starts one with something to show, that compresses what browsers take or does not.
    pub(crate) fn start_with_compression(bench: &Bench, compression: &str) -> Result<Self> {
        let arguments =
            |data| ["--compression", compression, "--data"].map(str::to_owned).into_iter().chain([data]).collect();
        let daemon = Self::start_with(bench, Place::Server, arguments)?;
        daemon.seed()?;
        Ok(daemon)
    }

    /// Starts one on a data folder that is there already.
    pub(crate) fn start_on(bench: &Bench, data: &Path) -> Result<Self> {
        Self::start_with(bench, Place::Server, |_| vec!["--data".to_owned(), data.display().to_string()])
    }

    fn start_with(bench: &Bench, place: Place, arguments: impl FnOnce(String) -> Vec<String>) -> Result<Self> {
        let folder = folder()?;
        let mut command = Command::new(&bench.binary);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments(folder.path().join("data").display().to_string()));
        let began = Instant::now();
        let server = Server::start_in(place, "remora", &command, folder.path())?;
        let page = Http::connect(server.address())?.get("/")?;
        Ok(Self { first_page: began.elapsed(), page, server, folder })
    }

    /// The process, and the folder that must outlast it.
    pub(crate) fn into_parts(self) -> (Server, TempDir) {
        (self.server, self.folder)
    }

    /// A connection to it.
    pub(crate) fn http(&self) -> Result<Http> {
        Http::connect(self.server.address())
    }

    /// A file or folder beside its data.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives it something to show: agents, and a full log.
    pub(crate) fn seed(&self) -> Result<()> {
        self.fill(AGENTS, LOG_ROWS)
    }

    /// Starts so many agents, and takes in so many events of theirs, until the picture shows them.
    pub(crate) fn fill(&self, agents: u32, events: u32) -> Result<()> {
        let mut http = self.http()?;
        let mut template = Template::new(agents);
        let numbers: Vec<u32> = (0..agents.max(events)).collect();
        for numbers in numbers.chunks(FILL_BATCH as usize) {
            let mut body = Vec::with_capacity(numbers.len() * (EVENT_BYTES + 1));
            for &number in numbers {
                if number < agents {
                    let agent_id = agent_id(number);
                    let event = json!({"category": "agent", "action": "started", "agent_id": agent_id,
                        "payload": {"name": format!("Agent {number}")}});
                    body.extend_from_slice(event.to_string().as_bytes());
                    body.push(b'\n');
                }
                if number < events {
                    template.write_past(number, &mut body);
                    body.push(b'\n');
                }
            }
            http.post(EVENTS, "application/x-ndjson", &body)?;
        }
        self.until_shown(agents + events)
    }

    /// Waits until the picture shows so many events.
    pub(crate) fn until_shown(&self, events: u32) -> Result<()> {
        let mut http = self.http()?;
        wait_for("the picture shows all events", CATCH_UP, || {
            let state: Value = serde_json::from_slice(&http.get("/api/v1/state")?)?;
            Ok((state["last_seq"].as_u64() >= Some(events.into())).then_some(()))
        })
    }
}

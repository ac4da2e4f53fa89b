//! Who renders the whole page for each event and each browser: Stario, or where it cannot be had a peer of our own.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::free_address;
use crate::{
    daemon::{AGENTS, LOG_ROWS, folder},
    event::Template,
    http::Http,
    process::{Place, Server},
};

/// Names a Python that has Stario; `tests/benchmarks` makes one.
const PYTHON: &str = "REMORA_BENCH_PYTHON";

/// The peer that was found.
#[derive(Debug)]
pub(crate) enum WholePage {
    /// The original, on this Python and of this version.
    Stario { python: OsString, version: String },
    /// The same design in Rust.
    OurOwn,
}

impl WholePage {
    /// Looks for Stario.
    pub(crate) fn find() -> Self {
        let stario = || {
            let python = std::env::var_os(PYTHON)?;
            let version =
                Command::new(&python).args(["-c", "import stario, uvloop; print(stario.__version__)"]).output();
            let version = version.ok().filter(|output| output.status.success())?;
            let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
            Some(Self::Stario { python, version })
        };
        stario().unwrap_or_else(|| {
            eprintln!("Stario cannot be had ({PYTHON} names no Python with it): a peer of the same design stands in");
            Self::OurOwn
        })
    }

    /// How it is called in the table.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stario { version, .. } => format!("Stario {version}"),
            Self::OurOwn => "Stario's design in Rust".to_owned(),
        }
    }

    /// Starts it with a full log; the folder must outlast it.
    pub(crate) fn start(&self) -> Result<(Server, TempDir)> {
        let (server, folder) = match self {
            Self::Stario { python, .. } => {
                let (folder, address) = (folder()?, free_address()?);
                let mut command = Command::new(python);
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/peers/stario_page.py");
                command.arg(script).arg(address.port().to_string());
                (Server::start_at(Place::Server, "stario", &command, folder.path(), address)?, folder)
            }
            Self::OurOwn => super::start("page")?,
        };
        let (mut http, mut template) = (Http::connect(server.address())?, Template::new(AGENTS));
        for turn in 0..LOG_ROWS {
            let mut event = Vec::new();
            template.write_past(turn, &mut event);
            http.post("/pub", "application/json", &event).context("the peer takes no event")?;
        }
        Ok((server, folder))
    }
}

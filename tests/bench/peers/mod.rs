//! The others, as small as they can be and still do the same work.
//!
//! Those of our own are this program, started once more with the name of a peer.

pub(crate) mod nats;
pub(crate) mod nchan;
mod page;
mod sqlite;
mod stario;
mod warp_server;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use tempfile::TempDir;

pub(crate) use self::stario::WholePage;
use crate::{
    daemon::folder,
    process::{Place, Server, started_at},
};

/// A peer of our own.
#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// Streams shared bytes, and takes events in without keeping them
    Warp,
    /// Renders the whole page for each event and each browser
    Page,
    /// Appends batches durably to a bare SQLite and prints how many events a second
    Sqlite { folder: PathBuf, batch: u32, seconds: f64 },
    /// A client of NATS, without a daemon
    #[command(subcommand)]
    Nats(nats::Client),
}

impl Peer {
    /// Is that peer until it is ended.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Warp => warp_server::run(),
            Self::Page => page::run(),
            Self::Sqlite { folder, batch, seconds } => sqlite::run(&folder, batch, seconds),
            Self::Nats(client) => client.run(),
        }
    }
}

/// For a server that cannot say which port it was given.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// This program as one of the peers.
fn this_program(peer: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program has no path")?);
    command.args(["peer", peer]);
    Ok(command)
}

/// Starts a peer that serves; the folder must outlast it.
pub(crate) fn start(peer: &str) -> Result<(Server, TempDir)> {
    let folder = folder()?;
    Ok((Server::start(peer, &this_program(peer)?, folder.path())?, folder))
}

/// Events a second that a bare SQLite appends durably, so many in one commit, on one core.
pub(crate) fn sqlite_events_per_second(batch: u32, seconds: f64) -> Result<f64> {
    let folder = folder()?;
    let mut command = this_program("sqlite")?;
    command.arg(folder.path()).args([batch.to_string(), seconds.to_string()]);
    figure_of(Place::Server, command)
}

/// The figure that a peer prints once it is done.
fn figure_of(place: Place, mut command: Command) -> Result<f64> {
    command.stderr(Stdio::inherit());
    let output = started_at(place, || command.output())?.context("cannot start a peer")?;
    if !output.status.success() {
        bail!("a peer ended with {}", output.status);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().with_context(|| format!("a peer said {said:?}"))
}

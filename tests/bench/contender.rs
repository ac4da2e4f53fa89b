//! Who takes part: Remora and its peers, each started anew for each round.

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    Bench,
    daemon::{DASHBOARD, Daemon, EVENTS, STREAM},
    load::{Load, Reading},
    peers,
    process::Server,
};

/// A server with a stream that can be read and a path that can be published to.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) server: Server,
    pub(crate) publish: &'static str,
    stream: &'static str,
    reading: Reading,
    /// Vanishes after its server has ended.
    _folder: Option<TempDir>,
}

impl Contender {
    /// Remora's raw stream.
    pub(crate) fn remora(bench: &Bench) -> Result<Self> {
        Ok(Self::of(Daemon::start(bench)?, STREAM, Reading::EachMark))
    }

    /// Remora's dashboard, with a full log.
    pub(crate) fn dashboard(bench: &Bench) -> Result<Self> {
        let daemon = Daemon::start(bench)?;
        daemon.seed()?;
        Ok(Self::watched(daemon))
    }

    /// The dashboard of a daemon.
    pub(crate) fn watched(daemon: Daemon) -> Self {
        Self::of(daemon, DASHBOARD, Reading::LatestId)
    }

    fn of(daemon: Daemon, stream: &'static str, reading: Reading) -> Self {
        let (server, folder) = daemon.into_parts();
        Self { server, publish: EVENTS, stream, reading, _folder: Some(folder) }
    }

    /// nginx with nchan.
    pub(crate) fn nchan() -> Result<Self> {
        let (server, folder) = peers::nchan::start()?;
        Ok(Self { server, publish: "/pub", stream: "/sub", reading: Reading::EachMark, _folder: Some(folder) })
    }

    /// warp, one event's bytes shared by all streams.
    pub(crate) fn warp() -> Result<Self> {
        let (server, folder) = peers::start("warp")?;
        Ok(Self { server, publish: "/pub", stream: "/sub", reading: Reading::EachMark, _folder: Some(folder) })
    }

    /// The whole page for each event and each browser, with a full log.
    pub(crate) fn whole_page(peer: &peers::WholePage) -> Result<Self> {
        let (server, folder) = peer.start()?;
        Ok(Self { server, publish: "/pub", stream: "/sub", reading: Reading::LatestMark, _folder: Some(folder) })
    }

    /// Opens so many of its streams.
    pub(crate) fn subscribe(&self, readers: usize) -> Result<Load> {
        Load::subscribe(self.server.address(), self.stream, readers, self.reading)
    }
}

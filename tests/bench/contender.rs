//! Who takes part: Remora and its peers, each started anew for each round.

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    Bench,
    daemon::{DASHBOARD, Daemon, EVENTS, STREAM},
    load::{Coding, Load, Reading},
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
    coding: Coding,
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

    /// The same in gzip.
    pub(crate) fn packed(daemon: Daemon) -> Self {
        Self { coding: Coding::Gzip, ..Self::watched(daemon) }
    }

    fn of(daemon: Daemon, stream: &'static str, reading: Reading) -> Self {
        let (server, folder) = daemon.into_parts();
        Self { server, publish: EVENTS, stream, reading, coding: Coding::Plain, _folder: Some(folder) }
    }

    fn peer((server, folder): (Server, TempDir), reading: Reading) -> Self {
        let (publish, stream, coding) = ("/pub", "/sub", Coding::Plain);
        Self { server, publish, stream, reading, coding, _folder: Some(folder) }
    }

    /// nginx with nchan.
    pub(crate) fn nchan() -> Result<Self> {
        Ok(Self::peer(peers::nchan::start()?, Reading::EachMark))
    }

    /// warp, one event's bytes shared by all streams.
    pub(crate) fn warp() -> Result<Self> {
        Ok(Self::peer(peers::start("warp")?, Reading::EachMark))
    }

    /// The whole page for each event and each browser, with a full log.
    pub(crate) fn whole_page(peer: &peers::WholePage) -> Result<Self> {
        Ok(Self::peer(peer.start()?, Reading::LatestMark))
    }

    /// Opens so many of its streams.
    pub(crate) fn subscribe(&self, readers: usize) -> Result<Load> {
        Load::subscribe(self.server.address(), self.stream, readers, self.reading, self.coding)
    }
}

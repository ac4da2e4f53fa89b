//! What the tests stand on.
//!
//! Nothing here sleeps for luck: whatever a test waits for is a condition, given to [`wait_until`].

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub(crate) mod browser;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod mcp;
pub(crate) mod nats;
pub(crate) mod nats_cluster;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod receiver;
pub(crate) mod sse;

pub(crate) use browser::Browser;
pub(crate) use daemon::Daemon;
pub(crate) use disk::SmallDisk;
pub(crate) use http::{Api, Reply};
pub(crate) use nats::NatsServer;
pub(crate) use nats_cluster::NatsCluster;
pub(crate) use network::Network;
pub(crate) use process::Process;
pub(crate) use python::Packages;
pub(crate) use sse::Stream;

/// How long a condition may take to come true. A test machine may be slow and busy; a broken program stays broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at a condition: short against anything a person would notice.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` gives something and returns it; fails with `what` once [`DEADLINE`] has passed.
pub(crate) async fn wait_until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the tests' own.
pub(crate) fn fixture(name: &str) -> PathBuf {
    repository().join("tests/remora/fixtures").join(name)
}

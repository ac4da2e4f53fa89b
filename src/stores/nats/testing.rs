//! A NATS server for a test, and daemons' stores on it.

use std::{path::Path, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::Nats;
use crate::bus::{self, BusSettings, Login, Names, Tls};

/// How long a server may take to start, and what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Stores of one daemon on a server of its own.
pub(crate) struct Fixture {
    pub(crate) nats: Nats,
    pub(crate) server: Server,
    folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().expect("tempdir");
        Self { nats: open(&server, folder.path()).await, server, folder }
    }

    /// The stores of another daemon on the same server.
    pub(crate) async fn another(&self) -> Nats {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("tempdir").keep();
        open(&self.server, &folder).await
    }
}

/// Stores on a server.
pub(crate) async fn open(server: &Server, folder: &Path) -> Nats {
    let settings = server.settings();
    let client = bus::connect(&settings).await.expect("connected");
    Nats::open(client, &settings, folder).await.expect("opened")
}

/// A server with JetStream on a port of its own. Ends with the test.
pub(crate) struct Server {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"])
            .arg(folder.path())
            .arg("-sd")
            .arg(folder.path().join("store"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nats-server is installed");
        let ports = folder.path().join(format!("nats-server_{}.ports", child.id().expect("runs")));
        let read = async {
            loop {
                let text = std::fs::read(&ports).unwrap_or_default();
                if let Ok(ports) = serde_json::from_slice::<serde_json::Value>(&text)
                    && let Some(url) = ports["nats"][0].as_str()
                {
                    return url.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let url = in_time(read).await;
        Self { child, url, _folder: folder }
    }

    pub(crate) fn settings(&self) -> BusSettings {
        BusSettings {
            servers: self.url.parse().expect("an address"),
            login: Login::Open,
            tls: Tls::default(),
            replicas: 1,
            names: Names::new("remora").expect("a prefix"),
        }
    }

    /// Ends the server at once.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Wait for its end: its folder goes next.
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait() {
            std::thread::yield_now();
        }
    }
}

/// Lets a test fail that waits in vain.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

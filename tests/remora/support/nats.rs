//! A NATS server of the test's own, the real program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use async_nats::{Client, ConnectOptions};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::wait_until;

/// A server that runs until the test ends.
pub(crate) struct NatsServer {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl NatsServer {
    /// With JetStream and open to all.
    pub(crate) async fn start() -> Self {
        Self::with(|folder| format!("jetstream {{ store_dir: {:?} }}", folder.join("jetstream"))).await
    }

    /// With a configuration, which may name files in the server's folder.
    pub(crate) async fn with(config: impl FnOnce(&Path) -> String) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("server.conf");
        fs::write(&file, format!("listen: \"127.0.0.1:-1\"\n{}\n", config(folder.path()))).expect("written");
        let child = launch(folder.path());
        let mut server = Self { child, folder, port: 0 };
        server.port = wait_until("the server says where it listens", async || server.listening()).await;
        server
    }

    /// Ends it without warning.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("a child of ours");
    }

    /// Starts it on the same data and the same port as before.
    pub(crate) async fn start_again(&mut self) {
        let file = self.folder.path().join("server.conf");
        let config = fs::read_to_string(&file).expect("a configuration");
        fs::write(&file, config.replace(":-1\"", &format!(":{}\"", self.port))).expect("written");
        if let Some(ports) = self.ports_file() {
            fs::remove_file(ports).expect("left behind");
        }
        self.child = launch(self.folder.path());
        wait_until("the server says where it listens", async || self.listening()).await;
    }

    /// Its address, for a client that gives no name.
    pub(crate) fn url(&self) -> String {
        self.url_with("nats")
    }

    /// The same with another scheme.
    pub(crate) fn url_with(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// A client that gives no name.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(ConnectOptions::new()).await
    }

    /// A client of another kind.
    pub(crate) async fn client_with(&self, options: ConnectOptions) -> Client {
        options.connect(self.url()).await.expect("the server lets it in")
    }

    fn listening(&mut self) -> Option<u16> {
        if let Some(status) = self.child.try_wait().expect("a child of ours") {
            panic!("nats-server ended at its start, {status}: {}", self.log());
        }
        let ports = fs::read_to_string(self.ports_file()?).ok()?;
        let ports: serde_json::Value = serde_json::from_str(&ports).ok()?;
        ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
    }

    fn ports_file(&self) -> Option<PathBuf> {
        let files = fs::read_dir(self.folder.path()).expect("a folder");
        files.filter_map(|file| Some(file.ok()?.path())).find(|path| path.extension().is_some_and(|e| e == "ports"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn launch(folder: &Path) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(folder.join("server.conf")).arg("--ports_file_dir").arg(folder).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("nats-server is installed")
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // Wait for its end: its folder goes next.
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait() {
            std::thread::yield_now();
        }
        if std::thread::panicking() {
            eprintln!("--- nats-server's log\n{}---", self.log());
        }
    }
}

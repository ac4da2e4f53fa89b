//! A cluster of three NATS servers, the real programs.

use std::{fs, net::TcpListener, path::Path, process::Stdio};

use async_nats::{Client, jetstream};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::wait_until;

/// How many servers: the fewest of which one can be lost.
pub(crate) const SERVERS: usize = 3;

/// The cluster. Its servers run until the test ends or kills them.
pub(crate) struct NatsCluster {
    servers: Vec<Option<Child>>,
    ports: Vec<u16>,
    folder: TempDir,
}

impl NatsCluster {
    /// Starts it and waits until it has a leader.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let ports = free_ports(2 * SERVERS);
        let (clients, routes) = ports.split_at(SERVERS);
        let all: Vec<_> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        for (place, (client, route)) in clients.iter().zip(routes).enumerate() {
            let store = folder.path().join(name(place));
            let config = format!(
                "server_name: {}\nlisten: \"127.0.0.1:{client}\"\njetstream {{ store_dir: {store:?} }}\n\
                 cluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
                name(place),
                all.join(", ")
            );
            fs::write(config_of(folder.path(), place), config).expect("written");
        }
        let mut cluster = Self { servers: Vec::new(), ports: clients.to_vec(), folder };
        for place in 0..SERVERS {
            cluster.servers.push(Some(cluster.launch(place)));
        }
        cluster.ready().await;
        cluster
    }

    fn launch(&self, place: usize) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.log_of(place)).expect("a log file");
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(config_of(self.folder.path(), place)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("nats-server is installed")
    }

    /// The addresses of all servers.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<_> = self.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        urls.join(",")
    }

    /// A client that knows all servers.
    pub(crate) async fn client(&self) -> Client {
        let urls: Vec<async_nats::ServerAddr> = self.url().split(',').map(|url| url.parse().expect("an url")).collect();
        wait_until("a server takes a client", async || async_nats::connect(&urls).await.ok()).await
    }

    /// Waits until a stream could be made with a copy on each server.
    async fn ready(&self) {
        let context = jetstream::new(self.client().await);
        wait_until("the cluster has a leader", async || {
            let config = jetstream::stream::Config {
                name: "ready".to_owned(),
                num_replicas: SERVERS,
                ..jetstream::stream::Config::default()
            };
            context.create_stream(config).await.ok()
        })
        .await;
        context.delete_stream("ready").await.expect("deleted");
    }

    /// The server that leads a stream.
    pub(crate) async fn leader_of(&self, stream: &str) -> usize {
        let context = jetstream::new(self.client().await);
        wait_until("the stream has a leader", async || {
            let leader = context.get_stream(stream).await.ok()?.get_info().await.ok()?.cluster?.leader?;
            (0..SERVERS).find(|place| name(*place) == leader)
        })
        .await
    }

    /// Ends a server without warning.
    pub(crate) async fn kill(&mut self, place: usize) {
        let mut child = self.servers[place].take().expect("running");
        child.kill().await.expect("a child of ours");
    }

    /// Starts a server again.
    pub(crate) fn start_again(&mut self, place: usize) {
        assert!(self.servers[place].is_none(), "it runs already");
        self.servers[place] = Some(self.launch(place));
    }

    fn log_of(&self, place: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("{}.log", name(place)))
    }
}

impl Drop for NatsCluster {
    fn drop(&mut self) {
        // Wait for their end: their folder goes next.
        for child in self.servers.iter_mut().flatten() {
            let _ = child.start_kill();
            while let Ok(None) = child.try_wait() {
                std::thread::yield_now();
            }
        }
        if std::thread::panicking() {
            for place in 0..SERVERS {
                eprintln!(
                    "--- {}'s log\n{}---",
                    name(place),
                    fs::read_to_string(self.log_of(place)).unwrap_or_default()
                );
            }
        }
    }
}

fn name(place: usize) -> String {
    format!("n{place}")
}

fn config_of(folder: &Path, place: usize) -> std::path::PathBuf {
    folder.join(format!("{}.conf", name(place)))
}

/// Ports that nobody uses at the moment: the servers of a cluster must know each other's before they start.
fn free_ports(count: usize) -> Vec<u16> {
    let bind = |_| TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listeners: Vec<_> = (0..count).map(bind).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("bound").port()).collect()
}

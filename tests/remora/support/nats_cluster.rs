//! A cluster of three NATS servers, the real programs.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{self, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use async_nats::{
    Client,
    jetstream::{self, consumer},
};
use futures_util::TryStreamExt;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Network, wait_until};

/// How many servers: the fewest of which one can be lost.
pub(crate) const SERVERS: usize = 3;

/// Where the servers listen for clients and for each other; the first of them, where they share a host.
const PORTS: [u16; 2] = [4222, 6222];

/// The cluster. Its servers run until the test ends or kills them.
pub(crate) struct NatsCluster {
    servers: Vec<Option<Child>>,
    clients: Vec<String>,
    folder: TempDir,
    /// Goes after its servers.
    network: Option<Network>,
}

impl NatsCluster {
    /// Starts it and waits until it has a leader.
    pub(crate) async fn start() -> Self {
        let address = address_of_its_own();
        let at = |port: u16| (port..).take(SERVERS).map(|port| format!("{address}:{port}")).collect();
        let [clients, routes] = PORTS.map(at);
        Self::start_at(clients, routes, None).await
    }

    /// The same with each server on a host of its own, which can be cut off.
    pub(crate) async fn start_apart() -> Self {
        let network = Network::new(SERVERS);
        let at = |port| (0..SERVERS).map(|host| format!("{}:{port}", network.address(host))).collect();
        let [clients, routes] = PORTS.map(at);
        Self::start_at(clients, routes, Some(network)).await
    }

    async fn start_at(clients: Vec<String>, routes: Vec<String>, network: Option<Network>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let all: Vec<_> = routes.iter().map(|route| format!("\"nats://{route}\"")).collect();
        for (place, (client, route)) in clients.iter().zip(&routes).enumerate() {
            let store = folder.path().join(name(place));
            let config = format!(
                "server_name: {}\nlisten: \"{client}\"\njetstream {{ store_dir: {store:?} }}\n\
                 cluster {{ name: test, listen: \"{route}\", routes: [{}] }}\n",
                name(place),
                all.join(", ")
            );
            fs::write(config_of(folder.path(), place), config).expect("written");
        }
        let mut cluster = Self { servers: Vec::new(), clients, folder, network };
        for place in 0..SERVERS {
            cluster.servers.push(Some(cluster.launch(place)));
        }
        cluster.ready().await;
        cluster
    }

    fn launch(&self, place: usize) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.log_of(place)).expect("a log file");
        let mut program = self.network.as_ref().map(|network| network.run_on(place)).unwrap_or_default();
        program.push("nats-server".to_owned());
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).arg("-c").arg(config_of(self.folder.path(), place)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("nats-server is installed")
    }

    /// The addresses of all servers.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<_> = (0..SERVERS).map(|place| self.url_of(place)).collect();
        urls.join(",")
    }

    /// The address of one.
    pub(crate) fn url_of(&self, place: usize) -> String {
        format!("nats://{}", self.clients[place])
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

    /// Waits until each server has all that is in a stream.
    pub(crate) async fn is_whole(&self, stream: &str) {
        let context = jetstream::new(self.client().await);
        wait_until("all servers have the stream", async || {
            let cluster = context.get_stream(stream).await.ok()?.get_info().await.ok()?.cluster?;
            let current = cluster.replicas.iter().filter(|replica| replica.current && !replica.offline).count();
            (cluster.leader.is_some() && current + 1 == SERVERS).then_some(())
        })
        .await;
    }

    /// Whether a stream is read, and from one server only. Whoever reads it from another one is made to begin anew.
    pub(crate) async fn is_read_only_from(&self, stream: &str, place: usize) -> bool {
        let stream = jetstream::new(self.client().await).get_stream(stream).await.expect("a stream");
        let readers: Vec<consumer::Info> = stream.consumers().try_collect().await.expect("its consumers");
        let is_there = |reader: &consumer::Info| {
            reader.cluster.as_ref().and_then(|cluster| cluster.leader.clone()) == Some(name(place))
        };
        let elsewhere: Vec<_> = readers.iter().filter(|reader| !is_there(reader)).collect();
        for reader in &elsewhere {
            // It may have gone by itself.
            let _ = stream.delete_consumer(&reader.name).await;
        }
        !readers.is_empty() && elsewhere.is_empty()
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

    /// Cuts a server off: what it and the others say to each other is lost.
    pub(crate) fn cut_off(&self, place: usize) {
        self.network.as_ref().expect("started apart").cut(place);
    }

    /// Lets it talk to the others again.
    pub(crate) fn reconnect(&self, place: usize) {
        self.network.as_ref().expect("started apart").mend(place);
    }

    /// Parts a server from the others; clients still reach it.
    pub(crate) fn part(&self, place: usize) {
        self.network.as_ref().expect("started apart").part(place);
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

/// An address on loopback that nobody else uses: the servers of a cluster must know each other's ports before they
/// start, and a port that is free at one moment may be taken at the next.
fn address_of_its_own() -> Ipv4Addr {
    static CLUSTERS: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = process::id().to_be_bytes();
    Ipv4Addr::new(127, CLUSTERS.fetch_add(1, Ordering::Relaxed), high, low)
}

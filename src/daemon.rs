//! The daemon: the order in which its parts start and stop.

mod check;
mod reload;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::Client;
use jiff::SignedDuration;
use remora_actors::{
    Handle, Running,
    handle::StartError,
    model::{Limits, Patience},
    ports::Journal,
    retention,
    system::{NotifySettings, Settings as ActorSettings, World},
};
use remora_web::{Links, Settings as WebSettings, server};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinSet,
};

pub use self::check::check;
use self::reload::TokenFile;
use crate::{
    bus::{self, BusError, BusSettings},
    config::{Compression, Durability, Settings, SettingsError},
    doors::{follow::Follower, intake, mcp, nats},
    housekeeping,
    notify::{Target, Webhooks},
    service_manager,
    stores::{
        CLAIMS, Stores,
        agentfs::{AgentFs, RootError, Roots},
        data_dir::{DataDir, DataDirError},
        file_watcher::FileWatcher,
        nats::{Nats, NatsError},
        sqlite::{self, Database, OpenError},
    },
    telemetry::{self, TelemetryError},
};

/// How long the actors and the database may take to end, between the requests and the spans: all together less than
/// the five seconds that whoever stops a daemon can count on.
const END: Duration = Duration::from_secs(2);
/// Between two looks at a data folder that another daemon is about to leave.
const LOCK_LOOK: Duration = Duration::from_millis(50);
/// Files that no connection takes: the database's, and those of workspaces, followed logs and targets of notices.
const OWN_FILES: u64 = 128;

/// Why the daemon did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// What is kept there.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// A workspace root.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The certificates.
    #[error("this machine's certificates cannot be read, which a target of notices needs: {0}; install them")]
    Certificates(io::Error),
    /// The message bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The actors.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address.
    #[error("cannot listen on {address}: {source}; choose another with --listen, or port 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// The socket of the service manager.
    #[error("the socket that was handed over cannot be used: {0}")]
    HandedOver(io::Error),
    /// The spans' collector.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signals that end the daemon cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// It was told twice to stop.
    #[error("stopped at once, as told twice; the next start completes what was left undone")]
    Impatient,
    /// An actor died too often.
    #[error("an actor died again and again; the log says which and why")]
    Died,
    /// The blocking work of the start was lost.
    #[error("the start was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// A daemon that has started and is about to serve.
pub struct Daemon {
    address: SocketAddr,
    listener: TcpListener,
    handle: Handle,
    running: Running,
    web: WebSettings,
    stores: Stores,
    /// Where the tokens are from, until it is known who reads them again.
    token_file: Option<TokenFile>,
    /// What goes on beside: log files followed, housekeeping. Ends with the daemon.
    tasks: JoinSet<()>,
    /// Held until everything else has ended.
    _data_dir: DataDir,
}

/// Runs a daemon until it is told to stop.
///
/// # Errors
/// [`DaemonError`]: it did not start, or an actor cannot be kept alive, or it was told twice.
pub async fn run(mut settings: Settings) -> Result<(), DaemonError> {
    let telemetry = telemetry::start(&settings)?;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => leave_files(&mut settings.limits.connections, files),
        Err(error) => tracing::warn!(%error, "limit of open files not raised, fewer browsers can connect"),
    }
    let mut signals = Signals::listen()?;
    let hangup = signal(SignalKind::hangup()).map_err(DaemonError::Signals)?;
    let mut daemon = tokio::select! {
        daemon = Daemon::start(settings) => daemon?,
        () = signals.next() => return Ok(()),
    };
    daemon.tasks.spawn(reload::whenever_told(hangup, daemon.token_file.take()));
    // Whoever started the daemon may have closed its standard output.
    let _ = writeln!(io::stdout(), "listening on http://{}", daemon.address());
    let outcome = daemon.serve_until_told(signals).await;
    telemetry.stop().await;
    outcome
}

/// How the user or the service manager says that the daemon shall stop.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Hears signals from now on, instead of ending by them.
    pub(crate) fn listen() -> Result<Self, DaemonError> {
        let hear = |kind| signal(kind).map_err(DaemonError::Signals);
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// Returns with the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Daemon {
    /// Opens everything, in an order in which nothing is touched before the data folder is known to be ours.
    ///
    /// # Errors
    /// [`DaemonError`]; nothing was changed.
    pub async fn start(mut settings: Settings) -> Result<Self, DaemonError> {
        let handed_over = service_manager::listener().map_err(DaemonError::HandedOver)?;
        if let Some(socket) = &handed_over {
            // Who may reach the daemon is decided by where it does listen.
            settings.listen = socket.local_addr().map_err(DaemonError::HandedOver)?;
        }
        let tokens = settings.tokens()?;
        let token_file = settings.token_file.clone().zip(tokens).map(|(path, tokens)| TokenFile::new(path, &tokens));
        let targets = settings.targets()?;
        let roots = Roots::new(&settings.workspace_roots)?;
        let data_dir = lock(&settings.data, Duration::from_secs(settings.lock_wait_s)).await?;
        let bus = match settings.bus()? {
            Some(bus) => Some((bus::connect(&bus).await?, bus)),
            None => None,
        };
        let stores = stores(&settings, &data_dir, bus.as_ref()).await?;
        bound(&mut settings.limits, stores.largest());
        let (listener, address) = listen(&settings, handed_over)?;
        let links = links(&settings, &data_dir, &stores).await?;
        let watcher = FileWatcher::start(Duration::from_millis(settings.workspace_poll_ms));
        let journal = Arc::clone(&stores.journal);
        let files = AgentFs::new(roots, watcher.clone(), settings.limits.value_bytes);
        let world = World {
            journal: Arc::clone(&journal),
            claims: stores.claims(),
            duties: Arc::clone(&stores.duties),
            open_workspace: stores.open_workspace(files),
            courier: Arc::new(courier(&settings, targets.clone(), links.clone()).map_err(DaemonError::Certificates)?),
            renderer: remora_web::render,
            settings: actor_settings(&settings, targets),
        };
        let (handle, running) = Handle::start(world).await?;
        let mut tasks = follow(&settings, &handle, &journal, &watcher).await;
        if let Some((client, bus)) = bus {
            nats::open(client, &bus, handle.clone(), Arc::clone(&stores.duties), &mut tasks).await;
        }
        let every = Duration::from_secs(settings.housekeeping_s);
        let database = stores.database.clone();
        tasks.spawn(housekeeping::run(handle.clone(), database.clone(), CLAIMS, policy(&settings), every));
        tasks.spawn(database.keep_index());
        let web = web_settings(&settings, token_file.as_ref().map(TokenFile::tokens), links);
        Ok(Self { address, listener, handle, running, web, stores, token_file, tasks, _data_dir: data_dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal comes, then stops in order. A second signal ends everything at once.
    ///
    /// # Errors
    /// [`DaemonError::Died`]: an actor cannot be kept alive. [`DaemonError::Impatient`]: there was a second signal.
    pub(crate) async fn serve_until_told(self, mut signals: Signals) -> Result<(), DaemonError> {
        let (tell, told) = oneshot::channel();
        let impatient = async {
            signals.next().await;
            tracing::info!("stopping");
            service_manager::stopping();
            let _ = tell.send(());
            signals.next().await;
        };
        let stop = async {
            let _ = told.await;
        };
        tokio::select! {
            outcome = self.serve(stop) => outcome,
            () = impatient => Err(DaemonError::Impatient),
        }
    }

    /// Serves until `stop` ends, then stops in order: the doors, the streams, the actors, the database.
    ///
    /// # Errors
    /// [`DaemonError::Died`]: an actor cannot be kept alive.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), DaemonError> {
        let Self { listener, handle, mut running, web, stores, mut tasks, _data_dir, .. } = self;
        let sessions = handle.limits().sessions;
        service_manager::ready();
        tasks.spawn(service_manager::report(handle.clone()));
        tokio::select! {
            () = server::serve(listener, handle, web, |api| mcp::http::door(api, sessions), stop) => {}
            () = running.ended() => return Err(DaemonError::Died),
        }
        let end = async {
            tasks.shutdown().await;
            running.stop().await;
            if let Err(error) = stores.close().await {
                tracing::warn!(error, "database not tidied up, the next start does it");
            }
        };
        match tokio::time::timeout(END, end).await {
            Ok(()) => tracing::info!("stopped"),
            Err(_) => tracing::warn!("stopped before all was tidied up, the next start does it"),
        }
        Ok(())
    }
}

/// Takes the data folder, as soon as a daemon that is about to stop has left it.
async fn lock(data: &Path, patience: Duration) -> Result<DataDir, DaemonError> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match DataDir::open(data) {
            Err(DataDirError::Locked { pid, .. }) if began.elapsed() < patience => {
                if !told {
                    tracing::info!(data = %data.display(), pid, "waiting for the daemon that runs on the data folder");
                    told = true;
                }
                tokio::time::sleep(LOCK_LOOK).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Opens the daemon's own stores, or those that it was told to share.
async fn stores(
    settings: &Settings,
    data_dir: &DataDir,
    bus: Option<&(Client, BusSettings)>,
) -> Result<Stores, DaemonError> {
    if let Some((client, bus)) = bus {
        return Ok(Stores::shared(Box::pin(Nats::open(client.clone(), bus, data_dir.path())).await?));
    }
    let (path, durability) = (data_dir.database(), durability(settings));
    Ok(Stores::embedded(tokio::task::spawn_blocking(move || Database::open(&path, durability)).await??))
}

/// Takes in nothing that the stores could not hold.
fn bound(limits: &mut Limits, largest: Option<usize>) {
    let largest = largest.unwrap_or(usize::MAX);
    for (limit, bytes) in [("event_bytes", &mut limits.event_bytes), ("value_bytes", &mut limits.value_bytes)] {
        if *bytes > largest {
            tracing::info!(limit, from = *bytes, to = largest, "limit lowered to what a message of the bus can hold");
            *bytes = largest;
        }
    }
}

/// Keeps files for the daemon's own work from the connections: a client too many is told so, and nothing else fails.
fn leave_files(connections: &mut usize, files: u64) {
    let most = usize::try_from(files - OWN_FILES.min(files / 2)).unwrap_or(usize::MAX);
    if *connections > most {
        tracing::warn!(from = *connections, to = most, files, "limit `connections` lowered to what open files allow");
        *connections = most;
    }
}

fn durability(settings: &Settings) -> sqlite::Durability {
    match settings.durability {
        Durability::Full => sqlite::Durability::Full,
        Durability::Normal => sqlite::Durability::Normal,
    }
}

fn listen(
    settings: &Settings,
    handed_over: Option<std::net::TcpListener>,
) -> Result<(TcpListener, SocketAddr), DaemonError> {
    let failed = |source| DaemonError::Listen { address: settings.listen, source };
    let listener = match handed_over {
        Some(socket) => server::take_over(socket),
        None => server::listen(settings.listen),
    };
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn policy(settings: &Settings) -> retention::Policy {
    retention::Policy {
        age: settings.retain_age_s.map(Duration::from_secs),
        events: settings.retain_events,
        bytes: settings.retain_bytes,
        at_least: Duration::from_secs(settings.retain_at_least_s),
    }
}

/// Makes links to where people reach the daemon, where that is known.
async fn links(settings: &Settings, data_dir: &DataDir, stores: &Stores) -> Result<Option<Arc<Links>>, DaemonError> {
    let Some(url) = &settings.public_url else { return Ok(None) };
    let key = stores.link_key(data_dir.link_key()?).await?;
    Ok(Some(Arc::new(Links::new(url, &key))))
}

/// Who carries the notices out.
pub(crate) fn courier(settings: &Settings, targets: Vec<Target>, links: Option<Arc<Links>>) -> io::Result<Webhooks> {
    let lifetime = SignedDuration::from_hours(settings.link_lifetime_h.into());
    Webhooks::new(targets, links, lifetime, Duration::from_millis(settings.notify_timeout_ms))
}

fn actor_settings(settings: &Settings, targets: Vec<Target>) -> ActorSettings {
    ActorSettings {
        limits: settings.limits.clone(),
        frame_interval: Duration::from_millis(settings.frame_interval_ms),
        view_interval: Duration::from_millis(settings.view_interval_ms),
        snapshot_events: settings.snapshot_events,
        patience: Patience::from_secs(settings.stalled_after_s, settings.stalled_tool_after_s),
        undo: Duration::from_secs(settings.undo_s),
        notify: NotifySettings {
            policies: targets.into_iter().map(|target| target.policy).collect(),
            tries: settings.notify_tries,
            first_pause: Duration::from_millis(settings.notify_pause_ms),
        },
    }
}

fn web_settings(
    settings: &Settings,
    tokens: Option<watch::Receiver<remora_web::Tokens>>,
    links: Option<Arc<Links>>,
) -> WebSettings {
    WebSettings {
        heartbeat: Duration::from_secs(settings.heartbeat_s),
        gzip: match settings.compression {
            Compression::Auto => tokens.is_some(),
            Compression::Off => false,
            Compression::Gzip => true,
        },
        loopback: settings.listen.ip().to_canonical().is_loopback(),
        tokens,
        store: if settings.bus.is_some() { "nats" } else { "sqlite" },
        links,
    }
}

/// Starts to follow the log files, each from where it was left.
async fn follow(
    settings: &Settings,
    handle: &Handle,
    journal: &Arc<dyn Journal>,
    watcher: &FileWatcher,
) -> JoinSet<()> {
    let mut followers = JoinSet::new();
    for path in &settings.follow {
        // The cursor is kept by the file's name, which must not depend on where the daemon was started.
        let path: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let cursor = intake::load_cursor(&**journal, &path).await;
        let follower = Follower::new(&path, cursor, &settings.limits, watcher);
        // An agent may write to its log; only without tokens is everybody an operator.
        let trusted = settings.token_file.is_none();
        followers.spawn(intake::run(handle.clone(), Arc::clone(journal), path, follower, trusted));
    }
    followers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_daemon() {
        for (files, expected) in [(1 << 20, 8_000), (1_024, 896), (64, 32), (1, 1)] {
            let mut connections = 8_000;
            leave_files(&mut connections, files);
            assert_eq!(connections, expected, "{files}");
        }
    }
}

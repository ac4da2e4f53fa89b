//! The daemon: the order in which its parts start and stop.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use remora_actors::{
    Handle, Running,
    handle::StartError,
    model::Patience,
    ports::Journal,
    system::{Settings as ActorSettings, World},
};
use remora_web::{Settings as WebSettings, server};
use tokio::{net::TcpListener, signal, task::JoinSet};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Durability, LogFormat, Settings, SettingsError},
    doors::{follow::Follower, intake, mcp},
    stores::{
        agentfs::{AgentFs, RootError, Roots},
        data_dir::{DataDir, DataDirError},
        file_watcher::FileWatcher,
        open_workspace,
        sqlite::{self, Database, OpenError},
    },
    tokens::Tokens,
};

/// The workspace in which decisions are claimed. No agent can reach it: ids from outside hold no control characters.
const CLAIMS: &str = "\u{1}claims";

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
    /// A workspace root.
    #[error(transparent)]
    Root(#[from] RootError),
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
    database: Database,
    /// Ends with the daemon.
    followers: JoinSet<()>,
    /// Held until everything else has ended.
    _data_dir: DataDir,
}

/// Runs a daemon until it is told to stop.
///
/// # Errors
/// [`DaemonError`]: it did not start, or an actor cannot be kept alive.
pub async fn run(settings: Settings) -> Result<(), DaemonError> {
    log_to_stderr(&settings);
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "limit of open files not raised, fewer browsers can connect");
    }
    let daemon = Daemon::start(settings).await?;
    // Whoever started the daemon may have closed its standard output.
    let _ = writeln!(io::stdout(), "listening on http://{}", daemon.address());
    daemon.serve(told_to_stop()).await
}

/// Logs go to standard error; standard output says only where the daemon listens.
pub(crate) fn log_to_stderr(settings: &Settings) {
    // A browser that closes a stream is no error, though warp logs it as one; rmcp tells of every session.
    let filter = EnvFilter::builder().parse_lossy(format!("warp::server=off,rmcp=warn,{}", settings.log));
    // Its complaint about a log that cannot be written would go to standard error, which cannot be written then, and panic.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    // A second daemon in the process logs where the first one does.
    let _ = match settings.log_format {
        LogFormat::Json => logs.json().try_init(),
        LogFormat::Pretty => logs.with_ansi(io::stderr().is_terminal()).try_init(),
    };
}

impl Daemon {
    /// Opens everything, in an order in which nothing is touched before the data folder is known to be ours.
    ///
    /// # Errors
    /// [`DaemonError`]; nothing was changed.
    pub async fn start(settings: Settings) -> Result<Self, DaemonError> {
        let tokens = settings.tokens()?;
        let roots = Roots::new(&settings.workspace_roots)?;
        let (data, durability) = (settings.data.clone(), settings.durability);
        let (data_dir, database) = tokio::task::spawn_blocking(move || open(&data, durability)).await??;
        let listener = server::listen(settings.listen)
            .map_err(|source| DaemonError::Listen { address: settings.listen, source })?;
        let address =
            listener.local_addr().map_err(|source| DaemonError::Listen { address: settings.listen, source })?;
        let watcher = FileWatcher::start(Duration::from_millis(settings.workspace_poll_ms));
        let journal: Arc<dyn Journal> = Arc::new(database.journal());
        let files = AgentFs::new(roots, watcher.clone(), settings.limits.value_bytes);
        let world = World {
            journal: Arc::clone(&journal),
            claims: Arc::new(database.workspace(CLAIMS)),
            open_workspace: open_workspace(database.clone(), files),
            renderer: remora_web::render,
            settings: actor_settings(&settings),
        };
        let (handle, running) = Handle::start(world).await?;
        let followers = follow(&settings, &handle, &journal, &watcher).await;
        let web = web_settings(&settings, tokens);
        Ok(Self { address, listener, handle, running, web, database, followers, _data_dir: data_dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends, then stops in order: the doors, the streams, the actors, the database.
    ///
    /// # Errors
    /// [`DaemonError::Died`]: an actor cannot be kept alive.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), DaemonError> {
        let Self { listener, handle, mut running, web, database, mut followers, _data_dir, .. } = self;
        let sessions = handle.limits().sessions;
        tokio::select! {
            () = server::serve(listener, handle, web, |api| mcp::http::door(api, sessions), stop) => {}
            () = running.ended() => return Err(DaemonError::Died),
        }
        followers.shutdown().await;
        running.stop().await;
        if let Err(error) = database.close().await {
            tracing::warn!(error, "database not tidied up, the next start does it");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

fn open(data: &std::path::Path, durability: Durability) -> Result<(DataDir, Database), DaemonError> {
    let data_dir = DataDir::open(data)?;
    let durability = match durability {
        Durability::Full => sqlite::Durability::Full,
        Durability::Normal => sqlite::Durability::Normal,
    };
    let database = Database::open(&data_dir.database(), durability)?;
    Ok((data_dir, database))
}

fn actor_settings(settings: &Settings) -> ActorSettings {
    ActorSettings {
        limits: settings.limits.clone(),
        frame_interval: Duration::from_millis(settings.frame_interval_ms),
        view_interval: Duration::from_millis(settings.view_interval_ms),
        snapshot_events: settings.snapshot_events,
        patience: Patience::from_secs(settings.stalled_after_s, settings.stalled_tool_after_s),
        undo: Duration::from_secs(settings.undo_s),
    }
}

fn web_settings(settings: &Settings, tokens: Option<Tokens>) -> WebSettings {
    let expose = |tokens: Tokens| remora_web::Tokens {
        agent: tokens.agent.iter().map(|token| token.expose().to_owned()).collect(),
        operator: tokens.operator.iter().map(|(token, name)| (token.expose().to_owned(), name.clone())).collect(),
    };
    WebSettings {
        heartbeat: Duration::from_secs(settings.heartbeat_s),
        loopback: settings.listen.ip().to_canonical().is_loopback(),
        tokens: tokens.map(expose),
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
        let follower = Follower::new(&path, cursor, settings.limits.event_bytes, watcher);
        followers.spawn(intake::run(handle.clone(), Arc::clone(journal), path, follower));
    }
    followers
}

/// Ends when the user or the service manager wants the daemon to stop.
pub(crate) async fn told_to_stop() {
    let mut terminate = match signal::unix::signal(signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGTERM");
            let _ = signal::ctrl_c().await;
            return;
        }
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
}

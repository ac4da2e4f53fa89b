//! The daemon's settings: from flags, `REMORA_*` variables and a TOML file, in that order of precedence.
//!
//! [`Settings`] is the one list of them: its fields are the flags, the variables and the TOML keys, its texts are
//! the help, and [`Settings::default`] is what the flags default to.

mod bus;
mod effective;
mod flags;
#[cfg(all(test, feature = "fault-injection"))]
mod fuzz;
mod sources;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Command, FromArgMatches, ValueEnum};
use directories::ProjectDirs;
use remora_actors::model::Limits;
use remora_web::{MAX_HEARTBEAT_S, http::Uri};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

pub use self::{
    effective::Effective,
    flags::{BusFlags, Flags},
};
use crate::{
    notify::{Target, TargetSettings},
    tokens::{Tokens, TokensError},
};

/// Longest time in which an answer can be taken back: nobody notices a mistake later, and the agent waits.
const MAX_UNDO_S: u64 = 60;
/// Why a limit must not be over another one.
const NEVER_ROOM: &str = "what is so large would never have room";

/// Everything about a daemon that its user can choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on; port 0 picks a free one. Any address but loopback needs a token file
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,

    /// Folder of the journal and the embedded workspaces
    #[arg(long, value_name = "DIR", default_value_os_t = default_data())]
    pub data: PathBuf,

    /// Folder below which agents may name workspace files; none, and no file is opened. Repeatable
    #[arg(long = "workspace-root", value_name = "DIR")]
    #[serde(deserialize_with = "paths")]
    pub workspace_roots: Vec<PathBuf>,

    /// Log file whose lines are taken in as events while it grows. Repeatable
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "paths")]
    pub follow: Vec<PathBuf>,

    /// NATS server that holds the journal and the workspaces instead of the data folder, such as nats://127.0.0.1:4222,
    /// or tls:// to encrypt; those of a cluster separated by commas. Any number of daemons may share it
    #[arg(long, value_name = "URLS")]
    pub bus: Option<String>,

    /// Name to give the NATS server, with a password file
    #[arg(long, value_name = "NAME")]
    pub bus_user: Option<String>,

    /// File of the password that belongs to the name
    #[arg(long, value_name = "FILE")]
    pub bus_password_file: Option<PathBuf>,

    /// File of the token that the NATS server wants
    #[arg(long, value_name = "FILE")]
    pub bus_token_file: Option<PathBuf>,

    /// Credentials file for the NATS server, as `nsc` writes it
    #[arg(long, value_name = "FILE")]
    pub bus_creds_file: Option<PathBuf>,

    /// File of the seed of an nkey that the NATS server knows
    #[arg(long, value_name = "FILE")]
    pub bus_nkey_file: Option<PathBuf>,

    /// Authorities whose certificates the NATS server may show, as PEM, instead of those that this machine trusts.
    /// Encrypts the connection
    #[arg(long, value_name = "FILE")]
    pub bus_ca_file: Option<PathBuf>,

    /// Certificate to show the NATS server, as PEM. Encrypts the connection
    #[arg(long, value_name = "FILE")]
    pub bus_cert_file: Option<PathBuf>,

    /// Key of the certificate, as PEM
    #[arg(long, value_name = "FILE")]
    pub bus_key_file: Option<PathBuf>,

    /// Copies of everything in the NATS cluster, 5 at most: 1 is what a single server can keep, 3 outlive the loss of
    /// one server
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub bus_replicas: usize,

    /// What all names in NATS begin with, so that several Remoras can share one
    #[arg(long, value_name = "WORD", default_value = "remora")]
    pub bus_prefix: String,

    /// When an event counts as written
    #[arg(long, value_enum, default_value_t = Durability::Full)]
    pub durability: Durability,

    /// Shortest time between two frames to a browser, in milliseconds: 33 looks continuous to the eye
    #[arg(long, value_name = "MS", default_value_t = 33)]
    pub frame_interval_ms: u64,
    /// Shortest time between two frames of a page beside the dashboard, in milliseconds: it is rendered whole each time
    #[arg(long, value_name = "MS", default_value_t = 250)]
    pub view_interval_ms: u64,

    /// Time between heartbeats on a quiet stream, in seconds: below the idle timeouts of common proxies
    #[arg(long, value_name = "S", default_value_t = 15)]
    pub heartbeat_s: u64,

    /// Whether pages and their streams are compressed, for browsers that take it: a ninth of a stream's bytes or less, for a
    /// twentieth more processor time and a fifth of a millisecond
    #[arg(long, value_enum, default_value_t = Compression::Auto)]
    pub compression: Compression,

    /// Events between two snapshots: what a restart has to read again at most
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub snapshot_events: u64,

    /// Time between two looks at a workspace file, in milliseconds, in case a change was not notified
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    pub workspace_poll_ms: u64,

    /// How long to wait for another daemon to leave the data folder, in seconds: one that stops takes 5 at most
    #[arg(long, value_name = "S", default_value_t = 6)]
    pub lock_wait_s: u64,

    /// Age after which events are deleted, in seconds; none, and they are kept. What belongs to an open question, or
    /// to an answer or a message that was not picked up, is never deleted
    #[arg(long, value_name = "S")]
    pub retain_age_s: Option<u64>,

    /// Number of events beyond which the oldest are deleted; none, and they are kept
    #[arg(long, value_name = "N")]
    pub retain_events: Option<u64>,

    /// Size of the journal beyond which the oldest events are deleted, in bytes: 4 GiB is some ten million events. What
    /// agents keep in their workspaces does not count
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    pub retain_bytes: u64,

    /// Age up to which no event is deleted, in seconds: a sender that repeats itself is recognised for so long at least
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub retain_at_least_s: u64,

    /// Time between two looks at the size and the age of the journal, in seconds
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub housekeeping_s: u64,

    /// Collector that is sent the daemon's spans, by OTLP over HTTP, such as http://127.0.0.1:4318; none, and none are
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Silence after which an agent at work counts as stalled, in seconds: models answer within a minute or two
    #[arg(long, value_name = "S", default_value_t = 120)]
    pub stalled_after_s: u64,

    /// The same while a tool call of it is under way, in seconds: builds and test suites say nothing until they end
    #[arg(long, value_name = "S", default_value_t = 1_800)]
    pub stalled_tool_after_s: u64,

    /// Time in which a person can take an answer back, in seconds, 60 at most; until then the agent does not get it.
    /// 0: it gets it at once
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub undo_s: u64,

    /// Address at which people reach the daemon, for the links in notices; without one, notices carry no links
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,

    /// How long a link that answers a question works at most, in hours; it never outlives the question
    #[arg(long, value_name = "H", default_value_t = 24)]
    pub link_lifetime_h: u32,

    /// Who is told of questions, one table `[[notify]]` each
    #[arg(skip)]
    pub notify: Vec<TargetSettings>,

    /// How often a notice is tried before it is given up: with 8 a target may be away for a quarter of an hour
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub notify_tries: u32,

    /// Pause after the first try of a notice, in milliseconds; each further pause is three times as long
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    pub notify_pause_ms: u64,

    /// How long one try of a notice may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub notify_timeout_ms: u64,

    /// File of tokens; the flag is shared with the client commands. Without one, everybody on this machine is trusted.
    /// Read again on SIGHUP
    #[arg(skip)]
    pub token_file: Option<PathBuf>,

    /// What is logged: a level, or a filter such as `info,remora_web=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How it is logged
    #[arg(long, value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,

    /// Bounds on what is taken in and kept
    #[arg(skip)]
    pub limits: Limits,
}

/// When an event counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Once it is on the disk: it outlives a power cut.
    Full,
    /// Once the operating system has it: faster; it outlives a crash of the daemon, not a power cut.
    Normal,
}

/// Whether pages and their streams are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Where browsers may be far away: a daemon with a token file is the only one that they reach from elsewhere.
    Auto,
    /// Nowhere.
    Off,
    /// Always, as gzip, which all browsers take.
    Gzip,
}

/// How the log is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For people with narrow screens: without the place in the program.
    Compact,
    /// One JSON object a line.
    Json,
}

/// Why the daemon cannot be started with these settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A configuration file was named and is not there.
    #[error("configuration file {} does not exist", .0.display())]
    NoFile(PathBuf),
    /// A key that does not exist, or a value of the wrong type. One sentence a line.
    #[error("{0}")]
    Invalid(String),
    /// A value of the right type that cannot be used.
    #[error("setting `{setting}` {problem}")]
    Unusable {
        /// The setting.
        setting: String,
        /// What is wrong with its value, and what to do.
        problem: String,
    },
    /// The token file was refused.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The address is open to others and there are no tokens.
    #[error(
        "refusing to listen on {0} without tokens: anybody who reaches it could answer for you; \
         name a token file (--token-file FILE), or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
}

impl Default for Settings {
    fn default() -> Self {
        let matches = Self::augment_args(Command::new("remora")).try_get_matches_from(["remora"]);
        matches.and_then(|matches| Self::from_arg_matches(&matches)).expect("every setting has a default")
    }
}

impl Settings {
    /// Merges defaults, the TOML file, the environment and the flags, and checks the outcome.
    ///
    /// Without `file` it is `remora.toml` in the platform's configuration folder, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown, or a value cannot be used.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, SettingsError> {
        let figment = sources::merged(file, flags)?;
        let settings: Self = figment.extract().map_err(|errors| {
            let lines: Vec<_> = errors.into_iter().map(|error| sources::explain(&error, &figment)).collect();
            SettingsError::Invalid(lines.join("\n"))
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// The tokens to demand; `None` where everybody on this machine is trusted.
    ///
    /// # Errors
    /// The token file is refused, or there is none and the address is open to other machines.
    pub fn tokens(&self) -> Result<Option<Tokens>, SettingsError> {
        match &self.token_file {
            Some(path) => Ok(Some(Tokens::read(path)?)),
            None if self.listen.ip().to_canonical().is_loopback() => Ok(None),
            None => Err(SettingsError::Open(self.listen)),
        }
    }

    /// Who is told of questions, their secrets read.
    ///
    /// # Errors
    /// A target cannot be used, or two have one name.
    pub fn targets(&self) -> Result<Vec<Target>, SettingsError> {
        let mut targets: Vec<Target> = Vec::new();
        for (index, settings) in self.notify.iter().enumerate() {
            let unusable = |problem: String| SettingsError::Unusable { setting: format!("notify[{index}]"), problem };
            let target = Target::new(settings).map_err(|error| unusable(error.to_string()))?;
            if targets.iter().any(|other| other.name() == target.name()) {
                return Err(unusable(format!("is called {:?} as another one is; give it a `name`", target.name())));
            }
            targets.push(target);
        }
        Ok(targets)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let unusable = |setting: &str, problem: &str| {
            Err(SettingsError::Unusable { setting: setting.to_owned(), problem: problem.to_owned() })
        };
        self.bus()?;
        if let Some(url) = &self.otlp_endpoint
            && !url.starts_with("http://")
        {
            return unusable("otlp_endpoint", "must begin with http://; a collector beside the daemon can encrypt");
        }
        if let Err(error) = EnvFilter::builder().parse(&self.log) {
            return unusable("log", &format!("is not a log filter: {error}"));
        }
        if let Ok(Value::Object(all)) = serde_json::to_value(self) {
            let limits = all.get("limits").and_then(Value::as_object).into_iter().flatten();
            let limits = limits.map(|(name, value)| (format!("limits.{name}"), value));
            for (name, value) in all.iter().map(|(name, value)| (name.clone(), value)).chain(limits) {
                if value.as_u64() == Some(0) && name != "undo_s" {
                    return unusable(&name, "must be at least 1");
                }
            }
        }
        if self.public_url.as_ref().is_some_and(|url| !is_base(url)) {
            return unusable("public_url", "must begin with https:// or http://, name a host, and have no query");
        }
        if self.heartbeat_s > MAX_HEARTBEAT_S.into() {
            return unusable("heartbeat_s", &format!("must be at most {MAX_HEARTBEAT_S}: pages take more for a loss"));
        }
        if self.undo_s > MAX_UNDO_S {
            return unusable("undo_s", &format!("must be at most {MAX_UNDO_S}: the agent waits for as long"));
        }
        let limits = &self.limits;
        for (name, value, other, most, otherwise) in [
            ("event_bytes", limits.event_bytes, "body_bytes", limits.body_bytes, "such an event cannot be sent"),
            ("body_bytes", limits.body_bytes, "arriving_bytes", limits.arriving_bytes, NEVER_ROOM),
            ("body_bytes", limits.body_bytes, "publishing_bytes", limits.publishing_bytes, NEVER_ROOM),
            ("batch_events", limits.batch_events, "publishing_events", limits.publishing_events, NEVER_ROOM),
        ] {
            if value > most {
                return unusable(&format!("limits.{name}"), &format!("must not be over `limits.{other}`: {otherwise}"));
            }
        }
        Ok(())
    }
}

/// True for an address that paths can be put behind.
fn is_base(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|h| !h.is_empty())
        && uri.query().is_none()
}

fn default_data() -> PathBuf {
    let folders = ProjectDirs::from("", "", "remora");
    folders.map_or_else(|| PathBuf::from("remora-data"), |folders| folders.data_dir().to_owned())
}

/// A list, or one text of paths separated as in `PATH`: a variable has no other way to say it.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of paths")]
    enum Paths {
        List(Vec<PathBuf>),
        Text(String),
    }
    Ok(match Paths::deserialize(deserializer)? {
        Paths::List(list) => list,
        Paths::Text(text) => std::env::split_paths(&text).filter(|path| !path.as_os_str().is_empty()).collect(),
    })
}

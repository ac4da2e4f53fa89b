//! What can go wrong in a command, and the exit code that says so.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::terminal;
use crate::{config::SettingsError, daemon::DaemonError, tokens::TokensError};

/// Exit code for anything that has no code of its own.
const FAILED: u8 = 1;
/// Exit code for a command line or a setting that cannot be used, as clap has it.
const USAGE: u8 = 2;
/// Exit code for a daemon that is not there.
const NO_DAEMON: u8 = 5;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("daemon not reachable at {url}; start it with: remora serve")]
    NotReachable { url: String, source: reqwest::Error },
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("event refused: {0}")]
    EventRefused(String),
    #[error("too late: {0}")]
    TooLate(String),
    #[error("{url} does not answer as a remora daemon: {what}; is the address right?")]
    NotRemora { url: String, what: String },
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The reader of standard output has gone away: nothing to say, nobody to say it to.
    #[error("standard output is closed")]
    OutputClosed,
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// Writes the error and its causes to standard error, once.
    pub(crate) fn report(&self) -> ExitCode {
        if matches!(self, Self::OutputClosed) {
            return ExitCode::SUCCESS;
        }
        let mut text = format!("error: {}\n", terminal::escape_lines(&self.to_string()));
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&format!("  caused by: {}\n", terminal::escape_lines(&error.to_string())));
            cause = error.source();
        }
        // Standard error may be closed too; the exit code still speaks.
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(match self {
            Self::NotReachable { .. } => NO_DAEMON,
            Self::Usage(_) | Self::Settings(_) | Self::Daemon(DaemonError::Settings(_)) => USAGE,
            _ => FAILED,
        })
    }

    /// True where the same call may succeed a moment later: the daemon is busy, or on its way down or up.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NotReachable { .. } => true,
            Self::Refused(problem) => problem.status == 503,
            _ => false,
        }
    }

    /// True where there was no connection: the daemon is not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::NotReachable { source, .. } if source.is_connect())
    }

    /// How long the daemon asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after,
            _ => None,
        }
    }

    /// The problem document of a refusal with this status.
    pub(crate) fn refusal(&self, status: u16) -> Option<&Problem> {
        match self {
            Self::Refused(problem) if problem.status == status => Some(problem),
            _ => None,
        }
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Default)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) title: String,
    pub(crate) detail: String,
    /// What the kind of problem brings along.
    pub(crate) extra: Map<String, Value>,
    pub(crate) retry_after: Option<Duration>,
}

impl Problem {
    /// Reads a document. What it brings along is left out where it is nested too deep to be read.
    pub(crate) fn read(document: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Plain {
            status: u16,
            title: String,
            detail: String,
        }
        let Plain { status, title, detail } = serde_json::from_slice(document)?;
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(document)?;
        let own = |name: &str| ["status", "title", "detail"].contains(&name);
        let extra = members.into_iter().filter(|(name, _)| !own(name));
        let extra = extra.filter_map(|(name, value)| Some((name, serde_json::from_str(value.get()).ok()?)));
        Ok(Self { status, title, detail, extra: extra.collect(), retry_after: None })
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.detail.as_str(), self.title.as_str()) {
            ("", "") => write!(f, "the daemon answered with status {}", self.status),
            ("", title) => write!(f, "{title} ({})", self.status),
            // The title says of the kind what the detail says of the case.
            (detail, _) => f.write_str(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_it_knows() {
        for (json, text) in [
            (r#"{"status":409,"title":"already answered","detail":"by alice"}"#, "by alice"),
            (r#"{"status":413,"title":"too large"}"#, "too large (413)"),
            (r#"{"status":500}"#, "the daemon answered with status 500"),
        ] {
            assert_eq!(Problem::read(json.as_bytes()).expect("valid").to_string(), text);
        }
    }

    #[test]
    fn a_problem_is_read_however_deep_it_is_nested() {
        let deep = format!(r#"{{"status":409,"detail":"d","n":1,"deep":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        let problem = Problem::read(deep.as_bytes()).expect("valid");
        assert_eq!((problem.status, problem.extra.get("n"), problem.extra.len()), (409, Some(&1.into()), 1));
    }

    #[test]
    fn only_a_busy_or_absent_daemon_is_worth_another_try() {
        let refused = |status| Error::Refused(Box::new(Problem { status, ..Problem::default() }));
        assert!(refused(503).is_transient());
        assert!(!refused(409).is_transient() && !refused(500).is_transient());
    }
}

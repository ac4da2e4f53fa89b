//! `remora doctor`: what is wrong, and the cure for each. [`remote`] asks the daemon, [`local`] looks at
//! this machine and [`bus`] at NATS.

mod bus;
mod local;
mod remote;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{
    Shared,
    client::{Client, Scope},
    error::Error,
    terminal::{self, Output},
};

/// Exit code: something is wrong.
const TROUBLE: u8 = 1;
/// Exit code: the daemon is not there, as for the other commands.
const NO_DAEMON: u8 = 5;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Folder of the daemon's journal [default: as the daemon has it]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The daemon's TOML file [default: as the daemon has it]
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,
}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Failed,
    /// It could not be looked at.
    Skipped,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    health: Health,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, health: Health::Ok, detail: detail.into(), cure: None }
    }

    fn failed(check: &'static str, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, health: Health::Failed, detail: detail.into(), cure: Some(cure.into()) }
    }

    fn skipped(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, health: Health::Skipped, detail: detail.into(), cure: None }
    }
}

pub(crate) async fn run(args: &DoctorArgs, shared: &Shared) -> Result<ExitCode, Error> {
    let mut findings = Vec::new();
    let mut daemon = None;
    let mut is_local = true;
    match Client::new(&shared.connection, Scope::Operator) {
        Err(error @ Error::Usage(_)) => return Err(error),
        Err(error) => findings.push(Finding::failed("token", error.to_string(), "name another with --token-file FILE")),
        Ok(client) => {
            is_local = client.is_local();
            daemon = remote::look(&client, &mut findings).await;
        }
    }
    let is_up = daemon.is_some();
    if is_local {
        if let Some(settings) = local::look(args, is_up, &mut findings) {
            bus::look(&settings, daemon.and_then(|daemon| daemon.store), &mut findings).await;
        }
    } else {
        findings.push(Finding::skipped("data folder", "the daemon is on another machine; run this there"));
    }
    let all_well = findings.iter().all(|finding| finding.health != Health::Failed);
    show(&Output::new(), &findings, all_well, shared.json)?;
    Ok(match (all_well, is_up) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(TROUBLE),
        (false, false) => ExitCode::from(NO_DAEMON),
    })
}

fn show(out: &Output, findings: &[Finding], all_well: bool, json: bool) -> Result<(), Error> {
    if json {
        return out.json(&json!({"ok": all_well, "checks": findings}).to_string());
    }
    for Finding { check, health, detail, cure } in findings {
        let (word, style) = match health {
            Health::Ok => ("ok", terminal::GOOD),
            Health::Failed => ("failed", terminal::BAD),
            Health::Skipped => ("skipped", terminal::FAINT),
        };
        out.line(&format!("{}  {check:<11}  {}", out.paint(style, &format!("{word:<7}")), terminal::escape(detail)))?;
        if let Some(cure) = cure {
            out.line(&format!("{:22}cure: {}", "", terminal::escape(cure)))?;
        }
    }
    Ok(())
}

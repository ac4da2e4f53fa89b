//! `remora serve`: runs the daemon.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Shared, error::Error, terminal::Output};
use crate::{
    config::{Effective, Flags, Settings},
    daemon,
};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// TOML file with settings [default: remora.toml in the platform's configuration folder, if there is one]
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,

    /// Look at the settings and at all that they name, print them with where each comes from, and start nothing
    #[arg(long)]
    pub(super) check_config: bool,

    #[command(flatten)]
    flags: Flags,
}

pub(crate) async fn run(args: &ServeArgs, shared: &Shared) -> Result<(), Error> {
    let settings = Settings::load(args.config.as_deref(), &args.flags)?;
    if args.check_config {
        return check(args, &settings, shared);
    }
    Ok(Box::pin(daemon::run(settings)).await?)
}

fn check(args: &ServeArgs, settings: &Settings, shared: &Shared) -> Result<(), Error> {
    let effective = Effective::load(args.config.as_deref(), &args.flags)?;
    let problems = daemon::check(settings);
    let out = Output::new();
    if shared.json {
        let report = json!({"ok": problems.is_empty(), "settings": effective.to_json(), "problems": problems});
        out.json(&report.to_string())?;
    } else {
        out.line(effective.to_string().trim_end())?;
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Usage(problems.join("\n"))) }
}

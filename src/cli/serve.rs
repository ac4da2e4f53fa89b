//! `remora serve`: runs the daemon.

use std::path::PathBuf;

use clap::Args;

use super::{error::Error, terminal::Output};
use crate::{
    config::{self, Flags, Settings},
    daemon,
};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// TOML file with settings [default: remora.toml in the platform's configuration folder, if there is one]
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,

    /// Look at the settings and at all that they name, print them with where each comes from, and start nothing
    #[arg(long)]
    check_config: bool,

    #[command(flatten)]
    flags: Flags,
}

pub(crate) async fn run(args: &ServeArgs) -> Result<(), Error> {
    let settings = Settings::load(args.config.as_deref(), &args.flags)?;
    if args.check_config {
        return check(args, &settings);
    }
    Ok(Box::pin(daemon::run(settings)).await?)
}

fn check(args: &ServeArgs, settings: &Settings) -> Result<(), Error> {
    let effective = config::effective(args.config.as_deref(), &args.flags)?;
    Output::new().line(effective.trim_end())?;
    let problems = daemon::check(settings);
    if problems.is_empty() { Ok(()) } else { Err(Error::Usage(problems.join("\n"))) }
}

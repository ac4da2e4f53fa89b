//! `remora serve`: runs the daemon.

use std::path::PathBuf;

use clap::Args;

use super::error::Error;
use crate::{
    config::{Flags, Settings},
    daemon,
};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// TOML file with settings [default: remora.toml in the platform's configuration folder, if there is one]
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,
}

pub(crate) async fn run(args: &ServeArgs) -> Result<(), Error> {
    let settings = Settings::load(args.config.as_deref(), &args.flags)?;
    Ok(daemon::run(settings).await?)
}

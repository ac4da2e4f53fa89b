//! `remora backup` and `remora restore`: the journal and the embedded workspaces as one file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Shared, error::Error, terminal::Output};
use crate::{
    config::{Flags, Settings},
    stores::{
        nats,
        sqlite::backup::{self, BackupError, Contents},
    },
};

/// Where the daemon keeps its data.
#[derive(Debug, Args)]
struct Folder {
    /// The daemon's data folder [default: that of the settings]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// TOML file with the daemon's settings
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,
}

impl Folder {
    fn settings(self) -> Result<Settings, Error> {
        match self.data {
            Some(data) => Ok(Settings { data, ..Settings::default() }),
            None => Ok(Settings::load(self.config.as_deref(), &Flags::default())?),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The copy, which must not be there yet
    file: PathBuf,

    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A copy that `remora backup` made
    file: PathBuf,

    #[command(flatten)]
    folder: Folder,
}

pub(crate) async fn back_up(args: BackupArgs, shared: &Shared) -> Result<(), Error> {
    let (settings, file) = (args.folder.settings()?, args.file);
    if settings.bus.is_some() || settings.data.join(nats::FILE_NAME).exists() {
        let (data, copy) = (settings.data.display(), nats::FILE_NAME);
        return Err(Error::Failed(format!(
            "the daemon of {data} keeps everything in nats; stop all daemons there and copy it with: \
             remora migrate --from nats://… --to DIR; if it does so no more, remove {copy} from the folder"
        )));
    }
    let target = file.clone();
    let contents = aside(move || backup::back_up(&settings.data, &target)).await?;
    tell("backed up to", &file, &contents, shared)
}

pub(crate) async fn restore(args: RestoreArgs, shared: &Shared) -> Result<(), Error> {
    let (data, file) = (args.folder.settings()?.data, args.file);
    let target = data.clone();
    let contents = aside(move || backup::restore(&file, &target)).await?;
    tell("restored into", &data, &contents, shared)
}

async fn aside(work: impl FnOnce() -> Result<Contents, BackupError> + Send + 'static) -> Result<Contents, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Failed(error.to_string()))?.map_err(|error| Error::Failed(error.to_string()))
}

fn tell(what: &str, place: &Path, contents: &Contents, shared: &Shared) -> Result<(), Error> {
    let out = Output::new();
    if shared.json {
        return out.json(&json!(contents).to_string());
    }
    let Contents { events, last_seq, agents, values, bytes, .. } = contents;
    out.line(&format!(
        "{what} {}: {events} events up to {last_seq}, {agents} agents, {values} workspace values, {bytes} bytes",
        place.display()
    ))?;
    match contents.oldest {
        Some(oldest) => out.line(&format!("the oldest event came in at {oldest:.0}")),
        None => Ok(()),
    }
}

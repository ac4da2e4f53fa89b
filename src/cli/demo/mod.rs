//! `remora demo`: a daemon in a temporary folder, with agents of its own that talk to it over HTTP as any other would.

mod agents;

use std::net::SocketAddr;

use clap::Args;
use tokio::task::JoinSet;

use super::{Connection, error::Error};
use crate::{
    config::Settings,
    daemon::{Daemon, DaemonError, Signals},
    telemetry,
};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
}

pub(crate) async fn run(args: &DemoArgs) -> Result<(), Error> {
    let failed = |source| Error::io("no temporary folder for the demo", source);
    // Removed when the demo ends.
    let folder = tempfile::tempdir().map_err(failed)?;
    let settings =
        Settings { listen: args.listen, data: folder.path().to_owned(), log: "warn".to_owned(), ..Settings::default() };
    let telemetry = telemetry::start(&settings).map_err(DaemonError::from)?;
    let signals = Signals::listen()?;
    let daemon = Daemon::start(settings).await?;
    let url = format!("http://{}", daemon.address());
    println!("listening on {url}");
    println!(
        "open it in a browser: a few agents are at work, and soon some of them wait for you (ctrl-c ends the demo)"
    );
    let mut agents = JoinSet::new();
    agents.spawn(agents::work(Connection { url, token_file: None }));
    let outcome = daemon.serve_until_told(signals).await;
    agents.shutdown().await;
    telemetry.stop().await;
    Ok(outcome?)
}

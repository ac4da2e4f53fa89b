//! `remora mcp`: the MCP server of one agent, on standard input and output.

use std::io;

use clap::Args;
use remora_actors::model::Door;
use rmcp::{
    ServiceExt,
    service::{QuitReason, ServerInitializeError},
    transport::io::stdio_pipes,
};

use super::{
    Shared,
    client::{Client, Scope},
    default_agent,
    error::Error,
    terminal,
};
use crate::{daemon::Signals, doors::mcp::McpServer};

#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    /// Who asks [default: <client>-<user>@<host>, by the name that the MCP client tells]
    #[arg(long, value_name = "ID", env = "REMORA_AGENT_ID")]
    agent: Option<String>,
}

pub(crate) async fn run(args: McpArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Agent)?.at(Door::Mcp);
    let server = McpServer::bridge(client, args.agent.filter(|id| !id.is_empty()), default_agent);
    terminal::hint("speaking the model context protocol on standard input; an MCP client starts this program");
    let mut signals = Signals::listen()?;
    let served = tokio::select! {
        served = serve(server.clone()) => served,
        // What is under way is cancelled with the service.
        () = signals.next() => Ok(()),
    };
    server.settled().await;
    served
}

/// Serves until the client goes away.
async fn serve(server: McpServer) -> Result<(), Error> {
    let failed = |error| Error::io("the mcp session failed", io::Error::other(error));
    let service = match server.serve(stdio_pipes()).await {
        Ok(service) => service,
        // It went away before it said anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(Error::io("the mcp client cannot be understood", io::Error::other(error))),
    };
    match service.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(failed(error)),
        Ok(_) => Ok(()),
    }
}

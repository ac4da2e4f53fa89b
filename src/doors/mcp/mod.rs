//! The model context protocol: agents ask, report and listen through tools.
//!
//! - [`tools`]: the tools, with their [`args`] and [`results`]. [`asking`]: waiting for a person.
//! - [`resources`]: what an agent can read.
//! - [`http`]: the daemon's own `/mcp`. Over standard input and output, `remora mcp` serves the same.
//!
//! All of it talks to the daemon through its JSON API, over the network or within the process, so that a question
//! asked here is a question like any other.

mod args;
mod asking;
pub(crate) mod http;
mod resources;
mod results;
#[cfg(test)]
mod tests;
mod tools;

use std::sync::Arc;

use remora_actors::model::Door;
use remora_web::{Api, http::request::Parts};
use reqwest::{Url, header::HeaderMap};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        Implementation, ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    tool_handler,
};
use tokio::sync::watch;

use crate::cli::{client::Client, error::Error};

/// What a model is told about the server as a whole.
const INSTRUCTIONS: &str = "Remora carries your questions to a person and the person's answers back to you. Ask \
    (ask_user) before you do what cannot be undone, what costs money, or what only a person can know. An answer \
    comes from a person; an expired or cancelled question is no consent. At natural pauses look for messages \
    (get_user_messages): a person may have written to you unasked.";

/// Bytes of a client's name that go into an agent's id.
const NAME_BYTES: usize = 64;

/// The MCP server, whatever carries its messages. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct McpServer {
    daemon: Daemon,
    /// How many questions are being waited for or withdrawn.
    asking: watch::Sender<usize>,
}

/// Where the daemon is, and who talks to it.
#[derive(Clone)]
enum Daemon {
    /// Over the network; one agent.
    Bridged { client: Arc<Client>, agent_id: Option<String>, default_agent: fn(&str) -> String },
    /// This process; whoever sends a request, with that request's rights.
    Here(Api),
}

/// Who makes a request.
struct Caller {
    client: Arc<Client>,
    agent_id: String,
}

impl McpServer {
    /// A server for one agent; without an id it gets one from the name of its program.
    pub(crate) fn bridge(client: Client, agent_id: Option<String>, default_agent: fn(&str) -> String) -> Self {
        Self::new(Daemon::Bridged { client: Arc::new(client), agent_id, default_agent })
    }

    fn new(daemon: Daemon) -> Self {
        Self { daemon, asking: watch::Sender::new(0) }
    }

    /// Returns once nothing is waited for or withdrawn any more.
    pub(crate) async fn settled(&self) {
        let _ = self.asking.subscribe().wait_for(|asking| *asking == 0).await;
    }

    fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, Error> {
        let program = program(context.client_info().as_ref());
        Ok(match &self.daemon {
            Daemon::Bridged { client, agent_id, default_agent } => Caller {
                client: Arc::clone(client),
                agent_id: agent_id.clone().unwrap_or_else(|| default_agent(&program)),
            },
            Daemon::Here(api) => {
                let parts = context.extensions.get::<Parts>();
                let none = HeaderMap::new();
                let client = Client::within(api.clone(), parts.map_or(&none, |parts| &parts.headers))?.at(Door::Mcp);
                let agent_id = parts.and_then(|parts| agent_of(parts.uri.query()?)).unwrap_or(program);
                Caller { client: Arc::new(client), agent_id }
            }
        })
    }
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bridged { .. } => "Bridged",
            Self::Here(_) => "Here",
        })
    }
}

/// The client's name as part of an id: lower case, without anything that would have to be escaped.
fn program(client: Option<&Implementation>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let name: String = client.map_or("", |client| &client.name).chars().take(NAME_BYTES).map(plain).collect();
    if name.bytes().any(|b| b.is_ascii_alphanumeric()) { name } else { "mcp".to_owned() }
}

/// The agent that an address such as `/mcp?agent=reviewer` names.
fn agent_of(query: &str) -> Option<String> {
    let url = Url::parse(&format!("http://localhost/?{query}")).ok()?;
    url.query_pairs().find(|(name, _)| name == "agent").map(|(_, id)| id.into_owned()).filter(|id| !id.is_empty())
}

#[tool_handler]
impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_resources().build())
            .with_server_info(Implementation::new("remora", env!("CARGO_PKG_VERSION")).with_title("Remora"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = self.caller(&context)?;
        Ok(ListResourcesResult::with_all_items(resources::of(&caller.agent_id)))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![resources::history_template()]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = self.caller(&context)?;
        resources::read(&caller, &request.uri).await.map(Into::into)
    }
}

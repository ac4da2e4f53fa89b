//! What an agent can read: the inbox, and its own history.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Method;
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::Value;

use super::{Caller, tools::PATIENCE};
use crate::cli::error::Error;

/// The questions that wait for a person.
const INBOX: &str = "remora://inbox";
/// An agent's history lies between these two.
const AGENTS: &str = "remora://agents/";
const EVENTS: &str = "/events";
/// Events of a history: the newest, as many as a model can take in at once.
const HISTORY_EVENTS: &str = "200";
/// What is escaped of an id inside an address.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');
const JSON: &str = "application/json";

/// The resources of one agent.
pub(super) fn of(agent_id: &str) -> Vec<Resource> {
    let history = format!("{AGENTS}{}{EVENTS}", utf8_percent_encode(agent_id, ESCAPED));
    vec![
        Resource::new(INBOX, "inbox")
            .with_title("Inbox")
            .with_description(
                "The questions that wait for a person: everybody's with an operator's token, your own otherwise",
            )
            .with_mime_type(JSON),
        Resource::new(history, "history")
            .with_title("Your history")
            .with_description("Your newest events, oldest first: what you did, asked and were answered")
            .with_mime_type(JSON),
    ]
}

/// Any agent's history.
pub(super) fn history_template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{AGENTS}{{agent_id}}{EVENTS}"), "history")
        .with_title("An agent's history")
        .with_description("The newest events of an agent, oldest first")
        .with_mime_type(JSON)
}

/// Reads one.
pub(super) async fn read(caller: &Caller, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let list = if uri == INBOX {
        inbox(caller).await
    } else if let Some(agent_id) = uri.strip_prefix(AGENTS).and_then(|rest| rest.strip_suffix(EVENTS)) {
        history(caller, &percent_decode_str(agent_id).decode_utf8_lossy()).await
    } else {
        return Err(ErrorData::resource_not_found(format!("there is no resource {uri}"), None));
    };
    let text = list?.to_string();
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(JSON)]))
}

async fn inbox(caller: &Caller) -> Result<Value, Error> {
    let client = &caller.client;
    let open = client.call(Method::GET, &["questions"])?.query("status", "open");
    match client.json_patiently(&open, Some(PATIENCE)).await {
        // Other agents' questions are not an agent's business.
        Err(error) if error.refusal(403).is_some() => {
            client.json_patiently(&open.query("agent_id", &caller.agent_id), Some(PATIENCE)).await
        }
        listed => listed,
    }
}

async fn history(caller: &Caller, agent_id: &str) -> Result<Value, Error> {
    let client = &caller.client;
    let newest = client.call(Method::GET, &["events"])?.query("newest", HISTORY_EVENTS).query("agent_id", agent_id);
    client.json_patiently(&newest, Some(PATIENCE)).await
}

/// What the daemon or the way to it has against it.
impl From<Error> for ErrorData {
    fn from(error: Error) -> Self {
        Self::internal_error(error.to_string(), None)
    }
}

//! The messages that wait for an agent: found and taken out, for every door through which an agent reads them.

use std::time::Duration;

use jiff::Timestamp;
use remora_actors::{
    model::{MessageKind, Registration},
    ports::keys,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{client::Client, error::Error};

/// A message in an inbox.
#[derive(Deserialize)]
pub(crate) struct Waiting {
    key: String,
    /// As it was written: `content`, `sent_at`, `sent_by`, and `kind` for a request to stop.
    #[serde(rename = "value")]
    pub(crate) message: Value,
}

impl Waiting {
    /// The message's id.
    pub(crate) fn id(&self) -> &str {
        self.key.strip_prefix(keys::USER_MESSAGE).unwrap_or(&self.key)
    }

    /// True where a person asks the agent to stop.
    pub(crate) fn is_stop_request(&self) -> bool {
        self.message["kind"] == json!(MessageKind::StopRequest)
    }

    fn sent_at(&self) -> Option<Timestamp> {
        self.message["sent_at"].as_str()?.parse().ok()
    }
}

/// Where an agent's messages lie: in the workspace that it has registered, else in the one of its own id.
pub(crate) async fn workspace_of(client: &Client, agent_id: &str, patience: Duration) -> Result<String, Error> {
    Ok(registered(client, agent_id, patience).await?.unwrap_or_else(|| agent_id.to_owned()))
}

/// The workspace that an agent has registered.
pub(crate) async fn registered(client: &Client, agent_id: &str, patience: Duration) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Workspaces {
        workspaces: Vec<Registration>,
    }
    let own = client.call(Method::GET, &["workspaces"])?.query("agent_id", agent_id);
    let Workspaces { workspaces } = client.json_patiently(&own, Some(patience)).await?;
    Ok(workspaces.into_iter().next().map(|registration| registration.workspace_id))
}

/// The messages that wait in a workspace, the oldest first.
pub(crate) async fn waiting(client: &Client, workspace: &str, patience: Duration) -> Result<Vec<Waiting>, Error> {
    #[derive(Deserialize)]
    struct Entries {
        entries: Vec<Waiting>,
    }
    let list = client.call(Method::GET, &["workspaces", workspace, "kv"])?.query("prefix", keys::USER_MESSAGE);
    let Entries { mut entries } = client.json_patiently(&list, Some(patience)).await?;
    entries.sort_by_cached_key(|entry| (entry.sent_at(), entry.key.clone()));
    Ok(entries)
}

/// Takes a message out. `false`: somebody else has, so that two readers do not both heed it.
pub(crate) async fn take(
    client: &Client,
    workspace: &str,
    waiting: &Waiting,
    patience: Duration,
) -> Result<bool, Error> {
    let call = client.call(Method::DELETE, &["workspaces", workspace, "kv", &waiting.key])?;
    match client.json::<()>(&call).await {
        Ok(()) => Ok(true),
        Err(error) if error.refusal(404).is_some() => Ok(false),
        Err(error) if error.is_transient() => match client.json_patiently::<()>(&call, Some(patience)).await {
            // Taken out by the attempt whose reply was lost.
            Err(error) if error.refusal(404).is_none() => Err(error),
            _ => Ok(true),
        },
        Err(error) => Err(error),
    }
}

/// Puts a message back that was taken out in vain.
pub(crate) async fn put_back(
    client: &Client,
    workspace: &str,
    waiting: &Waiting,
    patience: Duration,
) -> Result<(), Error> {
    let call = client.call(Method::PUT, &["workspaces", workspace, "kv", &waiting.key])?.body(&waiting.message);
    client.json_patiently(&call, Some(patience)).await
}

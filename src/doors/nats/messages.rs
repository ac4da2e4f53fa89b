//! What people wrote to an agent, fetched by request.
//!
//! The reply lists what waits. A message stays until the agent says that it has it, in its next request: a reply that is
//! lost loses nothing.

use std::sync::Arc;

use async_nats::Message;
use jiff::Timestamp;
use remora_actors::ports::keys;
use remora_web::Problem;
use serde::Deserialize;
use serde_json::{Value, json};

use super::NatsDoor;

/// What a request may say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// Ids of messages that the agent has, and that shall not come again.
    #[serde(default)]
    taken: Vec<String>,
}

/// Hands out messages for as long as the daemon runs.
pub(super) async fn run(door: Arc<NatsDoor>) {
    let subjects = vec![format!("{}.>", door.names.messages_subject())];
    door.serve(subjects, async |door, request| match fetch(&door, &request).await {
        Ok(messages) => door.reply(&request, &messages).await,
        Err(problem) => door.refuse(&request, &problem).await,
    })
    .await;
}

async fn fetch(door: &NatsDoor, request: &Message) -> Result<Value, Problem> {
    let prefix = format!("{}.", door.names.messages_subject());
    let agent_id = request.subject.strip_prefix(&prefix).unwrap_or_default();
    let fetch: Fetch = match request.payload.trim_ascii() {
        [] => Fetch::default(),
        body => remora_web::json(body)?,
    };
    let workspace = workspace_of(door, agent_id).await?;
    for id in &fetch.taken {
        door.handle.delete_value(&workspace, &format!("{}{id}", keys::USER_MESSAGE)).await?;
    }
    let mut messages = door.handle.list_values(&workspace, keys::USER_MESSAGE).await?;
    messages.sort_by_cached_key(|(key, message)| (sent_at(message), key.clone()));
    let messages: Vec<_> = messages.into_iter().map(|(key, message)| with_id(&key, message)).collect();
    Ok(json!({"agent_id": agent_id, "messages": messages}))
}

/// Where an agent's messages lie: in the workspace that it has registered, else in the one of its own id.
async fn workspace_of(door: &NatsDoor, agent_id: &str) -> Result<String, Problem> {
    let registered = door.handle.registrations().await?.into_iter().find(|one| one.agent_id == agent_id);
    Ok(registered.map_or_else(|| agent_id.to_owned(), |one| one.workspace_id))
}

fn with_id(key: &str, mut message: Value) -> Value {
    if let Value::Object(fields) = &mut message {
        fields.insert("id".to_owned(), key.strip_prefix(keys::USER_MESSAGE).unwrap_or(key).into());
    }
    message
}

fn sent_at(message: &Value) -> Option<Timestamp> {
    message["sent_at"].as_str()?.parse().ok()
}

//! Workspaces and what stands in them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Handle;
use crate::{
    model::{Event, Invalid, Registration, actions, check_id},
    ports::WorkspaceError,
    publish::PublishError,
    system::{Role, Unreachable},
    workspace_registry::{Watched, WorkspaceRegistryMessage},
};

const REGISTRY: Role = Role::WorkspaceRegistry;

/// Why a workspace could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceAccessError {
    /// Its id.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The workspace itself.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The journal, which a registration has to pass through.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The registry.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl Handle {
    /// Registers an agent's workspace.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the file is refused, or nothing can be journaled.
    pub async fn register_workspace(&self, registration: &Registration) -> Result<(), WorkspaceAccessError> {
        check_id(&registration.workspace_id, "workspace_id", self.limits())?;
        check_id(&registration.agent_id, "agent_id", self.limits())?;
        let check = |reply| WorkspaceRegistryMessage::Check(registration.clone(), reply);
        self.system.call(REGISTRY, check).await??;
        let payload = json!({"workspace_id": registration.workspace_id, "workspace": registration.path});
        self.note(&registration.agent_id, actions::WORKSPACE_REGISTERED, payload).await
    }

    /// Forgets an agent's workspace. `false`: it has none.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: nothing can be journaled.
    pub async fn unregister_workspace(&self, workspace_id: &str) -> Result<bool, WorkspaceAccessError> {
        let found: Vec<_> =
            self.registrations().await?.into_iter().filter(|r| r.workspace_id == workspace_id).collect();
        for registration in &found {
            let payload = json!({"workspace_id": workspace_id});
            self.note(&registration.agent_id, actions::WORKSPACE_UNREGISTERED, payload).await?;
        }
        Ok(!found.is_empty())
    }

    async fn note(&self, agent_id: &str, action: &str, payload: Value) -> Result<(), WorkspaceAccessError> {
        let id = uuid::Uuid::now_v7().to_string();
        let event = Event::of_agent(agent_id, action, Timestamp::now(), &[&id], payload);
        self.system.publish_urgent(vec![event]).await?;
        Ok(())
    }

    /// All registrations.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn registrations(&self) -> Result<Vec<Registration>, Unreachable> {
        self.system.call(REGISTRY, WorkspaceRegistryMessage::List).await
    }

    async fn workspace(&self, workspace_id: &str) -> Result<Watched, WorkspaceAccessError> {
        // Ids with control characters are the daemon's own.
        check_id(workspace_id, "workspace_id", self.limits())?;
        let open = |reply| WorkspaceRegistryMessage::Open(workspace_id.to_owned(), reply);
        Ok(self.system.call(REGISTRY, open).await??)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be read.
    pub async fn get_value(&self, workspace_id: &str, key: &str) -> Result<Option<Value>, WorkspaceAccessError> {
        Ok(self.workspace(workspace_id).await?.workspace.get(key).await?)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be written.
    pub async fn set_value(&self, workspace_id: &str, key: &str, value: &Value) -> Result<(), WorkspaceAccessError> {
        Ok(self.workspace(workspace_id).await?.workspace.set(key, value).await?)
    }

    /// Removes a key. `false`: there was none.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be written.
    pub async fn delete_value(&self, workspace_id: &str, key: &str) -> Result<bool, WorkspaceAccessError> {
        Ok(self.workspace(workspace_id).await?.workspace.delete(key).await?)
    }

    /// The keys that start with a prefix, and their values.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be read.
    pub async fn list_values(
        &self,
        workspace_id: &str,
        prefix: &str,
    ) -> Result<Vec<(String, Value)>, WorkspaceAccessError> {
        Ok(self.workspace(workspace_id).await?.workspace.list(prefix).await?)
    }
}

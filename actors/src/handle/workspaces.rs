//! Workspaces and what stands in them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Handle;
use crate::{
    inbox_coordinator::InboxCoordinatorMessage,
    model::{Event, Invalid, Registration, actions, check_id},
    ports::{Listed, Workspace, WorkspaceError},
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

    async fn open(&self, workspace_id: &str) -> Result<Watched, WorkspaceAccessError> {
        // Ids with control characters are the daemon's own.
        check_id(workspace_id, "workspace_id", self.limits())?;
        let open = |reply| WorkspaceRegistryMessage::Open(workspace_id.to_owned(), reply);
        Ok(self.system.call(REGISTRY, open).await??)
    }

    async fn to_read(&self, workspace_id: &str) -> Result<Arc<dyn Workspace>, WorkspaceAccessError> {
        Ok(self.open(workspace_id).await?.workspace)
    }

    /// What is written may be a question, or say that something was picked up: so the workspace is watched.
    async fn to_write(&self, workspace_id: &str) -> Result<Arc<dyn Workspace>, WorkspaceAccessError> {
        let watched = self.open(workspace_id).await?;
        self.system.cast(Role::InboxCoordinator, InboxCoordinatorMessage::Watch(watched.clone()));
        Ok(watched.workspace)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be read.
    pub async fn get_value(&self, workspace_id: &str, key: &str) -> Result<Option<Value>, WorkspaceAccessError> {
        Ok(self.to_read(workspace_id).await?.get(key).await?)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be written.
    pub async fn set_value(&self, workspace_id: &str, key: &str, value: &Value) -> Result<(), WorkspaceAccessError> {
        Ok(self.to_write(workspace_id).await?.set(key, value).await?)
    }

    /// Removes a key. `false`: there was none.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be written.
    pub async fn delete_value(&self, workspace_id: &str, key: &str) -> Result<bool, WorkspaceAccessError> {
        Ok(self.to_write(workspace_id).await?.delete(key).await?)
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
        Ok(self.to_read(workspace_id).await?.list(prefix).await?)
    }

    /// A page of the same, behind the key `after`.
    ///
    /// # Errors
    /// [`WorkspaceAccessError`]: the workspace cannot be read.
    pub async fn page_of_values(
        &self,
        workspace_id: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Listed, WorkspaceAccessError> {
        Ok(self.to_read(workspace_id).await?.page(prefix, after).await?)
    }
}

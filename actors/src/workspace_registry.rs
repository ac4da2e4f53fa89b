//! The `WorkspaceRegistry`: which agent works in which workspace, and the workspaces themselves.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::{
    inbox_coordinator::InboxCoordinatorMessage,
    model::{Registration, RegistrationChange, Registrations, Seq},
    ports::{Duty, Workspace, WorkspaceError},
    replica::{Fold, Replica},
    subscribers::Delivery,
    system::{Role, System},
};

impl Fold for Registrations {
    const SNAPSHOT: &'static str = "registrations-1";

    fn last_seq(&self) -> Seq {
        self.last_seq()
    }

    fn skip(&mut self, seq: Seq) {
        self.skip(seq);
    }
}

/// Workspaces kept open that no agent has registered: those the key-value API was asked for.
const UNREGISTERED_KEPT: usize = 1_000;

/// A workspace that is to be watched.
#[derive(Clone)]
pub struct Watched {
    /// Whose it is.
    pub registration: Registration,
    /// The workspace.
    pub workspace: Arc<dyn Workspace>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watched").field(&self.registration).finish()
    }
}

/// What the registry is told.
#[derive(Debug)]
pub enum WorkspaceRegistryMessage {
    /// Follow these events.
    Deliver(Delivery),
    /// Which workspace does an agent work in? Without a registration: its embedded one.
    Resolve(String, RpcReplyPort<Registration>),
    /// The workspace of an id, opened; without a registration the embedded one.
    Open(String, RpcReplyPort<Result<Watched, WorkspaceError>>),
    /// Would this registration be accepted?
    Check(Registration, RpcReplyPort<Result<(), WorkspaceError>>),
    /// All registrations.
    List(RpcReplyPort<Vec<Registration>>),
    /// The coordinator has just started: tell it all workspaces.
    Announce,
    /// Save a snapshot; the reply is up to where it goes.
    Save(RpcReplyPort<Option<Seq>>),
    /// Answer, to show that you can.
    Ping(RpcReplyPort<()>),
}

/// The actor.
#[derive(Debug)]
pub struct WorkspaceRegistry;

/// Its state.
pub struct WorkspaceRegistryState {
    system: Arc<System>,
    registrations: Replica<Registrations>,
    opened: HashMap<(String, Option<PathBuf>), Arc<dyn Workspace>>,
}

impl Actor for WorkspaceRegistry {
    type Msg = WorkspaceRegistryMessage;
    type State = WorkspaceRegistryState;
    type Arguments = Arc<System>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        system: Arc<System>,
    ) -> Result<WorkspaceRegistryState, ActorProcessingErr> {
        let new = Registrations::default();
        let registrations =
            Replica::start(&system, Role::WorkspaceRegistry, WorkspaceRegistryMessage::Deliver, new, |fold, record| {
                fold.apply(record);
            })
            .await?;
        let mut state = WorkspaceRegistryState { system, registrations, opened: HashMap::new() };
        state.announce();
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut WorkspaceRegistryState,
    ) -> Result<(), ActorProcessingErr> {
        state.system.faults.point("workspace-registry", &message);
        match message {
            WorkspaceRegistryMessage::Deliver(delivery) => state.fold(&delivery).await?,
            WorkspaceRegistryMessage::Resolve(agent_id, reply) => {
                let registration = state.registrations.get(&agent_id).cloned();
                let _ = reply.send(registration.unwrap_or_else(|| Registration::embedded(&agent_id)));
            }
            WorkspaceRegistryMessage::Open(workspace_id, reply) => {
                let _ = reply.send(state.open_id(&workspace_id));
            }
            WorkspaceRegistryMessage::Check(registration, reply) => {
                let _ = reply.send((state.system.world.open_workspace)(&registration).map(drop));
            }
            WorkspaceRegistryMessage::List(reply) => {
                let _ = reply.send(state.registrations.iter().cloned().collect());
            }
            WorkspaceRegistryMessage::Announce => state.announce(),
            WorkspaceRegistryMessage::Save(reply) => {
                state.registrations.save_aside(move |saved| _ = reply.send(saved));
            }
            WorkspaceRegistryMessage::Ping(reply) => {
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        state: &mut WorkspaceRegistryState,
    ) -> Result<(), ActorProcessingErr> {
        state.registrations.save().await;
        Ok(())
    }
}

impl WorkspaceRegistryState {
    async fn fold(&mut self, delivery: &Delivery) -> Result<(), ActorProcessingErr> {
        let mut changes = Vec::new();
        self.registrations.admit(delivery, |fold, record| changes.extend(fold.apply(record))).await?;
        for change in changes {
            match change {
                RegistrationChange::Registered(registration) => self.watch(&registration),
                RegistrationChange::Forgotten(registration) => self.forget(registration),
            }
        }
        Ok(())
    }

    fn announce(&mut self) {
        let registrations: Vec<_> = self.registrations.iter().cloned().collect();
        for registration in &registrations {
            self.watch(registration);
        }
    }

    /// Has a workspace watched, by the one daemon that does it for all, or by those that have its file; one that cannot
    /// be opened is reported on its agent's card.
    fn watch(&mut self, registration: &Registration) {
        if registration.path.is_none() && !self.system.has(Duty::Workspaces) {
            return;
        }
        let message = match self.open(registration) {
            Ok(workspace) => InboxCoordinatorMessage::Watch(Watched { registration: registration.clone(), workspace }),
            Err(error) if !self.system.world.duties.is_alone() => {
                let agent_id = &registration.agent_id;
                return tracing::info!(agent_id, %error, "workspace left to the daemon that has its file");
            }
            Err(error) => {
                tracing::warn!(agent_id = registration.agent_id, %error, "workspace not opened");
                InboxCoordinatorMessage::Trouble {
                    agent_id: registration.agent_id.clone(),
                    workspace_id: registration.workspace_id.clone(),
                    detail: Some(error.to_string()),
                    at: Timestamp::now(),
                }
            }
        };
        self.system.cast(Role::InboxCoordinator, message);
    }

    fn forget(&mut self, registration: Registration) {
        if self.registrations.iter().any(|other| other.workspace_id == registration.workspace_id) {
            return;
        }
        self.opened.remove(&(registration.workspace_id.clone(), registration.path));
        self.system.cast(Role::InboxCoordinator, InboxCoordinatorMessage::Unwatch(registration.workspace_id));
    }

    fn open(&mut self, registration: &Registration) -> Result<Arc<dyn Workspace>, WorkspaceError> {
        let key = (registration.workspace_id.clone(), registration.path.clone());
        if let Some(workspace) = self.opened.get(&key) {
            return Ok(Arc::clone(workspace));
        }
        let workspace = (self.system.world.open_workspace)(registration)?;
        if self.opened.len() >= UNREGISTERED_KEPT + self.registrations.iter().count() {
            self.opened.clear();
        }
        self.opened.insert(key, Arc::clone(&workspace));
        Ok(workspace)
    }

    fn open_id(&mut self, workspace_id: &str) -> Result<Watched, WorkspaceError> {
        let known = self.registrations.of_workspace(workspace_id).cloned();
        let registration = known.unwrap_or_else(|| Registration::embedded(workspace_id));
        let workspace = self.open(&registration)?;
        Ok(Watched { registration, workspace })
    }
}

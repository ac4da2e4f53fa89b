//! One watcher per workspace: started, replaced when it dies, and given what is to be written.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorId, ActorRef};

use super::{InboxCoordinatorMessage, InboxCoordinatorState};
use crate::{
    model::QuestionRecord,
    system::Role,
    workspace_registry::{Watched, WorkspaceRegistryMessage},
    workspace_watcher::{WorkspaceWatcher, WorkspaceWatcherArguments, WorkspaceWatcherMessage},
};

/// Pause before a watcher that died is replaced, so that one that dies of its workspace does not spin.
const REPLACE_PAUSE: Duration = Duration::from_millis(100);

/// A watcher at work.
#[derive(Debug)]
pub(super) struct Watcher {
    actor: ActorRef<WorkspaceWatcherMessage>,
    watched: Watched,
}

impl InboxCoordinatorState {
    pub(super) async fn watch(&mut self, watched: Watched) {
        let id = watched.registration.workspace_id.clone();
        if let Some(watcher) = self.watchers.get(&id) {
            if watcher.watched.registration == watched.registration {
                return;
            }
            self.unwatch(&id);
        }
        let arguments = WorkspaceWatcherArguments { system: Arc::clone(&self.system), watched: watched.clone() };
        let supervisor = self.myself.get_cell();
        match WorkspaceWatcher::spawn_linked(None, WorkspaceWatcher, arguments, supervisor).await {
            Ok((actor, _)) => {
                self.watchers.insert(id.clone(), Watcher { actor, watched });
                self.hand_over(&id);
            }
            Err(error) => {
                tracing::error!(workspace_id = id, %error, "workspace watcher not started, trying again");
                self.myself.send_after(REPLACE_PAUSE, move || InboxCoordinatorMessage::Watch(watched));
            }
        }
        self.system.metrics.workspaces.set(self.watchers.len() as i64);
    }

    /// Gives a new watcher everything that its workspace still has to get.
    fn hand_over(&self, workspace_id: &str) {
        let Some(watcher) = self.watchers.get(workspace_id) else { return };
        for record in self.inbox.iter().filter(|r| r.is_unwritten() && r.question.workspace_id == workspace_id) {
            let _ = watcher.actor.cast(WorkspaceWatcherMessage::Answer(Box::new(record.clone())));
        }
        for message in self.inbox.messages().filter(|m| m.delivered_at.is_none() && m.workspace_id == workspace_id) {
            let _ = watcher.actor.cast(WorkspaceWatcherMessage::Message(Box::new(message.clone())));
        }
    }

    /// The watcher goes once it has written what it still has to write.
    pub(super) fn unwatch(&mut self, workspace_id: &str) {
        if let Some(watcher) = self.watchers.remove(workspace_id) {
            let _ = watcher.actor.cast(WorkspaceWatcherMessage::Finish);
        }
        self.system.metrics.workspaces.set(self.watchers.len() as i64);
    }

    /// An agent that has ended needs its embedded workspace no longer watched.
    pub(super) fn leave_embedded(&mut self, agent_id: &str) {
        let is_its_own = |watcher: &Watcher| {
            let registration = &watcher.watched.registration;
            registration.path.is_none() && registration.agent_id == agent_id
        };
        if self.watchers.get(agent_id).is_some_and(is_its_own) {
            self.unwatch(agent_id);
        }
    }

    /// Another daemon watches the workspaces that are no files here.
    pub(super) fn leave_all_embedded(&mut self) {
        let embedded = self.watchers.iter().filter(|(_, watcher)| watcher.watched.registration.path.is_none());
        for id in embedded.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.unwatch(&id);
        }
    }

    pub(super) fn replace_watcher(&mut self, dead: ActorId) {
        let found = self.watchers.iter().find(|(_, watcher)| watcher.actor.get_id() == dead);
        let Some(id) = found.map(|(id, _)| id.clone()) else { return };
        if let Some(Watcher { watched, .. }) = self.watchers.remove(&id) {
            tracing::warn!(workspace_id = id, "workspace watcher died, replacing it");
            self.myself.send_after(REPLACE_PAUSE, move || InboxCoordinatorMessage::Watch(watched));
        }
    }

    pub(super) async fn write_answer(&mut self, record: &QuestionRecord) {
        let id = &record.question.workspace_id;
        match self.watchers.get(id) {
            Some(watcher) => {
                let _ = watcher.actor.cast(WorkspaceWatcherMessage::Answer(Box::new(record.clone())));
            }
            None if self.watches_all => self.watch_by_id(id.clone()).await,
            // Whoever watches it writes the answer.
            None => {}
        }
    }

    /// Tells the agent, where its workspace is watched. Elsewhere it is told once it is watched again and asks anew.
    pub(super) fn tell_cancelled(&self, record: &QuestionRecord) {
        if let Some(watcher) = self.watchers.get(&record.question.workspace_id) {
            let _ = watcher.actor.cast(WorkspaceWatcherMessage::Cancelled(Box::new(record.clone())));
        }
    }

    pub(super) async fn write_message(&mut self, message_id: &str) {
        let Some(message) = self.inbox.messages().rev().find(|m| m.message_id == message_id).cloned() else { return };
        match self.watchers.get(&message.workspace_id) {
            Some(watcher) => {
                let _ = watcher.actor.cast(WorkspaceWatcherMessage::Message(Box::new(message)));
            }
            None if self.watches_all => self.watch_by_id(message.workspace_id).await,
            None => {}
        }
    }

    /// Tells a watcher that the journal knows a message as written. Where there is none any more, a receipt of a few
    /// bytes stays behind.
    pub(super) fn settle_message(&self, message_id: &str) {
        let Some(message) = self.inbox.messages().rev().find(|m| m.message_id == message_id) else { return };
        if let Some(watcher) = self.watchers.get(&message.workspace_id) {
            let _ = watcher.actor.cast(WorkspaceWatcherMessage::Message(Box::new(message.clone())));
        }
    }

    /// Starts to watch a workspace that nobody has registered, or whose watcher has gone.
    async fn watch_by_id(&mut self, workspace_id: String) {
        let open = |reply| WorkspaceRegistryMessage::Open(workspace_id.clone(), reply);
        match self.system.call(Role::WorkspaceRegistry, open).await {
            Ok(Ok(watched)) => self.watch(watched).await,
            // The registry has told of it already; whoever registers the workspace anew makes it good.
            Ok(Err(error)) => tracing::warn!(workspace_id, %error, "workspace not opened, an answer waits for it"),
            Err(error) => tracing::warn!(workspace_id, %error, "workspace not opened, an answer waits for it"),
        }
    }
}

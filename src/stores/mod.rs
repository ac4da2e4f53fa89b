//! The stores behind the actors' two ports.
//!
//! - [`sqlite`]: the daemon's own database: the journal, and the workspaces of agents without a file.
//! - [`agentfs`]: workspaces in the agents' own files.
//! - [`data_dir`]: the folder that holds the database.
//! - [`file_watcher`]: tells when a file changes.

pub mod agentfs;
mod change;
pub mod data_dir;
pub mod file_watcher;
mod key_range;
pub mod sqlite;

#[cfg(test)]
mod conformance;

use std::sync::Arc;

use remora_actors::ports::{OpenWorkspace, Workspace};

use agentfs::AgentFs;
use sqlite::Database;

/// Opens a workspace where its registration says: in the file it names, or else in the database.
pub fn open_workspace(database: Database, files: AgentFs) -> OpenWorkspace {
    Arc::new(move |registration| {
        let workspace: Arc<dyn Workspace> = match &registration.path {
            Some(path) => Arc::new(files.workspace(path)?),
            None => Arc::new(database.workspace(&registration.workspace_id)),
        };
        Ok(workspace)
    })
}

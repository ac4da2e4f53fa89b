//! The stores that a daemon was told to use: its own, or those that it shares.

use std::sync::Arc;

use remora_actors::ports::{Alone, Duties, Journal, OpenWorkspace, Workspace};

use super::{
    agentfs::AgentFs,
    data_dir::KEY_BYTES,
    nats::{Nats, NatsError},
    sqlite::Database,
};

/// The workspace in which decisions are claimed. No agent can reach it: ids from outside hold no control characters.
pub const CLAIMS: &str = "\u{1}claims";

/// Opens the workspace of an id that is no file.
type OpenById = Arc<dyn Fn(&str) -> Arc<dyn Workspace> + Send + Sync>;

/// The stores of one daemon.
pub struct Stores {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// What the daemon does for all that share the journal.
    pub duties: Arc<dyn Duties>,
    /// From which is read: the stores themselves, or their copy.
    pub database: Database,
    open: OpenById,
    nats: Option<Nats>,
}

impl Stores {
    /// All in a database of the daemon's own.
    pub fn embedded(database: Database) -> Self {
        let workspaces = database.clone();
        Self {
            journal: Arc::new(database.journal()),
            duties: Arc::new(Alone),
            open: Arc::new(move |id| Arc::new(workspaces.workspace(id))),
            database,
            nats: None,
        }
    }

    /// All in a NATS that other daemons use as well.
    pub fn shared(nats: Nats) -> Self {
        Self {
            journal: nats.journal(),
            duties: nats.duties(),
            open: Arc::new(nats.open_workspace()),
            database: nats.database().clone(),
            nats: Some(nats),
        }
    }

    /// Where decisions are claimed.
    pub fn claims(&self) -> Arc<dyn Workspace> {
        (self.open)(CLAIMS)
    }

    /// Opens a workspace where its registration says: in the file it names, or else in these stores.
    pub fn open_workspace(&self, files: AgentFs) -> OpenWorkspace {
        let open = Arc::clone(&self.open);
        Arc::new(move |registration| match &registration.path {
            Some(path) => Ok(Arc::new(files.workspace(path)?) as Arc<dyn Workspace>),
            None => Ok(open(&registration.workspace_id)),
        })
    }

    /// The largest event or value that the stores can hold, where they have a bound of their own.
    pub fn largest(&self) -> Option<usize> {
        self.nats.as_ref().map(Nats::largest)
    }

    /// The key with which links are signed: that of the daemon that came first, where there are many. A link leads to
    /// any of them.
    ///
    /// # Errors
    /// The other daemons' cannot be read.
    pub async fn link_key(&self, own: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], NatsError> {
        match &self.nats {
            Some(nats) => nats.agree_on_link_key(own).await,
            None => Ok(own),
        }
    }

    /// Closes them, after whoever uses them has ended.
    ///
    /// # Errors
    /// What was written is safe; only the tidying failed.
    pub async fn close(&self) -> Result<(), String> {
        if let Some(nats) = &self.nats {
            nats.close().await;
        }
        self.database.close().await
    }
}

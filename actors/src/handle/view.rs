//! What people see.

use bytes::Bytes;

use super::Handle;
use crate::{
    ports::JournalError,
    session_supervisor::{Opening, Session, SessionSupervisorMessage, TooManySessions},
    state_aggregator::StateAggregatorMessage,
    system::{Role, Unreachable},
    view::{Part, Subject, View},
};

/// Why a document could not be rendered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DocumentError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The aggregator does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl Handle {
    /// Renders something. `None`: there is no such thing.
    ///
    /// # Errors
    /// [`Unreachable`]: the aggregator does not answer.
    pub async fn render(&self, view: View) -> Result<Option<Bytes>, Unreachable> {
        let render = |reply| StateAggregatorMessage::Render(view.clone(), reply);
        self.system.call(Role::StateAggregator, render).await
    }

    /// Renders the document of a page beside the dashboard. `None`: there is no such thing.
    ///
    /// # Errors
    /// The journal cannot be read, or the aggregator does not answer.
    pub async fn document(&self, subject: Subject) -> Result<Option<Bytes>, DocumentError> {
        let view = self.system.view_of(subject, Part::Document).await?;
        Ok(self.render(view).await?)
    }

    /// The picture as JSON.
    ///
    /// # Errors
    /// [`Unreachable`]: the aggregator does not answer.
    pub async fn signals(&self) -> Result<Bytes, Unreachable> {
        self.system.call(Role::StateAggregator, StateAggregatorMessage::Signals).await
    }

    /// One agent as JSON, as in [`Self::signals`]. `None`: it is not known.
    ///
    /// # Errors
    /// [`Unreachable`]: the aggregator does not answer.
    pub async fn agent(&self, agent_id: &str) -> Result<Option<Bytes>, Unreachable> {
        let agent = |reply| StateAggregatorMessage::Agent(agent_id.to_owned(), reply);
        self.system.call(Role::StateAggregator, agent).await
    }

    /// One graph as JSON, or all without their nodes. `None`: the graph is not known.
    ///
    /// # Errors
    /// [`Unreachable`]: the aggregator does not answer.
    pub async fn graphs(&self, graph_id: Option<&str>) -> Result<Option<Bytes>, Unreachable> {
        let graphs = |reply| StateAggregatorMessage::Graphs(graph_id.map(str::to_owned), reply);
        self.system.call(Role::StateAggregator, graphs).await
    }

    /// Opens a browser's stream.
    ///
    /// # Errors
    /// Outer: the supervisor does not answer. Inner: there are too many browsers.
    pub async fn open_session(&self, opening: Opening) -> Result<Result<Session, TooManySessions>, Unreachable> {
        let open = |reply| SessionSupervisorMessage::Open(opening.clone(), reply);
        self.system.call(Role::SessionSupervisor, open).await
    }
}

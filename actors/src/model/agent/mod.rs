//! An agent as its events show it.

mod activity;
mod standing;
mod stored;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Seq, Usage, actions};
pub use activity::Call;
pub use standing::{Counts, Patience, Standing};
pub(super) use stored::{Read, Written};

/// What an agent's events say of it; where it stands at a moment is its [`Standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It is alive.
    Started,
    /// It waits for a person.
    Blocked,
    /// It finished.
    Completed,
    /// It stopped with an error.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It ran out of time.
    TimedOut,
}

impl AgentState {
    /// The state in which an agent ends with `action`, if the action is an end.
    pub fn terminal(action: &str) -> Option<Self> {
        match action {
            actions::COMPLETED => Some(Self::Completed),
            actions::FAILED => Some(Self::Failed),
            actions::CANCELLED => Some(Self::Cancelled),
            actions::TIMED_OUT => Some(Self::TimedOut),
            _ => None,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Blocked => "blocked",
            Self::Completed => actions::COMPLETED,
            Self::Failed => actions::FAILED,
            Self::Cancelled => actions::CANCELLED,
            Self::TimedOut => actions::TIMED_OUT,
        }
    }

    /// True once the agent has ended.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Started | Self::Blocked)
    }
}

/// One agent. Its texts are shared, so that a copy of it costs next to nothing: each event makes a new one, and each
/// snapshot keeps all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agent {
    /// Its id.
    pub agent_id: Arc<str>,
    /// What it calls itself; its id where it said nothing.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: AgentState,
    /// The graph it belongs to.
    pub graph_id: Option<Arc<str>>,
    /// The run or conversation it is in.
    pub session_id: Option<Arc<str>>,
    /// Its workspace, if it named one.
    pub workspace_id: Option<Arc<str>>,
    /// Its first `started`, or the first event seen of it.
    pub started_at: Timestamp,
    /// Its latest event.
    pub last_event_at: Timestamp,
    /// Its latest event.
    pub last_seq: Seq,
    /// How many events it has emitted.
    pub events: u64,
    /// What it says of itself now: a progress message, an error, the tool it uses.
    pub detail: Option<Arc<str>>,
    /// What is wrong with its workspace, while it is.
    pub workspace_trouble: Option<Arc<str>>,
    /// Since when it is silent: its latest sign of life, or the end of its latest wait for a person.
    pub heard_at: Timestamp,
    /// True while a turn of it is under way. It begins with `started`, `progress`, a tool call or a model request; it
    /// ends with the agent, with `idle`, or with a model's last word that asks for no tool.
    pub working: bool,
    /// Its tool calls under way, the oldest first.
    pub calls: Vec<Call>,
    /// Since when it waits for a person.
    pub blocked_since: Option<Timestamp>,
    /// Milliseconds of the waits that are over.
    pub blocked_ms: u64,
    /// True while an answer to it has not been picked up.
    pub unread_answer: bool,
    /// What its model's answers have cost.
    pub usage: Usage,
    /// Where it stands, as of the picture's time.
    pub standing: Standing,
}

/// How many agents are in which state. Derived from the set of agents, never counted up by events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All agents.
    pub total: usize,
    /// Agents that finished.
    pub completed: usize,
    /// Agents that failed or ran out of time.
    pub failed: usize,
    /// Agents that were stopped.
    pub cancelled: usize,
    /// Agents that wait for a person.
    pub blocked: usize,
}

impl Tally {
    /// Counts one agent in, or out again.
    pub(super) fn count(&mut self, state: AgentState, enters: bool) {
        let step = |count: &mut usize| *count = if enters { *count + 1 } else { *count - 1 };
        step(&mut self.total);
        match state {
            AgentState::Started => {}
            AgentState::Blocked => step(&mut self.blocked),
            AgentState::Completed => step(&mut self.completed),
            AgentState::Failed | AgentState::TimedOut => step(&mut self.failed),
            AgentState::Cancelled => step(&mut self.cancelled),
        }
    }

    /// Agents that have ended, however.
    pub fn finished(&self) -> usize {
        self.completed + self.failed + self.cancelled
    }

    /// Finished agents in percent, 0 to 100; 0 while there is no agent.
    pub fn percent(&self) -> usize {
        (self.finished() * 100).checked_div(self.total).unwrap_or(0)
    }
}

//! Where an agent stands at a moment. Facts come from events; time alone makes a silent agent a stalled one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Agent, AgentState};

/// What is shown of an agent. In the order in which a person should look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A question of it is open: it waits for a person.
    Waiting,
    /// It should be at work and has been silent for longer than [`Patience`] allows.
    Stalled,
    /// It stopped with an error.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// A question of it is answered, and it has not picked the answer up yet.
    Answered,
    /// It is at work.
    #[default]
    Running,
    /// It is alive and has nothing to do: no question, no tool call, and its last turn has ended. It may be silent
    /// for as long as it likes.
    Idle,
    /// It was stopped.
    Cancelled,
    /// It finished.
    Completed,
}

impl Standing {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Stalled,
        Self::Failed,
        Self::TimedOut,
        Self::Answered,
        Self::Running,
        Self::Idle,
        Self::Cancelled,
        Self::Completed,
    ];

    /// The word on the wire and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Answered => "answered",
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }

    /// The standing of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }

    /// True once the agent has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Cancelled | Self::Completed)
    }
}

/// How long an agent at work may be silent before it counts as stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// While nothing of it is known to take long.
    pub silence: SignedDuration,
    /// While a tool call of it is under way: builds and test suites say nothing until they end.
    pub tool: SignedDuration,
}

impl Patience {
    /// Patience in seconds.
    pub fn from_secs(silence: u64, tool: u64) -> Self {
        let seconds = |s: u64| SignedDuration::from_secs(i64::try_from(s).unwrap_or(i64::MAX));
        Self { silence: seconds(silence), tool: seconds(tool) }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::from_secs(120, 1_800)
    }
}

impl Agent {
    /// Where the agent stands at a moment.
    pub fn standing_at(&self, now: Timestamp, patience: Patience) -> Standing {
        match self.state {
            AgentState::Blocked => Standing::Waiting,
            AgentState::Completed => Standing::Completed,
            AgentState::Failed => Standing::Failed,
            AgentState::Cancelled => Standing::Cancelled,
            AgentState::TimedOut => Standing::TimedOut,
            AgentState::Started if self.stalls_at(patience).is_some_and(|at| at <= now) => Standing::Stalled,
            AgentState::Started if self.unread_answer => Standing::Answered,
            AgentState::Started if self.is_busy() => Standing::Running,
            AgentState::Started => Standing::Idle,
        }
    }

    /// When the agent counts as stalled, should nothing be heard of it until then. `None`: silence is all right.
    ///
    /// An agent that does not come for its answer stalls, too: nobody listens any more.
    pub fn stalls_at(&self, patience: Patience) -> Option<Timestamp> {
        if self.state != AgentState::Started || !(self.is_busy() || self.unread_answer) {
            return None;
        }
        let silence = if self.calls.is_empty() { patience.silence } else { patience.tool };
        self.heard_at.checked_add(silence).ok()
    }

    /// True while it is in a turn, or a tool works for it.
    fn is_busy(&self) -> bool {
        self.working || !self.calls.is_empty()
    }

    /// How long it has waited for people so far: times in which several questions were open count once.
    pub fn blocked_for(&self, now: Timestamp) -> SignedDuration {
        let running = self.blocked_since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
        SignedDuration::from_millis(i64::try_from(self.blocked_ms).unwrap_or(i64::MAX))
            .saturating_add(running.max(SignedDuration::ZERO))
    }
}

/// How many agents stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([usize; Standing::ALL.len()]);

impl Counts {
    /// How many agents stand there.
    pub fn of(&self, standing: Standing) -> usize {
        self.0[standing as usize]
    }

    /// The standings that there are agents of, in order.
    pub fn present(&self) -> impl Iterator<Item = (Standing, usize)> {
        let counts = *self;
        Standing::ALL.into_iter().map(move |standing| (standing, counts.of(standing))).filter(|(_, count)| *count > 0)
    }

    pub(in crate::model) fn enter(&mut self, standing: Standing) {
        self.0[standing as usize] += 1;
    }

    pub(in crate::model) fn leave(&mut self, standing: Standing) {
        self.0[standing as usize] -= 1;
    }
}

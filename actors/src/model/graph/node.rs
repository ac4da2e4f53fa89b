//! One node of a graph: who works on it, and when it ran and when it waited.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{AgentState, Seq};

/// Spans kept of one node: more than a line of a chart can show. Beyond it the oldest go, and are counted.
const SPANS: usize = 32;

/// What a node was busy with for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// It worked.
    Ran,
    /// It waited for a person.
    Waited,
}

impl Activity {
    fn of(state: AgentState) -> Option<Self> {
        match state {
            AgentState::Blocked => Some(Self::Waited),
            state if state.is_terminal() => None,
            _ => Some(Self::Ran),
        }
    }
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// What the node did.
    pub activity: Activity,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end, never before its beginning; `None` while it lasts.
    pub to: Option<Timestamp>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, unique in its graph: the events' `node_id`, else the agent's.
    pub node_id: String,
    /// What it is called, where that is said.
    pub name: Option<String>,
    /// The agent that works on it, the latest where there were several. `None`: others only name it.
    pub agent_id: Option<String>,
    /// What it does. `None`: it has not begun.
    pub state: Option<AgentState>,
    /// When it ran and when it waited: in order, without overlap, only the last without an end.
    pub spans: Vec<Span>,
    /// Spans that are no longer kept.
    pub spans_forgotten: u64,
    /// The last event that changed it, or where its agent stands.
    pub last_seq: Seq,
}

impl Node {
    pub(super) fn new(node_id: &str, seq: Seq) -> Self {
        Self {
            node_id: node_id.to_owned(),
            name: None,
            agent_id: None,
            state: None,
            spans: Vec::new(),
            spans_forgotten: 0,
            last_seq: seq,
        }
    }

    /// What it is called; its id where nothing is said.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.node_id)
    }

    /// True while it runs or waits.
    pub fn is_live(&self) -> bool {
        self.state.is_some_and(|state| !state.is_terminal())
    }

    /// When it first began.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.spans.first().map(|span| span.from)
    }

    /// When it ended. `None` while it goes on, or has not begun.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.spans.last().and_then(|span| span.to)
    }

    /// True where it may look different from what was shown after an event. The time after that event changes it too.
    pub fn is_changed_since(&self, shown: Seq) -> bool {
        self.last_seq >= shown
    }

    /// Goes over to a state at a moment. Clocks that run backwards make spans of no length, never ones that overlap.
    pub(super) fn enter(&mut self, state: AgentState, at: Timestamp) {
        let activity = Activity::of(state);
        self.state = Some(state);
        let last = self.spans.last_mut();
        let at = last.as_ref().map_or(at, |last| at.max(last.to.unwrap_or(last.from)));
        match last {
            Some(last) if last.to.is_none() && Some(last.activity) == activity => return,
            Some(last) if last.to.is_none() && last.from == at && activity.is_some() => {
                // Nothing was done for no time: the next span takes its place.
                self.spans.pop();
            }
            Some(last) if last.to.is_none() => last.to = Some(at),
            _ => {}
        }
        let open = activity.map(|activity| Span { activity, from: at, to: None });
        // A node of which only the end is known still has its place in time.
        let open =
            open.or_else(|| self.spans.is_empty().then_some(Span { activity: Activity::Ran, from: at, to: Some(at) }));
        self.spans.extend(open);
        if self.spans.len() > SPANS {
            self.spans.remove(0);
            self.spans_forgotten += 1;
        }
    }
}

//! The one live picture: agents, questions, results, graphs and the latest events, folded from the journal.

mod panels;
mod roster;
mod stored;

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    Agent, AgentState, Category, Counts, Graphs, Inbox, Limits, Node, Patience, QuestionKey, Record, Seq, Standing,
    Status, Tally, Troubles, actions, notice::DeadLetters,
};
pub use panels::{Panel, Panels};
use roster::Roster;
pub use roster::{ListStep, Listed, Place};

/// Events kept for the log, as in the Python design.
pub const LOG_EVENTS: usize = 200;
/// Results kept, as in the Python design.
const RESULTS: usize = 50;

/// What an agent has brought about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultItem {
    /// The event that carried it.
    pub seq: Seq,
    /// Whose it is.
    pub agent_id: String,
    /// What the agent calls itself.
    pub name: String,
    /// The result: a text as it is, anything else as JSON.
    pub content: String,
    /// When it came.
    pub timestamp: Timestamp,
}

/// The picture. The same events always make the same picture, however often they are folded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "stored::Stored")]
pub struct Dashboard {
    agents: Roster,
    #[serde(skip_serializing)]
    tally: Tally,
    graphs: Graphs,
    inbox: Inbox,
    #[serde(serialize_with = "stored::log")]
    log: VecDeque<Arc<Record>>,
    results: VecDeque<ResultItem>,
    /// The last question that was asked, and where the journal says so.
    newest: Option<(Seq, QuestionKey)>,
    letters: DeadLetters,
    last_seq: Seq,
    keep_agents: usize,
    /// Told, not folded: what keeps the journal from working does not stand in the journal.
    #[serde(skip_serializing)]
    troubles: Troubles,
}

impl Dashboard {
    /// The picture before the first event.
    pub fn new(limits: &Limits) -> Self {
        Self {
            agents: Roster::new(),
            tally: Tally::default(),
            graphs: Graphs::new(limits),
            inbox: Inbox::new(limits),
            log: VecDeque::new(),
            results: VecDeque::new(),
            newest: None,
            letters: DeadLetters::default(),
            last_seq: 0,
            keep_agents: limits.agents,
            troubles: Troubles::default(),
        }
    }

    /// Keeps what these limits allow, from the next event on.
    pub fn limit(&mut self, limits: &Limits) {
        self.keep_agents = limits.agents;
        self.graphs.limit(limits);
        self.inbox.limit(limits);
    }

    /// Passes over an event that cannot be folded.
    pub fn skip(&mut self, seq: Seq) {
        self.last_seq = self.last_seq.max(seq);
        self.inbox.skip(seq);
    }

    /// Takes over what is wrong at present, and returns the panels that look different now.
    pub fn tell(&mut self, troubles: Troubles) -> Panels {
        if self.troubles == troubles {
            return Panels::NONE;
        }
        self.troubles = troubles;
        Panels::of(Panel::Troubles)
    }

    /// Folds one event and returns the panels that look different now. An event folded already changes nothing.
    pub fn apply(&mut self, record: &Arc<Record>) -> Panels {
        if record.seq <= self.last_seq {
            return Panels::NONE;
        }
        self.last_seq = record.seq;
        self.log.push_back(Arc::clone(record));
        if self.log.len() > LOG_EVENTS {
            self.log.pop_front();
        }
        let mut dirty = Panels::of(Panel::Events);
        let changed = self.inbox.apply(record);
        if let Some(key) = changed.first().filter(|_| record.event.is(Category::Agent, actions::BLOCKED)) {
            self.newest = Some((record.seq, key.clone()));
        }
        if self.letters.apply(&record.event).1 {
            dirty |= Panels::of(Panel::Notices);
        }
        dirty |= self.apply_to_agent(record);
        dirty |= self.apply_to_questions_agents(&changed, record.event.timestamp);
        dirty |= self.apply_to_graphs(record, &changed);
        if record.event.category == Category::User || record.event.action.starts_with("message_") {
            dirty |= Panels::of(Panel::Agents);
        }
        self.forget_agents();
        dirty
    }

    fn apply_to_agent(&mut self, record: &Record) -> Panels {
        let event = &record.event;
        let about_agent = matches!(event.category, Category::Agent | Category::Tool | Category::Model);
        let Some(agent_id) = event.agent_id.as_deref().filter(|_| about_agent) else { return Panels::NONE };
        let mut dirty = Panels::NONE;
        if self.agents.get(agent_id).is_none() {
            dirty |= self.add_agent(Agent::first_seen(agent_id, event));
        }
        dirty |= self.change_agent(agent_id, |agent, inbox| {
            agent.note(record);
            settle(agent, inbox, event.timestamp);
        });
        if event.is(Category::Agent, actions::COMPLETED) {
            self.keep_result(agent_id, record);
            dirty |= Panels::of(Panel::Results);
        }
        dirty
    }

    fn apply_to_questions_agents(&mut self, changed: &[QuestionKey], at: Timestamp) -> Panels {
        let mut dirty = Panels::NONE;
        for key in changed {
            dirty |= Panels::of(Panel::Inbox);
            let Some(record) = self.inbox.get(key) else { continue };
            let (agent_id, open) = (record.question.agent_id.clone(), record.status == Status::Open);
            dirty |= self.change_agent(&agent_id, |agent, inbox| {
                if open && agent.state.is_terminal() {
                    // Who asks is alive.
                    agent.enter(AgentState::Started, at);
                }
                settle(agent, inbox, at);
            });
        }
        dirty
    }

    fn add_agent(&mut self, agent: Agent) -> Panels {
        self.tally.count(agent.state, true);
        self.agents.add(agent);
        Panels::AGENTS
    }

    fn change_agent(&mut self, agent_id: &str, change: impl FnOnce(&mut Agent, &Inbox)) -> Panels {
        let Self { agents, inbox, tally, .. } = self;
        let mut dirty = Panels::NONE;
        let moved = agents.change(agent_id, |agent| {
            let (state, graph_id) = (agent.state, agent.graph_id.clone());
            let (name, detail, trouble) = (agent.name.clone(), agent.detail.clone(), agent.workspace_trouble.clone());
            change(agent, inbox);
            if (state, &graph_id) != (agent.state, &agent.graph_id) {
                tally.count(state, false);
                tally.count(agent.state, true);
                dirty |= Panels::AGENTS;
            }
            if trouble != agent.workspace_trouble {
                dirty |= Panels::of(Panel::Agents) | Panels::of(Panel::Inbox);
            }
            if (&name, &detail) != (&agent.name, &agent.detail) {
                dirty |= Panels::of(Panel::Agents);
            }
        });
        if moved { dirty | self.agent_moved(agent_id) } else { dirty }
    }

    fn apply_to_graphs(&mut self, record: &Record, changed: &[QuestionKey]) -> Panels {
        let asked = changed.iter().filter_map(|key| Some(self.inbox.get(key)?.question.agent_id.as_str()));
        let changed = self.graphs.apply(record, |agent_id| self.agents.get(agent_id).map(|agent| &**agent), asked);
        if changed { Panels::of(Panel::Progress) } else { Panels::NONE }
    }

    fn keep_result(&mut self, agent_id: &str, record: &Record) {
        let Some(agent) = self.agents.get(agent_id) else { return };
        let payload = &record.event.payload;
        let content = match payload.get("result").or_else(|| payload.get("summary")) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None if payload.is_empty() => "completed".to_owned(),
            None => payload.as_str().to_owned(),
        };
        self.results.push_front(ResultItem {
            seq: record.seq,
            agent_id: agent.agent_id.to_string(),
            name: agent.name.to_string(),
            content,
            timestamp: record.event.timestamp,
        });
        self.results.truncate(RESULTS);
    }

    /// Over the limit, the longest silent agents go, finished ones first; those that wait for a person stay. A tenth at a
    /// time, so that the search for them costs next to nothing per event, however many wait.
    fn forget_agents(&mut self) {
        let forgettable = self.agents.len() - self.tally.blocked;
        if self.agents.len() <= self.keep_agents || forgettable < self.keep_agents / 10 {
            return;
        }
        let mut candidates: Vec<_> = self
            .agents
            .iter()
            .filter(|agent| agent.state != AgentState::Blocked)
            .map(|agent| (!agent.state.is_terminal(), agent.last_seq, agent.agent_id.clone()))
            .collect();
        candidates.sort();
        let surplus = self.agents.len() - (self.keep_agents - self.keep_agents / 10);
        for (_, _, agent_id) in candidates.into_iter().take(surplus) {
            if let Some(agent) = self.agents.remove(&agent_id) {
                self.tally.count(agent.state, false);
                self.graphs.forget_agent(&agent_id);
            }
        }
    }

    /// All agents, by id.
    pub fn agents(&self) -> impl ExactSizeIterator<Item = &Agent> {
        self.agents.iter()
    }

    /// All agents, those that need a person first, each with its place among them.
    pub fn agents_in_order(&self) -> impl DoubleEndedIterator<Item = (&Place, &Agent)> {
        self.agents.in_order()
    }

    /// The list of the first `rows` agents in order.
    pub fn listed(&self, rows: usize) -> Listed {
        let places = self.agents_in_order().take(rows).map(|(place, _)| place.clone()).collect();
        Listed { places, counts: self.counts() }
    }

    /// The moment that the picture is of, if it was ever told one.
    pub fn now(&self) -> Option<Timestamp> {
        self.agents.now()
    }

    /// How many agents stand where.
    pub fn counts(&self) -> Counts {
        self.agents.counts()
    }

    /// When time alone may next change where an agent stands: tell it by [`Self::pass_time`].
    pub fn next_change(&self) -> Option<Timestamp> {
        self.agents.next_change()
    }

    /// Lets the time pass, and returns the panels that look different now. The picture is of this moment from then on.
    pub fn pass_time(&mut self, now: Timestamp) -> Panels {
        let moved = self.agents.pass_time(now);
        moved.iter().fold(Panels::NONE, |dirty, agent_id| dirty | self.agent_moved(agent_id))
    }

    /// The panels that look different once an agent stands elsewhere.
    fn agent_moved(&mut self, agent_id: &str) -> Panels {
        let in_a_graph = self.graphs.look_again(agent_id, self.last_seq);
        if in_a_graph { Panels::AGENTS } else { Panels::of(Panel::Agents) }
    }

    /// Sets how long agents may be silent.
    pub fn set_patience(&mut self, patience: Patience) {
        self.agents.set_patience(patience);
    }

    /// Where a graph's node stands: as its agent does while the two are at work. `None`: it has not begun.
    pub fn standing_of(&self, node: &Node) -> Option<Standing> {
        Some(match node.state? {
            AgentState::Blocked => Standing::Waiting,
            AgentState::Completed => Standing::Completed,
            AgentState::Failed => Standing::Failed,
            AgentState::Cancelled => Standing::Cancelled,
            AgentState::TimedOut => Standing::TimedOut,
            AgentState::Started => {
                let agent = node.agent_id.as_deref().and_then(|agent_id| self.agent(agent_id));
                match agent.map(|agent| agent.standing) {
                    Some(standing @ (Standing::Stalled | Standing::Answered | Standing::Idle)) => standing,
                    // What its agent waits for, or how it has ended, is another node's.
                    _ => Standing::Running,
                }
            }
        })
    }

    /// One agent.
    pub fn agent(&self, agent_id: &str) -> Option<&Agent> {
        self.agents.get(agent_id).map(|agent| &**agent)
    }

    /// How many agents are in which state.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The graphs that the agents work in.
    pub fn graphs(&self) -> &Graphs {
        &self.graphs
    }

    /// The questions and messages.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// The latest events, oldest first.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Arc<Record>> + ExactSizeIterator {
        self.log.iter()
    }

    /// The latest results, newest first.
    pub fn results(&self) -> impl Iterator<Item = &ResultItem> {
        self.results.iter()
    }

    /// What is wrong with the daemon itself.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// The last question that was asked, open or not, and its event's position.
    pub fn newest_question(&self) -> Option<(Seq, &QuestionKey)> {
        self.newest.as_ref().map(|(seq, key)| (*seq, key))
    }

    /// The notices that could not be delivered.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.letters
    }

    /// The last event folded.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The picture as JSON: the signals of the Python design, and `last_seq`.
    pub fn signals(&self) -> impl Serialize + use<> {
        let states: serde_json::Map<String, Value> =
            self.agents.iter().map(|agent| (agent.agent_id.to_string(), json!(agent))).collect();
        let beside = json!({
            "blocked": self.inbox.open(),
            "agentStates": states,
            "progress": {
                "total": self.tally.total,
                "completed": self.tally.completed,
                "failed": self.tally.failed,
                "cancelled": self.tally.cancelled,
            },
            "results": self.results,
            "last_seq": self.last_seq,
        });
        Signals { events: self.log.iter().filter_map(|record| event_with_seq(record)).collect(), beside }
    }
}

#[derive(Serialize)]
struct Signals {
    events: Vec<Box<RawValue>>,
    #[serde(flatten)]
    beside: Value,
}

/// Whether a living agent waits for a person follows from its questions alone.
fn settle(agent: &mut Agent, inbox: &Inbox, at: Timestamp) {
    if agent.state.is_terminal() {
        return;
    }
    let asks = inbox.asks(&agent.agent_id);
    agent.enter(if asks { AgentState::Blocked } else { AgentState::Started }, at);
    agent.unread_answer = inbox.has_unread_answer(&agent.agent_id);
}

/// As it was journaled: it may be nested deeper than a reader would follow.
fn event_with_seq(record: &Record) -> Option<Box<RawValue>> {
    let mut json = Vec::new();
    record.write_with_seq(&mut json);
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

#[cfg(test)]
mod tests;

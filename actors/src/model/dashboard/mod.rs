//! The one live picture: agents, questions, results, graphs and the latest events, folded from the journal.

mod panels;
mod stored;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Agent, AgentState, Category, Event, Graphs, Inbox, Limits, QuestionKey, Record, Seq, Status, Tally, Troubles,
    actions, notice::DeadLetters,
};
pub use panels::{Panel, Panels};

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
#[serde(from = "stored::Stored", into = "stored::Stored")]
pub struct Dashboard {
    agents: BTreeMap<String, Agent>,
    tally: Tally,
    graphs: Graphs,
    inbox: Inbox,
    log: VecDeque<Arc<Record>>,
    results: VecDeque<ResultItem>,
    /// The last question that was asked, and where the journal says so.
    newest: Option<(Seq, QuestionKey)>,
    letters: DeadLetters,
    last_seq: Seq,
    keep_agents: usize,
    /// Told, not folded: what keeps the journal from working does not stand in the journal.
    troubles: Troubles,
}

impl Dashboard {
    /// The picture before the first event.
    pub fn new(limits: &Limits) -> Self {
        Self {
            agents: BTreeMap::new(),
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
        dirty |= self.apply_to_questions_agents(&changed);
        dirty |= self.apply_to_graphs(record, &changed);
        if record.event.is(Category::User, actions::MESSAGED) || record.event.action.starts_with("message_") {
            dirty |= Panels::of(Panel::Agents);
        }
        self.forget_agents();
        dirty
    }

    fn apply_to_agent(&mut self, record: &Record) -> Panels {
        let event = &record.event;
        let about_agent = matches!(event.category, Category::Agent | Category::Tool | Category::Model);
        let Some(agent_id) = event.agent_id.as_deref().filter(|_| about_agent) else { return Panels::NONE };
        let before = self.agents.get(agent_id).cloned();
        let mut agent = before.clone().unwrap_or_else(|| first_seen(agent_id, event));
        update(&mut agent, record);
        if !agent.state.is_terminal() {
            agent.state = self.state_of_living(agent_id);
        }
        let mut dirty = Panels::NONE;
        if event.is(Category::Agent, actions::COMPLETED) {
            self.keep_result(&agent, record);
            dirty |= Panels::of(Panel::Results);
        }
        self.replace_agent(before.as_ref(), agent) | dirty
    }

    /// Whether an agent is blocked follows from its open questions alone.
    fn state_of_living(&self, agent_id: &str) -> AgentState {
        if self.inbox.open_of(agent_id).is_empty() { AgentState::Started } else { AgentState::Blocked }
    }

    fn apply_to_questions_agents(&mut self, changed: &[QuestionKey]) -> Panels {
        let mut dirty = Panels::NONE;
        for key in changed {
            dirty |= Panels::of(Panel::Inbox);
            let Some(record) = self.inbox.get(key) else { continue };
            let asks = record.status == Status::Open;
            let Some(before) = self.agents.get(&record.question.agent_id).cloned() else { continue };
            let mut agent = before.clone();
            if asks || !agent.state.is_terminal() {
                agent.state = self.state_of_living(&agent.agent_id);
            }
            dirty |= self.replace_agent(Some(&before), agent);
        }
        dirty
    }

    fn replace_agent(&mut self, before: Option<&Agent>, after: Agent) -> Panels {
        if let Some(before) = before {
            self.count(before, false);
        }
        self.count(&after, true);
        let looks_the_same = before.is_some_and(|b| {
            (b.state, &b.name, &b.detail, &b.graph_id, &b.workspace_trouble)
                == (after.state, &after.name, &after.detail, &after.graph_id, &after.workspace_trouble)
        });
        let dirty = match before {
            _ if looks_the_same => Panels::NONE,
            Some(b) if b.workspace_trouble != after.workspace_trouble => Panels::of(Panel::Inbox) | Panels::AGENTS,
            // What an agent does changes its row, but no count.
            Some(b) if (b.state, &b.graph_id) == (after.state, &after.graph_id) => Panels::of(Panel::Agents),
            _ => Panels::AGENTS,
        };
        self.agents.insert(after.agent_id.clone(), after);
        dirty
    }

    fn count(&mut self, agent: &Agent, enters: bool) {
        self.tally.count(agent.state, enters);
    }

    fn apply_to_graphs(&mut self, record: &Record, changed: &[QuestionKey]) -> Panels {
        let asked = changed.iter().filter_map(|key| Some(self.inbox.get(key)?.question.agent_id.as_str()));
        let changed = self.graphs.apply(record, |agent_id| self.agents.get(agent_id), asked);
        if changed { Panels::of(Panel::Progress) } else { Panels::NONE }
    }

    fn keep_result(&mut self, agent: &Agent, record: &Record) {
        let payload = &record.event.payload;
        let content = match payload.get("result").or_else(|| payload.get("summary")) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None if payload.is_empty() => "completed".to_owned(),
            None => Value::Object(payload.clone()).to_string(),
        };
        self.results.push_front(ResultItem {
            seq: record.seq,
            agent_id: agent.agent_id.clone(),
            name: agent.name.clone(),
            content,
            timestamp: record.event.timestamp,
        });
        self.results.truncate(RESULTS);
    }

    /// Over the limit, the longest silent agents go, finished ones first. A tenth at a time, so that the search for
    /// them costs next to nothing per event.
    fn forget_agents(&mut self) {
        if self.agents.len() <= self.keep_agents {
            return;
        }
        let mut candidates: Vec<_> = self
            .agents
            .values()
            .filter(|agent| agent.state != AgentState::Blocked)
            .map(|agent| (!agent.state.is_terminal(), agent.last_seq, agent.agent_id.clone()))
            .collect();
        candidates.sort();
        let surplus = self.agents.len() - (self.keep_agents - self.keep_agents / 10);
        for (_, _, agent_id) in candidates.into_iter().take(surplus) {
            if let Some(agent) = self.agents.remove(&agent_id) {
                self.count(&agent, false);
                self.graphs.forget_agent(&agent_id);
            }
        }
    }

    /// All agents, by id.
    pub fn agents(&self) -> impl ExactSizeIterator<Item = &Agent> {
        self.agents.values()
    }

    /// One agent.
    pub fn agent(&self, agent_id: &str) -> Option<&Agent> {
        self.agents.get(agent_id)
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
    pub fn signals(&self) -> Value {
        let states: serde_json::Map<String, Value> =
            self.agents.iter().map(|(id, agent)| (id.clone(), json!(agent))).collect();
        json!({
            "events": self.log.iter().map(|record| event_with_seq(record)).collect::<Vec<_>>(),
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
        })
    }
}

fn event_with_seq(record: &Record) -> Value {
    serde_json::from_slice(&record.to_json_with_seq()).unwrap_or_default()
}

fn first_seen(agent_id: &str, event: &Event) -> Agent {
    Agent {
        agent_id: agent_id.to_owned(),
        name: agent_id.to_owned(),
        state: AgentState::Started,
        graph_id: None,
        workspace_id: None,
        started_at: event.timestamp,
        last_event_at: event.timestamp,
        last_seq: 0,
        events: 0,
        detail: None,
        workspace_trouble: None,
    }
}

/// What one event says about its agent.
fn update(agent: &mut Agent, record: &Record) {
    let event = &record.event;
    agent.last_event_at = event.timestamp;
    agent.last_seq = record.seq;
    agent.events += 1;
    if event.graph_id.is_some() {
        agent.graph_id.clone_from(&event.graph_id);
    }
    match (event.category, event.action.as_str()) {
        (Category::Agent, actions::STARTED) => {
            agent.state = AgentState::Started;
            agent.detail = None;
            agent.workspace_trouble = None;
            let name = event.text("name").or_else(|| event.text("node_name")).filter(|name| !name.is_empty());
            agent.name = name.unwrap_or(&agent.agent_id).to_owned();
            agent.workspace_id = event.text("workspace_id").map(str::to_owned);
        }
        (Category::Agent, actions::WORKSPACE_TROUBLE) => {
            agent.workspace_trouble = event.text("detail").map(str::to_owned);
        }
        (Category::Agent, actions::WORKSPACE_RECOVERED) => agent.workspace_trouble = None,
        (Category::Agent, action) => match AgentState::terminal(action) {
            Some(state) => {
                agent.state = state;
                agent.detail = text_of(event, &["error", "reason"]);
            }
            None if action == actions::PROGRESS => agent.detail = text_of(event, &["message", "detail", "status"]),
            None => {}
        },
        (Category::Tool, "called" | actions::STARTED) => agent.detail = text_of(event, &["tool_name", "tool", "name"]),
        _ => {}
    }
}

fn text_of(event: &Event, fields: &[&str]) -> Option<String> {
    fields.iter().find_map(|field| event.text(field)).map(str::to_owned)
}

#[cfg(test)]
mod tests;

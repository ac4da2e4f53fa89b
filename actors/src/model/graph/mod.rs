//! The graphs that the agents work in: their nodes, what comes after what, and who ran and who waited when.
//!
//! A node is named by an event's `node_id`, else it is the agent itself; nodes that are only named by others (in
//! `depends_on` or as a parent, or announced by the graph) have not begun.

mod edges;
mod json;
mod node;
mod picture;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Agent, AgentState, Category, Event, Limits, Record, Seq, actions};
pub use node::{Activity, Node, Span};
pub use picture::Graph;

/// Nodes of one agent that may be live at the same time; beyond it the first are taken for ended with the agent's end.
const NODES_PER_AGENT: usize = 8;
/// Nodes kept of all graphs, for each agent that may be kept: a run of all of them, and the one before.
const NODES_PER_KEPT_AGENT: usize = 2;

/// Where an agent works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    graph_id: Arc<str>,
    node: usize,
}

/// Every graph kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graphs {
    graphs: BTreeMap<String, Graph>,
    /// The nodes that each agent works on, the one it named last at the end.
    places: BTreeMap<String, Vec<Place>>,
    nodes: usize,
    /// The last event that changed the look of a graph.
    changed_seq: Seq,
    keep: Limits,
}

impl Graphs {
    /// No graph yet.
    pub fn new(limits: &Limits) -> Self {
        Self { graphs: BTreeMap::new(), places: BTreeMap::new(), nodes: 0, changed_seq: 0, keep: limits.clone() }
    }

    /// Keeps what these limits allow, from the next event on.
    pub(super) fn limit(&mut self, limits: &Limits) {
        self.keep = limits.clone();
    }

    /// Folds one event, after the agents were brought up to date with it.
    ///
    /// `agent` finds an agent by its id; `asked` are the agents whose questions the event changed. True: a graph looks
    /// different now.
    pub(super) fn apply<'a>(
        &mut self,
        record: &Record,
        agent: impl Fn(&str) -> Option<&'a Agent>,
        asked: impl Iterator<Item = &'a str>,
    ) -> bool {
        let event = &record.event;
        if let Some(graph_id) = self.graph_of(event) {
            self.open(&graph_id, event.timestamp, record.seq);
            if event.category == Category::Graph {
                self.with(&graph_id, |graph, keep| graph.tell(event, record.seq, keep));
            } else if let Some(agent_id) = event.agent_id.as_deref().filter(|_| event.category != Category::User) {
                self.place(&graph_id, agent_id, record, &agent);
            }
            while self.nodes > NODES_PER_KEPT_AGENT * self.keep.agents && self.graphs.len() > 1 {
                self.forget_one(&graph_id);
            }
        }
        let own = event.agent_id.as_deref().and_then(&agent);
        for agent in own.into_iter().chain(asked.filter_map(&agent)) {
            self.wait_or_go_on(agent, event.timestamp, record.seq);
        }
        self.changed_seq == record.seq
    }

    /// The graph that an event names, else the one in which its agent works.
    fn graph_of(&self, event: &Event) -> Option<Arc<str>> {
        match &event.graph_id {
            Some(graph_id) => Some(graph_id.as_str().into()),
            None => self.places.get(event.agent_id.as_deref()?)?.last().map(|place| Arc::clone(&place.graph_id)),
        }
    }

    fn open(&mut self, graph_id: &str, at: Timestamp, seq: Seq) {
        if !self.graphs.contains_key(graph_id) {
            while self.graphs.len() >= self.keep.graphs {
                self.forget_one(graph_id);
            }
            self.graphs.insert(graph_id.to_owned(), Graph::new(graph_id, at, seq));
        }
        self.with(graph_id, |graph, _| graph.touch(at, seq));
    }

    /// Works on a graph, and counts the nodes that this adds.
    fn with<T: Default>(&mut self, graph_id: &str, work: impl FnOnce(&mut Graph, &Limits) -> T) -> T {
        let Some(graph) = self.graphs.get_mut(graph_id) else { return T::default() };
        let before = graph.nodes().len();
        let done = work(graph, &self.keep);
        self.changed_seq = self.changed_seq.max(graph.changed_seq());
        self.nodes += graph.nodes().len() - before;
        done
    }

    /// Forgets the graph that has been silent for the longest time, finished ones first.
    fn forget_one(&mut self, but: &str) {
        let others = self.graphs.values().filter(|graph| graph.graph_id() != but);
        let Some(graph_id) = others.min_by_key(|g| (g.is_live(), g.last_seq())).map(|g| g.graph_id().to_owned()) else {
            return;
        };
        if let Some(graph) = self.graphs.remove(&graph_id) {
            self.nodes -= graph.nodes().len();
        }
        self.places.retain(|_, places| {
            places.retain(|place| *place.graph_id != *graph_id);
            !places.is_empty()
        });
    }

    /// Brings an agent's event to its node.
    fn place<'a>(
        &mut self,
        graph_id: &Arc<str>,
        agent_id: &str,
        record: &Record,
        agent: impl Fn(&str) -> Option<&'a Agent>,
    ) {
        let event = &record.event;
        let Some(node) = self.node_of(graph_id, agent_id, record) else { return };
        let begins = event.is(Category::Agent, actions::STARTED);
        self.with(graph_id, |graph, _| {
            graph.update(node, record.seq, |node| {
                node.agent_id = Some(agent_id.to_owned());
                let name = event.text("name").or_else(|| event.text("node_name")).filter(|name| !name.is_empty());
                if let Some(name) = name.filter(|_| begins) {
                    node.name = Some(name.to_owned());
                }
                if begins || node.state.is_none() {
                    node.enter(AgentState::Started, event.timestamp);
                }
            });
        });
        if event.category == Category::Agent {
            self.connect(graph_id, node, record, agent);
        }
        if let Some(state) = AgentState::terminal(&event.action).filter(|_| event.category == Category::Agent) {
            self.end(graph_id, node, agent_id, state, record);
        }
    }

    /// The node that an agent's event is about: the one it names, else the one it works on, else one of its own.
    fn node_of(&mut self, graph_id: &Arc<str>, agent_id: &str, record: &Record) -> Option<usize> {
        let places = self.places.get(agent_id);
        let at_work = || places?.iter().rev().find(|place| place.graph_id == *graph_id).map(|place| place.node);
        let node_id = record.event.node_id.as_deref();
        let node = match (node_id, at_work()) {
            (None, Some(node)) => Some(node),
            (node_id, _) => self.with(graph_id, |graph, keep| {
                graph.node_of_agent(node_id.unwrap_or(agent_id), agent_id, record.seq, keep)
            }),
        };
        let Some(node) = node else {
            if record.event.is(Category::Agent, actions::STARTED) {
                self.with(graph_id, |graph, _| graph.has_no_room());
            }
            return None;
        };
        let places = self.places.entry(agent_id.to_owned()).or_default();
        let place = Place { graph_id: Arc::clone(graph_id), node };
        if places.last() != Some(&place) {
            places.retain(|other| *other != place);
            places.push(place);
            if places.len() > NODES_PER_AGENT {
                places.remove(0);
            }
        }
        Some(node)
    }

    fn connect<'a>(
        &mut self,
        graph_id: &Arc<str>,
        node: usize,
        record: &Record,
        agent: impl Fn(&str) -> Option<&'a Agent>,
    ) {
        let places = std::mem::take(&mut self.places);
        let by_agent = |name: &str| {
            places.get(name)?.iter().rev().find(|place| place.graph_id == *graph_id).map(|place| place.node)
        };
        let added =
            self.with(graph_id, |graph, keep| graph.connect(node, &record.event.payload, by_agent, record.seq, keep));
        self.places = places;
        for node in added {
            self.adopt(graph_id, node, record.seq, &agent);
        }
    }

    /// A node that others name may be an agent that works in no graph of its own, such as a session with its subagents.
    fn adopt<'a>(&mut self, graph_id: &Arc<str>, node: usize, seq: Seq, agent: impl Fn(&str) -> Option<&'a Agent>) {
        let Some(named) = self.graphs.get(&**graph_id).and_then(|graph| graph.nodes().get(node)) else { return };
        let Some(agent) = agent(&named.node_id).filter(|agent| !self.places.contains_key(&*agent.agent_id)) else {
            return;
        };
        self.places.insert(agent.agent_id.to_string(), vec![Place { graph_id: Arc::clone(graph_id), node }]);
        self.with(graph_id, |graph, _| {
            graph.update(node, seq, |node| {
                node.agent_id = Some(agent.agent_id.to_string());
                node.name = Some(agent.name.to_string());
                node.enter(AgentState::Started, agent.started_at);
                node.enter(agent.state, agent.last_event_at);
            });
        });
    }

    /// An end that names a node is that node's; any other is the end of all that the agent works on.
    fn end(&mut self, graph_id: &Arc<str>, node: usize, agent_id: &str, state: AgentState, record: &Record) {
        let named = Place { graph_id: Arc::clone(graph_id), node };
        let only_named = record.event.node_id.is_some();
        let Some(places) = self.places.get_mut(agent_id) else { return };
        let ended: Vec<_> = places.iter().filter(|place| !only_named || **place == named).cloned().collect();
        places.retain(|place| *place == named || !ended.contains(place));
        for place in ended {
            let at = place.node;
            self.with(&place.graph_id, |graph, _| {
                // What ended before ended as it did.
                if at == node && place.graph_id == *graph_id || graph.nodes()[at].is_live() {
                    graph.update(at, record.seq, |node| node.enter(state, record.event.timestamp));
                }
            });
        }
    }

    /// Whether a node waits follows from its agent's open questions.
    fn wait_or_go_on(&mut self, agent: &Agent, at: Timestamp, seq: Seq) {
        let Some(place) = self.places.get(&*agent.agent_id).and_then(|places| places.last()).cloned() else { return };
        self.with(&place.graph_id, |graph, _| {
            let waits = agent.state == AgentState::Blocked;
            let waited = graph.state_of(place.node) == Some(AgentState::Blocked);
            if waits != waited && (waits || !agent.state.is_terminal()) {
                let state = if waits { AgentState::Blocked } else { AgentState::Started };
                graph.update(place.node, seq, |node| node.enter(state, at));
                graph.touch(at, seq);
            }
        });
    }

    /// Takes note that an agent stands elsewhere, by an event or by the time after it. True: a graph looks different now.
    pub(super) fn look_again(&mut self, agent_id: &str, seq: Seq) -> bool {
        let mut is_different = false;
        for place in self.places.get(agent_id).cloned().unwrap_or_default() {
            self.with(&place.graph_id, |graph, _| is_different |= graph.look_again(place.node, seq));
        }
        is_different
    }

    /// Lets go of an agent that is no longer kept; its nodes stay.
    pub(super) fn forget_agent(&mut self, agent_id: &str) {
        self.places.remove(agent_id);
    }

    /// How many nodes all of them have.
    pub fn node_count(&self) -> usize {
        self.nodes
    }

    /// All graphs, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Graph> {
        self.graphs.values()
    }

    /// One graph.
    pub fn get(&self, graph_id: &str) -> Option<&Graph> {
        self.graphs.get(graph_id)
    }
}

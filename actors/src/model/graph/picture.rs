//! One graph: its nodes, what comes after what, and how far it is.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    super::{AgentState, Event, Limits, Seq, Tally, actions, check_id},
    edges,
    node::Node,
};

/// Edges kept for each node that may be kept: denser graphs are a black square in any picture.
const EDGES_PER_NODE: usize = 4;

/// One graph.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Stored")]
pub struct Graph {
    stored: Stored,
    index: HashMap<String, usize>,
    tally: Tally,
}

/// What cannot be derived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    graph_id: String,
    name: Option<String>,
    state: Option<String>,
    nodes: Vec<Node>,
    edges: BTreeSet<(usize, usize)>,
    nodes_hidden: u64,
    edges_hidden: u64,
    first_at: Timestamp,
    last_at: Timestamp,
    last_seq: Seq,
    changed_seq: Seq,
    grown_seq: Seq,
    moved_seq: Seq,
}

impl From<Stored> for Graph {
    fn from(stored: Stored) -> Self {
        let index = stored.nodes.iter().enumerate().map(|(at, node)| (node.node_id.clone(), at)).collect();
        let mut tally = Tally::default();
        for state in stored.nodes.iter().filter_map(|node| node.state) {
            tally.count(state, true);
        }
        Self { stored, index, tally }
    }
}

impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored.serialize(serializer)
    }
}

impl Graph {
    pub(super) fn new(graph_id: &str, at: Timestamp, seq: Seq) -> Self {
        Self::from(Stored {
            graph_id: graph_id.to_owned(),
            name: None,
            state: None,
            nodes: Vec::new(),
            edges: BTreeSet::new(),
            nodes_hidden: 0,
            edges_hidden: 0,
            first_at: at,
            last_at: at,
            last_seq: seq,
            changed_seq: seq,
            grown_seq: seq,
            moved_seq: seq,
        })
    }

    /// Its id.
    pub fn graph_id(&self) -> &str {
        &self.stored.graph_id
    }

    /// What it is called; its id where nothing is said.
    pub fn name(&self) -> &str {
        self.stored.name.as_deref().unwrap_or(&self.stored.graph_id)
    }

    /// The action of its latest event of the category `graph`.
    pub fn state(&self) -> Option<&str> {
        self.stored.state.as_deref()
    }

    /// Its nodes, in the order in which they were first named.
    pub fn nodes(&self) -> &[Node] {
        &self.stored.nodes
    }

    /// What comes after what: pairs of positions in [`Graph::nodes`], the earlier node first. There may be cycles.
    pub fn edges(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.stored.edges.iter().copied()
    }

    /// One node.
    pub fn node(&self, node_id: &str) -> Option<&Node> {
        self.index.get(node_id).map(|at| &self.stored.nodes[*at])
    }

    /// How many nodes that have begun are in which state.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Nodes that have not begun.
    pub fn pending(&self) -> usize {
        self.stored.nodes.len() - self.tally.total
    }

    /// Nodes that began when there was no room for them: they are counted, not shown.
    pub fn nodes_hidden(&self) -> u64 {
        self.stored.nodes_hidden
    }

    /// Edges that were named when there was no room for them.
    pub fn edges_hidden(&self) -> u64 {
        self.stored.edges_hidden
    }

    /// True while a node runs or waits.
    pub fn is_live(&self) -> bool {
        self.tally.total > self.tally.finished()
    }

    /// Its first event.
    pub fn first_at(&self) -> Timestamp {
        self.stored.first_at
    }

    /// Its latest event.
    pub fn last_at(&self) -> Timestamp {
        self.stored.last_at
    }

    /// Its latest event.
    pub fn last_seq(&self) -> Seq {
        self.stored.last_seq
    }

    /// The event since which it looks as it does.
    pub(super) fn changed_seq(&self) -> Seq {
        self.stored.changed_seq
    }

    /// True where it may look different from what was shown after an event. The time after that event changes it too.
    pub fn is_changed_since(&self, shown: Seq) -> bool {
        self.stored.changed_seq >= shown
    }

    /// The event since which its nodes and edges are the same ones.
    pub fn grown_seq(&self) -> Seq {
        self.stored.grown_seq
    }

    /// The event since which its place among the graphs is what it is: it began, went live or ended then.
    pub fn moved_seq(&self) -> Seq {
        self.stored.moved_seq
    }

    pub(super) fn touch(&mut self, at: Timestamp, seq: Seq) {
        self.stored.last_at = at;
        self.stored.last_seq = seq;
    }

    /// What a graph's own event says of it.
    pub(super) fn tell(&mut self, event: &Event, seq: Seq, keep: &Limits) {
        if event.action == actions::STARTED && !self.is_live() && self.tally.total > 0 {
            self.begin_again(event.timestamp, seq);
        }
        self.stored.state = Some(event.action.clone());
        self.stored.changed_seq = seq;
        // An event of the graph that names a node announces that node.
        if let Some(name) = event.text("name").filter(|name| event.node_id.is_none() && !name.is_empty()) {
            self.stored.name = Some(name.to_owned());
        }
        for (node_id, fields) in edges::announced(&event.payload) {
            self.announce(node_id, fields, seq, keep);
        }
        if let Some(node_id) = &event.node_id {
            self.announce(node_id, &event.payload, seq, keep);
        }
    }

    /// A graph that is started again after its end shows its new run alone.
    fn begin_again(&mut self, at: Timestamp, seq: Seq) {
        let fresh = |node: &Node| Node { name: node.name.clone(), ..Node::new(&node.node_id, seq) };
        self.stored.nodes = self.stored.nodes.iter().map(fresh).collect();
        self.stored.first_at = at;
        self.stored.moved_seq = seq;
        self.tally = Tally::default();
    }

    fn announce(&mut self, node_id: &str, fields: &Map<String, Value>, seq: Seq, keep: &Limits) {
        let Some(at) = self.find_or_add(node_id, seq, keep) else { return };
        if let Some(name) = fields.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            self.update(at, seq, |node| node.name = Some(name.to_owned()));
        }
        self.connect(at, fields, |_| None, seq, keep);
    }

    /// The position of a node, which is added where it is new and there is room.
    pub(super) fn find_or_add(&mut self, node_id: &str, seq: Seq, keep: &Limits) -> Option<usize> {
        if let Some(at) = self.index.get(node_id) {
            return Some(*at);
        }
        let fits = check_id(node_id, "node_id", keep).is_ok() && self.stored.nodes.len() < keep.graph_nodes;
        fits.then(|| {
            (self.stored.changed_seq, self.stored.grown_seq) = (seq, seq);
            self.stored.nodes.push(Node::new(node_id, seq));
            self.index.insert(node_id.to_owned(), self.stored.nodes.len() - 1);
            self.stored.nodes.len() - 1
        })
    }

    /// The node of an agent that names it for the first time. Others may have named it by its agent before.
    pub(super) fn node_of_agent(&mut self, node_id: &str, agent_id: &str, seq: Seq, keep: &Limits) -> Option<usize> {
        let unclaimed = self.index.get(agent_id).copied().filter(|at| self.stored.nodes[*at].agent_id.is_none());
        if let Some(at) = unclaimed
            && !self.index.contains_key(node_id)
        {
            self.index.remove(agent_id);
            self.index.insert(node_id.to_owned(), at);
            node_id.clone_into(&mut self.stored.nodes[at].node_id);
        }
        self.find_or_add(node_id, seq, keep)
    }

    /// Draws the edges that a payload names, to nodes that may have to be added for it. `by_agent` finds the node of an
    /// agent. Returns the nodes that were added.
    pub(super) fn connect(
        &mut self,
        to: usize,
        payload: &Map<String, Value>,
        by_agent: impl Fn(&str) -> Option<usize>,
        seq: Seq,
        keep: &Limits,
    ) -> Vec<usize> {
        let (named, surplus) = edges::before(payload);
        let mut added = Vec::new();
        self.stored.edges_hidden += surplus as u64;
        for name in named {
            let known = self.index.get(name).copied().or_else(|| by_agent(name));
            let nodes = self.stored.nodes.len();
            let Some(from) = known.or_else(|| self.find_or_add(name, seq, keep)) else {
                self.stored.edges_hidden += 1;
                continue;
            };
            if self.stored.nodes.len() > nodes {
                added.push(from);
            }
            if self.stored.edges.len() < EDGES_PER_NODE.saturating_mul(keep.graph_nodes) {
                if self.stored.edges.insert((from, to)) {
                    (self.stored.changed_seq, self.stored.grown_seq) = (seq, seq);
                }
            } else {
                self.stored.edges_hidden += 1;
            }
        }
        added
    }

    pub(super) fn has_no_room(&mut self) {
        self.stored.nodes_hidden += 1;
    }

    /// Changes a node and keeps the counts right.
    pub(super) fn update(&mut self, at: usize, seq: Seq, change: impl FnOnce(&mut Node)) {
        let was_live = self.is_live();
        let node = &mut self.stored.nodes[at];
        let before = node.state;
        let looked = (node.name.clone(), node.agent_id.clone());
        change(node);
        let after = node.state;
        if before != after || looked != (node.name.clone(), node.agent_id.clone()) {
            node.last_seq = seq;
            self.stored.changed_seq = seq;
        }
        if let Some(state) = before {
            self.tally.count(state, false);
        }
        if let Some(state) = after {
            self.tally.count(state, true);
        }
        if was_live != self.is_live() {
            self.stored.moved_seq = seq;
        }
    }

    /// Where its agent stands is no part of a node, and shown of one that is live. `true`: this is one.
    pub(super) fn look_again(&mut self, at: usize, seq: Seq) -> bool {
        let node = &mut self.stored.nodes[at];
        let is_live = node.is_live();
        if is_live {
            node.last_seq = seq;
            self.stored.changed_seq = seq;
        }
        is_live
    }

    pub(super) fn state_of(&self, at: usize) -> Option<AgentState> {
        self.stored.nodes.get(at).and_then(|node| node.state)
    }
}

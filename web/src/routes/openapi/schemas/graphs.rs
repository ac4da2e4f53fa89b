//! Graphs of tasks.

use serde::Deserialize;
use utoipa::ToSchema;

use super::AgentState;

/// How many nodes of a graph are in which state; `pending` ones have not begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphProgress {
    total: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    /// They wait for a person.
    waiting: u64,
    running: u64,
    pending: u64,
}

/// How far a graph is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphSummary {
    graph_id: String,
    name: String,
    /// The action of its latest event of the category `graph`.
    state: Option<String>,
    progress: GraphProgress,
    edge_count: u64,
    /// Nodes and edges beyond what the daemon keeps: counted only.
    nodes_hidden: u64,
    edges_hidden: u64,
    #[schema(format = DateTime)]
    first_at: String,
    #[schema(format = DateTime)]
    last_at: String,
    last_seq: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphList {
    graphs: Vec<GraphSummary>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activity {
    Ran,
    Waited,
}

/// A stretch of time in which a node ran, or waited for a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    activity: Activity,
    #[schema(format = DateTime)]
    from: String,
    /// Absent while it lasts.
    #[schema(format = DateTime)]
    to: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    node_id: String,
    name: Option<String>,
    /// The agent that works on it; absent where others only name the node.
    agent_id: Option<String>,
    /// Absent while it has not begun.
    state: Option<AgentState>,
    /// In order, without overlap.
    spans: Vec<Span>,
    /// Earlier spans that are no longer kept.
    spans_forgotten: u64,
    last_seq: u64,
}

/// What comes after what, by `node_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edge {
    from: String,
    to: String,
}

/// A graph with its nodes and edges.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Graph {
    graph_id: String,
    name: String,
    /// The action of its latest event of the category `graph`.
    state: Option<String>,
    progress: GraphProgress,
    edge_count: u64,
    /// Nodes and edges beyond what the daemon keeps: counted only.
    nodes_hidden: u64,
    edges_hidden: u64,
    #[schema(format = DateTime)]
    first_at: String,
    #[schema(format = DateTime)]
    last_at: String,
    last_seq: u64,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

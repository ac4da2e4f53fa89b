//! The graphs as JSON, for programs.

use serde_json::{Value, json};

use super::{Graph, Graphs};

impl Graphs {
    /// Every graph without its nodes, the last changed first.
    pub fn to_json(&self) -> Value {
        let mut graphs: Vec<_> = self.iter().collect();
        graphs.sort_by_key(|graph| std::cmp::Reverse(graph.last_seq()));
        json!({ "graphs": graphs.into_iter().map(Graph::summary).collect::<Vec<_>>() })
    }
}

impl Graph {
    fn summary(&self) -> Value {
        let tally = self.tally();
        json!({
            "graph_id": self.graph_id(),
            "name": self.name(),
            "state": self.state(),
            "progress": {
                "total": self.nodes().len(),
                "completed": tally.completed,
                "failed": tally.failed,
                "cancelled": tally.cancelled,
                "waiting": tally.blocked,
                "running": tally.total - tally.finished() - tally.blocked,
                "pending": self.pending(),
            },
            "edge_count": self.edges().len(),
            "nodes_hidden": self.nodes_hidden(),
            "edges_hidden": self.edges_hidden(),
            "first_at": self.first_at(),
            "last_at": self.last_at(),
            "last_seq": self.last_seq(),
        })
    }

    /// The graph with its nodes and edges; what the nodes did when stands in their spans.
    pub fn to_json(&self) -> Value {
        let name = |at: usize| &self.nodes()[at].node_id;
        let edges = self.edges().map(|(from, to)| json!({"from": name(from), "to": name(to)}));
        let mut graph = self.summary();
        graph["nodes"] = json!(self.nodes());
        graph["edges"] = edges.collect();
        graph
    }
}

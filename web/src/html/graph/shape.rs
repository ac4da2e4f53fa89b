//! What a picture's layout depends on: how many nodes there are and what comes after what. Not what they are called or
//! what they do: states are painted over a layout that stays.

use std::collections::VecDeque;

use remora_actors::model::Graph;

/// The structure of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) nodes: usize,
    pub(super) edges: Vec<(usize, usize)>,
}

impl Shape {
    pub(super) fn of(graph: &Graph) -> Self {
        Self { nodes: graph.nodes().len(), edges: graph.edges().collect() }
    }

    /// The edges without loops, those that close a cycle turned round, each once.
    pub(super) fn acyclic(&self) -> Vec<(usize, usize)> {
        let mut after = vec![Vec::new(); self.nodes];
        for &(from, to) in &self.edges {
            after[from].push(to);
        }
        // The position of each node in the order in which a search from the first nodes leaves it.
        let mut left = vec![None; self.nodes];
        let mut entered = vec![false; self.nodes];
        let mut count = 0;
        for root in 0..self.nodes {
            let mut path = vec![(root, 0)];
            while let Some((node, next)) = path.pop() {
                entered[node] = true;
                match after[node].get(next) {
                    Some(&child) => {
                        path.push((node, next + 1));
                        if !entered[child] {
                            path.push((child, 0));
                        }
                    }
                    None if left[node].is_none() => {
                        left[node] = Some(count);
                        count += 1;
                    }
                    None => {}
                }
            }
        }
        // Along an edge of no cycle the later node is always left first.
        let mut edges: Vec<_> = self.edges.iter().copied().filter(|(from, to)| from != to).collect();
        for edge in &mut edges {
            if left[edge.0] < left[edge.1] {
                *edge = (edge.1, edge.0);
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

/// The layer of each node: one after the last of those that it comes after. `edges` have no cycle.
pub(super) fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut after = vec![Vec::new(); nodes];
    let mut waits_for = vec![0_usize; nodes];
    for &(from, to) in edges {
        after[from].push(to);
        waits_for[to] += 1;
    }
    let mut layers = vec![0; nodes];
    let mut ready: VecDeque<_> = (0..nodes).filter(|node| waits_for[*node] == 0).collect();
    while let Some(node) = ready.pop_front() {
        for &next in &after[node] {
            layers[next] = layers[next].max(layers[node] + 1);
            waits_for[next] -= 1;
            if waits_for[next] == 0 {
                ready.push_back(next);
            }
        }
    }
    layers
}

/// The nodes that hang together, each group in the order of its nodes, the groups in the order of their first ones.
pub(super) fn components(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut beside = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        beside[from].push(to);
        beside[to].push(from);
    }
    let mut seen = vec![false; nodes];
    let mut components = Vec::new();
    for root in 0..nodes {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        let mut component = vec![root];
        let mut at = 0;
        while let Some(&node) = component.get(at) {
            at += 1;
            component.extend(beside[node].iter().filter(|next| !std::mem::replace(&mut seen[**next], true)));
        }
        component.sort_unstable();
        components.push(component);
    }
    components
}

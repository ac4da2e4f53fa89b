//! The pictures in memory: those that were looked at last, and some beside them.

use crate::model::{Dashboard, Seq};

/// Pictures kept.
pub(super) const COUNT: u64 = 24;
/// Agents, questions and nodes of graphs in all of them together: some tens of megabytes.
const WEIGHT: usize = 60_000;

/// The pictures, the longest unused first.
#[derive(Debug, Default)]
pub(super) struct Pictures(Vec<Dashboard>);

impl Pictures {
    /// A copy of the latest picture up to an event.
    pub(super) fn latest_until(&mut self, seq: Seq) -> Option<Dashboard> {
        let candidates = self.0.iter().enumerate().filter(|(_, picture)| picture.last_seq() <= seq);
        let (index, _) = candidates.max_by_key(|(_, picture)| picture.last_seq())?;
        let picture = self.0.remove(index);
        self.0.push(picture.clone());
        Some(picture)
    }

    /// Keeps a picture, and forgets those that there is no room for.
    pub(super) fn keep(&mut self, picture: Dashboard) {
        self.0.retain(|other| other.last_seq() != picture.last_seq());
        self.0.push(picture);
        let mut total: usize = self.0.iter().map(weight).sum();
        while self.0.len() as u64 > COUNT || total > WEIGHT && self.0.len() > 1 {
            total -= weight(&self.0.remove(0));
        }
    }
}

fn weight(picture: &Dashboard) -> usize {
    picture.agents().len() + picture.inbox().iter().count() + picture.graphs().node_count()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::{Draft, Limits, Record};

    #[test]
    fn nodes_of_graphs_weigh_as_well() {
        let nodes: Vec<_> = (0..20).map(|node| json!({"node_id": format!("n{node}")})).collect();
        let plan = json!({"category": "graph", "action": "started", "graph_id": "g", "payload": {"nodes": nodes}});
        let limits = Limits::default();
        let draft = Draft::parse(plan.to_string().as_bytes(), &limits).expect("valid");
        let event = draft.complete(Timestamp::UNIX_EPOCH, || "1".to_owned());
        let json = event.to_json();
        let mut picture = Dashboard::new(&limits);
        picture.apply(&Record::new(1, event, json));
        assert_eq!(weight(&picture), 20);
    }
}

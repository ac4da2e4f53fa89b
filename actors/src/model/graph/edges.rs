//! How events name the nodes that come before theirs.

use serde_json::{Map, Value};

/// Payload fields whose texts, or arrays of texts, name what a node comes after.
const BEFORE: [&str; 5] = ["depends_on", "parent", "parent_id", "parent_node_id", "parent_agent_id"];
/// Nodes that one event may name: more could not be told apart in any picture.
const NAMED: usize = 64;

/// The nodes or agents that come before the one a payload is about, and how many more it names.
pub(super) fn before(payload: &Map<String, Value>) -> (Vec<&str>, usize) {
    // Fields that the emitter wrote beside the payload were moved under `extra`.
    let extra = payload.get("extra").and_then(Value::as_object);
    let places = [Some(payload), extra].into_iter().flatten();
    let mut named: Vec<&str> =
        places.flat_map(|fields| BEFORE.iter().filter_map(|f| fields.get(*f))).flat_map(texts).collect();
    let surplus = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    (named, surplus)
}

/// The nodes that a graph's own event announces: objects with a `node_id` or `id`.
pub(super) fn announced(payload: &Map<String, Value>) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
    let nodes = payload.get("nodes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    nodes.filter_map(|node| Some((node.get("node_id").or_else(|| node.get("id"))?.as_str()?, node)))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

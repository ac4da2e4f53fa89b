//! Which event a CloudEvent is.
//!
//! - Its id: a UUIDv5 of `source` and `id`, which together are unique by the specification.
//! - Its kind: the last two words of `type` where the first of them is a category (`agent.started`,
//!   `com.example.tool/called`, `model:request`); else what the data says, if it is an event in one of our own
//!   dialects; else `agent:message`, which changes no agent's state.
//! - Its agent: `subject`, else the data's `agent_id`, else `source`.
//! - Its payload: the data, with everything else under `cloudevent`.

use remora_actors::model::{Category, Draft, Invalid, Limits, knows_type};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::CloudEvent;

/// The extensions that are fields of ours: an attribute's name has only letters and digits.
const FIELDS: [(&str, &str); 4] =
    [("agentid", "agent_id"), ("graphid", "graph_id"), ("nodeid", "node_id"), ("sessionid", "session_id")];

/// What is said of a CloudEvent of any other kind.
const OTHER: (Category, &str) = (Category::Agent, "message");

/// Turns a CloudEvent into an event.
///
/// # Errors
/// [`Invalid`] names the field or the limit.
pub(super) fn draft(mut event: CloudEvent, limits: &Limits) -> Result<Draft, Invalid> {
    // A line break keeps the two apart: no URI has one.
    if event.source.contains('\n') {
        return Err(Invalid::field("source", "must be a uri reference"));
    }
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{}\n{}", event.source, event.id).as_bytes());
    let mut fields = match (kind_of(&event.kind), own_dialect(&event)) {
        (None, Some(fields)) => fields,
        (kind, _) => {
            let (category, action) = kind.unwrap_or(OTHER);
            let mut fields = Map::new();
            fields.insert("category".to_owned(), category.as_str().into());
            fields.insert("action".to_owned(), action.into());
            let data = event.data.take();
            fields.insert("payload".to_owned(), Value::Object(payload_of(data, event.is_base64)));
            name_agent(&event, &mut fields);
            fields
        }
    };
    if let Some(subject) = &event.subject {
        fields.insert("agent_id".to_owned(), subject.as_str().into());
    }
    fields.insert("id".to_owned(), id.to_string().into());
    if let Some(time) = &event.time {
        fields.insert("timestamp".to_owned(), time.as_str().into());
    }
    for (theirs, ours) in FIELDS {
        if let Some(value) = event.take(theirs) {
            fields.insert(ours.to_owned(), value);
        }
    }
    keep_envelope(event, &mut fields);
    Draft::parse(Value::Object(fields).to_string().as_bytes(), limits)
}

/// `agent.started`, `com.example.agent.started`, `agent:started`, `agent/started`.
fn kind_of(kind: &str) -> Option<(Category, &str)> {
    let mut words = kind.rsplit(['.', ':', '/']);
    let (action, category) = (words.next()?, words.next()?);
    let known = category.parse().ok()?;
    let is_word = action.starts_with(|c: char| c.is_ascii_lowercase())
        && action.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_word.then_some((known, action))
}

/// The data as a payload: an object as it is, anything else under a name.
fn payload_of(data: Option<Value>, is_base64: bool) -> Map<String, Value> {
    match data {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(data)) => data,
        Some(data) => {
            let name = if is_base64 { "data_base64" } else { "data" };
            Map::from_iter([(name.to_owned(), data)])
        }
    }
}

/// The data where it is an event by itself, natively or in the later dialect, whose `type` may be the CloudEvent's.
fn own_dialect(event: &CloudEvent) -> Option<Map<String, Value>> {
    let Some(Value::Object(data)) = &event.data else { return None };
    if data.contains_key("category") && data.contains_key("action") {
        return Some(data.clone());
    }
    let kind = match data.get("type") {
        Some(kind) => kind.as_str()?,
        None => event.kind.rsplit(['.', ':', '/']).next()?,
    };
    if !knows_type(kind) {
        return None;
    }
    let mut data = data.clone();
    data.insert("type".to_owned(), kind.into());
    Some(data)
}

/// For a CloudEvent without `subject`.
fn name_agent(event: &CloudEvent, fields: &mut Map<String, Value>) {
    let in_data = fields.get("payload").and_then(|payload| payload.get("agent_id")).filter(|id| id.is_string());
    let named = in_data.cloned().unwrap_or_else(|| event.source.as_str().into());
    fields.insert("agent_id".to_owned(), named);
}

/// The rest of the envelope, for whoever wants to know where an event came from.
fn keep_envelope(event: CloudEvent, fields: &mut Map<String, Value>) {
    let mut envelope = Map::new();
    envelope.insert("id".to_owned(), event.id.into());
    envelope.insert("source".to_owned(), event.source.into());
    envelope.insert("type".to_owned(), event.kind.into());
    envelope.extend(event.subject.map(|subject| ("subject".to_owned(), json!(subject))));
    envelope.extend(event.others);
    let payload = fields.entry("payload").or_insert_with(|| json!({}));
    // A dialect's payload that is none is for the parser to refuse.
    if let Value::Object(payload) = payload {
        payload.insert("cloudevent".to_owned(), Value::Object(envelope));
    }
}

//! An event's top-level fields as they stand in its text: borrowed, and read one by one.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{Invalid, Limits, Payload, payload::Name, text::check_id};

/// The fields that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Timestamp,
    Category,
    Action,
    AgentId,
    GraphId,
    NodeId,
    SessionId,
    Payload,
    /// What the later dialect has in place of category and action.
    Type,
}

/// Their names, in the order of [`Field`], and one that is read by nobody: the position that an exported event had where
/// it comes from.
const NAMES: [&str; 11] = [
    "id",
    "timestamp",
    "category",
    "action",
    "agent_id",
    "graph_id",
    "node_id",
    "session_id",
    "payload",
    "type",
    "seq",
];

/// The fields of one event. Where a name stands twice, the last one counts.
#[derive(Default)]
pub(super) struct Fields<'a> {
    known: [Option<&'a RawValue>; NAMES.len()],
    unknown: Vec<(Name<'a>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// Finds the fields in an event's text.
    pub(super) fn read(json: &'a [u8]) -> Result<Self, Invalid> {
        serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Invalid::Json("an event is an object".to_owned()),
            _ => Invalid::Json(error.to_string()),
        })
    }

    fn text(&self, field: Field) -> Option<&'a RawValue> {
        self.known[field as usize]
    }

    pub(super) fn are_of_the_later_dialect(&self) -> bool {
        self.text(Field::Type).is_some() && self.text(Field::Category).is_none()
    }

    /// The fields that mean nothing to Remora.
    pub(super) fn unknown(self) -> Vec<(Name<'a>, &'a RawValue)> {
        let mut unknown = self.unknown;
        // Beside a category a `type` is the emitter's own.
        unknown.extend(self.known[Field::Type as usize].map(|kind| (Name(NAMES[Field::Type as usize].into()), kind)));
        unknown
    }

    /// A field's value.
    pub(super) fn value(&self, field: Field) -> Result<Option<Value>, Invalid> {
        self.text(field).map(value_of).transpose()
    }

    /// A field that is an id, or not given.
    pub(super) fn id(&self, field: Field, limits: &Limits) -> Result<Option<String>, Invalid> {
        let name = NAMES[field as usize];
        match self.value(field)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(id)) => check_id(&id, name, limits).map(|()| Some(id)),
            Some(_) => Err(Invalid::field(name, "must be a text")),
        }
    }

    /// The payload; an empty one where there is none.
    pub(super) fn payload(&self) -> Result<Payload, Invalid> {
        match self.text(Field::Payload) {
            None => Ok(Payload::default()),
            Some(text) if text.get() == "null" => Ok(Payload::default()),
            Some(text) if text.get().starts_with('{') => Payload::read(text).map_err(|error| unreadable(&error)),
            Some(_) => Err(Invalid::field("payload", "must be an object")),
        }
    }
}

/// Reads a value whole.
pub(super) fn value_of(text: &RawValue) -> Result<Value, Invalid> {
    serde_json::from_str(text.get()).map_err(|error| unreadable(&error))
}

/// Its place is that in the field, which nobody has the text of.
fn unreadable(error: &serde_json::Error) -> Invalid {
    Invalid::Json(error.to_string())
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value()?;
            match NAMES.iter().position(|known| *known == name) {
                Some(known) => fields.known[known] = Some(value),
                None => fields.unknown.push((Name(name), value)),
            }
        }
        Ok(fields)
    }
}

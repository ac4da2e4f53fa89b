//! Attribute values, as texts and as JSON.

use std::fmt::Write;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use serde_json::{Map, Number, Value};

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a any_value::Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

/// A text attribute.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match find(attributes, key)? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// An attribute of any kind. A structure that an SDK could only write as a text is read out of it.
pub(super) fn structured(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let value = json(find(attributes, key)?);
    let read = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    Some(read.filter(|read| read.is_object() || read.is_array()).unwrap_or(value))
}

/// All attributes; of two with the same key, which the specification forbids, the last.
pub(super) fn all(attributes: &[KeyValue]) -> Map<String, Value> {
    attributes.iter().map(|attribute| (attribute.key.clone(), any(attribute.value.as_ref()))).collect()
}

fn any(value: Option<&AnyValue>) -> Value {
    value.and_then(|value| value.value.as_ref()).map_or(Value::Null, json)
}

/// Its depth is bounded by the decoders: protobuf's by 100 messages, JSON's by 128 levels.
fn json(value: &any_value::Value) -> Value {
    match value {
        any_value::Value::StringValue(text) => Value::from(text.as_str()),
        any_value::Value::BoolValue(bool) => Value::from(*bool),
        any_value::Value::IntValue(int) => Value::from(*int),
        // JSON has no infinity.
        any_value::Value::DoubleValue(double) => Number::from_f64(*double).map_or(Value::Null, Value::Number),
        any_value::Value::ArrayValue(array) => array.values.iter().map(|value| any(Some(value))).collect(),
        any_value::Value::KvlistValue(list) => Value::Object(all(&list.values)),
        any_value::Value::BytesValue(bytes) => Value::from(hex(bytes)),
        // An index into a table that only profiles have.
        any_value::Value::StringValueStrindex(_) => Value::Null,
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! A CloudEvent's attributes and data, however they travel.

use percent_encoding::percent_decode_str;
use remora_actors::model::{Invalid, Limits};
use serde_json::{Map, Value};
use warp::http::HeaderMap;

/// The only version there is of the format.
const SPEC_VERSION: &str = "1.0";
/// What stands before an attribute's name in a header.
const HEADER_PREFIX: &str = "ce-";

/// One CloudEvent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CloudEvent {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) kind: String,
    pub(super) subject: Option<String>,
    pub(super) time: Option<String>,
    /// Every attribute that has no field of its own here, the extensions above all.
    pub(super) others: Map<String, Value>,
    pub(super) data: Option<Value>,
    /// True where `data` is Base64 of what was sent.
    pub(super) is_base64: bool,
}

impl CloudEvent {
    /// The structured mode, [JSON format] 1.0.2.
    ///
    /// # Errors
    /// An attribute is missing or no text.
    ///
    /// [JSON format]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    pub(super) fn from_json(mut fields: Map<String, Value>) -> Result<Self, Invalid> {
        let data = fields.shift_remove("data");
        let base64 = fields.shift_remove("data_base64").filter(|value| !value.is_null());
        if data.as_ref().is_some_and(|data| !data.is_null()) && base64.is_some() {
            return Err(Invalid::field("data", "must not stand beside `data_base64`"));
        }
        if base64.as_ref().is_some_and(|base64| !base64.is_string()) {
            return Err(Invalid::field("data_base64", "must be a text"));
        }
        let is_base64 = base64.is_some();
        Self::new(fields, base64.or(data), is_base64)
    }

    /// The binary mode: attributes in headers, the body is the data.
    ///
    /// # Errors
    /// An attribute is missing or cannot be read, or the body is not what its media type says.
    pub(super) fn from_headers(
        headers: &HeaderMap,
        media_type: Option<&str>,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Self, Invalid> {
        Invalid::over(body.len(), limits.event_bytes, "the data", "event_bytes")?;
        let mut attributes = Map::new();
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix(HEADER_PREFIX) else { continue };
            let text = value.to_str().map_err(|_| Invalid::field("ce-…", "must be ascii, anything else in percent"));
            let text = percent_decode_str(text?).decode_utf8();
            let text = text.map_err(|_| Invalid::field("ce-…", "must be utf-8 behind its percent encoding"))?;
            attributes.insert(name.to_owned(), text.into());
        }
        if let Some(media_type) = media_type {
            attributes.insert("datacontenttype".to_owned(), media_type.into());
        }
        Self::new(attributes, data(media_type, body)?, false)
    }

    fn new(mut fields: Map<String, Value>, data: Option<Value>, is_base64: bool) -> Result<Self, Invalid> {
        if required(&mut fields, "specversion")? != SPEC_VERSION {
            return Err(Invalid::field("specversion", "must be `1.0`"));
        }
        Ok(Self {
            id: required(&mut fields, "id")?,
            source: required(&mut fields, "source")?,
            kind: required(&mut fields, "type")?,
            subject: optional(&mut fields, "subject")?,
            time: optional(&mut fields, "time")?,
            others: fields,
            data,
            is_base64,
        })
    }

    /// Takes an extension that is a text.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.others.get(name).is_some_and(Value::is_string).then(|| self.others.shift_remove(name)).flatten()
    }
}

fn required(fields: &mut Map<String, Value>, name: &'static str) -> Result<String, Invalid> {
    optional(fields, name)?.ok_or_else(|| Invalid::field(name, "must be a text that is not empty"))
}

fn optional(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Invalid> {
    match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Invalid::field(name, "must be a text that is not empty")),
    }
}

/// The body of the binary mode.
fn data(media_type: Option<&str>, body: &[u8]) -> Result<Option<Value>, Invalid> {
    let is_json = media_type.is_none_or(|kind| kind.ends_with("/json") || kind.ends_with("+json"));
    match std::str::from_utf8(body) {
        Ok("") => Ok(None),
        Ok(text) if is_json => serde_json::from_str(text).map_err(|error| Invalid::Json(error.to_string())),
        Ok(text) => Ok(Some(text.into())),
        Err(_) => Err(Invalid::field("data", "is binary; send it in the structured mode, as `data_base64`")),
    }
}

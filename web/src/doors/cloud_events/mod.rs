//! [CloudEvents 1.0.2] over HTTP: the binary, the structured and the batched content mode of its [HTTP binding].
//!
//! - `envelope`: the attributes, however they travel.
//! - `event`: which event a CloudEvent is.
//!
//! [CloudEvents 1.0.2]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
//! [HTTP binding]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

mod envelope;
mod event;
#[cfg(test)]
mod tests;

use remora_actors::model::{Draft, Invalid, Limits, Numbered};
use serde_json::{Value, value::RawValue};
use warp::http::{HeaderMap, StatusCode};

use crate::{problem::Problem, request::media_type};
use envelope::CloudEvent;

/// The media types of the structured and the batched mode.
pub(crate) const STRUCTURED: &str = "application/cloudevents+json";
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// Reads a request: one event or a batch, each with its number, from 1.
///
/// # Errors
/// The request as a whole is no CloudEvent.
pub(crate) fn read(headers: &HeaderMap, body: &[u8], limits: &Limits) -> Result<Vec<Numbered>, Problem> {
    let kind = media_type(headers);
    let kind = kind.as_ref().map(|kind| kind.essence_str());
    match kind {
        Some(BATCH) => batch(body, limits),
        Some(STRUCTURED) => Ok(vec![(1, structured(body, limits))]),
        _ if headers.contains_key("ce-specversion") => {
            let event = CloudEvent::from_headers(headers, kind, body, limits);
            Ok(vec![(1, event.and_then(|event| event::draft(event, limits)))])
        }
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format_args!("send `{STRUCTURED}`, `{BATCH}`, or any data with the attributes as headers, `ce-…`"),
        )),
    }
}

fn batch(body: &[u8], limits: &Limits) -> Result<Vec<Numbered>, Problem> {
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| Invalid::Json(error.to_string()))?;
    Invalid::over(items.len(), limits.batch_events, "the batch", "batch_events")?;
    let items = items.into_iter().enumerate();
    Ok(items.map(|(index, item)| (index + 1, structured(item.get().as_bytes(), limits))).collect())
}

fn structured(json: &[u8], limits: &Limits) -> Result<Draft, Invalid> {
    Invalid::over(json.len(), limits.event_bytes, "the event", "event_bytes")?;
    match serde_json::from_slice(json).map_err(|error| Invalid::Json(error.to_string()))? {
        Value::Object(fields) => event::draft(CloudEvent::from_json(fields)?, limits),
        _ => Err(Invalid::Json("a cloudevent is an object".to_owned())),
    }
}

//! Other people's formats, turned into events. Pure: bytes and headers in, drafts or a problem out.

pub(crate) mod cloud_events;
pub(crate) mod otlp;

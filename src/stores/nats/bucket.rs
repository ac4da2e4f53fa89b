//! A key-value bucket, asked at the leader of its stream, which knows what is newest.

use async_nats::{
    HeaderMap,
    jetstream::{
        Context,
        context::PublishErrorKind,
        message::PublishMessage,
        stream::{LastRawMessageErrorKind, Stream},
    },
};
use serde_json::Value;

use super::{link, why};

/// The header that tells a removal from a value, as every client of NATS reads it.
const OPERATION: &str = "KV-Operation";
const REMOVED: &str = "DEL";

/// What stands last under a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Last {
    /// Its revision; 0: there was never anything, or nothing for a long time.
    pub(super) revision: u64,
    /// The value; `None`: there is none, or not any more.
    pub(super) value: Option<Value>,
}

impl Last {
    /// Nothing at all.
    pub(super) const NOTHING: Self = Self { revision: 0, value: None };
}

/// The bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    context: Context,
    stream: Stream,
    prefix: String,
}

impl Bucket {
    /// The bucket of a name, whose stream exists.
    pub(super) fn new(context: &Context, name: &str, stream: Stream) -> Self {
        Self { context: context.clone(), stream, prefix: format!("$KV.{name}.") }
    }

    /// The stream behind it.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The key that a message is about.
    pub(super) fn key_of<'a>(&self, message: &'a async_nats::Message) -> Option<&'a str> {
        message.subject.as_str().strip_prefix(&self.prefix)
    }

    /// What stands last under a key.
    pub(super) async fn last(&self, key: &str) -> Result<Last, String> {
        link::check(&self.context.client())?;
        let subject = format!("{}{key}", self.prefix);
        match self.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) if removes(&message.headers) => Ok(Last { revision: message.sequence, value: None }),
            Ok(message) => {
                let value = serde_json::from_slice(&message.payload).map_err(|error| format!("{key}: {error}"))?;
                Ok(Last { revision: message.sequence, value: Some(value) })
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Last::NOTHING),
            Err(error) => Err(why(&error)),
        }
    }

    /// Writes a value, or that there is none any more. Where a revision is expected and something else stands there,
    /// nothing is written: `None`. Otherwise the new revision.
    pub(super) async fn write(
        &self,
        key: &str,
        value: Option<&Value>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, String> {
        link::check(&self.context.client())?;
        let message = PublishMessage::build();
        let mut message = match value {
            Some(value) => message.payload(value.to_string().into()),
            None => message.header(OPERATION, REMOVED),
        };
        if let Some(revision) = expected {
            message = message.expected_last_subject_sequence(revision);
        }
        let sent = self.context.send_publish(format!("{}{key}", self.prefix), message).await;
        match async { sent?.await }.await {
            Ok(ack) => Ok(Some(ack.sequence)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(why(&error)),
        }
    }

    /// Takes a key away without a trace, so that its next revision is its first.
    pub(super) async fn purge(&self, key: &str) -> Result<(), String> {
        let subject = format!("{}{key}", self.prefix);
        self.stream.purge().filter(subject).await.map(drop).map_err(|error| why(&error))
    }
}

/// True for a message that says that its key is gone.
pub(super) fn is_removal(message: &async_nats::Message) -> bool {
    message.headers.as_ref().is_some_and(removes)
}

fn removes(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some_and(|operation| operation.as_str() != "PUT")
}

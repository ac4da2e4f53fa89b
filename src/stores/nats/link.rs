//! The connection to NATS: whether there is one, and how a server is left that is of no use.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_nats::{Client, connection::State};

use super::why;

/// How long a server is stayed with before it is left: it may only be choosing its leaders.
const STAY: Duration = Duration::from_secs(5);

/// The connection. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Link {
    client: Client,
    left: Arc<Mutex<Instant>>,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, left: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Fails while there is no connection.
    pub(super) fn check(&self) -> Result<(), String> {
        check(&self.client)
    }

    /// Connects to a server anew, of those that are known to any. A server may have lost the others of its cluster, while
    /// they are reached from here.
    pub(super) async fn leave(&self) {
        if !self.is_time() {
            return;
        }
        tracing::warn!("the nats server says nothing of the streams, trying another");
        if let Err(error) = self.client.force_reconnect().await {
            tracing::debug!(error = why(&error), "server not left");
        }
    }

    fn is_time(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = left.elapsed() >= STAY;
        if is_time {
            *left = Instant::now();
        }
        is_time
    }
}

/// Fails while a client has no connection.
pub(super) fn check(client: &Client) -> Result<(), String> {
    match client.connection_state() {
        State::Connected => Ok(()),
        State::Pending | State::Disconnected => Err("the connection to nats is lost".to_owned()),
    }
}

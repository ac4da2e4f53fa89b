//! The connection to NATS: whether there is one, and how a server is left that is of no use.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_nats::{Client, connection::State};

use super::why;

/// How long a server may refuse what it is asked: it may only be choosing its leaders.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two leavings. Which server comes next is chance: it may be the one that was left.
const PAUSE: Duration = Duration::from_secs(1);

/// The connection. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Link {
    client: Client,
    /// When a server was left last.
    left: Arc<Mutex<Option<Instant>>>,
}

/// Which server refuses what somebody asks it, and since when.
#[derive(Debug, Default)]
pub(super) struct Refusals(Option<(String, Instant)>);

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, left: Arc::default() }
    }

    /// Fails while there is no connection.
    pub(super) fn check(&self) -> Result<(), String> {
        check(&self.client)
    }

    /// Connects to another server, where this one refuses for too long what somebody asks: it may have lost the others of
    /// its cluster, while they are reached from here.
    pub(super) async fn refused(&self, refusals: &mut Refusals) {
        let server = self.client.server_info().server_id;
        let since = match refusals.0.take() {
            Some((refusing, since)) if refusing == server => since,
            _ => Instant::now(),
        };
        refusals.0 = Some((server, since));
        if since.elapsed() >= PATIENCE && self.has_others().await && self.is_time() {
            tracing::warn!("the nats server does not do what it is asked, trying another");
            if let Err(error) = self.client.force_reconnect().await {
                tracing::debug!(error = why(&error), "server not left");
            }
        }
    }

    async fn has_others(&self) -> bool {
        self.client.server_pool().await.is_ok_and(|servers| servers.len() > 1)
    }

    /// Of several who are refused the first one leaves.
    fn is_time(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = left.is_none_or(|left| left.elapsed() >= PAUSE);
        if is_time {
            *left = Some(Instant::now());
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

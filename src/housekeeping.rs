//! What the daemon does for itself now and then: it measures its stores and deletes what is older than is wanted.

use std::time::Duration;

use remora_actors::{
    Handle,
    retention::{Policy, Retention},
};

use crate::stores::sqlite::Database;

/// Keeps house, for as long as it is polled. `claims` is the workspace in which decisions are claimed.
pub(crate) async fn run(handle: Handle, database: Database, claims: &'static str, policy: Policy, every: Duration) {
    let mut retention = Retention::new(handle.clone(), policy);
    loop {
        match retention.run().await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events deleted"),
            Err(error) => tracing::warn!(%error, "old events not deleted, trying again"),
        }
        match database.count_values(claims).await {
            Ok(count) => {
                handle.metrics().claims.set(count.cast_signed());
            }
            Err(error) => tracing::warn!(error, "claims cannot be counted"),
        }
        tokio::time::sleep(every).await;
    }
}

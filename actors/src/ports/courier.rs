//! Who carries notices out.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::notice::Notice;

/// Whether another try may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: the target has understood, and refused.
    Never,
    /// Yes, after a pause.
    Later,
    /// Yes, but not before this time has passed: the target asks for it.
    After(Duration),
}

/// Why a notice was not delivered, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// What happened. Names no more of the target's address than its host.
    pub reason: String,
    /// Whether another try may help.
    pub retry: Retry,
}

/// Carries notices to where people hear them.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// Delivers a notice to its target; returns within a bounded time. A notice may be given twice, under the same id.
    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError>;
}

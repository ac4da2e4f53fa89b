//! The model and the actors of Remora.
//!
//! - [`model`]: events, questions and the folds over them. Pure.
//! - [`ports`]: what the actors need from the world: a [`ports::Journal`], [`ports::Workspace`]s, a [`ports::Courier`],
//!   and [`ports::Duties`], by which many daemons that share a journal do each thing once.
//! - [`handle`]: the one way for everything outside to talk to the actors.
//! - The actors, one per file: [`event_bus`], [`state_aggregator`], [`workspace_registry`], [`inbox_coordinator`] with
//!   a [`workspace_watcher`] per workspace, [`historian`], [`notifier`], [`session_supervisor`] with an [`sse_session`]
//!   per browser and a [`view_watcher`] per page beside the dashboard, all under the [`root_supervisor`].
//!
//! Calls flow one way: `WorkspaceRegistry` calls nobody, `InboxCoordinator` calls the registry and the bus,
//! `SseSession` calls the aggregator or its `ViewWatcher`, which calls the aggregator. Everything that goes the other way
//! is a cast. Every follower of events has a cursor (see `replica`): deliveries come at least once, and a gap is read from
//! the journal. So any actor may die at any moment, and what it missed is made good when it is back.
//!
//! Raw streams are no actors and are sent no messages: actors decide what is an event, and its bytes flow beside them. An
//! [`event_stream`] is a cursor into the `event_ring`, to which the bus adds what it has journaled.
//!
//! This crate knows no HTTP, no HTML and no database.

pub mod event_bus;
mod event_ring;
pub mod event_stream;
mod fault;
pub mod handle;
mod health;
pub mod historian;
pub mod inbox_coordinator;
pub mod metrics;
pub mod model;
#[cfg(any(test, feature = "fault-injection"))]
pub mod mutation;
pub mod notifier;
pub mod outbox;
pub mod ports;
pub mod publish;
mod replica;
pub mod retention;
pub mod root_supervisor;
pub mod session_supervisor;
pub mod sse_session;
pub mod state_aggregator;
pub mod subscribers;
pub mod system;
#[cfg(test)]
mod testing;
pub mod view;
pub mod view_watcher;
pub mod workspace_registry;
pub mod workspace_watcher;

pub use handle::{Handle, Running};

//! The stores behind the actors' two ports.
//!
//! - [`sqlite`]: the daemon's own database: the journal, and the workspaces of agents without a file.
//! - [`agentfs`]: workspaces in the agents' own files.
//! - [`nats`]: the journal and the workspaces of many daemons.
//! - [`data_dir`]: the folder that holds the database.
//! - [`Stores`]: those that a daemon was told to use.
//! - [`file_watcher`]: tells when a file changes.

pub mod agentfs;
mod change;
mod chosen;
pub mod data_dir;
pub mod file_watcher;
mod key_range;
pub mod nats;
pub mod sqlite;

#[cfg(test)]
mod conformance;

pub use chosen::{CLAIMS, Stores};

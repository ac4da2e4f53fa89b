//! The stores behind the actors' two ports.
//!
//! - [`sqlite`]: the daemon's own database: the journal, and the workspaces of agents without a file.
//! - [`data_dir`]: the folder that holds the database.
//! - [`file_watcher`]: tells when a file changes.

mod change;
pub mod data_dir;
pub mod file_watcher;
mod key_range;
pub mod sqlite;

#[cfg(test)]
mod conformance;

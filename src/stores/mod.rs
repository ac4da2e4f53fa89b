//! The stores behind the actors' two ports.
//!
//! - [`sqlite`]: the daemon's own database: the journal, and the workspaces of agents without a file.

mod change;
mod key_range;
pub mod sqlite;

#[cfg(test)]
mod conformance;

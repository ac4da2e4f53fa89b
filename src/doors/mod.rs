//! The daemon's other doors, beside HTTP.
//!
//! - [`lines`]: the lines of a log, each with an id that is the same whenever the log is read.
//! - [`follow`]: a log file that is read as it grows.
//! - [`intake`]: the lines of a followed file become events.
//! - `mcp`: the model context protocol.

pub mod follow;
pub mod intake;
pub mod lines;
pub(crate) mod mcp;
mod tail;

#[cfg(test)]
mod tests;

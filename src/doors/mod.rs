//! The daemon's other doors, beside HTTP.
//!
//! - [`lines`]: the lines of a log, each with an id that is the same whenever the log is read.
//! - [`follow`]: a log file that is read as it grows.
//! - [`intake`]: the lines of a followed file become events.
//! - `mcp`: the model context protocol.
//! - `nats`: agents that speak nothing but NATS.

pub mod follow;
pub mod intake;
pub mod lines;
pub(crate) mod mcp;
pub(crate) mod nats;
mod rotated;
mod tail;

#[cfg(test)]
mod tests;

//! Remora: a daemon beside your AI agents, and the command line that talks to it.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod doors;
pub mod stores;
pub mod tokens;

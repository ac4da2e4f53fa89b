//! Remora from outside: every test starts the real program and speaks to it as its users do.
//!
//! - `support`: the daemon, the browser, other processes, HTTP and event streams, and the one way to wait.
//! - every other module is one subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accessibility;
mod agents;
mod alerts;
mod answers;
mod backup;
mod cli;
mod closing;
mod cloudevents;
mod cluster;
mod connection;
mod container;
mod crash;
mod demo;
mod doctor;
mod draining;
mod embedded;
mod examples;
mod graphs;
mod guard;
mod history;
mod hooks;
mod hostile;
mod house;
mod idempotency;
mod inbox;
mod ingest;
mod links;
mod mcp;
mod messages;
mod metrics;
mod nats;
mod notices;
mod openapi;
mod otlp;
mod overload;
mod page;
mod pages;
mod questions;
mod reload;
mod replay;
mod retention;
mod screenshots;
mod service_manager;
mod settings;
mod shell;
mod spans;
#[cfg(feature = "fault-injection")]
mod supervision;
mod support;
mod traps;
mod trouble;
mod typos;
mod wire;
mod workspaces;

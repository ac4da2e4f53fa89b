//! The message bus: NATS with JetStream. Which servers, how to get in, what everything there is called, and the
//! connection.

mod connect;
mod names;
mod settings;

pub use self::{
    connect::{BusError, check, connect},
    names::Names,
    settings::{BusSettings, Login, MAX_REPLICAS, Servers, ServersError, Tls},
};

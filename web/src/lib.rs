//! The web front of Remora.
//!
//! - [`Api`]: the JSON API for a [`Door`] in the same process, which is mounted at `/mcp`.
//! - [`html`]: everything that people see, `form_post`: what they send from there, and `frame`: how it travels.
//! - `doors`: events in other people's formats. [`Asked`]: a question, at every door.
//! - [`Links`]: signed links that answer one question.
//! - `routes`: what can be asked for, behind `guard`: who may ask.
//! - [`server`]: the listener and its end, `connections`: one after the other, `live_response`: those that go on for ever.
//! - `assets`: what is served as it is, and `gzip`: the same and everything else in fewer bytes.
//!
//! Routes hold no state: each asks an actor for rendered HTML or JSON, or sends a command, through one
//! [`remora_actors::Handle`].

mod address;
mod answer_row;
mod api;
mod asked;
mod assets;
mod connections;
mod context;
mod doors;
mod form_post;
mod frame;
#[cfg(all(test, feature = "fault-injection"))]
mod fuzz;
mod guard;
mod gzip;
pub mod html;
mod links;
mod live_response;
mod metrics;
mod problem;
mod request;
mod routes;
pub mod server;
mod sought;

pub use address::guarded;
pub use api::{Api, Door, DoorBody};
pub use asked::Asked;
pub use context::{Settings, Tokens};
pub use frame::MAX_HEARTBEAT_S;
pub use html::render;
pub use links::{Grant, Links};
pub use problem::Problem;
pub use request::json;
pub use warp::http;

//! The model and the actors of Remora.
//!
//! - [`model`]: events, questions and the folds over them. Pure.
//! - [`ports`]: the two things the actors need from the world, a [`ports::Journal`] and a [`ports::Workspace`].
//!
//! This crate knows no HTTP, no HTML and no database.

pub mod model;
pub mod ports;
pub mod view;

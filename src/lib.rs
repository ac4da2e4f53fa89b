//! Remora.

pub mod stores;

//! Remora.

pub mod doors;
pub mod stores;

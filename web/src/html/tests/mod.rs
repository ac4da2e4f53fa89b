//! What the pages and frames look like, what they are made of, and how large they are.

pub(super) mod board;
mod frames;
mod hostile;
pub(in crate::html) mod markup;
mod snapshots;
mod volume;

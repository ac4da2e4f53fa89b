//! The daemon's own database, `remora.db`.
//!
//! - `database`: opening the file, its schema and its connections.
//! - `journal`: the [`Journal`](remora_actors::ports::Journal) in it.
//! - `search`: finding events in it. `indexer`: what makes that quick.
//! - `embedded`: the [`Workspace`](remora_actors::ports::Workspace)s in it.

mod database;
mod embedded;
mod indexer;
mod journal;
mod search;

pub use database::{Database, Durability, FILE_NAME, OpenError};
pub use embedded::EmbeddedWorkspace;
pub use journal::SqliteJournal;

//! The daemon's own database, `remora.db`.
//!
//! - `database`: opening the file, its schema and its connections. `place`: whether the file is still there.
//! - `journal`: the [`Journal`](remora_actors::ports::Journal) in it.
//! - `agent_spans`: which events may be an agent's.
//! - `schema`: the tables, and how a database of an older version gets them.
//! - `search`: finding events in it. `indexer`: what makes that quick.
//! - `retention`: deleting the oldest events.
//! - [`backup`]: copies of the file, made and restored. `part`: one that is not finished.
//! - `embedded`: the [`Workspace`](remora_actors::ports::Workspace)s in it.
//! - `values`: the values of all of them.
//! - `copies`: copies of a journal and of workspaces that lie elsewhere.

mod agent_spans;
pub mod backup;
mod copies;
mod database;
mod embedded;
mod indexer;
mod journal;
mod part;
mod place;
mod retention;
mod schema;
mod search;
mod values;

pub use copies::{CopiedEvent, CopiedValue};
pub use database::{Database, Durability, FILE_NAME, OpenError};
pub use embedded::EmbeddedWorkspace;
pub use journal::SqliteJournal;
pub(super) use part::is_left_behind;
pub use values::ValueKey;

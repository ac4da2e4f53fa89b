//! Remora: a daemon beside your AI agents, and the command line that talks to it.
//!
//! - [`cli`]: the commands. [`config`] and [`tokens`]: what their user can choose.
//! - [`daemon`]: the order of start and stop, [`service_manager`]: who is told of it, [`telemetry`]: logs and spans,
//!   `housekeeping`: what is done now and then.
//! - [`notify`]: who is told of questions, and in which words.
//! - [`bus`]: the connection to NATS, which daemons share.
//! - [`stores`]: what lies behind the actors' two ports. [`doors`]: the ways in beside HTTP.
//! - [`scale`]: what a stream and a daemon bear, and what a million events a second would take. A page without code.
//!
//! # Invariants
//!
//! What the code relies on everywhere, absences above all. Those marked ● are held by `tests/remora/house.rs`.
//!
//! - ● The dependencies are a line: `remora` → `remora-web` → `remora-actors`. The actors know no HTTP, no HTML and no
//!   database; the web front knows no database.
//! - ● The model (`remora_actors::model`) is pure: no clock, no input or output, no async.
//! - ● No JavaScript of our own. The page's script is Datastar's bundle; expressions in the HTML are constants.
//! - ● No `unsafe` code.
//! - An event that was acknowledged is in the journal: durable, once, at a position without gaps before it. Nothing
//!   else is the truth; every picture is a fold of the journal and can be thrown away.
//! - Where many daemons share a journal, the stores alone know it. A daemon asks only whether a duty is its own, and what
//!   comes of a duty may be done twice without harm.
//! - A question is decided by its first claim, durably, in one place. Journaling the decision and writing it into the
//!   workspace may be repeated without harm, and are, until both are done.
//! - Every step that may be repeated makes the same event id, and the journal takes an id once.
//! - A delivery may come twice or not at all: every follower of events has a cursor and reads a gap from the journal.
//! - No call waits without a limit, and calls among actors flow one way.
//! - Every queue is bounded, or its growth is argued where it is declared.
//! - What an agent wrote reaches a browser as text: never as script, expression, selector or URL.
//! - A token is never logged and never in a URL. A signed link is in one: it gives one answer, once, and is not logged.
//! - A person's word is never made up: what a deadline decides is recorded as the policy's.
//! - The text of an answer is not logged above debug level.
//! - A workspace file is open only while it is read or written, and only below a configured root.

pub mod bus;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod doors;
mod housekeeping;
pub mod notify;
#[doc = include_str!("scale.md")]
pub mod scale {}
pub mod service_manager;
pub mod stores;
pub mod telemetry;
pub mod tokens;

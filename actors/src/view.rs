//! What the web layer renders for the actors: they decide what and when, and never see the HTML.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::{Dashboard, Panels, Place, Record, Seq};

/// Agents listed on the dashboard: what a person looks through. The others are counted.
pub const LISTED_AGENTS: usize = 100;

/// Something to render.
#[derive(Debug, Clone)]
pub enum View {
    /// The whole page, as a document.
    Page,
    /// Every panel and signal, as one stream frame: what a new or lagging browser gets.
    Full,
    /// What changed after an event, as one stream frame.
    Delta {
        /// The panels that look different.
        panels: Panels,
        /// The last event that the previous frame showed.
        after: Seq,
        /// The places in the list of agents that the previous frame showed.
        places: Vec<Place>,
    },
    /// The last frame of a stream that is paused because its browser has too many.
    Parked,
    /// One agent's page, as a document.
    Agent {
        /// The agent.
        agent_id: String,
        /// Its latest events, oldest first.
        events: Vec<Arc<Record>>,
    },
}

/// Renders a view as of a moment. Given to the aggregator when it is spawned.
///
/// `None`: there is no such thing (an unknown agent).
pub type Renderer = fn(&Dashboard, &View, Timestamp) -> Option<Bytes>;

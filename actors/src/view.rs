//! What the web layer renders for the actors: they decide what and when, and never see the HTML.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{
    model::{Dashboard, InboxQuery, Panel, Panels, Pattern, Record, Search, Seq, Steps},
    ports::{Filter, Found},
};

/// Events on an agent's page.
const AGENT_EVENTS: usize = 500;

/// Something to render.
#[derive(Debug, Clone)]
pub enum View {
    /// The dashboard, as a document.
    Page,
    /// Every panel and signal of the dashboard, as one stream frame: what a new or lagging browser gets.
    Full,
    /// What changed on the dashboard after an event, as one stream frame.
    Delta {
        /// The panels that look different.
        panels: Panels,
        /// The last event that the previous frame showed.
        after: Seq,
        /// What changed in the inbox; `None`: it is shown as a whole, if it looks different.
        steps: Option<Steps>,
    },
    /// The last frame of a stream that is paused because its browser has too many.
    Parked,
    /// The dashboard as it was, as a document or as a frame; given the picture of that moment.
    Past(Moment, Part),
    /// What a search in the journal has found, as a document or as a frame.
    Found {
        /// What was looked for.
        search: Box<Search>,
        /// What was found; or, for a person, what is wrong with the search.
        found: Result<Found, String>,
        /// Before which event was looked.
        before: Option<Seq>,
        /// As what it is wanted.
        part: Part,
    },
    /// A page beside the dashboard.
    Of {
        /// What it is about.
        subject: Subject,
        /// The latest of the events that it wants, oldest first.
        events: Vec<Arc<Record>>,
        /// As what it is wanted.
        part: Part,
    },
}

/// A moment of the past: right after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The event.
    pub seq: Seq,
    /// When it happened, by the emitter's clock. Ages and deadlines are told as of then.
    pub at: Timestamp,
    /// The earliest event whose moment can be shown.
    pub first: Seq,
    /// The newest event.
    pub last: Seq,
}

/// As what a page beside the dashboard is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The document.
    Document,
    /// Its changing part, as a stream frame that stands for itself.
    Frame,
}

/// What a page beside the dashboard is about: whatever its address says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One agent.
    Agent(String),
    /// Some of the questions that wait.
    Inbox(InboxQuery),
    /// The figures for a wall.
    Projector,
    /// The search in the journal. Only the figures in its bar are live.
    History,
}

impl Subject {
    /// The events that the page shows beside the picture, and how many of them.
    pub fn events(&self) -> Option<(Filter, usize)> {
        match self {
            Self::Agent(agent_id) => {
                Some((Filter { pattern: Pattern::ALL, agent_id: Some(agent_id.clone()) }, AGENT_EVENTS))
            }
            Self::Inbox(_) | Self::Projector | Self::History => None,
        }
    }

    /// The parts of the picture whose changes may change the page.
    pub fn panels(&self) -> Panels {
        match self {
            Self::Agent(_) => Panels::ALL,
            Self::Inbox(_) => Panels::of(Panel::Inbox) | Panels::of(Panel::Agents),
            Self::History => Panels::of(Panel::Inbox),
            Self::Projector => Panels::of(Panel::Inbox) | Panels::of(Panel::Agents) | Panels::of(Panel::Progress),
        }
    }
}

/// Renders a view as of a moment. Given to the aggregator when it is spawned.
///
/// `None`: there is no such thing (an unknown agent).
pub type Renderer = fn(&Dashboard, &View, Timestamp) -> Option<Bytes>;

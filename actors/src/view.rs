//! What the web layer renders for the actors: they decide what and when, and never see the HTML.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{
    model::{AgentQuery, Dashboard, InboxQuery, Listed, Panel, Panels, Pattern, Record, Search, Seq, Steps},
    ports::{Filter, Found},
};

/// Agents listed on the dashboard, those that need a person first. The others are counted; all are on a page of their
/// own.
pub const LISTED_AGENTS: usize = 56;
/// Events on an agent's page; older ones stand on further pages.
pub const AGENT_EVENTS: usize = 200;

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
        /// The list of agents that the previous frame showed.
        listed: Listed,
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
    /// What changed on it after an event, as a stream frame: the whole changing part where that is as good.
    Since(Seq),
}

/// What a page beside the dashboard is about: whatever its address says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One agent.
    Agent(String),
    /// One agent's story before an event.
    AgentPast(String, Seq),
    /// Some of the agents.
    Agents(AgentQuery),
    /// Some of the questions that wait.
    Inbox(InboxQuery),
    /// The graphs.
    Graphs(GraphFilter),
    /// One graph.
    Graph(GraphShown),
    /// The figures for a wall.
    Projector,
    /// The notices that could not be delivered.
    Notices,
    /// The search in the journal. Only the figures in its bar are live.
    History,
}

impl Subject {
    /// The events that the page shows beside the picture: the newest before a position, and how many of them.
    pub fn events(&self) -> Option<(Filter, Option<Seq>, usize)> {
        match self {
            Self::Agent(agent_id) => Some((of_agent(agent_id), None, AGENT_EVENTS)),
            Self::AgentPast(agent_id, before) => Some((of_agent(agent_id), Some(*before), AGENT_EVENTS)),
            Self::Agents(_)
            | Self::Inbox(_)
            | Self::Graphs(_)
            | Self::Graph(_)
            | Self::Projector
            | Self::Notices
            | Self::History => None,
        }
    }

    /// The parts of the picture whose changes may change the page.
    pub fn panels(&self) -> Panels {
        match self {
            Self::Agent(_) | Self::AgentPast(..) => Panels::ALL,
            // Each event: a row tells when its agent was last heard of.
            Self::Agents(_) => Panels::of(Panel::Agents) | Panels::of(Panel::Events),
            Self::Notices => Panels::of(Panel::Notices) | Panels::of(Panel::Inbox),
            Self::Inbox(_) => Panels::of(Panel::Inbox) | Panels::of(Panel::Agents),
            // The number of questions that wait stands on every page.
            Self::Graphs(_) | Self::Graph(_) => Panels::of(Panel::Progress) | Panels::of(Panel::Inbox),
            Self::History => Panels::of(Panel::Inbox),
            Self::Projector => Panels::of(Panel::Inbox) | Panels::of(Panel::Agents) | Panels::of(Panel::Progress),
        }
    }
}

fn of_agent(agent_id: &str) -> Filter {
    Filter { pattern: Pattern::ALL, agent_id: Some(agent_id.to_owned()) }
}

/// Which graphs are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct GraphFilter {
    /// Part of their name or id, in either case.
    pub text: String,
    /// How they are.
    pub state: GraphState,
    /// Pages before this one.
    pub page: usize,
}

/// How a graph is, as one looks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum GraphState {
    /// However.
    #[default]
    Any,
    /// A node runs or waits.
    Live,
    /// A node waits for a person.
    Waiting,
    /// A node failed.
    Failed,
    /// Nothing runs or waits.
    Ended,
}

/// One graph, and how it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct GraphShown {
    /// The graph.
    pub graph_id: String,
    /// The picture is as wide as the window, rather than as large as it is drawn.
    pub fit: bool,
    /// The order of the nodes in the timeline and in the table.
    pub order: NodeOrder,
    /// Pages of nodes before this one.
    pub page: usize,
}

/// The order of a graph's nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NodeOrder {
    /// The first to begin first.
    #[default]
    Begin,
    /// What waits for a person first, then what failed, runs, has not begun, ended.
    State,
    /// By name.
    Name,
    /// The longest running first.
    Ran,
    /// The longest waiting first.
    Waited,
}

/// Renders a view as of a moment. Given to the aggregator when it is spawned.
///
/// `None`: there is no such thing (an unknown agent).
pub type Renderer = fn(&Dashboard, &View, Timestamp) -> Option<Bytes>;

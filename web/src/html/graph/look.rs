//! How a node's state looks: a word, a colour by its class, and a sign and a shape that tell it without the colour.

use horrorshow::{Render, owned_html};
use remora_actors::model::{AgentState, Graph};

/// What a person tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    Waiting,
    Failed,
    Running,
    Pending,
    Cancelled,
    Completed,
}

impl Look {
    /// All, the one that a person must see first at the front.
    pub(super) const ALL: [Self; 6] =
        [Self::Waiting, Self::Failed, Self::Running, Self::Pending, Self::Cancelled, Self::Completed];

    pub(super) fn of(state: Option<AgentState>) -> Self {
        match state {
            None => Self::Pending,
            Some(AgentState::Blocked) => Self::Waiting,
            Some(AgentState::Completed) => Self::Completed,
            Some(AgentState::Failed | AgentState::TimedOut) => Self::Failed,
            Some(AgentState::Cancelled) => Self::Cancelled,
            Some(AgentState::Started) => Self::Running,
        }
    }

    /// The class that colours it, the same as on every other page.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Waiting => "blocked",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Pending => "pending",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for you",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Pending => "not begun",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }

    /// The shape of a mark of 12 by 12, drawn from its upper left corner.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Waiting => "m6-3l9 9l-9 9l-9-9z",
            Self::Failed => "m0 2l2-2l4 4l4-4l2 2l-4 4l4 4l-2 2l-4-4l-4 4l-2-2l4-4z",
            Self::Running => "m6 0a6 6 0 1 1 0 12a6 6 0 1 1 0-12z",
            Self::Pending => "m2 2h8v8h-8z",
            Self::Cancelled => "m0 4h12v4h-12z",
            Self::Completed => "m1 1h10v10h-10z",
        }
    }

    /// How many nodes of a graph look like this.
    pub(super) fn count(self, graph: &Graph) -> usize {
        let tally = graph.tally();
        match self {
            Self::Waiting => tally.blocked,
            Self::Failed => tally.failed,
            Self::Running => tally.total - tally.finished() - tally.blocked,
            Self::Pending => graph.pending(),
            Self::Cancelled => tally.cancelled,
            Self::Completed => tally.completed,
        }
    }
}

/// How many nodes look like what, each with its mark: the legend of the picture as well.
pub(in super::super) fn counts(graph: &Graph) -> impl Render + use<> {
    let counts = Look::ALL.map(|look| (look, look.count(graph)));
    owned_html! {
        span(class = "looks") {
            @ for (look, count) in counts.iter().filter(|(_, count)| *count > 0) {
                span(class = look.class()) { : mark(*look); : format!("{count} {}", look.word()); }
            }
        }
    }
}

/// The same without the marks, for a row that travels with every change.
pub(in super::super) fn words(graph: &Graph) -> impl Render + use<> {
    let counts = Look::ALL.map(|look| (look, look.count(graph)));
    owned_html! {
        p(class = "counts") {
            @ for (look, count) in counts.iter().filter(|(_, count)| *count > 0) {
                span(class = format!("is {}", look.class())) : format!("{count} {}", look.word());
            }
        }
    }
}

/// A state in a word, with its mark.
pub(super) fn word(look: Look, word: &'static str) -> impl Render {
    owned_html! { span(class = "looks") { span(class = look.class()) { : mark(look); : word; } } }
}

fn mark(look: Look) -> impl Render {
    let shape = format!("M0 0{}", look.mark());
    owned_html! {
        svg(viewBox = "-3 -3 18 18", width = "14", height = "14", aria-hidden = "true") { path(d = &shape); }
    }
}

/// How far a graph is: what completed from the left, then what ended otherwise, then what is under way.
pub(in super::super) fn bar(graph: &Graph) -> impl Render + use<> {
    let order = [Look::Completed, Look::Failed, Look::Cancelled, Look::Waiting, Look::Running, Look::Pending];
    let all = graph.nodes().len().max(1);
    let mut from = 0;
    let parts = order.map(|look| {
        let x = from;
        from += look.count(graph);
        (look, x * 1_000 / all, from * 1_000 / all)
    });
    let words: Vec<_> =
        parts.iter().map(|(look, _, _)| (look.count(graph), look.word())).filter(|(n, _)| *n > 0).collect();
    let words = words.iter().map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ");
    owned_html! {
        svg(class = "share", viewBox = "0 0 1000 8", preserveAspectRatio = "none", role = "img", aria-label = &words) {
            @ for (look, x, end) in parts.iter().filter(|(_, x, end)| end > x) {
                rect(class = look.class(), x = x.to_string(), width = (end - x).to_string(), height = "8");
            }
        }
    }
}

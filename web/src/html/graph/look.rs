//! How a node looks: where it stands in a word, the same as on every other page, a colour by its class, and a mark that
//! tells it without the colour.

use std::{cmp::Reverse, ops::Deref};

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, Graph, Standing};

use super::super::words as word_of;

/// What a person tells apart: where a node stands, or that it has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look(Option<Standing>);

impl Look {
    /// All, the one that a person must see first at the front.
    pub(super) const ALL: [Self; 10] = [
        Self(Some(Standing::Waiting)),
        Self(Some(Standing::Stalled)),
        Self(Some(Standing::Failed)),
        Self(Some(Standing::TimedOut)),
        Self(Some(Standing::Answered)),
        Self(Some(Standing::Running)),
        Self(None),
        Self(Some(Standing::Idle)),
        Self(Some(Standing::Cancelled)),
        Self(Some(Standing::Completed)),
    ];

    /// Its position in [`Look::ALL`].
    pub(super) fn rank(self) -> usize {
        Self::ALL.iter().position(|look| *look == self).unwrap_or_default()
    }

    /// The class that colours it.
    pub(super) fn class(self) -> &'static str {
        self.0.map_or("pending", word_of::standing_class)
    }

    pub(super) fn word(self) -> &'static str {
        self.0.map_or("not begun", word_of::standing)
    }

    /// The shape of a mark of 12 by 12, drawn from its upper left corner. What does nothing at the moment is not filled.
    pub(super) fn mark(self) -> &'static str {
        match self.0 {
            Some(Standing::Waiting) => "m6-3l9 9l-9 9l-9-9z",
            Some(Standing::Failed | Standing::TimedOut) => "m0 2l2-2l4 4l4-4l2 2l-4 4l4 4l-2 2l-4-4l-4 4l-2-2l4-4z",
            Some(Standing::Stalled) => "m6-1l7 13h-14z",
            Some(Standing::Running | Standing::Answered | Standing::Idle) => "m6 0a6 6 0 1 1 0 12a6 6 0 1 1 0-12z",
            Some(Standing::Cancelled) => "m0 4h12v4h-12z",
            Some(Standing::Completed) => "m1 1h10v10h-10z",
            None => "m2 2h8v8h-8z",
        }
    }
}

/// A graph with the looks of its nodes.
pub(in super::super) struct Seen<'a> {
    graph: &'a Graph,
    looks: Vec<Look>,
    counts: [usize; Look::ALL.len()],
}

impl<'a> Seen<'a> {
    pub(in super::super) fn of(dashboard: &Dashboard, graph: &'a Graph) -> Self {
        let looks: Vec<_> = graph.nodes().iter().map(|node| Look(dashboard.standing_of(node))).collect();
        let mut counts = [0; Look::ALL.len()];
        looks.iter().for_each(|look| counts[look.rank()] += 1);
        Self { graph, looks, counts }
    }

    /// How the node at a position looks.
    pub(super) fn look(&self, at: usize) -> Look {
        self.looks[at]
    }

    /// The looks that there are, the one that a person must see first at the front, with how many nodes have it.
    fn present(&self) -> Vec<(Look, usize)> {
        Look::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0).collect()
    }
}

impl Deref for Seen<'_> {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        self.graph
    }
}

/// How many nodes look like what, each with its mark: the legend of the picture as well.
pub(in super::super) fn counts(graph: &Seen<'_>) -> impl Render + use<> {
    let counts = graph.present();
    owned_html! {
        span(class = "looks") {
            @ for (look, count) in &counts {
                span(class = look.class()) { : mark(*look); : format!("{count} {}", look.word()); }
            }
        }
    }
}

/// The same without the marks, for a row that travels with every change.
pub(in super::super) fn words(graph: &Seen<'_>) -> impl Render + use<> {
    let counts = graph.present();
    owned_html! {
        p(class = "counts") {
            @ for (look, count) in &counts {
                span(class = format!("is {}", look.class())) : format!("{count} {}", look.word());
            }
        }
    }
}

/// A state in a word, with its mark.
pub(super) fn word(look: Look) -> impl Render {
    owned_html! { span(class = "looks") { span(class = look.class()) { : mark(look); : look.word(); } } }
}

fn mark(look: Look) -> impl Render {
    let shape = format!("M0 0{}", look.mark());
    owned_html! {
        svg(viewBox = "-3 -3 18 18", width = "14", height = "14", aria-hidden = "true") { path(d = &shape); }
    }
}

/// How far a graph is: what completed from the left, then what ended otherwise, then what is under way.
pub(in super::super) fn bar(graph: &Seen<'_>) -> impl Render + use<> {
    let all = graph.nodes().len().max(1);
    let mut present = graph.present();
    let is_over = |look: Look| look.0.is_some_and(Standing::is_terminal);
    present.sort_by_key(|(look, _)| (!is_over(*look), look.0.is_none(), is_over(*look).then(|| Reverse(look.rank()))));
    let mut from = 0;
    let parts: Vec<_> = present
        .iter()
        .map(|(look, count)| {
            let x = from;
            from += count;
            (*look, x * 1_000 / all, from * 1_000 / all)
        })
        .collect();
    let words: Vec<_> = present.iter().map(|(look, count)| format!("{count} {}", look.word())).collect();
    let words = words.join(", ");
    owned_html! {
        svg(class = "share", viewBox = "0 0 1000 8", preserveAspectRatio = "none", role = "img", aria-label = &words) {
            @ for (look, x, end) in parts.iter().filter(|(_, x, end)| end > x) {
                rect(class = look.class(), x = x.to_string(), width = (end - x).to_string(), height = "8");
            }
        }
    }
}

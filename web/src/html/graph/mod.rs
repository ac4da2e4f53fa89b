//! The graphs: the page with all of them, and the page of one.
//!
//! - `list`: all graphs, each with a `tiny` picture. Here: one graph's page, made of `picture` and `rows`.
//! - `shape`, `layout`: where the nodes stand, from the structure alone. `axis`: the time axis. `look`: the states.

mod axis;
mod layout;
mod list;
pub(super) mod look;
mod picture;
mod rows;
mod shape;
pub(super) mod tiny;

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{Dashboard, Graph, Seq},
    view::{GraphShown, Part, Subject},
};

use super::{
    clock::Clock,
    live,
    shell::{self, Live, Tab},
    text_of, words,
};
use crate::{address, frame::Frame};
pub(super) use list::{order, render as render_list};
use look::Seen;
use rows::Rows;

/// What a graph's name may have in characters.
const NAME_CHARS: usize = 80;

/// One graph's page, as a document or as a frame. `None`: an unknown graph, or nothing to show.
pub(super) fn render(
    dashboard: &Dashboard,
    subject: &Subject,
    shown: &GraphShown,
    part: Part,
    clock: &Clock,
) -> Option<Bytes> {
    let graph = dashboard.graphs().get(&shown.graph_id)?;
    let graph = &Seen::of(dashboard, graph);
    match part {
        Part::Since(after) if graph.grown_seq() <= after => Some(changed(dashboard, graph, shown, after, clock)),
        Part::Since(_) | Part::Frame => {
            let main = main(graph, shown, clock);
            Some(Frame::of(main, &live::signals(dashboard), dashboard.last_seq()))
        }
        Part::Document => {
            let title = format!("{} · {}", words::brief(graph.name(), NAME_CHARS), shell::NAME);
            let live = Live { title: &title, tab: Some(Tab::Graphs), subject: Some(subject) };
            Some(text_of(shell::live(&live, dashboard, &main(graph, shown, clock))).into())
        }
    }
}

/// What may look different while the nodes and edges are the same ones: the picture's changed nodes, and what is small.
fn changed(dashboard: &Dashboard, graph: &Seen<'_>, shown: &GraphShown, after: Seq, clock: &Clock) -> Bytes {
    let mut frame = Frame::default();
    if graph.is_changed_since(after) {
        let rows = Rows::of(graph, shown, clock.now);
        frame.patch(head(graph, clock));
        frame.patch(rows.timeline(clock));
        frame.patch(rows.table(clock));
        let nodes = picture::changed(graph, after);
        if !nodes.is_empty() {
            frame.patch(nodes);
        }
    }
    frame.signals(&live::signals(dashboard));
    frame.finish(dashboard.last_seq())
}

fn main(graph: &Seen<'_>, shown: &GraphShown, clock: &Clock) -> String {
    let rows = Rows::of(graph, shown, clock.now);
    text_of(owned_html! {
        main(id = "graph") {
            : hatch();
            : Raw(&head(graph, clock));
            : picture_section(graph, shown);
            : Raw(&rows.timeline(clock));
            : Raw(&rows.table(clock));
        }
    })
}

/// The pattern of waiting, which every timeline on the page refers to.
fn hatch() -> impl Render {
    owned_html! {
        svg(class = "unseen", width = "0", height = "0", aria-hidden = "true") {
            defs {
                pattern(id = "hatch", width = "6", height = "6", patternUnits = "userSpaceOnUse",
                    patternTransform = "rotate(45)") {
                    rect(class = "hatch-ground", width = "6", height = "6");
                    rect(class = "hatch", width = "3", height = "6");
                }
            }
        }
    }
}

/// The section `graph-head`: how far the graph is.
fn head(graph: &Seen<'_>, clock: &Clock) -> String {
    let hidden = hidden(graph);
    let state = graph.state().filter(|state| *state != "started").map(|state| state.replace('_', " "));
    text_of(owned_html! {
        section(id = "graph-head", class = "panel", aria-labelledby = "graph-title") {
            h1(id = "graph-title", data-ignore) : graph.name();
            p(class = "progress") {
                @ if graph.name() != graph.graph_id() { code(data-ignore) : graph.graph_id(); }
                @ if let Some(state) = &state { span(class = "detail", data-ignore) : state; }
                span(class = "detail") { : "began "; : clock.ago(graph.first_at()); }
            }
            : look::bar(graph);
            : look::counts(graph);
            @ if let Some(hidden) = &hidden { p(class = "notice") : hidden; }
        }
    })
}

/// What there was no room for.
fn hidden(graph: &Graph) -> Option<String> {
    let parts = [(graph.nodes_hidden(), "node"), (graph.edges_hidden(), "edge")];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| words::count(*n as usize, noun)).collect();
    (!parts.is_empty()).then(|| format!("{} more than this daemon keeps: not shown.", parts.join(" and ")))
}

fn picture_section(graph: &Seen<'_>, shown: &GraphShown) -> impl Render {
    let size = |fit: bool| address::url(&Subject::Graph(GraphShown { fit, ..shown.clone() }));
    let (full, fit) = (size(false), size(true));
    let here = |is: bool| is.then_some("true");
    let svg = picture::svg(graph, shown.fit);
    owned_html! {
        section(id = "graph-picture", class = "panel", aria-labelledby = "graph-picture-title") {
            h2(id = "graph-picture-title") {
                : "Picture";
                span(class = "sizes") {
                    a(href = &full, aria-current ?= here(!shown.fit)) : "Full size";
                    a(href = &fit, aria-current ?= here(shown.fit)) : "Fit to width";
                }
            }
            div(class = "canvas", role = "region", tabindex = "0", aria-label = "The picture, which can be scrolled") { : Raw(&svg) }
        }
    }
}

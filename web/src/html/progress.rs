//! How far the agents are, altogether and by graph.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, Graph, Seq, Tally};

use super::{
    graph::{
        self,
        look::{self, Seen},
        tiny,
    },
    text_of, words,
};
use crate::frame::Frame;

/// Graphs shown, those that still run first.
const GRAPHS: usize = 12;

/// The panel `execution-progress`.
pub(super) fn panel(dashboard: &Dashboard) -> impl Render {
    let graphs = listed(dashboard);
    let hidden = dashboard.graphs().iter().len() - graphs.len();
    owned_html! {
        section(id = "execution-progress", class = "panel", aria-labelledby = "execution-progress-title") {
            h2(id = "execution-progress-title") : "Progress";
            : summary(dashboard.tally());
            ul(id = "graph-list", class = "rows") { @ for graph in &graphs { : row(&Seen::of(dashboard, graph)); } }
            @ if hidden > 0 {
                p(id = "more-graphs", class = "more") { a(href = "/graphs") : format!("and {hidden} more"); }
            }
        }
    }
}

/// Patches only what changed after `after`: the summary, and the rows of the graphs that look different. Where one
/// begins, goes live or ends, the order changes, and with it the panel.
pub(super) fn append(frame: &mut Frame, dashboard: &Dashboard, after: Seq) {
    if dashboard.graphs().iter().any(|graph| graph.moved_seq() > after) {
        frame.patch(text_of(panel(dashboard)));
        return;
    }
    frame.patch(text_of(summary(dashboard.tally())));
    for graph in listed(dashboard).into_iter().filter(|graph| graph.is_changed_since(after)) {
        frame.patch(text_of(row(&Seen::of(dashboard, graph))));
    }
}

fn listed(dashboard: &Dashboard) -> Vec<&Graph> {
    let mut graphs: Vec<_> = dashboard.graphs().iter().collect();
    graphs.sort_by_key(|graph| graph::order(graph));
    graphs.truncate(GRAPHS);
    graphs
}

fn summary(tally: Tally) -> impl Render {
    let (max, value) = (tally.total.max(1).to_string(), tally.completed.to_string());
    owned_html! {
        div(id = "progress-summary", class = "summary") {
            p(class = "progress") {
                span(id = "progress-text") : format!("{}/{} agents completed", tally.completed, tally.total);
                @ if tally.failed > 0 { span(class = "is failed") : format!("{} failed", tally.failed); }
                @ if tally.cancelled > 0 { span(class = "is cancelled") : format!("{} cancelled", tally.cancelled); }
            }
            progress(aria-labelledby = "progress-text", max = &max, value = &value);
        }
    }
}

fn row(graph: &Seen<'_>) -> impl Render + use<> {
    let id = words::row_id("g", graph.graph_id());
    let url = words::graph_url(graph.graph_id());
    let name = words::brief(graph.name(), 80).into_owned();
    let state = graph.state().filter(|state| *state != "started").map(|state| state.replace('_', " "));
    let (picture, bar, counts) = (tiny::svg(graph, tiny::ROW), look::bar(graph), look::words(graph));
    owned_html! {
        li(id = &id) {
            a(class = "glance", href = &url, tabindex = "-1", aria-hidden = "true") { : &picture; }
            div {
                p(class = "progress") {
                    a(class = "name", href = &url, data-ignore) : &name;
                    @ if let Some(state) = &state { span(class = "detail", data-ignore) : state; }
                }
                : &bar;
                : &counts;
            }
        }
    }
}

//! How far the agents are, altogether and by graph.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, GraphProgress, Tally};

use super::words;

/// Graphs shown, those that still run first.
const GRAPHS: usize = 12;

/// The panel `execution-progress`.
pub(super) fn panel(dashboard: &Dashboard) -> impl Render {
    let tally = dashboard.tally();
    let mut graphs: Vec<_> = dashboard.graphs().collect();
    graphs.sort_by_key(|(_, graph)| graph.tally.finished() == graph.tally.total);
    let hidden = graphs.len().saturating_sub(GRAPHS);
    graphs.truncate(GRAPHS);
    owned_html! {
        section(id = "execution-progress", class = "panel", aria-labelledby = "execution-progress-title") {
            h2(id = "execution-progress-title") : "Progress";
            p(class = "progress") {
                span(id = "progress-text") : format!("{}/{} agents completed", tally.completed, tally.total);
                : missed(tally);
            }
            : bar(tally, "progress-text");
            ul(id = "graph-list", class = "rows") { @ for (id, graph) in &graphs { : row(id, graph); } }
            @ if hidden > 0 { p(id = "more-graphs", class = "more") : format!("and {hidden} more"); }
        }
    }
}

fn row(graph_id: &str, graph: &GraphProgress) -> impl Render {
    let tally = graph.tally;
    let id = words::row_id("g", graph_id);
    let name_id = words::row_id("gn", graph_id);
    let state = graph.state.as_deref().filter(|state| *state != "started");
    owned_html! {
        li(id = &id) {
            span(id = &name_id, class = "name", data-ignore) : words::brief(graph_id, 80).as_ref();
            span(class = "progress") {
                : format!("{}/{}", tally.completed, tally.total);
                : missed(tally);
                @ if let Some(state) = state { span(class = "detail", data-ignore) : state; }
            }
            : bar(tally, &name_id);
        }
    }
}

/// What ended otherwise than by completing.
fn missed(tally: Tally) -> impl Render {
    owned_html! {
        @ if tally.failed > 0 { span(class = "is failed") : format!("{} failed", tally.failed); }
        @ if tally.cancelled > 0 { span(class = "is cancelled") : format!("{} cancelled", tally.cancelled); }
    }
}

fn bar(tally: Tally, labelled_by: &str) -> impl Render {
    let (max, value) = (tally.total.max(1).to_string(), tally.completed.to_string());
    owned_html! { progress(aria-labelledby = labelled_by, max = &max, value = &value); }
}

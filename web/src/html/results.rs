//! What the agents have brought about.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, ResultItem};

use super::{clock::Clock, words};

/// Results shown, as in the Python design.
const RESULTS: usize = 10;
/// Characters shown before a result is unfolded.
const LINE_CHARS: usize = 160;
/// Characters of a result on the dashboard; the agent's page has all of it.
const TEXT_CHARS: usize = 2_000;

/// The panel `results`.
pub(super) fn panel(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let results: Vec<_> = dashboard.results().take(RESULTS).collect();
    owned_html! {
        section(id = "results", class = "panel", aria-labelledby = "results-title") {
            h2(id = "results-title") : "Results";
            @ if results.is_empty() { p(class = "empty") : "No result yet. Agents that complete leave theirs here."; }
            ul(id = "result-list", class = "rows") { @ for result in &results { : row(result, clock); } }
        }
    }
}

fn row(result: &ResultItem, clock: &Clock) -> impl Render {
    let id = format!("r-{}", result.seq);
    let url = words::agent_url(&result.agent_id);
    let line = words::brief(&result.content, LINE_CHARS);
    let text = words::brief(&result.content, TEXT_CHARS);
    let folds = line.len() < text.len() || line.contains('\n');
    let cut = text.len() < result.content.len();
    owned_html! {
        li(id = &id, data-ignore) {
            a(href = &url) : words::brief(&result.name, 80).as_ref();
            : clock.time(result.timestamp);
            @ if folds {
                details(data-preserve-attr = "open") {
                    summary : line.as_ref();
                    pre : text.as_ref();
                    @ if cut { p { a(href = &url) : "The whole result is on the agent's page"; } }
                }
            } else {
                p(class = "line") : text.as_ref();
            }
        }
    }
}

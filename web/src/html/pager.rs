//! From page to page of a list.

use horrorshow::{Render, owned_html};

/// Which page is shown, from 0, and how many there are: the last one where a later one is asked for.
pub(super) fn within(wanted: usize, entries: usize, per_page: usize) -> (usize, usize) {
    let pages = entries.div_ceil(per_page).max(1);
    (wanted.min(pages - 1), pages)
}

/// The ways `back` and `on`, and between them what is `here`. Nothing where there is only one page.
pub(super) fn pager(
    name: &'static str,
    (back, on): (&'static str, &'static str),
    here: String,
    (page, pages): (usize, usize),
    url: &dyn Fn(usize) -> String,
) -> impl Render + use<> {
    let before = page.checked_sub(1).map(url);
    let after = (page + 1 < pages).then(|| url(page + 1));
    owned_html! {
        @ if pages > 1 {
            nav(class = "pages", aria-label = name) {
                @ if let Some(url) = &before { a(href = url, rel = "prev") : back; }
                span : &here;
                @ if let Some(url) = &after { a(href = url, rel = "next") : on; }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use remora_actors::{
        model::Event,
        view::{GraphFilter, GraphShown, Part, Subject, View},
    };
    use serde_json::json;

    use crate::html::{
        render_at,
        tests::board::{self, agent_event},
    };

    #[test]
    fn a_page_beyond_the_last_one_is_the_last_one() {
        let graph = |number: usize| Event {
            graph_id: Some(format!("graph-{number}")),
            ..agent_event(&format!("agent-{number}"), "started", json!({}))
        };
        let nodes = (0..120).map(|number| agent_event(&format!("node-{number}"), "started", json!({})));
        let dashboard = board::fold_as_they_are(nodes.chain((0..29).map(graph)).collect());
        let page = 900;
        let shown = GraphShown { graph_id: "nightly".to_owned(), page, ..GraphShown::default() };
        for (subject, here, before) in [
            (Subject::Graph(shown), "Nodes 101 to 120 of 120", "/graphs/nightly"),
            (Subject::Graphs(GraphFilter { page, ..GraphFilter::default() }), "Page 2 of 2", "/graphs"),
        ] {
            let view = View::Of { subject, events: vec![], part: Part::Document };
            let html = render_at(&dashboard, &view, &board::clock()).expect("a page");
            let html = std::str::from_utf8(&html).expect("text");
            assert!(html.contains(here), "{html}");
            assert!(
                html.contains(&format!("href=\"{before}\" rel=\"prev\"")) && !html.contains("rel=\"next\""),
                "{html}"
            );
        }
    }
}

//! All graphs: a small picture of each, the live ones and the newest first.

use std::cmp::Reverse;

use bytes::Bytes;
use horrorshow::{Render, owned_html};
use remora_actors::{
    model::{Dashboard, Graph, Seq},
    view::{GraphFilter, GraphState, Part, Subject},
};

use super::{
    super::{
        clock::Clock,
        live,
        pager::{self, pager},
        shell::{self, Live, Tab},
        text_of, words,
    },
    NAME_CHARS,
    look::{self, Seen},
    tiny,
};
use crate::{address, frame::Frame};

/// Graphs on one page.
const PAGE: usize = 24;

/// Where live graphs come first, and in each group the newest: the order of the page and of the dashboard's panel.
pub(in super::super) fn order(graph: &Graph) -> (bool, Reverse<Seq>) {
    (!graph.is_live(), Reverse(graph.moved_seq()))
}

/// The page, as a document or as a frame.
pub(in super::super) fn render(
    dashboard: &Dashboard,
    subject: &Subject,
    filter: &GraphFilter,
    part: Part,
    clock: &Clock,
) -> Option<Bytes> {
    let graphs = text_of(graphs(dashboard, filter, clock));
    if part != Part::Document {
        return Some(Frame::of(graphs, &live::signals(dashboard), dashboard.last_seq()));
    }
    let main = text_of(owned_html! {
        main(id = "graphs") {
            h1(class = "unseen") : "Graphs";
            : form(filter);
            : horrorshow::Raw(&graphs);
        }
    });
    let live = Live { title: &format!("Graphs · {}", shell::NAME), tab: Some(Tab::Graphs), subject: Some(subject) };
    Some(text_of(shell::live(&live, dashboard, &main)).into())
}

fn fits(graph: &Graph, filter: &GraphFilter) -> bool {
    let text = filter.text.to_lowercase();
    let named = [graph.name(), graph.graph_id()].iter().any(|name| name.to_lowercase().contains(&text));
    named
        && match filter.state {
            GraphState::Any => true,
            GraphState::Live => graph.is_live(),
            GraphState::Waiting => graph.tally().blocked > 0,
            GraphState::Failed => graph.tally().failed > 0,
            GraphState::Ended => !graph.is_live(),
        }
}

/// The filter; without a script too.
fn form(filter: &GraphFilter) -> impl Render {
    let text = filter.text.clone();
    let states = address::GRAPH_STATES.map(|(state, word)| (word, (state == filter.state).then_some("selected")));
    owned_html! {
        form(class = "filter", action = "/graphs", method = "get", role = "search") {
            label { span : "Name or id"; input(type = "search", name = "q", value = &text); }
            label {
                span : "State";
                select(name = "state") {
                    @ for (word, selected) in &states { option(value = *word, selected ?= *selected) : *word; }
                }
            }
            button(type = "submit") : "Filter";
        }
    }
}

fn graphs(dashboard: &Dashboard, filter: &GraphFilter, clock: &Clock) -> impl Render {
    let mut graphs: Vec<_> = dashboard.graphs().iter().filter(|graph| fits(graph, filter)).collect();
    graphs.sort_by_key(|graph| order(graph));
    let all = graphs.len();
    let (page, pages) = pager::within(filter.page, all, PAGE);
    let cards: String = graphs
        .into_iter()
        .skip(page * PAGE)
        .take(PAGE)
        .map(|g| text_of(card(&Seen::of(dashboard, g), clock)))
        .collect();
    let url = |page| address::url(&Subject::Graphs(GraphFilter { page, ..filter.clone() }));
    let here = format!("Page {} of {pages}", page + 1);
    let pager = pager("Pages of graphs", ("Newer", "Older"), here, (page, pages), &url);
    let none = if dashboard.graphs().iter().len() == 0 {
        "No graph yet. Events that carry a graph_id make one; depends_on in an agent's start draws the edges."
    } else {
        "No graph is like this."
    };
    owned_html! {
        section(id = "graph-cards", aria-label = "Graphs") {
            @ if all == 0 { p(class = "empty") : none; }
            ul(class = "multiples") { : horrorshow::Raw(&cards) }
            : &pager;
        }
    }
}

fn card(graph: &Seen<'_>, clock: &Clock) -> impl Render {
    let id = words::row_id("gc", graph.graph_id());
    let url = words::graph_url(graph.graph_id());
    let name = words::brief(graph.name(), NAME_CHARS).into_owned();
    owned_html! {
        li(id = &id, class = "panel") {
            h2(data-ignore) { a(href = &url) : &name; }
            a(class = "glance", href = &url, tabindex = "-1", aria-hidden = "true") {
                : tiny::svg(graph, tiny::CARD);
            }
            : look::bar(graph);
            : look::counts(graph);
            p(class = "detail") { : words::count(graph.nodes().len(), "node"); : ", last event "; : clock.ago(graph.last_at()); }
        }
    }
}

//! The list of agents: filtered, in an order, page by page, whatever its address says.

use bytes::Bytes;
use horrorshow::{Render, owned_html};
use remora_actors::{
    model::{AgentPage, AgentQuery, AgentSort, Dashboard},
    view::{Part, Subject},
};

use super::{
    agents::{self, Row},
    clock::Clock,
    live,
    pager::pager,
    shell::{self, Live, Tab},
    text_of, words,
};
use crate::{address, frame::Frame};

/// The page, as a document or as a frame.
pub(super) fn render(dashboard: &Dashboard, subject: &Subject, query: &AgentQuery, part: Part, clock: &Clock) -> Bytes {
    let found = query.select(dashboard);
    let main = text_of(main(query, &found, clock));
    if part != Part::Document {
        return Frame::of(main, &live::signals(dashboard), dashboard.last_seq());
    }
    let live = Live { title: &format!("Agents · {}", shell::NAME), tab: Some(Tab::Agents), subject: Some(subject) };
    text_of(shell::live(&live, dashboard, &main)).into()
}

fn main<'a>(query: &'a AgentQuery, found: &'a AgentPage<'_>, clock: &'a Clock) -> impl Render + use<'a> {
    let everything = *query == AgentQuery::default();
    owned_html! {
        main(id = "agents") {
            section(class = "panel", aria-labelledby = "agents-title") {
                h1(id = "agents-title") : "Agents";
                : search(query);
                p(id = "agent-counts", class = "counts") { : agents::count_links(query, &found.counts); }
                : narrowed(query);
                @ if found.agents.is_empty() {
                    p(class = "empty") : if everything { "No agent yet." } else { "No agent fits. Take a filter away." };
                }
                ul(id = "agent-list", class = "rows") {
                    @ for agent in &found.agents { : agents::row(agent, clock, Row::Long); }
                }
                : pages(query, found);
            }
        }
    }
}

/// What is looked for, as a form that works without a script. It is left alone while somebody types.
fn search(query: &AgentQuery) -> impl Render + use<'_> {
    let sorts = AgentSort::ALL.map(|sort| (sort, sort == query.sort));
    owned_html! {
        form(id = "agent-search", class = "search", action = "/agents", method = "get", role = "search", data-ignore-morph) {
            @ if let Some(standing) = query.standing { input(type = "hidden", name = "state", value = standing.as_str()); }
            @ for (name, value) in [("graph", &query.graph), ("session", &query.session)] {
                @ if let Some(value) = value { input(type = "hidden", name = name, value = value); }
            }
            label { : "Name or id"; input(type = "search", name = "q", value = query.text.as_str(), data-ignore); }
            label {
                : "Order";
                select(name = "sort") {
                    @ for (sort, is_chosen) in sorts {
                        option(value = sort.as_str(), selected ?= is_chosen) : words::sort(sort);
                    }
                }
            }
            button(type = "submit") : "Show";
        }
    }
}

/// The filters that have no field of their own, each with the way out of it.
fn narrowed(query: &AgentQuery) -> impl Render + use<> {
    let without = |query: AgentQuery| address::url(&Subject::Agents(AgentQuery { page: 0, ..query }));
    let graph = query.graph.clone().map(|graph| ("Graph", graph, without(AgentQuery { graph: None, ..query.clone() })));
    let session =
        query.session.clone().map(|id| ("Session", id, without(AgentQuery { session: None, ..query.clone() })));
    let text = Some(query.text.clone()).filter(|text| !text.is_empty());
    let text = text.map(|text| ("Name or id", text, without(AgentQuery { text: String::new(), ..query.clone() })));
    let filters: Vec<_> = [text, graph, session].into_iter().flatten().collect();
    owned_html! {
        @ if !filters.is_empty() {
            ul(class = "filters") {
                @ for (name, value, url) in &filters {
                    li { : *name; : " "; code(data-ignore) : words::brief(value, 80).as_ref(); : " "; a(href = url) : "show all"; }
                }
            }
        }
    }
}

fn pages(query: &AgentQuery, found: &AgentPage<'_>) -> impl Render + use<> {
    let url = |page| address::url(&Subject::Agents(AgentQuery { page, ..query.clone() }));
    let here = format!("{} to {} of {}", found.before + 1, found.before + found.agents.len(), found.total);
    pager("Pages of the list", ("Previous", "Next"), here, (found.page, found.pages), &url)
}

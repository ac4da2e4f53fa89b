//! The nodes one by one: a timeline of who ran and who waited when, and a table that says the same in words.

use std::cmp::Reverse;

use horrorshow::{Raw, Render, owned_html};
use jiff::Timestamp;
use remora_actors::{
    model::{Activity, Node},
    view::{GraphShown, NodeOrder, Subject},
};

use super::{
    super::{
        clock::{self, Clock},
        pager::{self, pager},
        text_of, words,
    },
    axis::Axis,
    look::{self, Look, Seen},
};
use crate::address;

/// Nodes on one page: a timeline that one can still look over.
pub(super) const PAGE: usize = 100;
/// What a name may have in characters, and names in one cell of the table.
const NAME_CHARS: usize = 60;
const AFTER: usize = 3;

/// The nodes of the page that is shown, with their positions in the graph.
pub(super) struct Rows<'a> {
    graph: &'a Seen<'a>,
    shown: &'a GraphShown,
    now: Timestamp,
    nodes: Vec<(usize, &'a Node)>,
    /// Which page they are, and how many there are.
    place: (usize, usize),
}

impl<'a> Rows<'a> {
    pub(super) fn of(graph: &'a Seen<'a>, shown: &'a GraphShown, now: Timestamp) -> Self {
        let mut nodes: Vec<_> = graph.nodes().iter().enumerate().collect();
        let began = |node: &Node| node.started_at().unwrap_or(Timestamp::MAX);
        match shown.order {
            NodeOrder::Begin => nodes.sort_by_key(|(_, node)| began(node)),
            NodeOrder::State => nodes.sort_by_key(|(at, node)| (graph.look(*at).rank(), began(node))),
            NodeOrder::Name => nodes.sort_by_cached_key(|(_, node)| node.name().to_lowercase()),
            NodeOrder::Ran => nodes.sort_by_key(|(_, node)| Reverse(seconds(node, Activity::Ran, now))),
            NodeOrder::Waited => nodes.sort_by_key(|(_, node)| Reverse(seconds(node, Activity::Waited, now))),
        }
        let place = pager::within(shown.page, nodes.len(), PAGE);
        let nodes = nodes.into_iter().skip(place.0 * PAGE).take(PAGE).collect();
        Self { graph, shown, now, nodes, place }
    }

    fn url(&self, change: impl FnOnce(&mut GraphShown)) -> String {
        let mut shown = self.shown.clone();
        change(&mut shown);
        address::url(&Subject::Graph(shown))
    }

    /// Which nodes these are, and the way to the others.
    fn pages(&self, name: &'static str) -> impl Render {
        let (all, before) = (self.graph.nodes().len(), self.place.0 * PAGE);
        let here = format!("Nodes {} to {} of {all}", before + 1, before + self.nodes.len());
        let url = |page| self.url(|shown| shown.page = page);
        pager(name, ("Earlier", "Later"), here, self.place, &url)
    }

    /// The section `graph-timeline`.
    pub(super) fn timeline(&self, clock: &Clock) -> String {
        let axis = Axis::of(self.graph, clock);
        let grid = axis.grid();
        let rows: String = self
            .nodes
            .iter()
            .map(|(at, node)| text_of(timeline_row(node, self.graph.look(*at), &axis, &grid)))
            .collect();
        let ticks = axis.ticks(clock);
        text_of(owned_html! {
            section(id = "graph-timeline", class = "panel", aria-labelledby = "graph-timeline-title") {
                h2(id = "graph-timeline-title") : "Who ran and who waited when";
                div(class = "gantt") {
                    div(class = "ticks", aria-hidden = "true") {
                        span;
                        div { @ for tick in &ticks { time(datetime = &tick.0) : &tick.1; } }
                    }
                    ol { : Raw(&rows) }
                }
                : self.pages("Pages of the timeline");
            }
        })
    }

    /// The section `graph-table`.
    pub(super) fn table(&self, clock: &Clock) -> String {
        let columns = [
            ("Node", Some(NodeOrder::Name)),
            ("State", Some(NodeOrder::State)),
            ("After", None),
            ("Began", Some(NodeOrder::Begin)),
            ("Ran", Some(NodeOrder::Ran)),
            ("Waited", Some(NodeOrder::Waited)),
        ];
        let columns = columns.map(|(name, order)| {
            let by = |order| self.url(|shown| (shown.order, shown.page) = (order, 0));
            let here = order == Some(self.shown.order);
            let direction =
                if matches!(order, Some(NodeOrder::Ran | NodeOrder::Waited)) { "descending" } else { "ascending" };
            (name, order.map(by), here.then_some(direction))
        });
        let rows: String = self.nodes.iter().map(|(at, node)| text_of(self.table_row(*at, node, clock))).collect();
        text_of(owned_html! {
            section(id = "graph-table", class = "panel", aria-labelledby = "graph-table-title") {
                h2(id = "graph-table-title") : "Nodes";
                div(class = "wide", role = "region", tabindex = "0", aria-label = "The table, which can be scrolled") {
                    table {
                        thead {
                            tr {
                                @ for (name, url, sort) in &columns {
                                    th(scope = "col", aria-sort ?= *sort) {
                                        @ if let Some(url) = url { a(href = url) : *name; } else { : *name; }
                                    }
                                }
                            }
                        }
                        tbody { : Raw(&rows) }
                    }
                }
                : self.pages("Pages of the table");
            }
        })
    }

    fn table_row(&self, at: usize, node: &Node, clock: &Clock) -> impl Render {
        let before: Vec<_> = self.graph.edges().filter(|(_, to)| *to == at).map(|(from, _)| from).collect();
        let names = before.iter().take(AFTER).map(|from| words::brief(self.graph.nodes()[*from].name(), NAME_CHARS));
        let mut names = names.collect::<Vec<_>>().join(", ");
        if before.len() > AFTER {
            names.push_str(&format!(" and {} more", before.len() - AFTER));
        }
        let lasted = |activity| seconds(node, activity, self.now).map(clock::lasting).unwrap_or_default();
        let (ran, waited) = (lasted(Activity::Ran), lasted(Activity::Waited));
        let began = node.started_at().map(|at| text_of(clock.time(at))).unwrap_or_default();
        owned_html! {
            tr(data-ignore) {
                th(scope = "row") : name(node);
                td : look::word(self.graph.look(at));
                td : &names;
                td : Raw(&began);
                td : &ran;
                td : &waited;
            }
        }
    }
}

/// A node's name, as a link to its agent.
fn name(node: &Node) -> impl Render {
    let name = words::brief(node.name(), NAME_CHARS).into_owned();
    let url = node.agent_id.as_deref().map(words::agent_url);
    owned_html! { @ if let Some(url) = &url { a(href = url) : &name; } else { span : &name; } }
}

fn timeline_row(node: &Node, look: Look, axis: &Axis, grid: &str) -> impl Render {
    let bars: Vec<_> =
        node.spans.iter().filter_map(|span| Some((span.activity, axis.bar(span.from, span.to)?))).collect();
    let mark = format!("M0 0{}", look.mark());
    let said = format!("{}: {}", words::brief(node.name(), NAME_CHARS), look.word());
    let (grid, now) = (grid.to_owned(), axis.now().map(|x| format!("M{x} 0v20")));
    owned_html! {
        li(class = look.class(), data-ignore) {
            span(class = "name") {
                svg(viewBox = "-3 -3 18 18", width = "14", height = "14", aria-hidden = "true") { path(d = &mark); }
                : name(node);
            }
            svg(class = "bars", viewBox = "0 0 1000 20", preserveAspectRatio = "none", role = "img", aria-label = &said) {
                path(class = "grid", d = &grid);
                @ for (activity, (x, width)) in &bars {
                    @ if *activity == Activity::Ran {
                        rect(class = "ran", x = x.to_string(), y = "4", width = width.to_string(), height = "12");
                    } else {
                        rect(class = "waited", x = x.to_string(), y = "4", width = width.to_string(), height = "12", fill = "url(#hatch)");
                    }
                }
                @ if let Some(now) = &now { path(class = "now", d = now); }
            }
        }
    }
}

/// How long a node has done something, in seconds. `None`: never.
fn seconds(node: &Node, activity: Activity, now: Timestamp) -> Option<u64> {
    let spans = node.spans.iter().filter(|span| span.activity == activity);
    let lengths = spans.map(|span| (span.to.unwrap_or(now).as_second() - span.from.as_second()).max(0) as u64);
    lengths.reduce(|sum, length| sum + length)
}

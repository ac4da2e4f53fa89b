//! A graph's picture: boxes with names, or marks where there are too many for names.

use std::fmt::Write as _;

use horrorshow::{Raw, Render, owned_html};
use remora_actors::model::{Graph, Node};

use super::{
    super::{text_of, words},
    layout::{self, BOX, Cell, Layout, MARK, Point},
    look::{Look, Seen},
    shape::Shape,
};

/// Nodes that are drawn with their names: more than one can read in one picture. Beyond it they are marks.
const NAMED: usize = 400;
/// What a name in a box may have in characters, and a name on hovering.
const NAME_CHARS: usize = 18;
const TITLE_CHARS: usize = 80;
/// What the address behind a mark may have in bytes, so that thousands of them stay a page. The table has them all.
const MARK_URL_BYTES: usize = 80;
/// Room around the picture.
const MARGIN: i32 = 12;

fn cell(graph: &Graph) -> Cell {
    if graph.nodes().len() > NAMED { MARK } else { BOX }
}

/// The picture of a graph.
pub(super) fn svg(graph: &Seen<'_>, fit: bool) -> String {
    let cell = cell(graph);
    let layout = layout::of(&Shape::of(graph), cell);
    let (width, height) = (layout.width + 2 * MARGIN, layout.height + 2 * MARGIN);
    let view_box = format!("{} {} {width} {height}", -MARGIN, -MARGIN);
    let nodes: String = (0..graph.nodes().len()).map(|at| node_at(graph, at, &layout, cell)).collect();
    let label = format!("Picture of {} nodes; the table below says the same", graph.nodes().len());
    let (width, height) = (width.to_string(), height.to_string());
    text_of(owned_html! {
        svg(id = "graph-svg", class = if fit { "fit" } else { "full" }, viewBox = &view_box, width = &width, height = &height,
            role = "group", aria-label = &label, data-ignore) {
            defs {
                marker(id = "arrow", viewBox = "0 0 8 8", refX = "7", refY = "4", markerWidth = "8", markerHeight = "8",
                    markerUnits = "userSpaceOnUse", orient = "auto") { path(class = "arrow", d = "M0 0L8 4L0 8z"); }
            }
            : Raw(&edges(&layout, cell));
            : Raw(&nodes);
        }
    })
}

/// The nodes that an event after `after` changed, each as an element of its own.
pub(super) fn changed(graph: &Seen<'_>, after: u64) -> String {
    let cell = cell(graph);
    let layout = layout::of(&Shape::of(graph), cell);
    let changed = graph.nodes().iter().enumerate().filter(|(_, node)| node.is_changed_since(after));
    changed.map(|(at, _)| node_at(graph, at, &layout, cell)).collect()
}

fn edges(layout: &Layout, cell: Cell) -> String {
    let paths = layout.edges.iter().filter(|points| points.len() > 1).map(|points| curve(points));
    if cell == MARK {
        let all: String = paths.collect();
        return text_of(owned_html! { path(class = "edge", d = &all); });
    }
    paths.map(|path| text_of(owned_html! { path(class = "edge", marker-end = "url(#arrow)", d = &path); })).collect()
}

/// A line through points that leaves and enters each of them level.
fn curve(points: &[Point]) -> String {
    let mut path = format!("M{} {}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        let _ = if y == to_y {
            write!(path, "H{to_x}")
        } else {
            let bend = (to_x - x) / 2;
            write!(path, "C{} {y} {} {to_y} {to_x} {to_y}", x + bend, to_x - bend)
        };
    }
    path
}

/// A node is an `svg` of its own, so that a frame can replace it alone: a fragment that begins otherwise would be no SVG.
fn node_at(graph: &Seen<'_>, at: usize, layout: &Layout, cell: Cell) -> String {
    let node = &graph.nodes()[at];
    let (x, y) = layout.nodes[at];
    let (id, x, y) = (format!("n{at}"), x.to_string(), y.to_string());
    let look = graph.look(at);
    if cell == MARK {
        let url = node.agent_id.as_deref().map(words::agent_url).filter(|url| url.len() <= MARK_URL_BYTES);
        let shape = format!("M0 0{}", look.mark());
        return text_of(owned_html! {
            svg(id = &id, class = look.class(), x = &x, y = &y) {
                @ if let Some(url) = &url {
                    a(href = url) { : title(node, look); path(d = &shape); }
                } else {
                    : title(node, look); path(d = &shape);
                }
            }
        });
    }
    let url = node.agent_id.as_deref().map(words::agent_url);
    let face = text_of(face(node, look));
    text_of(owned_html! {
        svg(id = &id, class = look.class(), x = &x, y = &y) {
            @ if let Some(url) = &url { a(href = url) { : Raw(&face) } } else { : Raw(&face) }
        }
    })
}

fn title(node: &Node, look: Look) -> impl Render + use<> {
    let text = format!("{} · {}", words::brief(node.name(), TITLE_CHARS), look.word());
    owned_html! { title : &text; }
}

fn face(node: &Node, look: Look) -> impl Render {
    let name = words::brief(node.name(), NAME_CHARS).into_owned();
    let mark = format!("M12 14{}", look.mark());
    owned_html! {
        : title(node, look);
        rect(width = BOX.width.to_string(), height = BOX.height.to_string(), rx = "7");
        path(d = &mark);
        text(x = "34", y = "17") : &name;
        text(class = "said", x = "34", y = "32") : look.word();
    }
}

//! A graph in a few square centimetres: its form, and where in it something failed or waits. One path for each state.

use std::fmt::Write as _;

use horrorshow::{Raw, Render, owned_html};

use super::{
    super::text_of,
    layout::{self, MARK},
    look::{Look, Seen},
    shape::{Shape, layers},
};

/// How much a small picture may show.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Size {
    /// Nodes that are drawn one by one, with their edges.
    nodes: usize,
    /// Layers, and marks in one of them, that stand for a graph that is too large for that.
    columns: usize,
    rows: usize,
}

/// In the list of graphs.
pub(super) const CARD: Size = Size { nodes: 250, columns: 40, rows: 10 };
/// In a row of the dashboard, which travels with every change.
pub(in super::super) const ROW: Size = Size { nodes: 16, columns: 9, rows: 3 };

/// The small picture of a graph. One with more nodes stands as its layers, in which each mark is a share of the nodes.
pub(in super::super) fn svg(graph: &Seen<'_>, size: Size) -> impl Render + use<> {
    let shape = Shape::of(graph);
    let (marks, edges, width, height) =
        if shape.nodes <= size.nodes { drawn(graph, &shape) } else { summed(graph, &shape, size) };
    let paths: String = Look::ALL
        .into_iter()
        .map(|look| {
            let mut path = String::new();
            for (_, x, y) in marks.iter().filter(|(of, _, _)| *of == look) {
                let _ = write!(path, "M{x} {y}{}", look.mark());
            }
            (look, path)
        })
        .filter(|(_, path)| !path.is_empty())
        .map(|(look, path)| text_of(owned_html! { path(class = look.class(), d = &path); }))
        .collect();
    let view_box = format!("-4 -4 {} {}", width + 8, height + 8);
    // Small graphs are not blown up, large ones are shrunk to what the place allows.
    let (width, height) = ((width + 8).to_string(), (height + 8).to_string());
    owned_html! {
        svg(class = "tiny", viewBox = &view_box, width = &width, height = &height, aria-hidden = "true") {
            @ if !edges.is_empty() { path(class = "edge", d = &edges); }
            : Raw(&paths);
        }
    }
}

type Drawn = (Vec<(Look, i32, i32)>, String, i32, i32);

fn drawn(graph: &Seen<'_>, shape: &Shape) -> Drawn {
    let layout = layout::of(shape, MARK);
    let marks = layout.nodes.iter().enumerate().map(|(at, (x, y))| (graph.look(at), *x, *y)).collect();
    let mut edges = String::new();
    for points in &layout.edges {
        for (at, (x, y)) in points.iter().enumerate() {
            let _ = write!(edges, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
        }
    }
    (marks, edges, layout.width, layout.height)
}

fn summed(graph: &Seen<'_>, shape: &Shape, size: Size) -> Drawn {
    let layers = layers(shape.nodes, &shape.acyclic());
    let count = layers.iter().max().map_or(1, |last| last + 1);
    // A graph without order is as good as one of many layers of the same size.
    let columns = if count == 1 { size.columns } else { count.min(size.columns) };
    let mut counts = vec![[0_usize; Look::ALL.len()]; columns];
    for at in 0..shape.nodes {
        let column = if count == 1 { at * columns / shape.nodes } else { layers[at] * columns / count };
        counts[column][graph.look(at).rank()] += 1;
    }
    let largest = counts.iter().map(|column| column.iter().sum::<usize>()).max().unwrap_or(1).max(1);
    let mut marks = Vec::new();
    for (column, counts) in counts.iter().enumerate() {
        let mut row = 0;
        for (look, count) in Look::ALL.into_iter().zip(counts) {
            // Whatever is there is seen, be it one of thousands.
            for _ in 0..(count * size.rows).div_ceil(largest) {
                marks.push((look, column as i32 * 16, row * 16));
                row += 1;
            }
        }
    }
    let height = marks.iter().map(|(_, _, y)| y + 12).max().unwrap_or(12);
    (marks, String::new(), columns as i32 * 16, height)
}

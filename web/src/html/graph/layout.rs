//! Where the boxes of a picture stand and which way its edges go: in layers from left to right, one after the other.
//!
//! The order within a layer comes from `rust-sugiyama`. What it does not do is done here: edges that pass over layers
//! are given a way between the boxes, the layers are kept close together, groups that do not hang together are packed
//! onto shelves, and the work is bounded.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rust_sugiyama::configure::{Config, RankingType};

use super::shape::{Shape, components, layers};

/// Bends and edges of one group that are laid out, for each of its nodes and for any: beyond them edges go straight.
const BENDS_PER_NODE: usize = 2;
const EDGES_PER_NODE: usize = 2;
const SMALL: usize = 200;
/// Up to here swapping neighbours to avoid crossings is worth its time.
const SWAPPING_NODES: usize = 120;
/// Times that the layers are drawn toward each other, from the left and from the right in turn.
const PULLS: usize = 8;
/// The stack of a layout, in bytes: the crate recurses once for each node of a layer or a chain.
const STACK_BYTES: usize = 64 << 20;
/// Layouts remembered, and nodes in them altogether: those of the graphs that are looked at.
const REMEMBERED: usize = 100;
const REMEMBERED_NODES: usize = 50_000;

/// How large a node is drawn and how far it keeps from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) gap_x: i32,
    pub(super) gap_y: i32,
}

/// A node with its name.
pub(super) const BOX: Cell = Cell { width: 184, height: 40, gap_x: 56, gap_y: 14 };
/// A node as a mark.
pub(super) const MARK: Cell = Cell { width: 12, height: 12, gap_x: 22, gap_y: 5 };

/// A point of a picture, to the right and down.
pub(super) type Point = (i32, i32);

/// A picture's geometry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// The upper left corner of each node.
    pub(super) nodes: Vec<Point>,
    /// The points of each of the shape's edges, from node to node; none for a loop.
    pub(super) edges: Vec<Vec<Point>>,
}

/// The layout of a shape: remembered, as pictures are painted far more often than graphs grow.
pub(super) fn of(shape: &Shape, cell: Cell) -> Arc<Layout> {
    type Remembered = VecDeque<(Cell, Shape, Arc<Layout>)>;
    static LAYOUTS: Mutex<Remembered> = Mutex::new(Remembered::new());
    let mut layouts = LAYOUTS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = layouts.iter().position(|(its_cell, its_shape, _)| *its_cell == cell && its_shape == shape);
    let entry = found.and_then(|at| layouts.remove(at));
    let entry = entry.unwrap_or_else(|| (cell, shape.clone(), Arc::new(lay_out(shape, cell))));
    let layout = Arc::clone(&entry.2);
    layouts.push_front(entry);
    while layouts.len() > REMEMBERED
        || layouts.iter().map(|(_, shape, _)| shape.nodes).sum::<usize>() > REMEMBERED_NODES
    {
        layouts.pop_back();
    }
    layout
}

fn lay_out(shape: &Shape, cell: Cell) -> Layout {
    let edges = shape.acyclic();
    let layers = layers(shape.nodes, &edges);
    let mut of_component: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    let components = components(shape.nodes, &edges);
    let mut component_of = vec![0; shape.nodes];
    for (at, component) in components.iter().enumerate() {
        for &node in component {
            component_of[node] = at;
        }
    }
    for edge in edges {
        of_component.entry(component_of[edge.0]).or_default().push(edge);
    }
    let groups: Vec<_> = components
        .into_iter()
        .enumerate()
        .map(|(at, nodes)| Group::lay_out(nodes, of_component.get(&at).map_or(&[], Vec::as_slice), &layers, cell))
        .collect();
    let mut layout = shelve(&groups, shape.nodes, cell);
    let bends = groups.iter().zip(&layout.1).flat_map(|(group, (x, y))| {
        group.bends.iter().map(move |(edge, bends)| (*edge, bends.iter().map(move |b| (b.0 + x, b.1 + y)).collect()))
    });
    let bends: BTreeMap<(usize, usize), Vec<Point>> = bends.collect();
    layout.0.edges = shape.edges.iter().map(|edge| route(&layout.0.nodes, *edge, &bends, cell)).collect();
    layout.0
}

/// The points of an edge. One that closes a cycle goes back through the bends of its turned one.
fn route(
    nodes: &[Point],
    edge: (usize, usize),
    bends: &BTreeMap<(usize, usize), Vec<Point>>,
    cell: Cell,
) -> Vec<Point> {
    let (from, to) = edge;
    if from == to {
        return Vec::new();
    }
    let middle = |node: usize, x: i32| (nodes[node].0 + x, nodes[node].1 + cell.height / 2);
    let forward = nodes[from].0 <= nodes[to].0;
    let mut points = vec![middle(from, if forward { cell.width } else { 0 })];
    if let Some(bends) = bends.get(&(from, to)) {
        points.extend(bends);
    } else if let Some(bends) = bends.get(&(to, from)) {
        points.extend(bends.iter().rev());
    }
    points.push(middle(to, if forward { 0 } else { cell.width }));
    points
}

/// Nodes that hang together, laid out from (0, 0).
struct Group {
    nodes: Vec<usize>,
    places: Vec<Point>,
    bends: Vec<((usize, usize), Vec<Point>)>,
    width: i32,
    height: i32,
}

impl Group {
    fn lay_out(nodes: Vec<usize>, edges: &[(usize, usize)], layers: &[usize], cell: Cell) -> Self {
        let place: BTreeMap<usize, usize> = nodes.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        let mut columns: Vec<usize> = nodes.iter().map(|node| layers[*node]).collect();
        let mut links = Vec::new();
        let mut chains = Vec::new();
        let mut by_length: Vec<_> = edges.to_vec();
        by_length.sort_by_key(|(from, to)| layers[*to] - layers[*from]);
        for (from, to) in by_length {
            let bends = layers[to] - layers[from] - 1;
            let fits = columns.len() + bends <= SMALL + (1 + BENDS_PER_NODE) * nodes.len()
                && links.len() + bends < SMALL + (EDGES_PER_NODE + BENDS_PER_NODE) * nodes.len();
            if !fits {
                continue;
            }
            let mut last = place[&from];
            let first = columns.len();
            for column in layers[from] + 1..layers[to] {
                columns.push(column);
                links.push((last, columns.len() - 1));
                last = columns.len() - 1;
            }
            links.push((last, place[&to]));
            if bends > 0 {
                chains.push(((from, to), first..columns.len()));
            }
        }
        let rows = rows(&columns, &links, nodes.len(), cell);
        let x = |vertex: usize| columns[vertex] as i32 * (cell.width + cell.gap_x);
        let places = (0..nodes.len()).map(|vertex| (x(vertex), rows[vertex] - cell.height / 2)).collect();
        let bends = chains.into_iter().map(|(edge, vertices)| {
            // Level through the layer, so that the edge keeps between its boxes.
            (edge, vertices.flat_map(|v| [(x(v), rows[v]), (x(v) + cell.width, rows[v])]).collect())
        });
        let mut group = Self { nodes, places, bends: bends.collect(), width: 0, height: 0 };
        group.measure(cell);
        group
    }

    /// Moves everything to (0, 0).
    fn measure(&mut self, cell: Cell) {
        let ends = self.bends.iter().flat_map(|(_, bends)| bends.iter().map(|(_, y)| (*y, *y)));
        let ys: Vec<_> = self.places.iter().map(|(_, y)| (*y, y + cell.height)).chain(ends).collect();
        let top = ys.iter().map(|(top, _)| *top).min().unwrap_or(0);
        self.height = ys.iter().map(|(_, bottom)| *bottom).max().unwrap_or(0) - top;
        self.width = self.places.iter().map(|(x, _)| x + cell.width).max().unwrap_or(0);
        let bends = self.bends.iter_mut().flat_map(|(_, bends)| bends);
        for (_, y) in self.places.iter_mut().chain(bends) {
            *y -= top;
        }
    }
}

/// The middle of each vertex, downwards: the first `nodes` vertices are boxes, the others bends.
fn rows(columns: &[usize], links: &[(usize, usize)], nodes: usize, cell: Cell) -> Vec<i32> {
    let room = |vertex: usize| if vertex < nodes { cell.height + cell.gap_y } else { cell.gap_y.min(10) };
    let mut ranks: Vec<f64> = (0..columns.len()).map(|vertex| vertex as f64).collect();
    if !links.is_empty() {
        let swaps = columns.len() <= SWAPPING_NODES;
        let vertices = (0..columns.len()).map(|vertex| (vertex as u32, (f64::from(room(vertex)), 1.0))).collect();
        let links = links.iter().map(|(from, to)| (*from as u32, *to as u32)).collect();
        for (vertex, rank) in order(vertices, links, swaps) {
            ranks[vertex] = rank;
        }
    }
    let mut by_column: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (vertex, column) in columns.iter().enumerate() {
        by_column.entry(*column).or_default().push(vertex);
    }
    let columns: Vec<Column> = by_column
        .into_values()
        .map(|mut vertices| {
            vertices.sort_by(|a, b| ranks[*a].total_cmp(&ranks[*b]).then(a.cmp(b)));
            Column::new(vertices, |vertex| f64::from(room(vertex)))
        })
        .collect();
    let rows = pulled_together(&columns, links, ranks.len());
    let mut placed = vec![0; rows.len()];
    for column in &columns {
        // Whole pixels, and still no two share a place.
        let mut last: Option<(i32, f64)> = None;
        for (&vertex, &offset) in column.vertices.iter().zip(&column.offsets) {
            let free = last.map_or(i32::MIN, |(row, at)| row + (offset - at).ceil() as i32);
            placed[vertex] = (rows[vertex].round() as i32).max(free);
            last = Some((placed[vertex], offset));
        }
    }
    placed
}

/// The vertices of a layer in their order, and how far below the first each must stand at least.
struct Column {
    vertices: Vec<usize>,
    offsets: Vec<f64>,
}

impl Column {
    fn new(vertices: Vec<usize>, room: impl Fn(usize) -> f64) -> Self {
        let mut offsets = vec![0.0; vertices.len()];
        for at in 1..vertices.len() {
            offsets[at] = offsets[at - 1] + (room(vertices[at - 1]) + room(vertices[at])) / 2.0;
        }
        Self { vertices, offsets }
    }

    /// The places nearest to the wanted ones, by least squares, that keep the order and the distances: neighbours that
    /// want the same place share the way (isotonic regression by pooling adjacent violators).
    fn settle(&self, wanted: impl Fn(usize) -> f64, rows: &mut [f64]) {
        let mut pools: Vec<(f64, usize)> = Vec::new();
        for (&vertex, offset) in self.vertices.iter().zip(&self.offsets) {
            let mut pool = (wanted(vertex) - offset, 1);
            while let Some(&(mean, count)) = pools.last().filter(|(mean, _)| *mean > pool.0) {
                pools.pop();
                let both = count + pool.1;
                pool = ((mean * count as f64 + pool.0 * pool.1 as f64) / both as f64, both);
            }
            pools.push(pool);
        }
        let means = pools.into_iter().flat_map(|(mean, count)| std::iter::repeat_n(mean, count));
        for ((&vertex, offset), mean) in self.vertices.iter().zip(&self.offsets).zip(means) {
            rows[vertex] = mean + offset;
        }
    }
}

/// Every layer packed around the same middle, then each vertex drawn toward those that it is linked to.
fn pulled_together(columns: &[Column], links: &[(usize, usize)], vertices: usize) -> Vec<f64> {
    let mut beside = vec![Vec::new(); vertices];
    for &(from, to) in links {
        beside[from].push(to);
        beside[to].push(from);
    }
    let mut rows = vec![0.0; vertices];
    for column in columns {
        column.settle(|_| 0.0, &mut rows);
    }
    for round in 0..PULLS {
        let forth = columns.iter();
        let turn: Vec<_> = if round % 2 == 0 { forth.collect() } else { forth.rev().collect() };
        for column in turn {
            let before = rows.clone();
            let wanted = |vertex: usize| {
                let near = &beside[vertex];
                if near.is_empty() {
                    return before[vertex];
                }
                near.iter().map(|other| before[*other]).sum::<f64>() / near.len() as f64
            };
            column.settle(wanted, &mut rows);
        }
    }
    rows
}

/// The crate's order of the vertices within their layers, as positions. Nothing where it fails: the picture is then
/// less clear, but there.
fn order(vertices: Vec<(u32, (f64, f64))>, links: Vec<(u32, u32)>, swaps: bool) -> Vec<(usize, f64)> {
    let work = move || {
        let config = Config {
            vertex_spacing: 0.0,
            dummy_vertices: false,
            ranking_type: RankingType::Up,
            transpose: swaps,
            ..Config::default()
        };
        let mut groups = rust_sugiyama::from_vertices_and_edges(&vertices, &links, &config);
        groups.drain(..).flat_map(|(places, _, _)| places).map(|(vertex, (across, _))| (vertex, across)).collect()
    };
    let thread = thread::Builder::new().name("graph-layout".to_owned()).stack_size(STACK_BYTES).spawn(work);
    thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
}

/// Puts the groups onto shelves, the ones that have edges first; where each one stands.
fn shelve(groups: &[Group], nodes: usize, cell: Cell) -> (Layout, Vec<Point>) {
    let area: i64 = groups.iter().map(|g| i64::from(g.width + cell.gap_x) * i64::from(g.height + cell.gap_y)).sum();
    let widest = groups.iter().map(|group| group.width).max().unwrap_or(0);
    // As wide as a window of usual proportions.
    let width = widest.max((area as f64 * 1.7).sqrt() as i32).max(5 * (cell.width + cell.gap_y));
    let mut order: Vec<_> = (0..groups.len()).collect();
    order.sort_by_key(|at| groups[*at].nodes.len() == 1);
    let mut layout = Layout { nodes: vec![(0, 0); nodes], ..Layout::default() };
    let mut at = vec![(0, 0); groups.len()];
    let (mut x, mut y, mut shelf) = (0, 0, 0);
    for index in order {
        let group = &groups[index];
        // Nodes that stand alone need no room for edges between them.
        let gap = if group.nodes.len() == 1 { cell.gap_y } else { cell.gap_x };
        if x > 0 && x + group.width > width {
            (x, y, shelf) = (0, y + shelf + cell.gap_y.max(gap / 2), 0);
        }
        at[index] = (x, y);
        for (node, place) in group.nodes.iter().zip(&group.places) {
            layout.nodes[*node] = (place.0 + x, place.1 + y);
        }
        layout.width = layout.width.max(x + group.width);
        layout.height = layout.height.max(y + group.height);
        shelf = shelf.max(group.height);
        x += group.width + gap;
    }
    (layout, at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_shape() -> impl Strategy<Value = Shape> {
        (0..40_usize).prop_flat_map(|nodes| {
            let edges = prop::collection::vec((0..nodes.max(1), 0..nodes.max(1)), 0..if nodes == 0 { 1 } else { 80 });
            edges.prop_map(move |edges| {
                let edges: std::collections::BTreeSet<_> = edges.into_iter().filter(|_| nodes > 0).collect();
                Shape { nodes, edges: edges.into_iter().collect() }
            })
        })
    }

    fn check(shape: &Shape, cell: Cell) {
        let layout = lay_out(shape, cell);
        assert_eq!((layout.nodes.len(), layout.edges.len()), (shape.nodes, shape.edges.len()));
        let mut nodes = layout.nodes.clone();
        nodes.sort_unstable();
        for (at, a) in nodes.iter().enumerate() {
            assert!(a.0 >= 0 && a.1 >= 0 && a.0 + cell.width <= layout.width && a.1 + cell.height <= layout.height);
            for b in nodes[at + 1..].iter().take_while(|b| b.0 < a.0 + cell.width) {
                assert!(b.1 >= a.1 + cell.height || a.1 >= b.1 + cell.height, "{a:?} and {b:?} overlap");
            }
        }
        for (edge, points) in shape.edges.iter().zip(&layout.edges) {
            assert_eq!(points.len() >= 2, edge.0 != edge.1);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_boxes_overlap_whatever_the_graph(shape in any_shape()) {
            check(&shape, BOX);
            check(&shape, MARK);
            prop_assert_eq!(lay_out(&shape, BOX), lay_out(&shape, BOX), "the same graph, the same picture");
        }

        #[test]
        fn without_cycles_every_edge_goes_to_the_right(shape in any_shape()) {
            let edges: Vec<_> = shape.edges.into_iter().filter(|(from, to)| from < to).collect();
            let shape = Shape { nodes: shape.nodes, edges };
            let layout = lay_out(&shape, BOX);
            for points in &layout.edges {
                prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
            }
        }
    }

    /// Two thousand nodes in the shapes that are hardest on a layout.
    #[test]
    fn large_graphs_of_any_form_are_laid_out() {
        let n = 2_000;
        let ladder = (0..n / 2).flat_map(|i| [1, 7, 13].map(|k| (i, n / 2 + (i * k + 3) % (n / 2))));
        let shapes: [(&str, Vec<(usize, usize)>); 7] = [
            ("a chain", (1..n).map(|i| (i - 1, i)).collect()),
            ("a star", (1..n).map(|i| (0, i)).collect()),
            ("a chain and a star", (1..n).flat_map(|i| [(i - 1, i), (0, i)]).collect()),
            ("pairs", (0..n / 2).map(|i| (2 * i, 2 * i + 1)).collect()),
            ("two dense layers", ladder.collect()),
            ("a ring", (0..n).map(|i| (i, (i + 1) % n)).collect()),
            ("a tree", (1..n).map(|i| ((i - 1) / 3, i)).collect()),
        ];
        for (name, mut edges) in shapes {
            edges.sort_unstable();
            edges.dedup();
            let start = std::time::Instant::now();
            check(&Shape { nodes: n, edges }, MARK);
            eprintln!("{name}: {:?}", start.elapsed());
        }
    }
}

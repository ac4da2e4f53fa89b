use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::{
    super::{Dashboard, Tally},
    *,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// An event of an agent in the graph `g`, at a second.
fn event(second: i64, agent: &str, action: &str, payload: serde_json::Value) -> Event {
    let event = Event::of_agent(agent, action, at(second), &[], payload);
    Event { graph_id: Some("g".to_owned()), ..event }
}

fn graph_event(second: i64, action: &str, payload: serde_json::Value) -> Event {
    Event { category: Category::Graph, agent_id: None, ..event(second, "", action, payload) }
}

fn on_node(node: &str, event: Event) -> Event {
    Event { node_id: Some(node.to_owned()), ..event }
}

fn fold(limits: &Limits, events: Vec<Event>) -> Dashboard {
    let mut dashboard = Dashboard::new(limits);
    for (seq, event) in (1..).zip(events) {
        let json = event.to_json();
        dashboard.apply(&Record::new(seq, event, json));
    }
    dashboard
}

fn graph(events: Vec<Event>) -> Graph {
    fold(&Limits::default(), events).graphs().get("g").expect("it is there").clone()
}

fn edges(graph: &Graph) -> BTreeSet<(String, String)> {
    let name = |at: usize| graph.nodes()[at].node_id.clone();
    graph.edges().map(|(from, to)| (name(from), name(to))).collect()
}

fn names(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

fn spans(node: &Node) -> Vec<(Activity, i64, Option<i64>)> {
    node.spans.iter().map(|s| (s.activity, s.from.as_second(), s.to.map(Timestamp::as_second))).collect()
}

#[test]
fn a_node_runs_waits_goes_on_and_ends() {
    let graph = graph(vec![
        event(10, "a", "started", json!({"name": "Ann"})),
        event(12, "a", "blocked", json!({"msg_id": "m", "question": "?"})),
        Event { graph_id: None, ..event(20, "a", "resumed", json!({"msg_id": "m", "answer": "yes"})) },
        event(25, "a", "failed", json!({})),
    ]);
    let node = graph.node("a").expect("a node");
    assert_eq!((node.name(), node.state), ("Ann", Some(AgentState::Failed)));
    let expected = [(Activity::Ran, 10, Some(12)), (Activity::Waited, 12, Some(20)), (Activity::Ran, 20, Some(25))];
    assert_eq!(spans(node), expected);
    assert_eq!((graph.tally().failed, graph.pending(), graph.is_live()), (1, 0, false));
}

#[test]
fn edges_come_from_texts_arrays_parents_and_fields_beside_the_payload() {
    let graph = graph(vec![
        event(1, "a", "started", json!({})),
        event(1, "b", "started", json!({"depends_on": "a"})),
        event(1, "c", "started", json!({"depends_on": ["a", "b", 5, null]})),
        event(1, "d", "started", json!({"parent_agent_id": "c"})),
        event(1, "e", "started", json!({"extra": {"parent": "d"}})),
    ]);
    let expected = names(&[("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("d", "e")]);
    assert_eq!(edges(&graph), expected);
}

#[test]
fn what_is_only_named_has_not_begun() {
    let graph = graph(vec![event(1, "b", "started", json!({"depends_on": ["a"]}))]);
    assert_eq!(graph.node("a").expect("a node").state, None);
    assert_eq!((graph.pending(), graph.tally().total), (1, 1));
}

#[test]
fn a_plan_is_announced_before_anything_runs() {
    let plan =
        json!({"name": "Nightly", "nodes": [{"id": "a"}, {"node_id": "b", "name": "B", "depends_on": ["a"]}, 7]});
    let graph = graph(vec![
        graph_event(1, "started", plan),
        on_node("b", graph_event(2, "started", json!({"name": "B"}))),
        on_node("b", event(5, "agent-b", "started", json!({}))),
    ]);
    assert_eq!((graph.name(), graph.state(), graph.nodes().len()), ("Nightly", Some("started"), 2));
    assert_eq!(edges(&graph), names(&[("a", "b")]));
    let b = graph.node("b").expect("a node");
    assert_eq!((b.name(), b.agent_id.as_deref(), b.state), ("B", Some("agent-b"), Some(AgentState::Started)));
}

#[test]
fn nodes_may_be_named_by_their_agents_before_and_after() {
    let start = |node: &str, agent: &str, payload| on_node(node, event(1, agent, "started", payload));
    let graph = graph(vec![
        start("second", "agent-2", json!({"depends_on": "agent-1"})),
        start("first", "agent-1", json!({})),
        start("third", "agent-3", json!({"depends_on": ["agent-2"]})),
    ]);
    assert_eq!(graph.nodes().len(), 3);
    assert_eq!(edges(&graph), names(&[("first", "second"), ("second", "third")]));
}

#[test]
fn a_session_is_the_parent_of_its_subagents() {
    let session = |second, action| Event { graph_id: None, ..event(second, "s", action, json!({"name": "Session"})) };
    let of_session = |event: Event| Event { graph_id: Some("s".to_owned()), ..event };
    let events = vec![
        session(1, "started"),
        of_session(event(3, "s:x", "started", json!({"parent_agent_id": "s"}))),
        of_session(event(4, "s:x", "completed", json!({}))),
        session(9, "completed"),
    ];
    let dashboard = fold(&Limits::default(), events);
    let graph = dashboard.graphs().get("s").expect("a graph");
    let root = graph.node("s").expect("a node");
    assert_eq!((root.name(), root.state), ("Session", Some(AgentState::Completed)));
    assert_eq!(spans(root), [(Activity::Ran, 1, Some(9))]);
    assert_eq!(edges(graph), names(&[("s", "s:x")]));
}

#[test]
fn an_agent_may_walk_through_many_nodes() {
    let go = |second, node, action| on_node(node, event(second, "a", action, json!({})));
    let walk =
        vec![go(1, "one", "started"), go(3, "one", "completed"), go(3, "two", "started"), go(5, "three", "progress")];
    let state = |graph: &Graph, node| graph.node(node).expect("a node").state.expect("it began");
    let before = graph(walk.clone());
    assert_eq!(
        ["one", "two", "three"].map(|node| state(&before, node)),
        [AgentState::Completed, AgentState::Started, AgentState::Started]
    );
    let after = graph([walk, vec![event(9, "a", "cancelled", json!({}))]].concat());
    assert_eq!(
        ["one", "two", "three"].map(|node| state(&after, node)),
        [AgentState::Completed, AgentState::Cancelled, AgentState::Cancelled]
    );
}

#[test]
fn a_graph_that_starts_again_shows_the_new_run() {
    let graph = graph(vec![
        graph_event(1, "started", json!({})),
        event(1, "a", "started", json!({"depends_on": "z"})),
        event(2, "a", "failed", json!({})),
        graph_event(100, "started", json!({})),
        event(101, "a", "started", json!({})),
    ]);
    assert_eq!(spans(graph.node("a").expect("a node")), [(Activity::Ran, 101, None)]);
    assert_eq!((graph.tally().failed, graph.tally().total, graph.first_at()), (0, 1, at(100)));
    assert_eq!(edges(&graph), names(&[("z", "a")]));
}

#[test]
fn what_finds_no_room_is_counted() {
    let limits = Limits { graph_nodes: 3, ..Limits::default() };
    let named: Vec<_> = (0..100).map(|n| format!("n{n}")).collect();
    let dashboard = fold(
        &limits,
        vec![event(1, "a", "started", json!({"depends_on": named})), event(1, "b", "started", json!({}))],
    );
    let graph = dashboard.graphs().get("g").expect("a graph");
    assert_eq!((graph.nodes().len(), graph.nodes_hidden()), (3, 1));
    assert_eq!((graph.edges().len(), graph.edges_hidden()), (2, 98));
}

#[test]
fn the_longest_silent_finished_graph_is_forgotten_first() {
    let limits = Limits { graphs: 2, ..Limits::default() };
    let start = |graph: &str, action| Event { graph_id: Some(graph.to_owned()), ..event(1, graph, action, json!({})) };
    let events = vec![start("live", "started"), start("done", "completed"), start("new", "started")];
    let dashboard = fold(&limits, events);
    let kept: Vec<_> = dashboard.graphs().iter().map(Graph::graph_id).collect();
    assert_eq!(kept, ["live", "new"]);
}

/// A small world, so that everything meets everything.
fn any_event() -> impl Strategy<Value = Event> {
    const ACTIONS: [&str; 8] =
        ["started", "blocked", "resumed", "completed", "failed", "cancelled", "progress", "question_expired"];
    let named = prop::collection::vec(0..8u8, 0..3);
    let category = prop_oneof![4 => Just(Category::Agent), 1 => Just(Category::Tool), 1 => Just(Category::Graph)];
    (category, prop::sample::select(&ACTIONS[..]), 0..6u8, prop::option::of(0..6u8), 0..4u8, named, 0..50i64).prop_map(
        |(category, action, agent, node, graph, named, second)| {
            let named: Vec<_> = named.iter().map(|n| format!("{}{n}", if n % 2 == 0 { "a" } else { "n" })).collect();
            let payload = json!({"msg_id": format!("m{agent}"), "question": "?", "answer": "yes", "depends_on": named,
                "nodes": [{"id": "n1", "depends_on": named}]});
            let event = Event::of_agent(&format!("a{agent}"), action, at(second), &[], payload);
            Event {
                category,
                node_id: node.map(|node| format!("n{node}")),
                graph_id: (graph < 3).then(|| format!("g{graph}")),
                ..event
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_happens_the_pictures_hold_together(events in prop::collection::vec(any_event(), 0..80)) {
        let limits = Limits { graphs: 2, graph_nodes: 6, agents: 5, ..Limits::default() };
        let dashboard = fold(&limits, events);
        let graphs = dashboard.graphs();
        prop_assert!(graphs.iter().len() <= 2);
        prop_assert_eq!(graphs.nodes, graphs.iter().map(|graph| graph.nodes().len()).sum::<usize>());
        for graph in graphs.iter() {
            let mut tally = Tally::default();
            for node in graph.nodes() {
                prop_assert_eq!(graph.node(&node.node_id), Some(node));
                prop_assert_eq!(node.state.is_none(), node.spans.is_empty());
                if let Some(state) = node.state {
                    tally.count(state, true);
                }
                let open = node.spans.last().is_some_and(|span| span.to.is_none());
                prop_assert_eq!(open, node.is_live());
                let waits = node.spans.last().is_some_and(|span| span.activity == Activity::Waited);
                prop_assert_eq!(open && waits, node.state == Some(AgentState::Blocked));
                prop_assert!(node.spans.iter().all(|span| span.to.is_none_or(|to| span.from <= to)));
                prop_assert!(node.spans.windows(2).all(|pair| pair[0].to.is_some_and(|to| to <= pair[1].from)));
            }
            prop_assert_eq!(graph.tally(), tally);
            prop_assert!(graph.nodes().len() <= 6);
            prop_assert!(graph.edges().all(|(from, to)| from.max(to) < graph.nodes().len()));
        }
        for place in graphs.places.values().flatten() {
            prop_assert!(graphs.get(&place.graph_id).is_some_and(|graph| place.node < graph.nodes().len()));
        }
        prop_assert!(graphs.places.len() <= dashboard.agents().len());
    }
}

//! Frames as a browser reads them.

use remora_actors::{
    model::{Dashboard, Event, Listed, Panel, Panels, Seq},
    view::{GraphShown, LISTED_AGENTS, Part, Subject, View},
};
use serde_json::json;

use super::board::{self, agent_event, tool_event};
use crate::html::render_at;

/// What a frame for one event may weigh, in bytes.
const EVENT_FRAME_BYTES: usize = 2 << 10;

/// One server-sent event, as the standard has it read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SseEvent {
    pub(super) event: String,
    id: Option<String>,
    data: Vec<String>,
    unknown: Vec<String>,
}

impl SseEvent {
    pub(super) fn patch(html: &str) -> Self {
        let data = html.split('\n').map(|line| format!("elements {line}")).collect();
        Self { event: "datastar-patch-elements".to_owned(), data, ..Self::default() }
    }

    pub(super) fn signals(json: &str) -> Self {
        Self { event: "datastar-patch-signals".to_owned(), data: vec![format!("signals {json}")], ..Self::default() }
    }

    pub(super) fn id(seq: Seq) -> Self {
        Self { id: Some(seq.to_string()), ..Self::default() }
    }

    /// The keys of the data lines, each once.
    pub(super) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<_> = self.data.iter().filter_map(|line| line.split(' ').next()).collect();
        keys.dedup();
        keys
    }

    pub(super) fn value(&self, key: &str) -> String {
        let lines: Vec<_> = self.data.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).collect();
        lines.join("\n")
    }
}

/// Reads a stream, ending lines at `\r`, `\n` and `\r\n` as the standard does.
pub(super) fn read(frame: &[u8]) -> Vec<SseEvent> {
    let text = std::str::from_utf8(frame).expect("text");
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let blocks = text.strip_suffix("\n\n").expect("a frame ends with an event").split("\n\n");
    blocks.map(read_event).collect()
}

fn read_event(block: &str) -> SseEvent {
    let mut event = SseEvent::default();
    for line in block.split('\n') {
        let (field, value) = line.split_once(": ").unwrap_or((line, ""));
        match field {
            "event" => event.event = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "data" => event.data.push(value.to_owned()),
            _ => event.unknown.push(line.to_owned()),
        }
    }
    event
}

/// Many agents, many events, and questions that wait.
fn busy() -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..150 {
        let id = format!("agent-{number}");
        events.push(agent_event(&id, "started", json!({"name": format!("Agent {number} of the nightly run")})));
        events.push(tool_event(&id, "called", json!({"tool_name": "read_file", "arguments": {"path": "src/main.rs"}})));
        if number % 3 == 0 {
            events.push(agent_event(&id, "blocked", json!({"question": "Go on?", "msg_id": format!("m{number}")})));
        }
    }
    events
}

#[test]
fn a_frame_for_one_tool_event_is_small_on_a_busy_board() {
    let mut events = busy();
    let arguments = json!({"path": "src/html/agents.rs", "content": "x".repeat(10_000)});
    events.push(tool_event("agent-149", "called", json!({"arguments": arguments, "tool_name": "write_file"})));
    let (dashboard, _) = board::fold(events);
    let after = dashboard.last_seq() - 1;
    let panels = Panels::of(Panel::Events) | Panels::of(Panel::Agents);
    let view = View::Delta { panels, after, steps: None, listed: dashboard.listed(LISTED_AGENTS) };
    let frame = render_at(&dashboard, &view, &board::clock()).expect("a frame");
    let text = std::str::from_utf8(&frame).expect("text");
    assert!(text.contains("write_file") && text.contains("Agent 149"), "{text}");
    assert!(frame.len() < EVENT_FRAME_BYTES, "{} bytes: {text}", frame.len());
}

/// A long list, and the frame for what one more event changes.
fn frame_for(before: &Dashboard, event: Event) -> Vec<u8> {
    let mut dashboard = before.clone();
    let (after, listed) = (dashboard.last_seq(), dashboard.listed(LISTED_AGENTS));
    assert!(dashboard.apply(&board::record(after + 1, event)).contains(Panel::Agents));
    let panels = Panels::of(Panel::Agents) | Panels::of(Panel::Events);
    render_at(&dashboard, &View::Delta { panels, after, steps: None, listed }, &board::clock())
        .expect("a frame")
        .to_vec()
}

#[test]
fn a_frame_for_one_change_of_state_is_small_among_thousands() {
    let mut events = Vec::new();
    for number in 0..5_000 {
        let (id, name) = (format!("agent-{number}"), format!("Agent {number} of the nightly run"));
        events.push(agent_event(&id, "started", json!({"name": name})));
        match number % 50 {
            0 => events.push(agent_event(&id, "failed", json!({"error": "no answer from the model"}))),
            1 => events.push(agent_event(&id, "completed", json!({"result": "done"}))),
            2 => events.push(tool_event(&id, "called", json!({"tool_name": "cargo"}))),
            3 => events.push(agent_event(&id, "idle", json!({}))),
            _ => {}
        }
    }
    let (dashboard, _) = board::fold(events);
    for (action, agent) in
        [("failed", "agent-4990"), ("cancelled", "agent-4990"), ("failed", "agent-7"), ("idle", "agent-7")]
    {
        let frame = frame_for(&dashboard, agent_event(agent, action, json!({"error": "broken pipe"})));
        let text = std::str::from_utf8(&frame).expect("text");
        assert!(text.contains("agent-counts") && !text.contains("agent-list\""), "{text}");
        assert!(frame.len() < EVENT_FRAME_BYTES, "{action} of {agent}: {} bytes: {text}", frame.len());
    }
}

#[test]
fn a_row_that_moves_is_taken_out_and_put_back_behind_its_neighbour() {
    let (dashboard, _) = board::fold(busy());
    let frame = read(&frame_for(&dashboard, agent_event("agent-142", "blocked", json!({"question": "Go on?"}))));
    let of = |mode: &str| {
        frame.iter().find(|event| event.value("mode") == mode).unwrap_or_else(|| panic!("{mode}: {frame:?}"))
    };
    let row = super::super::words::row_id("a", "agent-142");
    assert_eq!(of("remove").value("selector").split(',').next(), Some(format!("#{row}").as_str()));
    assert!(of("after").value("elements").starts_with(&format!("<li id=\"{row}\"")), "{frame:?}");
    let counts =
        frame.iter().find(|event| event.value("elements").starts_with("<p id=\"agent-counts\"")).expect("counts");
    assert!(counts.value("elements").contains("51 waiting"), "{counts:?}");
}

#[test]
fn a_row_that_is_not_listed_is_not_patched() {
    let mut events = busy();
    // Finished agents come after more running ones than are listed.
    events.push(agent_event("agent-1", "completed", json!({})));
    events.push(tool_event("agent-1", "called", json!({"tool_name": "late"})));
    let (dashboard, _) = board::fold(events);
    let (after, listed) = (dashboard.last_seq() - 1, dashboard.listed(LISTED_AGENTS));
    let view = View::Delta { panels: Panels::of(Panel::Agents), after, steps: None, listed };
    let events = read(&render_at(&dashboard, &view, &board::clock()).expect("a frame"));
    assert_eq!(events, [SseEvent::id(dashboard.last_seq())]);
}

#[test]
fn new_rows_are_prepended_and_the_surplus_is_removed() {
    let (dashboard, _) = board::fold(busy());
    let last_seq = dashboard.last_seq();
    let log = |after| {
        let view = View::Delta { panels: Panels::of(Panel::Events), after, steps: None, listed: Listed::default() };
        read(&render_at(&dashboard, &view, &board::clock()).expect("a frame"))
    };
    let frame = log(last_seq - 2);
    assert_eq!(frame.len(), 3);
    assert_eq!((frame[0].value("selector").as_str(), frame[0].value("mode").as_str()), ("#events-list", "prepend"));
    let rows = frame[0].value("elements");
    assert!(
        rows.find(&format!("e-{last_seq}")) < rows.find(&format!("e-{}", last_seq - 1)),
        "the newest first: {rows}"
    );
    assert_eq!(rows.matches("<li").count(), 2);
    assert_eq!(
        frame[1].value("selector"),
        format!("#events-list>li:nth-child(n+{})", remora_actors::model::LOG_EVENTS + 1)
    );
    assert_eq!(frame[1].value("mode"), "remove");
    let frame = log(last_seq - 101);
    assert_eq!((frame.len(), frame[0].keys()), (2, vec!["elements"]), "many rows come as a whole list");
    assert_eq!(frame[0].value("elements").matches("<li").count(), remora_actors::model::LOG_EVENTS);
    assert_eq!(log(last_seq), [SseEvent::id(last_seq)]);
}

#[test]
fn the_position_comes_last_so_that_half_a_frame_is_not_acknowledged() {
    let (dashboard, _) = board::fold(busy());
    let frame = render_at(&dashboard, &View::Full, &board::clock()).expect("a frame");
    let events = read(&frame);
    let (last, others) = events.split_last().expect("events");
    assert_eq!(*last, SseEvent::id(dashboard.last_seq()));
    assert!(others.iter().all(|event| event.id.is_none()));
}

#[test]
fn a_parked_page_hears_only_that() {
    let (dashboard, _) = board::fold(vec![]);
    let frame = render_at(&dashboard, &View::Parked, &board::clock()).expect("a frame");
    assert_eq!(read(&frame), [SseEvent::signals(r#"{"_parked":true}"#)]);
}

#[test]
fn an_unknown_agent_without_events_has_no_page() {
    let (dashboard, records) = board::fold(busy());
    let page = |agent_id: &str, events| {
        let subject = Subject::Agent(agent_id.to_owned());
        render_at(&dashboard, &View::Of { subject, events, part: Part::Document }, &board::clock()).is_some()
    };
    assert!(!page("nobody", vec![]));
    assert!(page("forgotten", records[..1].to_vec()));
    assert!(page("agent-1", vec![]));
}

#[test]
fn a_change_in_one_of_many_graphs_is_a_small_frame() {
    let in_graph = |graph: usize, event: Event| Event { graph_id: Some(format!("graph-{graph}")), ..event };
    let mut events = Vec::new();
    for graph in 0..20 {
        for node in 0..30 {
            let after = json!({"depends_on": format!("agent-{graph}-{}", node / 2)});
            events.push(in_graph(graph, agent_event(&format!("agent-{graph}-{node}"), "started", after)));
        }
    }
    events.push(in_graph(19, agent_event("agent-19-3", "failed", json!({}))));
    let (dashboard, _) = board::fold(events);
    let view = View::Delta {
        panels: Panels::of(Panel::Progress),
        after: dashboard.last_seq() - 1,
        steps: None,
        listed: Listed::default(),
    };
    let frame = render_at(&dashboard, &view, &board::clock()).expect("a frame");
    let text = std::str::from_utf8(&frame).expect("text");
    assert!(text.contains("graph-19") && !text.contains("graph-18"), "{text}");
    assert!(frame.len() < EVENT_FRAME_BYTES, "{} bytes: {text}", frame.len());
}

#[test]
fn a_graphs_frame_holds_only_the_nodes_that_changed() {
    let mut events = busy();
    events.push(agent_event("agent-3", "failed", json!({})));
    events.push(Event { graph_id: Some("other".to_owned()), ..agent_event("elsewhere", "started", json!({})) });
    let (dashboard, _) = board::fold(events);
    let subject = Subject::Graph(GraphShown { graph_id: "nightly".to_owned(), ..GraphShown::default() });
    let frame = |after| {
        let view = View::Of { subject: subject.clone(), events: vec![], part: Part::Since(after) };
        read(&render_at(&dashboard, &view, &board::clock()).expect("a frame"))
    };
    let last = dashboard.last_seq();
    let nodes: usize = frame(last - 1).iter().map(|event| event.value("elements").matches("<svg id=\"n").count()).sum();
    assert_eq!(nodes, 1);
    assert!(frame(0)[0].value("elements").starts_with("<main"), "the picture has grown since: all of it");
    assert_eq!(frame(last).len(), 2, "nothing but the signals and the position");
}

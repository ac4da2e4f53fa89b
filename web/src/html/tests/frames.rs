//! Frames as a browser reads them.

use remora_actors::{
    model::{Panel, Panels, Seq},
    view::{Part, Subject, View},
};
use serde_json::json;

use super::board::{self, agent_event, tool_event};
use crate::html::render_at;

/// What a frame for one tool event may weigh, in bytes.
const TOOL_FRAME_BYTES: usize = 2 << 10;

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
fn busy() -> Vec<remora_actors::model::Event> {
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
    let view = View::Delta { panels: Panels::of(Panel::Events) | Panels::of(Panel::Agents), after };
    let frame = render_at(&dashboard, &view, &board::clock()).expect("a frame");
    let text = std::str::from_utf8(&frame).expect("text");
    assert!(text.contains("write_file") && text.contains("Agent 149"), "{text}");
    assert!(frame.len() < TOOL_FRAME_BYTES, "{} bytes: {text}", frame.len());
}

#[test]
fn a_row_that_is_not_listed_is_not_patched() {
    let mut events = busy();
    // Finished agents come after more running ones than are listed.
    events.push(agent_event("agent-1", "completed", json!({})));
    events.push(tool_event("agent-1", "called", json!({"tool_name": "late"})));
    let (dashboard, _) = board::fold(events);
    let view = View::Delta { panels: Panels::of(Panel::Agents), after: dashboard.last_seq() - 1 };
    let events = read(&render_at(&dashboard, &view, &board::clock()).expect("a frame"));
    assert_eq!(events, [SseEvent::id(dashboard.last_seq())]);
}

#[test]
fn new_rows_are_prepended_and_the_surplus_is_removed() {
    let (dashboard, _) = board::fold(busy());
    let last_seq = dashboard.last_seq();
    let log = |after| {
        let view = View::Delta { panels: Panels::of(Panel::Events), after };
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

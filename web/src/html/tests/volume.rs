//! What the inbox weighs on a busy day: sizes are the same each time, so that they can be promised.

use remora_actors::{
    model::{Board, Dashboard, Event, Listed, Panel, Panels},
    view::{Part, Subject, View},
};
use serde_json::{Value, json};

use super::board::{self, agent_event};
use crate::html::{panel_html, render_at};

const AGENTS: usize = 5_000;
const QUESTIONS: usize = 300;
/// What a frame for one change of the inbox may weigh, in bytes.
const FRAME_BYTES: usize = 3 << 10;
/// What the document may weigh.
const DOCUMENT_BYTES: usize = 150_000;

fn asked(number: usize, urgency: &str) -> Event {
    let payload = json!({
        "question": format!("Apply migration {number} to the orders table now?"), "msg_id": format!("m{number}"),
        "options": ["yes, now", "tonight", "no"], "urgency": urgency, "timeout": 3600, "reason": "confirmation",
    });
    agent_event(&format!("agent-{number}"), "blocked", payload)
}

fn about(number: usize, action: &str) -> Event {
    let by = json!({"who": "ann", "door": "browser"});
    let at = "2026-02-24T09:40:15Z";
    let held = json!({"answered_by": by, "responded_at": at, "deliver_at": at});
    let payload = json!({"msg_id": format!("m{number}"), "answer": "yes, now", "answered_by": by, "held": held});
    agent_event(&format!("agent-{number}"), action, payload)
}

fn busy() -> Dashboard {
    let started =
        (0..AGENTS).map(|n| agent_event(&format!("agent-{n}"), "started", json!({"name": format!("Agent {n}")})));
    let asked = (0..QUESTIONS).map(|n| asked(n, if n % 3 == 0 { "high" } else { "normal" }));
    board::fold(started.chain(asked).collect()).0
}

/// The inbox's part of the frame for one event.
fn frame(dashboard: &mut Dashboard, event: Event) -> String {
    let shown = Board::of(dashboard);
    let after = dashboard.last_seq();
    dashboard.apply(&board::record(after + 1, event));
    let steps = shown.steps_to(&Board::of(dashboard));
    assert!(steps.is_some(), "step by step");
    let view = View::Delta { panels: Panels::of(Panel::Inbox), after, steps, listed: Listed::default() };
    let frame = render_at(dashboard, &view, &board::clock()).expect("a frame");
    String::from_utf8(frame.to_vec()).expect("text")
}

#[test]
fn one_change_of_the_inbox_is_a_small_frame_however_many_questions_wait() {
    let mut dashboard = busy();
    let changes: [(&str, Event); 7] = [
        ("a pressing question", asked(1_000, "critical")),
        ("a question beyond the cards", asked(1_001, "low")),
        ("an answer that can be taken back", about(1_000, "answer_held")),
        ("an answer", about(1_000, "resumed")),
        ("an answer written", about(1_000, "answer_written")),
        ("an answer picked up", about(1_000, "answer_delivered")),
        ("a question that expires, and the next one enters", about(0, "question_expired")),
    ];
    for (what, event) in changes {
        let frame = frame(&mut dashboard, event);
        assert!(frame.len() < FRAME_BYTES, "{what}: {} bytes: {frame}", frame.len());
    }
}

#[test]
fn the_document_stays_small_however_many_questions_wait() {
    let dashboard = busy();
    let page = render_at(&dashboard, &View::Page, &board::clock()).expect("a page");
    let panels = Panel::ALL.map(|panel| (panel, panel_html(&dashboard, panel, &board::clock()).len()));
    assert!(page.len() < DOCUMENT_BYTES, "{} bytes, {panels:?}", page.len());
    let cards = String::from_utf8_lossy(&page).matches("<article").count();
    assert!((12..=22).contains(&cards), "{cards}");
}

#[test]
fn new_questions_are_announced_once() {
    let mut dashboard = busy();
    let news = frame(&mut dashboard, asked(1_000, "normal"));
    assert!(news.contains("Agent 1000 asks: Apply migration 1000"), "{news}");
    let other = frame(&mut dashboard, about(1_000, "resumed"));
    assert!(!other.contains("#announcement"), "{other}");
    let whole = render_at(&dashboard, &View::Full, &board::clock()).expect("a frame");
    assert!(!String::from_utf8_lossy(&whole).contains("#announcement"), "what a page missed is no news");
    let after = dashboard.last_seq();
    for (seq, number) in (after + 1..).zip(2_000..2_003) {
        dashboard.apply(&board::record(seq, asked(number, "low")));
    }
    let view = View::Delta {
        panels: Panels::of(Panel::Inbox),
        after,
        steps: Some(Default::default()),
        listed: Listed::default(),
    };
    let several = render_at(&dashboard, &view, &board::clock()).expect("a frame");
    assert!(String::from_utf8_lossy(&several).contains("3 new questions"));
}

#[test]
fn equal_questions_are_counted_on_every_card() {
    let ask = |number: usize| {
        let payload = json!({"question": "Overwrite?", "msg_id": format!("same-{number}"), "urgency": "critical"});
        agent_event(&format!("agent-{number}"), "blocked", payload)
    };
    let mut dashboard = busy();
    frame(&mut dashboard, ask(1));
    let second = frame(&mut dashboard, ask(2));
    let signals: Value = second
        .lines()
        .find_map(|line| line.strip_prefix("data: signals "))
        .map(|json| serde_json::from_str(json).expect("json"))
        .expect("signals");
    assert_eq!(signals["_alike"].as_object().expect("likenesses").values().collect::<Vec<_>>(), [&json!(2)]);
}

/// Some twenty kilobytes, which nesting makes many of on several lines.
fn nested() -> Value {
    (0..100).fold(json!(vec![0; 10_000]), |inner, _| json!([inner]))
}

#[test]
fn nested_json_is_a_small_page() {
    let asked = (0..20).map(|number| {
        let fields = json!({"question": "Go on?", "msg_id": format!("m{number}"), "context": nested(),
            "response_schema": nested(), "arguments": {"deep": nested()}});
        agent_event("a", "blocked", fields)
    });
    let (dashboard, events) = board::fold(asked.collect());
    let page = render_at(&dashboard, &View::Page, &board::clock()).expect("a page");
    assert!(page.len() < 2 * DOCUMENT_BYTES, "{} bytes", page.len());
    let view = View::Of { subject: Subject::Agent("a".to_owned()), events, part: Part::Document };
    let page = render_at(&dashboard, &view, &board::clock()).expect("a page");
    assert!(page.len() < 20 * DOCUMENT_BYTES, "{} bytes", page.len());
}

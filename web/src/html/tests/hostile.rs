//! Whatever agents write, pages and frames are made of the same parts as with harmless texts.

use proptest::prelude::*;
use remora_actors::{
    model::{AgentQuery, Board, Dashboard, Limits, Listed, Panel, Panels},
    view::{GraphFilter, GraphShown, LISTED_AGENTS, Part, Subject, View},
};
use serde_json::json;

use super::{
    board::{self, BELIEVABLE, LINTER, Words},
    frames::{self, SseEvent},
    markup::{self, Markup},
};
use crate::html::{inbox, markdown, note, panel_html, refusal, render_at};

/// Stands in every hostile text, to find it again. No escaping changes it.
const MARK: char = '☠';

/// Everything that has ever got a text out of its place.
pub(super) const HOSTILE: &str = "☠<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\r\r\
    event: datastar-patch-signals\rdata: signals {a: alert(1)}\r\n\n\r\rid: 9\n\ndata: elements <b>\n${alert(1)} $_parked \
    @get('/x') &lt;b&gt; </template></body></html>\u{2028}";

fn text() -> impl Strategy<Value = String> {
    let special = prop::collection::vec(
        prop::sample::select(vec![
            "<",
            ">",
            "\"",
            "'",
            "&",
            "\r",
            "\n",
            "\r\n",
            "\r\r",
            "${",
            "}",
            "{",
            "data: ",
            "event: ",
            "id: ",
            ":",
            " ",
            "/",
            "=",
            "-->",
            "<!--",
            "]]>",
            "&quot;",
            "javascript:",
            "onload=",
            "data-on:click=",
            "</textarea>",
            "\0",
            "x",
            "ü",
            "\u{85}",
        ]),
        0..12,
    );
    prop_oneof![special.prop_map(|parts| parts.concat()), any::<String>(), Just(HOSTILE.to_owned())]
        .prop_map(|text| format!("{MARK}{text}"))
}

/// Ids hold no control characters: an event with such a one is refused at the door.
pub(super) fn as_id(id: &str, text: &str) -> String {
    format!("{id}{}", text.replace(char::is_control, ""))
}

fn documents(words: &Words<'_>) -> Vec<Markup> {
    let (dashboard, records) = board::fold(board::everything(words));
    let dashboard = board::troubled((dashboard, records.clone()), words);
    let agent_id = (words.name)(LINTER);
    let events = records.into_iter().filter(|record| record.event.agent_id.as_ref() == Some(&agent_id)).collect();
    let list = AgentQuery { graph: Some((words.name)("nightly")), ..AgentQuery::default() };
    let narrow = AgentQuery { text: (words.say)(""), session: list.graph.clone(), ..list.clone() };
    let of = |subject, events| View::Of { subject, events, part: Part::Document };
    let graph = GraphShown { graph_id: (words.name)("nightly"), ..GraphShown::default() };
    let graphs = GraphFilter { text: String::new(), ..GraphFilter::default() };
    [
        View::Page,
        of(Subject::Agent(agent_id), events),
        of(Subject::Graphs(graphs), vec![]),
        of(Subject::Graph(graph), vec![]),
        of(Subject::Agents(list), vec![]),
        of(Subject::Agents(narrow), vec![]),
    ]
    .iter()
    .map(|view| render_at(&dashboard, view, &board::clock()).expect("there is such a page"))
    .map(|html| markup::read(std::str::from_utf8(&html).expect("text")))
    .collect()
}

/// The parts of a page on which everything happens, folded texts too.
fn vocabulary(documents: &[Markup]) -> std::collections::BTreeSet<String> {
    documents.iter().flat_map(Markup::vocabulary).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_leaves_its_place(text in text()) {
        let words = Words { say: &|_| text.clone(), name: &|id| as_id(id, &text) };
        let known = vocabulary(&documents(&BELIEVABLE));
        let hostile = documents(&words);
        let new: Vec<_> = vocabulary(&hostile).difference(&known).cloned().collect();
        prop_assert!(new.is_empty(), "{new:?}");
        for document in &hostile {
            document.check_urls_and_ids();
            for (text, ignored) in &document.texts {
                prop_assert!(*ignored || !text.contains(MARK), "open to datastar: {text:?}");
            }
        }
    }

    #[test]
    fn a_frame_holds_the_events_that_were_written_and_no_other(text in text()) {
        let words = Words { say: &|_| text.clone(), name: &|id| as_id(id, &text) };
        let dashboard = board::troubled(board::fold(board::everything(&words)), &words);
        let frame = render_at(&dashboard, &View::Full, &board::clock()).expect("a frame");
        let mut expected: Vec<_> = Panel::ALL
            .iter()
            .map(|panel| panel_html(&dashboard, *panel, &board::clock()))
            .map(|html| SseEvent::patch(&html.replace("\r\n", "\n").replace('\r', "&#13;")))
            .collect();
        expected.push(SseEvent::signals(&inbox::signals(&dashboard).to_string()));
        expected.push(SseEvent::id(dashboard.last_seq()));
        for (event, expected) in frames::read(&frame).iter().zip(&expected) {
            prop_assert_eq!(event, expected);
        }
        prop_assert_eq!(frames::read(&frame).len(), expected.len());
    }

    /// The newest question's text is the one text that travels as a signal: as JSON, and as nothing else.
    #[test]
    fn the_newest_question_is_a_value(text in text()) {
        let asked = board::agent_event("a", "blocked", json!({"msg_id": "m", "question": format!("?{text}")}));
        let (dashboard, _) = board::fold(vec![asked]);
        let frame = render_at(&dashboard, &View::Full, &board::clock()).expect("a frame");
        let events = frames::read(&frame);
        let signals = events.iter().filter(|event| event.event == "datastar-patch-signals");
        let values: Vec<serde_json::Value> =
            signals.map(|event| serde_json::from_str(&event.value("signals")).expect("json")).collect();
        let line = markdown::line(&format!("?{text}"), 160);
        prop_assert_eq!(values.len(), 1);
        prop_assert_eq!(values[0]["newest"]["question"].as_str(), Some(&*line));
        let document = render_at(&dashboard, &View::Page, &board::clock()).expect("a page");
        let document = String::from_utf8_lossy(&document).into_owned();
        let start = document.find("data-signals=").expect("signals");
        let expression = &document[start..start + document[start..].find('>').expect("an end")];
        prop_assert!(expression.contains("&quot;question&quot;:&quot;&quot;"), "{}", expression);
    }

    #[test]
    fn a_delta_holds_no_foreign_event(text in text()) {
        let words = Words { say: &|_| text.clone(), name: &|id| as_id(id, &text) };
        let dashboard = board::troubled(board::fold(board::everything(&words)), &words);
        let panels = Panels::of(Panel::Events) | Panels::of(Panel::Agents);
        let view = View::Delta { panels, after: 1, steps: None, listed: dashboard.listed(LISTED_AGENTS) };
        let events = frames::read(&render_at(&dashboard, &view, &board::clock()).expect("a frame"));
        let kinds: Vec<_> = events.iter().map(|event| (event.event.as_str(), event.keys())).collect();
        prop_assert_eq!(kinds, [
            ("datastar-patch-elements", vec!["elements"]),
            ("datastar-patch-elements", vec!["selector", "mode", "elements"]),
            ("", vec![]),
        ]);
        for event in &events {
            markup::read(&event.value("elements"));
        }
    }

    #[test]
    fn the_inbox_steps_through_every_state_and_holds_no_foreign_event(text in text()) {
        let known = {
            let dashboard = board::fold(board::everything(&BELIEVABLE)).0;
            let mut documents: Vec<_> = steps_of(&BELIEVABLE).iter().map(|html| markup::read(html)).collect();
            documents.push(markup::read(&panel_html(&dashboard, Panel::Inbox, &board::clock())));
            vocabulary(&documents)
        };
        let words = Words { say: &|_| text.clone(), name: &|id| as_id(id, &text) };
        let hostile: Vec<_> = steps_of(&words).iter().map(|html| markup::read(html)).collect();
        let new: Vec<_> = vocabulary(&hostile).difference(&known).cloned().collect();
        prop_assert!(new.is_empty(), "{new:?}");
        for fragment in &hostile {
            fragment.check_urls_and_ids();
            for (text, ignored) in &fragment.texts {
                prop_assert!(*ignored || !text.contains(MARK), "open to datastar: {text:?}");
            }
        }
    }

    #[test]
    fn a_note_is_nothing_but_a_text(text in text()) {
        let key = remora_actors::model::QuestionKey { msg_id: text.clone(), workspace_id: text.clone() };
        for signals in [note(&key, true, &text), refusal(&key, &text)] {
            let notes = signals["_notes"].as_object().expect("notes");
            let (id, note) = notes.iter().next().expect("a note");
            prop_assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
            prop_assert_eq!(note["text"].as_str(), Some(text.as_str()));
        }
    }
}

/// Every element that the steps from event to event patch.
fn steps_of(words: &Words<'_>) -> Vec<String> {
    let (_, records) = board::fold(board::everything(words));
    let mut dashboard = Dashboard::new(&Limits::default());
    let mut elements = Vec::new();
    for record in records {
        let shown = Board::of(&dashboard);
        let after = dashboard.last_seq();
        dashboard.apply(&record);
        let steps = shown.steps_to(&Board::of(&dashboard));
        let view = View::Delta { panels: Panels::of(Panel::Inbox), after, steps, listed: Listed::default() };
        let frame = render_at(&dashboard, &view, &board::clock()).expect("a frame");
        for event in frames::read(&frame) {
            assert!(["", "datastar-patch-elements", "datastar-patch-signals"].contains(&event.event.as_str()));
            let selector = event.value("selector");
            assert!(selector.chars().all(|c| c.is_ascii_alphanumeric() || "#-".contains(c)), "{selector:?}");
            elements.push(event.value("elements"));
        }
    }
    elements
}

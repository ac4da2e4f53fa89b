//! Whatever arrives as an event, a question or an answer is read or refused, and what was read is written as it was read.

use std::sync::{Arc, LazyLock};

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

use super::*;
use crate::mutation::{Change, mutated, seeds};

static EVENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    seeds(&[
        r#"{"id":"e1","timestamp":"2026-02-24T09:37:15.120Z","category":"agent","action":"started","agent_id":"lint-7","graph_id":"g1","node_id":"n1","session_id":null,"payload":{"name":"Linter","workspace_id":"w","depends_on":["a","b"]}}"#,
        r#"{"timestamp":1771925835.12,"category":"agent","action":"blocked","agent_id":"a","payload":{"msg_id":"m","question":"Deploy?","options":["yes","no"],"timeout":300,"urgency":"high","on_deadline":"default","default":"no"}}"#,
        r#"{"category":"agent","action":"resumed","agent_id":"a","payload":{"msg_id":"m","answer":"yes","answered_by":{"who":"ann","door":"cli"}}}"#,
        r#"{"category":"tool","action":"completed","agent_id":"a","payload":{"name":"read_file","duration_ms":12},"unknown":1}"#,
        r#"{"category":"graph","action":"progress","graph_id":"g1","payload":{"completed":1,"total":2}}"#,
        r#"{"type":"HumanInputRequestEvent","agent_id":"a","graph_id":"g","request_id":"r","question":"Which?","options":["x"],"timestamp":1771925835.5}"#,
        r#"{"type":"ToolResultEvent","agent_id":"a","tool_name":"t","is_error":true,"output_preview":"no"}"#,
        "[{\"category\":\"agent\",\"action\":\"failed\",\"agent_id\":\"a\",\"payload\":{\"error\":\"e\"}},{}]",
        "{\"category\":\"agent\",\"action\":\"completed\",\"agent_id\":\"a\",\"payload\":{\"result\":{\"x\":[1]}}}\n\n{\"category\":\"user\",\"action\":\"answered\"}",
    ])
});

static QUESTIONS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    seeds(&[
        r#"{"question":"Deploy?","options":["yes","no"],"status":"pending","created_at":"2026-02-24T09:37:15","timeout":300}"#,
        r#"{"question":"Which?","options":["x","y"],"multiple":true,"default":["x"],"on_deadline":"default","expires_at":1771925835.5}"#,
        r#"{"question":"Parameters?","response_schema":{"type":"object","properties":{"n":{"type":"integer","minimum":1},"e":{"enum":["a","b"]}},"required":["n"]},"reason":"confirmation"}"#,
        r#"{"question":"May I?","reason":"tool_call","urgency":"critical","context":{"tool":"rm","arguments":{"path":"/tmp"}},"on_deadline":"deny","timeout":1}"#,
    ])
});

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec(any::<Change>(), 0..12)
}

fn input(seeds: &[Vec<u8>], which: &Index, changes: &[Change]) -> Vec<u8> {
    mutated(&seeds[which.index(seeds.len())], changes)
}

fn complete(draft: Draft) -> Event {
    draft.complete(jiff::Timestamp::UNIX_EPOCH, || "new".to_owned())
}

proptest! {
    #[test]
    fn events(which: Index, changes in changes(), ndjson: bool) {
        let limits = Limits::default();
        let body = input(&EVENTS, &which, &changes);
        let Ok(drafts) = parse_events(&body, ndjson, &limits) else { return Ok(()) };
        let mut dashboard = Dashboard::new(&limits);
        for (seq, draft) in (1..).zip(drafts.into_iter().filter_map(|(_, draft)| draft.ok())) {
            let event = complete(draft);
            let json = event.to_json();
            let again = complete(Draft::parse(&json, &Limits::UNBOUNDED).expect("what was written can be read"));
            prop_assert_eq!(&again, &event);
            let record = Record::new(seq, event, json);
            let stored = Record::from_json(seq, record.event.to_json()).expect("what was stored can be read");
            prop_assert_eq!(&stored.event, &record.event);
            dashboard.apply(&record);
            let _ = Question::from_event(&record.event, &limits);
        }
        let snapshot = serde_json::to_vec(&dashboard).expect("a picture can be stored");
        let restored: Dashboard = serde_json::from_slice(&snapshot).expect("a stored picture can be read");
        prop_assert_eq!(restored.last_seq(), dashboard.last_seq());
    }

    #[test]
    fn questions_and_answers(which: Index, changes in changes(), answer: Index, spoiled in changes()) {
        let limits = Limits::default();
        let Ok(Value::Object(fields)) = serde_json::from_slice(&input(&QUESTIONS, &which, &changes)) else {
            return Ok(());
        };
        let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
        let asked = Question::from_fields(key, "a", jiff::Timestamp::UNIX_EPOCH, &fields, &limits);
        let Ok(question) = asked else { return Ok(()) };
        let event = question.to_event(jiff::Timestamp::UNIX_EPOCH);
        prop_assert_eq!(&Question::from_event(&event, &limits).expect("what was asked can be read"), &question);
        prop_assert_eq!(&Question::from_journal(&event).expect("what was stored can be read"), &question);
        for answer in [input(&QUESTIONS, &answer, &spoiled), br#""yes""#.to_vec(), br#"{"n":1}"#.to_vec()] {
            if let Ok(answer) = serde_json::from_slice::<Value>(&answer) {
                let _ = question.accept(answer, &limits);
            }
        }
        let mut inbox = Inbox::new(&limits);
        inbox.apply(&Record::new(1, Arc::new(event.clone()), event.to_json()));
        prop_assert_eq!(inbox.open_count(), 1);
    }

    #[test]
    fn patterns(pattern in "(?s).{0,24}|[a-z*_]{0,9}:[a-z*_]{0,9}") {
        if let Ok(pattern) = pattern.parse::<Pattern>() {
            prop_assert_eq!(pattern.to_string().parse::<Pattern>().expect("a pattern"), pattern);
        }
    }
}

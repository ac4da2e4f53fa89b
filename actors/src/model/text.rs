//! From text to events: the native form, its limits, and the splitting of a request's body into events.

use jiff::Timestamp;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    AnsweredBy, Category, Door, Draft, Event, Invalid, Limits, Payload, Question, actions, dialect,
    fields::{Field, Fields, value_of},
    payload::Name,
};

/// Longest action, in bytes.
const ACTION_BYTES: usize = 64;
/// Unix seconds of 9999-12-31T00:00:00Z: the last day RFC 3339 can write.
const LAST_SECOND: f64 = 253_402_214_400.0;

/// True for a word that may stand as an action.
pub(super) fn is_action(word: &str) -> bool {
    word.len() <= ACTION_BYTES
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Reads a time as RFC 3339 text or as Unix seconds, between 1970 and 9999.
///
/// # Errors
/// [`Invalid`] names the field.
pub fn parse_timestamp(value: &Value, field: &'static str) -> Result<Timestamp, Invalid> {
    let problem = || Invalid::field(field, "must be an rfc 3339 time or unix seconds, between 1970 and 9999");
    let timestamp = match value {
        Value::String(text) => text.parse::<Timestamp>().map_err(|_| problem())?,
        Value::Number(number) => {
            let seconds = number.as_f64().filter(|s| (0.0..=LAST_SECOND).contains(s)).ok_or_else(problem)?;
            // A double holds today's Unix time to a quarter of a microsecond; finer digits would be noise.
            Timestamp::from_microsecond((seconds * 1e6).round() as i64).map_err(|_| problem())?
        }
        _ => return Err(problem()),
    };
    let seconds = timestamp.as_second() as f64;
    if (0.0..=LAST_SECOND).contains(&seconds) { Ok(timestamp) } else { Err(problem()) }
}

/// One event of a batch: its number, from 1 (the line, or the place in the array), and what was read.
pub type Numbered = (usize, Result<Draft, Invalid>);

/// Reads the events of a request's body: one object, an array of objects, or one object per line.
///
/// The outer result fails where the body as a whole cannot be read; the inner ones speak of one event each, with
/// its number, from 1: the line, or the place in the array.
///
/// # Errors
/// [`Invalid`] for the body as a whole.
pub fn parse_events(body: &[u8], ndjson: bool, limits: &Limits) -> Result<Vec<Numbered>, Invalid> {
    Invalid::over(body.len(), limits.body_bytes, "the body", "body_bytes")?;
    let first = body.iter().find(|b| !b.is_ascii_whitespace());
    let parsed: Vec<_> = match first {
        None => return Err(Invalid::Json("the body is empty; send an event, an array of events or ndjson".to_owned())),
        Some(b'[') if !ndjson => {
            let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|e| Invalid::Json(e.to_string()))?;
            numbered(items.into_iter().map(|item| item.get().as_bytes()), limits)
        }
        // A single broken object is no batch with one bad line.
        Some(_) if !ndjson && !body.trim_ascii().contains(&b'\n') => match Draft::parse(body, limits) {
            Err(Invalid::Json(error)) => return Err(Invalid::Json(error)),
            read => vec![(1, read)],
        },
        Some(_) if !ndjson && serde_json::from_slice::<&RawValue>(body).is_ok() => {
            numbered(std::iter::once(body), limits)
        }
        Some(_) => numbered(lines(body), limits),
    };
    Invalid::over(parsed.len(), limits.batch_events, "the batch", "batch_events")?;
    Ok(parsed)
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', body)
        .chain([body.len()])
        .map(move |end| &body[std::mem::replace(&mut start, end + 1)..end])
}

fn numbered<'a>(texts: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Vec<Numbered> {
    texts
        .enumerate()
        .map(|(index, text)| (index + 1, text.trim_ascii()))
        .filter(|(_, text)| !text.is_empty())
        // One more than the limit is enough to know that it is exceeded.
        .take(limits.batch_events + 1)
        .map(|(number, text)| (number, Draft::parse(text, limits)))
        .collect()
}

/// Reads one event in either dialect.
pub(super) fn parse_draft(json: &[u8], limits: &Limits) -> Result<Draft, Invalid> {
    Invalid::over(json.len(), limits.event_bytes, "the event", "event_bytes")?;
    let fields = Fields::read(json)?;
    let draft = if fields.are_of_the_later_dialect() {
        let fields = serde_json::from_slice(json).map_err(|e| Invalid::Json(e.to_string()))?;
        let native = Value::Object(dialect::translate(fields)?).to_string();
        draft_of(Fields::read(native.as_bytes())?, limits)?
    } else {
        draft_of(fields, limits)?
    };
    check_meaning(&draft.event, limits)?;
    Ok(without_false_witness(draft))
}

/// Only Remora itself says by which door an answer or a message came: what the outside tells of one is its own word.
fn without_false_witness(mut draft: Draft) -> Draft {
    let event = &mut draft.event;
    let field = match (event.category, event.action.as_str()) {
        (Category::Agent, actions::RESUMED) => "answered_by",
        (Category::User, actions::MESSAGED) => "sent_by",
        _ => return draft,
    };
    let who = match event.payload.get(field) {
        Some(Value::String(who)) => who.as_str(),
        Some(given) => given.get("who").and_then(Value::as_str).unwrap_or("unknown"),
        None => "unknown",
    };
    let witness = json!(AnsweredBy { who: who.to_owned(), door: Door::External });
    event.payload = std::mem::take(&mut event.payload).edited(|fields| {
        fields.insert(field.to_owned(), witness);
        fields.shift_remove("picked_up");
    });
    draft
}

fn draft_of(fields: Fields<'_>, limits: &Limits) -> Result<Draft, Invalid> {
    let id = fields.id(Field::Id, limits)?;
    let timestamp = match fields.value(Field::Timestamp)? {
        None | Some(Value::Null) => None,
        Some(value) => Some(parse_timestamp(&value, "timestamp")?),
    };
    let category = match fields.value(Field::Category)? {
        Some(Value::String(word)) => word.parse()?,
        _ => return Err(Invalid::field("category", "must be one of agent, tool, model, user, graph")),
    };
    let action = match fields.value(Field::Action)? {
        Some(Value::String(word)) if is_action(&word) => word,
        _ => return Err(Invalid::field("action", "must be a lower-case word: [a-z][a-z0-9_]*, 64 at most")),
    };
    let agent_id = fields.id(Field::AgentId, limits)?;
    let graph_id = fields.id(Field::GraphId, limits)?;
    let node_id = fields.id(Field::NodeId, limits)?;
    let session_id = fields.id(Field::SessionId, limits)?;
    let payload = keep_unknown(fields.payload()?, fields.unknown())?;
    let unset = String::new();
    let event = Event {
        id: unset,
        timestamp: Timestamp::UNIX_EPOCH,
        category,
        action,
        agent_id,
        graph_id,
        node_id,
        session_id,
        payload,
    };
    Ok(Draft { id, timestamp, event })
}

/// Unknown top-level fields move under `payload.extra`, beside what may stand there already.
fn keep_unknown(payload: Payload, unknown: Vec<(Name<'_>, &RawValue)>) -> Result<Payload, Invalid> {
    if unknown.is_empty() {
        return Ok(payload);
    }
    let read = |(Name(name), text): (Name<'_>, &RawValue)| Ok((name.into_owned(), value_of(text)?));
    let unknown = unknown.into_iter().map(read).collect::<Result<Map<_, _>, Invalid>>()?;
    Ok(payload.edited(|payload| match payload.get_mut("extra") {
        Some(Value::Object(extra)) => extra.extend(unknown),
        Some(other) => {
            let mut extra = unknown;
            extra.insert("extra".to_owned(), other.take());
            *other = Value::Object(extra);
        }
        None => {
            payload.insert("extra".to_owned(), Value::Object(unknown));
        }
    }))
}

/// Refuses an id that could not stand as a key and a path segment.
///
/// # Errors
/// It is empty, too long, or holds control characters.
pub fn check_id(id: &str, name: &'static str, limits: &Limits) -> Result<(), Invalid> {
    Invalid::over(id.len(), limits.id_bytes, name, "id_bytes")?;
    if id.is_empty() {
        return Err(Invalid::field(name, "must not be empty"));
    }
    if id.chars().any(char::is_control) {
        return Err(Invalid::field(name, "must not hold control characters"));
    }
    Ok(())
}

/// What a known kind of event must carry to mean something.
fn check_meaning(event: &Event, limits: &Limits) -> Result<(), Invalid> {
    if event.category != Category::Agent {
        return Ok(());
    }
    // A later dialect's answer names only its question.
    let names_question = event.action == actions::RESUMED && event.payload.contains_key("msg_id");
    if event.agent_id.is_none() && !names_question {
        return Err(Invalid::field("agent_id", "must be given in the category agent"));
    }
    if let Some(id) = event.text("workspace_id").filter(|id| !id.is_empty()) {
        check_id(id, "workspace_id", limits)?;
    }
    if event.action == actions::BLOCKED {
        // The id is not known yet where the emitter gave none; any id serves the check.
        let unnamed = Event { id: "unset".to_owned(), ..event.clone() };
        Question::from_event(&unnamed, limits)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(value: &Value) -> Result<Event, Invalid> {
        Draft::parse(value.to_string().as_bytes(), &Limits::default())
            .map(|draft| draft.complete(Timestamp::UNIX_EPOCH, String::new))
    }

    #[test]
    fn unknown_fields_are_kept() {
        let event = parse(&json!({"category": "tool", "action": "called", "colour": "red", "seq": 7,
            "payload": {"extra": {"a": 1}}}))
        .expect("valid");
        assert_eq!(json!(event.payload), json!({"extra": {"a": 1, "colour": "red"}}));
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        for (given, expected) in [
            (json!("2026-02-24T09:37:15.120Z"), "2026-02-24T09:37:15.12Z"),
            (json!("2026-02-24T10:37:15+01:00"), "2026-02-24T09:37:15Z"),
            (json!(1_772_166_824.462_012), "2026-02-27T04:33:44.462012Z"),
            (json!(0), "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse_timestamp(&given, "timestamp").expect("valid").to_string(), expected);
        }
    }

    #[test]
    fn impossible_times_are_refused() {
        for given in [json!("yesterday"), json!(-1), json!(1e20), json!("1969-12-31T23:59:59Z"), json!(true), json!({})]
        {
            assert!(parse_timestamp(&given, "timestamp").is_err(), "{given}");
        }
    }

    #[test]
    fn wrong_fields_are_named() {
        for (event, field) in [
            (json!({"category": "robot", "action": "started"}), "category"),
            (json!({"category": "tool", "action": "Started!"}), "action"),
            (json!({"category": "tool", "action": 5}), "action"),
            (json!({"category": "agent", "action": "started"}), "agent_id"),
            (json!({"category": "agent", "action": "started", "agent_id": 5}), "agent_id"),
            (json!({"category": "agent", "action": "started", "agent_id": "a\nb"}), "agent_id"),
            (json!({"category": "agent", "action": "started", "agent_id": "x".repeat(300)}), "id_bytes"),
            (json!({"category": "tool", "action": "called", "payload": []}), "payload"),
            (json!({"category": "agent", "action": "blocked", "agent_id": "a", "payload": {}}), "question"),
        ] {
            let error = parse(&event).expect_err(field).to_string();
            assert!(error.contains(field), "{error} should name {field}");
        }
    }

    #[test]
    fn nobody_outside_can_say_that_a_person_answered_by_the_browser() {
        let event = parse(&json!({"category": "agent", "action": "resumed", "agent_id": "a",
            "payload": {"msg_id": "m", "answered_by": {"who": "ann", "door": "browser"}}}))
        .expect("valid");
        assert_eq!(event.payload["answered_by"], json!({"who": "ann", "door": "external"}));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!(
            r#"{{"category":"tool","action":"called","payload":{{"a":{}{}}}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        assert!(matches!(Draft::parse(deep.as_bytes(), &Limits::default()), Err(Invalid::Json(_))));
    }

    #[test]
    fn a_body_is_one_event_an_array_or_lines() {
        let limits = Limits::default();
        let good = r#"{"category":"tool","action":"called"}"#;
        let count = |body: &str, ndjson| parse_events(body.as_bytes(), ndjson, &limits).map(|events| events.len());
        assert_eq!(count(good, false), Ok(1));
        assert_eq!(count("{\n\"category\":\"tool\",\n\"action\":\"called\"}\n", false), Ok(1));
        assert_eq!(count(&format!("[{good},{good}]"), false), Ok(2));
        assert_eq!(count(&format!("{good}\n\r\n{good}\n"), false), Ok(2));
        assert_eq!(count(&format!("{good}\n{good}"), true), Ok(2));
        assert!(count("", false).is_err());
        assert!(count("[{", false).is_err());
        assert!(count("{\"category\":", false).is_err());
    }

    #[test]
    fn a_bad_line_keeps_its_number_and_harms_no_other() {
        let body =
            b"{\"category\":\"tool\",\"action\":\"called\"}\n\n\xff\xfe\n{\"category\":\"tool\",\"action\":\"called\"}";
        let events = parse_events(body, true, &Limits::default()).expect("readable");
        let bad: Vec<usize> = events.iter().filter(|(_, event)| event.is_err()).map(|(number, _)| *number).collect();
        assert_eq!((events.len(), bad), (3, vec![3]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>(), ndjson: bool) {
            let _ = parse_events(&text, ndjson, &Limits::default());
        }

        #[test]
        fn an_event_survives_the_journal(id in "[a-z0-9]{1,20}", action in "[a-z][a-z0-9_]{0,20}",
            agent in proptest::option::of("[^\\p{C}]{1,20}"), text in any::<String>(), number: i64) {
            let event = parse(&json!({"id": id, "category": "tool", "action": action, "agent_id": agent,
                "payload": {"text": text, "number": number}})).expect("valid");
            let back: Event = serde_json::from_slice(&event.to_json()).expect("readable");
            prop_assert_eq!(&back, &event);
            prop_assert_eq!(event.to_json(), serde_json::to_vec(&event).expect("json"));
        }
    }
}

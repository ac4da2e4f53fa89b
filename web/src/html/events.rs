//! The latest events.

use std::sync::Arc;

use horrorshow::{Render, owned_html};
use remora_actors::model::{AnsweredBy, Dashboard, Event, LOG_EVENTS, Record, Seq, actions};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{clock::Clock, text_of, words};
use crate::frame::Frame;

/// New rows up to which they are prepended. With more, the list as a whole is cheaper for the browser.
const PREPENDED: usize = 100;
/// Characters of the line about an event.
const LINE_CHARS: usize = 120;
/// The payload's fields that tell most, in this order.
const TELLING: [&str; 12] = [
    "error",
    "answer",
    "question",
    "content",
    "message",
    "detail",
    "reason",
    "result",
    "summary",
    "tool_name",
    "tool",
    "name",
];
/// The payload's fields that only name things.
const NAMING: [&str; 3] = ["msg_id", "workspace_id", "message_id"];
const LIST: &str = "#events-list";
/// The rows that are too many; [`LOG_EVENTS`] and one.
const SURPLUS: &str = "#events-list>li:nth-child(n+201)";

/// The panel with the list `events-list`.
pub(super) fn panel(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    owned_html! {
        section(id = "event-log", class = "panel", aria-labelledby = "event-log-title") {
            h2(id = "event-log-title") : "Events";
            : list(dashboard, clock);
            p(class = "empty") : "No event yet.";
        }
    }
}

fn list(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    owned_html! {
        ul(id = "events-list", tabindex = "0", aria-label = "Latest events, the newest first") {
            @ for record in dashboard.log().rev() { : row(dashboard, record, clock); }
        }
    }
}

/// Puts the events after `after` on top of the list and takes away those that fall off its end.
pub(super) fn append(frame: &mut Frame, dashboard: &Dashboard, after: Seq, clock: &Clock) {
    let new: Vec<&Arc<Record>> = dashboard.log().rev().take_while(|record| record.seq > after).collect();
    if new.is_empty() {
        return;
    }
    if new.len() > PREPENDED {
        frame.patch(text_of(list(dashboard, clock)));
        return;
    }
    frame.prepend(LIST, new.into_iter().map(|record| text_of(row(dashboard, record, clock))).collect());
    if dashboard.last_seq() > LOG_EVENTS as Seq {
        frame.remove(SURPLUS);
    }
}

fn row<'a>(dashboard: &'a Dashboard, record: &'a Record, clock: &'a Clock) -> impl Render + use<'a> {
    let event = &record.event;
    let id = format!("e-{}", record.seq);
    let agent = event.agent_id.as_deref().map(|agent_id| {
        let name = dashboard.agent(agent_id).map_or(agent_id, |agent| &*agent.name);
        (words::agent_url(agent_id), words::brief(name, 40))
    });
    let line = line(event);
    owned_html! {
        li(id = &id, data-ignore) {
            : clock.bare(event.timestamp);
            : kind(event);
            @ if let Some((url, name)) = &agent { a(href = url) : name.as_ref(); }
            span(class = "detail") : &line;
        }
    }
}

/// `agent:started`, coloured by category.
pub(super) fn kind(event: &Event) -> impl Render {
    let kind = event.kind();
    owned_html! { b(class = event.category.as_str()) : &kind; }
}

/// What an event is about, in one line.
pub(super) fn line(event: &Event) -> String {
    let telling = TELLING.iter().find_map(|field| event.payload.get(*field).filter(|value| !value.is_null()));
    match telling {
        Some(value) => words::brief(&words::value(value), LINE_CHARS).into_owned(),
        None if [actions::ANSWER_HELD, actions::ANSWER_UNDONE].contains(&event.action.as_str()) => by(event),
        None => {
            let rest = event.payload.iter().filter(|(field, _)| !NAMING.contains(&field.as_str()));
            let rest: Map<String, Value> = rest.map(|(field, value)| (field.clone(), value.clone())).collect();
            if rest.is_empty() {
                return event.graph_id.as_deref().filter(|_| event.agent_id.is_none()).unwrap_or_default().to_owned();
            }
            words::brief(&Value::Object(rest).to_string(), LINE_CHARS).into_owned()
        }
    }
}

/// Who gave an answer, where its event does not tell what it says.
fn by(event: &Event) -> String {
    let held = event.payload.get("held");
    let by = held.map_or_else(|| event.payload.get("answered_by"), |held| held.get("answered_by"));
    by.and_then(|by| AnsweredBy::deserialize(by).ok()).map(|by| format!("by {}", words::who(&by))).unwrap_or_default()
}

//! An agent's story, the newest first, turn by turn.

use std::sync::Arc;

use horrorshow::{Raw, Render, owned_html};
use jiff::SignedDuration;
use remora_actors::{
    model::{AnsweredBy, Dashboard, Entry, EntryKind, Record, Seq, Status, Usage, actions, timeline},
    view::{AGENT_EVENTS, Subject},
};
use serde::Deserialize;

use super::{agent_page, clock::Clock, events, pretty::pretty, settled, text_of, words};
use crate::address;

/// Characters of an event's payload; the rest is a link away.
const PAYLOAD_CHARS: usize = 4_000;
/// Characters of the line about an entry.
const LINE_CHARS: usize = 160;

/// The section, with the ways to its older and newer parts.
pub(super) fn section<'a>(
    dashboard: &'a Dashboard,
    agent_id: &'a str,
    before: Option<Seq>,
    events: &'a [Arc<Record>],
    clock: &'a Clock,
) -> impl Render + use<'a> {
    let entries = timeline(events);
    let turns: String =
        entries.chunk_by(|a, b| a.turn == b.turn).rev().map(|turn| text_of(turn_of(dashboard, turn, clock))).collect();
    let oldest = events.first().map(|record| record.seq).filter(|_| events.len() >= AGENT_EVENTS);
    let older = oldest.map(|seq| address::url(&Subject::AgentPast(agent_id.to_owned(), seq)));
    let newest = before.map(|_| words::agent_url(agent_id));
    let links = older.is_some() || newest.is_some();
    owned_html! {
        section(id = "story", class = "panel", aria-labelledby = "timeline-title") {
            h2(id = "timeline-title") : "Timeline, the newest first";
            div(class = "timeline") { : Raw(&turns); }
            @ if turns.is_empty() { p(class = "empty") : "Nothing before this."; }
            @ if links {
                nav(class = "pages", aria-label = "Parts of the timeline") {
                    @ if let Some(url) = &newest { a(href = url) : "Newest events"; }
                    @ if let Some(url) = &older { a(href = url, rel = "next") : "Older events"; }
                }
            }
        }
    }
}

fn turn_of<'a>(dashboard: &'a Dashboard, entries: &'a [Entry], clock: &'a Clock) -> impl Render + use<'a> {
    let rows: String = entries.iter().rev().map(|entry| text_of(row(dashboard, entry, clock))).collect();
    let title = entries.first().filter(|entry| entry.turn > 0).map(|entry| title(entry.turn, entries));
    owned_html! {
        @ if let Some(title) = &title { h3 : title; }
        ol { : Raw(&rows); }
    }
}

/// `Turn 3 · 2 tool calls · 1935 in, 70 out`.
fn title(turn: usize, entries: &[Entry]) -> String {
    let mut parts = vec![format!("Turn {turn}")];
    let tools = entries.iter().filter(|entry| entry.kind == EntryKind::Tool).count();
    if tools > 0 {
        parts.push(words::count(tools, "tool call"));
    }
    let mut sum = Usage::default();
    entries.iter().for_each(|entry| sum.add(&entry.usage()));
    if !sum.is_nothing() {
        parts.push(agent_page::usage(&sum));
    }
    parts.join(" · ")
}

fn row<'a>(dashboard: &'a Dashboard, entry: &'a Entry, clock: &'a Clock) -> impl Render + use<'a> {
    let id = format!("t-{}", entry.first().seq);
    let fold = format!("f-{}", entry.first().seq);
    let payloads: String = entry.records.iter().map(|record| text_of(payload(record))).collect();
    let line = line(dashboard, entry);
    owned_html! {
        li(id = &id) {
            : clock.time(entry.began());
            : label(entry);
            @ if payloads.is_empty() {
                span(data-ignore) : &line;
            } else {
                details(id = &fold, data-preserve-attr = "open") {
                    summary { span(data-ignore) : &line; : aside(dashboard, entry, clock); }
                    : Raw(&payloads);
                }
            }
        }
    }
}

/// What kind of entry it is, coloured by category.
fn label(entry: &Entry) -> impl Render {
    let (class, word) = match &entry.kind {
        EntryKind::Tool => ("tool", "tool".to_owned()),
        EntryKind::Model => ("model", "model".to_owned()),
        EntryKind::Question(_) => ("user", "question".to_owned()),
        EntryKind::Message(_) if entry.first().event.action == actions::STOP_REQUESTED => ("user", "stop".to_owned()),
        EntryKind::Message(_) => ("user", "message".to_owned()),
        EntryKind::Event => (entry.first().event.category.as_str(), entry.first().event.kind()),
    };
    owned_html! { b(class = class) : &word; }
}

fn line(dashboard: &Dashboard, entry: &Entry) -> String {
    let event = &entry.first().event;
    match &entry.kind {
        EntryKind::Tool | EntryKind::Model => {
            let subject = entry.subject().map_or_else(|| events::line(event), str::to_owned);
            let error = entry.error().map(|error| format!(": {error}")).unwrap_or_default();
            words::brief(&format!("{subject}{error}"), LINE_CHARS).into_owned()
        }
        EntryKind::Question(msg_id) => {
            let question = event.text("question").map_or_else(|| events::line(event), str::to_owned);
            let kept =
                dashboard.inbox().by_msg_id(msg_id).find(|r| Some(&r.question.agent_id) == event.agent_id.as_ref());
            let outcome = kept.map(|record| match record.status {
                Status::Open => record.held.as_ref().map_or_else(
                    || "waits for an answer".to_owned(),
                    |held| format!("answered by {}, can be taken back", words::who(&held.answered_by)),
                ),
                Status::Answered if record.closed_reason.is_none() => settled::sent_note(record),
                _ => settled::closed_note(record),
            });
            let outcome = outcome.or_else(|| told_outcome(entry)).map(|o| format!(" → {o}")).unwrap_or_default();
            format!("{}{outcome}", words::brief(&question, LINE_CHARS))
        }
        EntryKind::Message(_) => {
            let by = event.payload.get("sent_by").and_then(|by| AnsweredBy::deserialize(by).ok());
            let by = by.map(|by| format!(" from {}", words::who(&by))).unwrap_or_default();
            let seen = entry.records.iter().any(|record| record.event.action == actions::MESSAGE_DELIVERED);
            let text = words::brief(event.text("content").unwrap_or_default(), LINE_CHARS).into_owned();
            format!("“{text}”{by}, {}", if seen { "picked up" } else { "not picked up yet" })
        }
        EntryKind::Event => events::line(event),
    }
}

/// What became of a question that is kept no more, as its own events tell.
fn told_outcome(entry: &Entry) -> Option<String> {
    let answered = entry.records.iter().find(|record| record.event.action == actions::RESUMED)?;
    let answer = words::value(answered.event.payload.get("answer")?).into_owned();
    Some(format!("answered “{}”", words::brief(&answer, 80)))
}

/// How long it took, and what it cost.
fn aside<'a>(dashboard: &'a Dashboard, entry: &'a Entry, clock: &'a Clock) -> impl Render + use<'a> {
    let usage = Some(agent_page::usage(&entry.usage())).filter(|usage| !usage.is_empty());
    let failed = entry.error().is_some();
    let ended = dashboard.agent(entry.first().event.agent_id.as_deref().unwrap_or_default());
    let running = entry.is_running() && ended.is_some_and(|agent| !agent.state.is_terminal());
    let took = entry.duration().map(took).or_else(|| waited(entry));
    owned_html! {
        @ if failed { span(class = "is failed") : "failed"; }
        @ if running { span(class = "took") { : "under way "; : clock.lasting(clock.now.duration_since(entry.began())); } }
        @ if let Some(took) = &took { span(class = "took") : took; }
        @ if let Some(usage) = &usage { span(class = "took") : usage; }
    }
}

/// How long a person took to answer.
fn waited(entry: &Entry) -> Option<String> {
    let EntryKind::Question(_) = entry.kind else { return None };
    let answered = entry.records.iter().find(|record| record.event.action == actions::RESUMED)?;
    let waited = answered.event.timestamp.duration_since(entry.began());
    (!waited.is_negative()).then(|| format!("waited {}", took(waited)))
}

/// `93 ms`, `1.5 s`, `4 min`.
fn took(length: SignedDuration) -> String {
    match length.as_millis() {
        ms @ ..1_000 => format!("{ms} ms"),
        ..10_000 => format!("{:.1} s", length.as_secs_f64()),
        _ => super::clock::span(length),
    }
}

fn payload(record: &Record) -> impl Render {
    let event = &record.event;
    let (shown, is_cut) = pretty(&*event.payload, PAYLOAD_CHARS);
    let whole = is_cut.then(|| format!("/api/v1/events?after={}&limit=1", record.seq - 1));
    let (kind, empty) = (event.kind(), event.payload.is_empty());
    owned_html! {
        @ if !empty {
            p(class = "detail") : &kind;
            pre(data-ignore) : &shown;
            @ if let Some(url) = &whole { p { a(href = url) : "The whole event"; } }
        }
    }
}

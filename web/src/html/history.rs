//! The search in the journal: a form whose every field stands in the address, and what was found.

use std::sync::Arc;

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{Dashboard, Event, Record, Search, Seq, Terms, event_texts},
    ports::Found,
    view::{Part, Subject},
};

use super::{
    clock::Clock,
    events, live,
    pretty::pretty,
    shell::{self, Live, Tab},
    text_of, words,
};
use crate::{address, frame::Frame};

/// Characters of the line about an event.
const LINE_CHARS: usize = 160;
/// Characters of it before what was found.
const LEAD_CHARS: usize = 40;
/// Characters of an event that are shown; the whole one is a click away.
const EVENT_CHARS: usize = 4_000;

/// The form searches while it is typed in, and puts the search into the address, to be shared and come back to. Written
/// as it is, because the templates take no attribute with a dot.
const FORM: &str = "<form id=\"search\" class=\"panel\" role=\"search\" action=\"/history\" method=\"get\" \
    data-on:input__debounce.200ms=\"@get('/history', {contentType: 'form'}); \
    history.replaceState(null, '', '/history?' + new URLSearchParams(new FormData(el)))\">";

/// What a search has found, or what is wrong with it.
pub(super) struct Results<'a> {
    pub(super) search: &'a Search,
    pub(super) found: Result<&'a Found, &'a String>,
    pub(super) before: Option<Seq>,
}

/// The page, as a document, or what was found, as a frame.
pub(super) fn render(dashboard: &Dashboard, results: &Results<'_>, part: Part, clock: &Clock) -> Bytes {
    let found = text_of(found(dashboard, results, clock));
    if part != Part::Document {
        let mut frame = Frame::default();
        frame.patch(found);
        return frame.finish(dashboard.last_seq());
    }
    let form = text_of(form(results.search, clock));
    let body = text_of(owned_html! { main(id = "history") { : Raw(&form); : Raw(&found); } });
    let live = Live {
        title: &format!("History · {}", shell::NAME),
        tab: Some(Tab::History),
        subject: Some(&Subject::History),
    };
    text_of(shell::live(&live, dashboard, &body)).into()
}

/// What is live on the page: the figures in its bar.
pub(super) fn live_frame(dashboard: &Dashboard) -> Bytes {
    let mut frame = Frame::default();
    frame.signals(&live::signals(dashboard));
    frame.finish(dashboard.last_seq())
}

fn form(search: &Search, clock: &Clock) -> impl Render {
    let typed = search.terms.to_string();
    let pattern =
        if search.pattern == remora_actors::model::Pattern::ALL { String::new() } else { search.pattern.to_string() };
    let time = |at: Option<jiff::Timestamp>| at.map(|at| clock.field(at)).unwrap_or_default();
    let filters = [
        ("agent_id", "Agent", "text", search.agent_id.clone().unwrap_or_default(), "its id"),
        ("pattern", "Kind", "text", pattern, "agent:failed, tool:*"),
        ("graph_id", "Graph", "text", search.graph_id.clone().unwrap_or_default(), "its id"),
        ("session_id", "Session", "text", search.session_id.clone().unwrap_or_default(), "its id"),
        ("from", "From", "datetime-local", time(search.from), ""),
        ("until", "Until", "datetime-local", time(search.until), ""),
    ];
    let filtered = filters.iter().any(|(.., value, _)| !value.is_empty());
    owned_html! {
        : Raw(FORM);
        h1 : "History";
        div(class = "search-box") {
            label(for = "q", class = "unseen") : "Search the journal";
            input(type = "search", id = "q", name = "q", value = &typed, placeholder = "Search all that has happened",
                autocomplete = "off", spellcheck = "false", aria-describedby = "search-hint");
            button(type = "submit") : "Search";
        }
        p(id = "search-hint", class = "hint") {
            code : "deploy prod"; : " both words, by their beginnings · "; code : "\"two files\"";
            : " exactly this · "; code : "-test"; : " without it";
        }
        details(class = "filters", open ?= filtered) {
            summary : "Filters";
            div(class = "fields") {
                @ for (name, label, kind, value, hint) in &filters {
                    label {
                        span : *label;
                        input(type = *kind, name = *name, value = value, placeholder = *hint, autocomplete = "off",
                            step ?= (*kind == "datetime-local").then_some("1"));
                    }
                }
            }
        }
        : Raw("</form>");
    }
}

fn found(dashboard: &Dashboard, results: &Results<'_>, clock: &Clock) -> impl Render + use<> {
    let query = address::search_query(results.search);
    let body = match results.found {
        Ok(found) => text_of(list(dashboard, results, found, &query, clock)),
        Err(problem) => {
            let problem = problem.clone();
            text_of(owned_html! { p(class = "trouble", role = "alert", data-ignore) : &problem; })
        }
    };
    let export = format!("/api/v1/events/export?{query}");
    owned_html! {
        section(id = "found", class = "panel", aria-label = "What was found") {
            : Raw(&body);
            p(class = "exports") {
                a(href = &export, download) : "Export these events (NDJSON)"; : " · ";
                a(href = "/api/v1/answers.csv", download) : "All answers (CSV)"; : " · ";
                a(href = "/at") : "The dashboard as it was";
            }
        }
    }
}

fn list(
    dashboard: &Dashboard,
    results: &Results<'_>,
    found: &Found,
    query: &str,
    clock: &Clock,
) -> impl Render + use<> {
    let mut days: Vec<(String, String)> = Vec::new();
    for record in &found.records {
        let (day, hit) =
            (clock.day(record.event.timestamp), text_of(hit(dashboard, &results.search.terms, record, clock)));
        match days.last_mut() {
            Some((last, hits)) if *last == day => hits.push_str(&hit),
            _ => days.push((day, hit)),
        }
    }
    let nothing = found.records.is_empty();
    let everything = *results.search == Search::all() && results.before.is_none();
    let count = words::count(found.records.len(), "event");
    let older = found.older.map(|seq| (format!("/history?{query}&before={seq}"), seq));
    let newest = results.before.map(|_| format!("/history?{query}"));
    owned_html! {
        p(class = "found-count", role = "status") {
            @ if nothing && everything { : "Nothing has happened yet."; }
            else if nothing && older.is_some() { : "Nothing among the events looked at so far."; }
            else if nothing { : "Nothing found."; }
            else if everything { : "The latest "; : &count; }
            else { : &count; @ if older.is_some() { : ", and there may be more"; } }
        }
        @ if nothing && !everything { : advice(); }
        @ for (day, hits) in &days {
            h2(class = "day") : day;
            ol(class = "hits") { : Raw(hits); }
        }
        @ if older.is_some() || newest.is_some() {
            nav(class = "pager", aria-label = "Pages of events") {
                @ if let Some(url) = &newest { a(href = url) : "Newest"; }
                @ if let Some((url, seq)) = &older {
                    a(href = url, rel = "next") : format!("Older, before event {seq}");
                }
            }
        }
    }
}

fn advice() -> impl Render {
    owned_html! {
        ul(class = "advice") {
            li { : "A word finds all that begin with it: "; code : "depl"; : " finds deploy and deployment."; }
            li { code : "\"deploy now\""; : " finds these words side by side, and not deployed."; }
            li { code : "deploy -staging"; : " finds deploy where staging is not mentioned."; }
            li { : "Searched are kinds, ids and everything in the payload; not the names of its fields."; }
        }
    }
}

fn hit(dashboard: &Dashboard, terms: &Terms, record: &Arc<Record>, clock: &Clock) -> impl Render + use<> {
    let event = &record.event;
    let id = format!("h-{}", record.seq);
    let kind = text_of(marked(terms, &event.kind()));
    let name = event.agent_id.as_deref().map(|agent_id| {
        let name = dashboard.agent(agent_id).map_or(agent_id, |agent| &*agent.name);
        (words::agent_url(agent_id), text_of(marked(terms, &words::brief(name, 40))))
    });
    let line = text_of(marked(terms, &line(terms, event)));
    let time = text_of(clock.of_day(event.timestamp));
    let (shown, is_cut) = pretty(&**event, EVENT_CHARS);
    let json = text_of(marked(terms, &shown));
    let (category, seq) = (event.category.as_str(), record.seq);
    let whole_url = format!("/api/v1/events?after={}&limit=1", seq - 1);
    owned_html! {
        li(data-ignore) {
            details(id = &id, data-preserve-attr = "open") {
                summary {
                    : Raw(&time);
                    b(class = category) { : Raw(&kind); }
                    @ if let Some((_, name)) = &name { span(class = "who") { : Raw(name); } }
                    span(class = "detail") { : Raw(&line); }
                }
                pre(tabindex = "0") { : Raw(&json); }
                p(class = "ways") {
                    a(href = format!("/at/{seq}")) : "The dashboard at this moment";
                    @ if let Some((url, _)) = &name { : " · "; a(href = url) : "The agent"; }
                    @ if is_cut { : " · "; a(href = &whole_url) : "The whole event"; }
                    span(class = "seq") : format!("event {seq}");
                }
            }
        }
    }
}

/// What tells why the event was found: its telling line, or else the text around the first thing found.
fn line(terms: &Terms, event: &Event) -> String {
    let line = events::line(event);
    if terms.wanted().is_empty() || !terms.places(&line).is_empty() {
        return line;
    }
    // The kind and the ids stand beside the line already.
    let ids = 1 + [&event.agent_id, &event.graph_id, &event.node_id, &event.session_id].into_iter().flatten().count();
    let texts = event_texts(event);
    let around = texts.iter().skip(ids).find_map(|text| Some((text, terms.places(text).first()?.start)));
    let Some((text, place)) = around else { return line };
    let start = text[..place].char_indices().rev().nth(LEAD_CHARS).map_or(0, |(at, _)| at);
    let lead = if start > 0 { "…" } else { "" };
    format!("{lead}{}", words::brief(&text[start..], LINE_CHARS))
}

/// A text in which what was found is marked.
fn marked(terms: &Terms, text: &str) -> impl Render + use<> {
    let mut parts = Vec::new();
    let mut end = 0;
    for place in terms.places(text) {
        parts.push((text[end..place.start].to_owned(), text[place.clone()].to_owned()));
        end = place.end;
    }
    let rest = text[end..].to_owned();
    owned_html! {
        @ for (before, found) in &parts { : before; mark : found; }
        : &rest;
    }
}

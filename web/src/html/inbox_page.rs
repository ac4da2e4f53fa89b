//! The inbox with a filter, page by page.

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{Dashboard, InboxPage, InboxQuery, Reason, Urgency},
    view::{Part, Subject},
};

use super::{
    card::Place,
    clock::Clock,
    inbox, live,
    pager::pager,
    shell::{self, Live, Tab},
    text_of, words,
};
use crate::{address, frame::Frame};

const REASONS: [(Reason, &str); 3] = [
    (Reason::InputRequired, "input_required"),
    (Reason::Confirmation, "confirmation"),
    (Reason::ToolCall, "tool_call"),
];
const URGENCIES: [(Urgency, &str, &str); 4] = [
    (Urgency::Critical, "critical", "critical"),
    (Urgency::High, "high", "high"),
    (Urgency::Normal, "normal", "normal"),
    (Urgency::Low, "low", "low"),
];

/// The page, as a document or as a frame.
pub(super) fn render(dashboard: &Dashboard, query: &InboxQuery, part: Part, clock: &Clock) -> Bytes {
    let main = text_of(main(dashboard, query, clock));
    if part != Part::Document {
        return Frame::of(main, &live::signals(dashboard), dashboard.last_seq());
    }
    let subject = Subject::Inbox(query.clone());
    text_of(shell::live(
        &Live { title: "Inbox · Remora", tab: Some(Tab::Inbox), subject: Some(&subject) },
        dashboard,
        &main,
    ))
    .into()
}

fn main(dashboard: &Dashboard, query: &InboxQuery, clock: &Clock) -> impl Render {
    let found = query.find(dashboard);
    owned_html! {
        main(id = "inbox") {
            section(id = "blocked-agents", class = "panel", aria-labelledby = "blocked-agents-title") {
                h1(id = "blocked-agents-title") {
                    : "Inbox "; span(class = "badge") : words::count(found.waiting, "question");
                }
                : filter(query);
                @ if found.waiting == 0 {
                    p(id = "no-questions", class = "empty") { : "No question that waits is like that. "; a(href = "/") : "All questions"; }
                }
                div(id = "questions", class = "cards") {
                    @ for record in &found.records { : Raw(inbox::card(dashboard, record, clock, Place::Dashboard)); }
                }
                : pages(query, &found);
            }
        }
    }
}

/// The form that filters: its address can be passed on.
pub(super) fn filter(query: &InboxQuery) -> impl Render {
    let query = query.clone();
    owned_html! {
        form(id = "inbox-filter", class = "filter", action = "/", method = "get", role = "search", aria-label = "Filter questions") {
            label { span : "Words"; input(type = "search", name = "q", maxlength = "256", value = &query.text); }
            label { span : "Agent"; input(type = "search", name = "agent", maxlength = "256", value = &query.agent); }
            label {
                span : "Reason";
                select(name = "reason") {
                    option(value = "") : "any";
                    @ for (reason, word) in REASONS {
                        option(value = word, selected ?= query.reason == Some(reason)) : words::reason(reason);
                    }
                }
            }
            label {
                span : "Urgency";
                select(name = "urgency") {
                    option(value = "") : "any";
                    @ for (urgency, word, name) in URGENCIES {
                        option(value = word, selected ?= query.urgency == Some(urgency)) : name;
                    }
                }
            }
            button(type = "submit", class = "plain") : "Filter";
        }
    }
}

fn pages(query: &InboxQuery, found: &InboxPage<'_>) -> impl Render + use<> {
    let url = |page| address::url(&Subject::Inbox(InboxQuery { page, ..query.clone() }));
    let here = format!("page {} of {}", found.page + 1, found.pages);
    pager("Pages of questions", ("More pressing", "Less pressing"), here, (found.page, found.pages), &url)
}

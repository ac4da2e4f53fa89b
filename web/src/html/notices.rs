//! The notices that could not be delivered: a line on the dashboard while there are some, and their page.

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{
        Dashboard,
        notice::{DeadLetter, NoticeKind},
    },
    view::{Part, Subject},
};

use super::{
    clock::Clock,
    live, markdown, note,
    shell::{self, Live},
    text_of, words,
};
use crate::frame::Frame;

/// Questions named of one notice.
const NAMED: usize = 3;

/// The dashboard's line; without one there is only its place.
pub(super) fn panel(dashboard: &Dashboard) -> impl Render + use<> {
    let count = dashboard.dead_letters().len();
    owned_html! {
        div(id = "undelivered") {
            @ if count > 0 {
                p(class = "notice") {
                    : format!("{} could not be delivered. ", words::count(count, "notice"));
                    a(href = "/notices") : "See why";
                }
            }
        }
    }
}

/// The page, as a document or as a frame.
pub(super) fn render(dashboard: &Dashboard, part: Part, clock: &Clock) -> Bytes {
    let main = text_of(main(dashboard, clock));
    if part != Part::Document {
        return Frame::of(main, &live::signals(dashboard), dashboard.last_seq());
    }
    let live = Live { title: "Undelivered notices · Remora", tab: None, subject: Some(&Subject::Notices) };
    text_of(shell::live(&live, dashboard, &main)).into()
}

fn main(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let letters = dashboard.dead_letters();
    let rows: String = letters.iter().map(|letter| row(dashboard, letter, clock)).collect();
    owned_html! {
        main(id = "notices") {
            section(class = "panel", aria-labelledby = "notices-title") {
                h1(id = "notices-title") : "Undelivered notices";
                @ if letters.is_empty() {
                    p(class = "empty") : "Every notice has been delivered, or is being tried.";
                } else {
                    p(class = "more") : "These were tried as often as the settings say, or refused for good.";
                }
                : note::empty(note::NOTICE_NOTE.to_owned());
                ul(id = "letters", class = "rows") {
                    : Raw(&rows);
                }
            }
        }
    }
}

fn row(dashboard: &Dashboard, letter: &DeadLetter, clock: &Clock) -> String {
    let id = words::row_id("letter", &letter.id);
    let what = what(letter);
    let questions: Vec<_> = letter
        .parts
        .iter()
        .take(NAMED)
        .filter_map(|part| dashboard.inbox().get(&part.key))
        .map(|record| markdown::line(&record.question.question, 160))
        .collect();
    let name = dashboard.agent(&letter.agent_id).map_or(letter.agent_id.as_str(), |agent| &*agent.name);
    let tries =
        format!("after {}", if letter.tries == 1 { "1 try".to_owned() } else { format!("{} tries", letter.tries) });
    let action = format!("/notices/{}", letter.id);
    text_of(owned_html! {
        li(id = &id, class = "letter") {
            strong(data-ignore) : words::brief(&letter.target, 80).as_ref();
            a(href = words::agent_url(&letter.agent_id), data-ignore) : words::brief(name, 80).as_ref();
            span : &what;
            : clock.ago(letter.at);
            @ for question in &questions { p(class = "line", data-ignore) : question; }
            p(class = "trouble") { span(data-ignore) : &letter.reason; : ", "; : &tries; }
            form(class = "decide", action = &action, method = "post", data-on:submit = live::SUBMIT) {
                button(type = "submit", name = "fate", value = "retry") : "Try again";
                button(type = "submit", name = "fate", value = "dismiss", class = "plain") : "Dismiss";
            }
        }
    })
}

fn what(letter: &DeadLetter) -> String {
    match letter.parts.as_slice() {
        [part] => match part.kind {
            NoticeKind::Opened => "a question",
            NoticeKind::Near => "a deadline that is near",
            NoticeKind::Expired => "a question that expired",
        }
        .to_owned(),
        parts => words::count(parts.len(), "question"),
    }
}

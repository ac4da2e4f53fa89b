//! The questions that wait for a person, the answers on their way, and the questions closed last.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, QuestionRecord};

use super::{
    card::{self, Place},
    clock::Clock,
    words,
};

/// Cards shown: as many as a person answers in one go. Each patch of the panel carries them all.
const CARDS: usize = 40;
/// Answers shown that no agent has picked up yet.
const SENT: usize = 20;
/// Closed questions shown.
const CLOSED: usize = 5;

/// The panel `blocked-agents`.
pub(super) fn panel(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let open = dashboard.inbox().open();
    let mut sent: Vec<_> = dashboard.inbox().waiting_for_pickup().collect();
    sent.sort_by_key(|record| std::cmp::Reverse(record.answer.as_ref().map(|answer| answer.responded_at)));
    let hidden = open.len().saturating_sub(CARDS);
    let closed: Vec<_> = dashboard.inbox().recently_closed().take(CLOSED).collect();
    owned_html! {
        section(id = "blocked-agents", class = "panel", aria-labelledby = "blocked-agents-title") {
            h2(id = "blocked-agents-title") {
                : "Blocked agents ";
                span(class = "badge") : open.len().to_string();
            }
            @ if open.is_empty() {
                p(id = "no-questions", class = "empty") {
                    : "No question waits. When an agent asks, you can answer it here.";
                }
            }
            div(id = "questions", class = "cards") {
                @ for record in open.iter().take(CARDS) { : card::open(dashboard, record, clock, Place::Dashboard); }
            }
            @ if hidden > 0 {
                p(id = "more-questions", class = "more") {
                    : format!("and {} less pressing, each on its agent's page", words::count(hidden, "question"));
                }
            }
            @ if !sent.is_empty() {
                div(id = "sent-answers") {
                    h3 : "Answered, not picked up yet";
                    ul(id = "sent-list", class = "rows") {
                        @ for record in sent.iter().take(SENT) { : sent_row(dashboard, record, clock); }
                    }
                }
            }
            @ if !closed.is_empty() {
                details(id = "closed-questions", data-preserve-attr = "open") {
                    summary : "Recently closed";
                    ul(id = "closed-list", class = "rows") {
                        @ for record in &closed { : closed_row(dashboard, record, clock); }
                    }
                }
            }
        }
    }
}

/// An answer that its agent has not picked up yet, and what holds it up.
fn sent_row(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> impl Render {
    let id = format!("w-{}", words::question_hash(&record.question.key()));
    let note = card::sent_note(record);
    let at = record.answer.as_ref().map(|answer| answer.responded_at);
    let trouble = card::trouble(dashboard, record);
    owned_html! {
        li(id = &id, class = "sent") {
            : card::asker(dashboard, &record.question);
            @ if let Some(at) = at { : clock.ago(at); }
            p(class = "line", data-ignore) : words::brief(&record.question.question, 160).as_ref();
            p(class = "state", data-ignore) : &note;
            @ if let Some(trouble) = &trouble { p(class = "trouble", data-ignore) : trouble; }
        }
    }
}

fn closed_row(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> impl Render {
    let id = format!("c-{}", words::question_hash(&record.question.key()));
    let how = card::closed_note(record);
    let at = record.answer.as_ref().map(|answer| answer.responded_at);
    owned_html! {
        li(id = &id, class = "closed") {
            : card::asker(dashboard, &record.question);
            @ if let Some(at) = at { : clock.ago(at); }
            p(class = "line", data-ignore) : words::brief(&record.question.question, 160).as_ref();
            p(class = "state", data-ignore) : &how;
        }
    }
}

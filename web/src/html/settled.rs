//! What became of a question, for a moment in the place of its card.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, Door, Held, OnDeadline, QuestionRecord, Status};

use super::{card, clock::Clock, keeper, live, markdown, note, words};

/// Characters of a question that was answered.
const LINE_CHARS: usize = 160;

/// An answer on its way. It keeps the id of the card whose place it takes.
pub(super) fn sent(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> impl Render {
    let key = record.question.key();
    let id = card::id(&key);
    let trouble = card::trouble(dashboard, record);
    owned_html! {
        article(id = &id, class = look(record), tabindex = "-1", data-init = keeper::SETTLED) {
            : head(dashboard, record);
            @ if let Some(held) = &record.held { : held_note(record, held, clock); }
            else {
                p(class = "state", data-ignore) : &how(record);
            }
            @ if let Some(trouble) = &trouble { p(class = "trouble", data-ignore) : trouble; }
            : note::empty(note::question_note_id(&key));
            : keeper::kept_draft();
        }
    }
}

/// How a question ended. The card fades by itself, but never while somebody is at the cards: what is below it would
/// jump. Until then its question may be asked anew, so that it needs an id of its own.
pub(super) fn leaving(dashboard: &Dashboard, record: &QuestionRecord) -> impl Render {
    let id = format!("left-{}", words::question_hash(&record.question.key()));
    let class = format!("{} leaving", look(record));
    owned_html! {
        article(id = &id, class = &class, tabindex = "-1", data-init = keeper::SETTLED,
            data-on:animationend = keeper::FADED) {
            : head(dashboard, record);
            p(class = "state", data-ignore) : &how(record);
            : keeper::kept_draft();
        }
    }
}

/// Only what a person has answered looks like a success.
fn look(record: &QuestionRecord) -> &'static str {
    let is_unattended = record.answer.as_ref().map_or(record.status != Status::Open, |_| is_automatic(record));
    if is_unattended { "card settled unattended" } else { "card settled" }
}

/// True where the question's own policy has answered.
fn is_automatic(record: &QuestionRecord) -> bool {
    record.answer.as_ref().is_some_and(|answer| answer.answered_by.door == Door::Policy)
}

fn how(record: &QuestionRecord) -> String {
    match record.status {
        Status::Answered if record.closed_reason.is_none() => sent_note(record),
        Status::Open => "sent, waiting for the agent".to_owned(),
        Status::Delivered => format!("picked up: {}", closed_note(record)),
        _ => closed_note(record),
    }
}

fn head<'a>(dashboard: &'a Dashboard, record: &'a QuestionRecord) -> impl Render + use<'a> {
    owned_html! {
        header {
            : card::asker(dashboard, &record.question);
            span(class = "line", dir = "auto", data-ignore) : markdown::line(&record.question.question, LINE_CHARS);
        }
    }
}

/// Who answered, how long that can be taken back, and the button that does it.
fn held_note(record: &QuestionRecord, held: &Held, clock: &Clock) -> impl Render {
    let question = &record.question;
    let action = words::undo_url(&question.agent_id);
    let who = words::who(&held.answered_by);
    let (msg_id, workspace_id) = (question.msg_id.clone(), question.workspace_id.clone());
    let place = format!("undo-{}", words::question_hash(&question.key()));
    owned_html! {
        div(id = &place) {
            form(class = "undo", action = &action, method = "post", data-on:submit = live::SUBMIT) {
                p(class = "state") {
                    span(data-ignore) : format!("sent by {who}"); : ", goes to the agent "; : clock.relative(held.deliver_at);
                }
                input(type = "hidden", name = "msg_id", value = &msg_id);
                input(type = "hidden", name = "workspace_id", value = &workspace_id);
                button(type = "submit", class = "plain") : "Undo";
            }
        }
    }
}

/// Where an answer is that was not picked up yet.
pub(super) fn sent_note(record: &QuestionRecord) -> String {
    let answer = answered(record).unwrap_or_default();
    let place = if record.is_unwritten() { "not written into the workspace yet" } else { "not picked up yet" };
    if is_automatic(record) {
        format!("{answer}, {place}")
    } else {
        format!("sent, waiting for the agent: {answer}, {place}")
    }
}

/// Why a question is not open any more.
pub(super) fn closed_note(record: &QuestionRecord) -> String {
    let late = record.status == Status::Answered;
    match (answered(record), &record.closed_reason) {
        (Some(answer), Some(reason)) if late => format!("{answer}, but never picked up: {reason}"),
        (Some(answer), _) => answer,
        (None, Some(reason)) => reason.clone(),
        (None, None) => record.status.as_str().to_owned(),
    }
}

/// What was answered, and by whom.
fn answered(record: &QuestionRecord) -> Option<String> {
    let (question, answer) = (&record.question, record.answer.as_ref()?);
    if !is_automatic(record) {
        return Some(format!("answered {}", words::answer(answer)));
    }
    let what = match question.on_deadline {
        OnDeadline::Deny if question.asks_for_decision() => "rejected".to_owned(),
        OnDeadline::Deny => "denied".to_owned(),
        _ => format!("answered “{}”", words::brief(&words::value(&answer.answer), 80)),
    };
    Some(format!("{what} automatically, nobody answered in time"))
}

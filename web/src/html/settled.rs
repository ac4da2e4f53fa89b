//! What became of a question, for a moment in the place of its card.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, Held, QuestionRecord, Status};

use super::{card, clock::Clock, keeper, live, note, words};

/// Characters of a question that was answered.
const LINE_CHARS: usize = 160;

/// An answer on its way. It keeps the id of the card whose place it takes.
pub(super) fn sent(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock) -> impl Render {
    let key = record.question.key();
    let id = card::id(&key);
    let trouble = card::trouble(dashboard, record);
    owned_html! {
        article(id = &id, class = "card settled", tabindex = "-1", data-init = keeper::SETTLED) {
            : head(dashboard, record);
            @ if let Some(held) = &record.held { : held_note(record, held, clock); }
            else {
                p(class = "state", data-ignore) : &sent_note(record);
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
    let how = match record.status {
        Status::Answered if record.closed_reason.is_none() => sent_note(record),
        Status::Open => "sent, waiting for the agent".to_owned(),
        Status::Delivered => format!("picked up: {}", closed_note(record)),
        _ => closed_note(record),
    };
    owned_html! {
        article(id = &id, class = "card settled leaving", tabindex = "-1", data-init = keeper::SETTLED,
            data-on:animationend = keeper::FADED) {
            : head(dashboard, record);
            p(class = "state", data-ignore) : &how;
            : keeper::kept_draft();
        }
    }
}

fn head<'a>(dashboard: &'a Dashboard, record: &'a QuestionRecord) -> impl Render + use<'a> {
    owned_html! {
        header {
            : card::asker(dashboard, &record.question);
            span(class = "line", data-ignore) : words::brief(&record.question.question, LINE_CHARS).as_ref();
        }
    }
}

/// Who answered, how long that can be taken back, and the button that does it.
fn held_note(record: &QuestionRecord, held: &Held, clock: &Clock) -> impl Render {
    let question = &record.question;
    let action = words::undo_url(&question.agent_id);
    let who = words::who(&held.answered_by);
    let (msg_id, workspace_id) = (question.msg_id.clone(), question.workspace_id.clone());
    owned_html! {
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

/// Where an answer is that was not picked up yet.
pub(super) fn sent_note(record: &QuestionRecord) -> String {
    let answer = record.answer.as_ref().map(words::answer).unwrap_or_default();
    let place = if record.is_unwritten() { "not written into the workspace yet" } else { "not picked up yet" };
    format!("sent, waiting for the agent: answered {answer}, {place}")
}

/// Why a question is not open any more.
pub(super) fn closed_note(record: &QuestionRecord) -> String {
    let answer = record.answer.as_ref().map(|answer| format!("answered {}", words::answer(answer)));
    let late = record.status == Status::Answered;
    match (answer, &record.closed_reason) {
        (Some(answer), Some(reason)) if late => format!("{answer}, but never picked up: {reason}"),
        (Some(answer), _) => answer,
        (None, Some(reason)) => reason.clone(),
        (None, None) => record.status.as_str().to_owned(),
    }
}

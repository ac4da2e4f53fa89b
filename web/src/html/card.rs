//! One question: who asks, why, what and until when.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, OnDeadline, Question, QuestionRecord, Status, Urgency};

use super::{answer_form, clock::Clock, markdown, note, words};

/// Characters of a question's context on the dashboard, where every patch of the panel carries it again.
const CONTEXT_CHARS: usize = 4_000;

/// Where a card stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Among others, its context cut.
    Dashboard,
    /// On its agent's page, whole.
    AgentPage,
}

/// The card of an open question.
pub(super) fn open(dashboard: &Dashboard, record: &QuestionRecord, clock: &Clock, place: Place) -> impl Render {
    let question = &record.question;
    let key = question.key();
    let id = format!("q-{}", words::question_hash(&key));
    let urgency = words::urgency(question.urgency);
    let class = if question.urgency >= Urgency::High { "blocked-agent pressing" } else { "blocked-agent" };
    let trouble = trouble(dashboard, record);
    owned_html! {
        article(id = &id, class = class, data-msg-id = question.msg_id.as_str()) {
            header {
                : asker(dashboard, question);
                span(class = "reason") : words::reason(question.reason);
                @ if let Some(urgency) = urgency { span(class = "urgency") : urgency; }
                span(class = "asked") { : "asked "; : clock.ago(question.created_at); }
            }
            : markdown::block(Some(&words::question_id(&key)), "question", &question.question);
            : context(question, place);
            @ if let Some(trouble) = &trouble { p(class = "trouble", data-ignore) : trouble; }
            : answer_form::form(question, place, &clock.zone);
            : note::empty(note::question_note_id(&key));
            : deadline(question, clock);
        }
    }
}

/// Who asks, with a link to its page.
pub(super) fn asker<'a>(dashboard: &'a Dashboard, question: &'a Question) -> impl Render + use<'a> {
    let name = dashboard.agent(&question.agent_id).map_or(question.agent_id.as_str(), |agent| agent.name.as_str());
    let url = words::agent_url(&question.agent_id);
    owned_html! {
        a(class = "asker", href = &url, data-ignore) : words::brief(name, 80).as_ref();
    }
}

fn context(question: &Question, place: Place) -> impl Render {
    let (text, is_prose) = match &question.context {
        serde_json::Value::Null => (String::new(), false),
        serde_json::Value::String(text) => (text.clone(), true),
        other => (serde_json::to_string_pretty(other).unwrap_or_default(), false),
    };
    let shown = match place {
        Place::Dashboard => words::brief(&text, CONTEXT_CHARS).into_owned(),
        Place::AgentPage => text.clone(),
    };
    let cut = shown.len() < text.len();
    let id = format!("context-{}", words::question_hash(&question.key()));
    let url = words::agent_url(&question.agent_id);
    owned_html! {
        @ if !text.is_empty() {
            details(id = &id, class = "context", data-preserve-attr = "open") {
                summary : "Context";
                @ if is_prose { : markdown::block(None, "prose", &shown); } else { pre(data-ignore) : &shown; }
                @ if cut { p { a(href = &url) : "The whole context is on the agent's page"; } }
            }
        }
    }
}

/// What happens at the deadline, and when.
fn deadline(question: &Question, clock: &Clock) -> impl Render {
    let what = match question.on_deadline {
        OnDeadline::Expire => "Expires unanswered".to_owned(),
        OnDeadline::Wait => "An answer is wanted by then, and taken later too:".to_owned(),
        OnDeadline::Default => {
            format!("Answers “{}” automatically", words::brief(&words::value(&question.default), 80))
        }
        OnDeadline::Deny if question.asks_for_decision() => "Is rejected automatically".to_owned(),
        OnDeadline::Deny => "Is denied automatically".to_owned(),
    };
    owned_html! {
        p(class = "deadline") {
            @ if let Some(at) = question.expires_at {
                span(data-ignore) : &what;
                : " "; : clock.relative(at); : " · "; : clock.time(at);
            } else {
                : "No deadline: waits until it is answered";
            }
        }
    }
}

/// What is wrong with the workspace that the answer has to reach.
pub(super) fn trouble(dashboard: &Dashboard, record: &QuestionRecord) -> Option<String> {
    let trouble = dashboard.agent(&record.question.agent_id)?.workspace_trouble.as_ref()?;
    Some(format!("Workspace: {trouble}. An answer is kept and delivered as soon as possible."))
}

/// Where an answer is that was not picked up yet.
pub(super) fn sent_note(record: &QuestionRecord) -> String {
    let answer = record.answer.as_ref().map(words::answer).unwrap_or_default();
    let place = if record.is_unwritten() { "not written into the workspace yet" } else { "not picked up yet" };
    format!("answered {answer}, {place}")
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

//! One question: who asks, why, what and until when.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, OnDeadline, Question, QuestionKey, QuestionRecord, Urgency};

use super::{answer_form, clock::Clock, keeper, markdown, note, pretty::readable, words};

/// Characters of a question's text and of its context on the dashboard, which shows many of them.
const SHOWN_CHARS: usize = 2_000;
/// Characters of a context in full view: more than anybody reads, and an agent's page may hold a hundred of them.
pub(super) const WHOLE_CHARS: usize = 20_000;

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
    let id = id(&key);
    let text = match place {
        Place::Dashboard => words::brief(&question.question, SHOWN_CHARS),
        Place::AgentPage => question.question.as_str().into(),
    };
    let cut = text.len() < question.question.len();
    let url = words::agent_url(&question.agent_id);
    let urgency = words::urgency(question.urgency);
    let class = if question.urgency >= Urgency::High { "card blocked-agent pressing" } else { "card blocked-agent" };
    let trouble = trouble(dashboard, record);
    owned_html! {
        article(id = &id, class = class, tabindex = "-1", data-msg-id = question.msg_id.as_str(),
            data-init = keeper::RESTORE) {
            header {
                : asker(dashboard, question);
                span(class = "reason") : words::reason(question.reason);
                @ if let Some(urgency) = urgency { span(class = "urgency") : urgency; }
                span(class = "asked") { : "asked "; : clock.ago(question.created_at); }
            }
            : markdown::block(Some(&words::question_id(&key)), "question", &text);
            @ if cut { p(class = "more") { a(href = &url) : "The whole question is on the agent's page"; } }
            : context(question, place);
            @ if let Some(trouble) = &trouble { p(class = "trouble", data-ignore) : trouble; }
            : answer_form::form(question, place, &clock.zone);
            : note::empty(note::question_note_id(&key));
            footer {
                : deadline(question, clock);
                @ if place == Place::Dashboard { : alike(question); }
            }
        }
    }
}

/// The id of a question's card.
pub(super) fn id(key: &QuestionKey) -> String {
    format!("q-{}", words::question_hash(key))
}

/// The way to all questions that are alike, how many of them there are, and to closing this one without an answer.
fn alike(question: &Question) -> impl Render {
    let url = words::alike_url(question);
    owned_html! { a(class = "alike", href = &url, data-text = keeper::ALIKE) : "Dismiss"; }
}

/// Who asks, with a link to its page.
pub(super) fn asker<'a>(dashboard: &'a Dashboard, question: &'a Question) -> impl Render + use<'a> {
    let name = dashboard.agent(&question.agent_id).map_or(question.agent_id.as_str(), |agent| &*agent.name);
    let url = words::agent_url(&question.agent_id);
    owned_html! {
        a(class = "asker", href = &url, dir = "auto", data-ignore) : words::brief(name, 80).as_ref();
    }
}

fn context(question: &Question, place: Place) -> impl Render {
    let (max, url, whole) = match place {
        Place::Dashboard => {
            (SHOWN_CHARS, words::agent_url(&question.agent_id), "The whole context is on the agent's page")
        }
        Place::AgentPage => (WHOLE_CHARS, words::question_url(question), "The whole question, as JSON"),
    };
    let (shown, is_cut) = context_of(question, max);
    let is_prose = question.context.is_string();
    let id = format!("context-{}", words::question_hash(&question.key()));
    owned_html! {
        @ if !shown.is_empty() {
            details(id = &id, class = "context", data-preserve-attr = "open") {
                summary : "Context";
                @ if is_prose { : markdown::block(None, "prose", &shown); } else { pre(data-ignore) : &shown; }
                @ if is_cut { p { a(href = &url) : whole; } }
            }
        }
    }
}

/// A question's context, in full view.
pub(super) fn whole_context(question: &Question) -> impl Render {
    let (text, _) = context_of(question, WHOLE_CHARS);
    owned_html! { @ if !text.is_empty() { pre(dir = "auto", data-ignore) : &text; } }
}

/// A question's context up to so many characters, and whether there is more.
fn context_of(question: &Question, max: usize) -> (String, bool) {
    match &question.context {
        serde_json::Value::Null => (String::new(), false),
        context => readable(context, max),
    }
}

/// What happens at the deadline, and when.
fn deadline(question: &Question, clock: &Clock) -> impl Render {
    let what = match question.on_deadline {
        OnDeadline::Expire => "Expires unanswered".to_owned(),
        OnDeadline::Wait => "Wanted".to_owned(),
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
                : " "; : clock.relative(at);
                // True before that time and after it, as the page goes on counting.
                @ if question.on_deadline == OnDeadline::Wait { : ", taken later too"; }
                : " · "; : clock.time(at);
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

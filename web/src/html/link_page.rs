//! The pages behind a signed link: what it answers, and what became of it.

use horrorshow::{Raw, owned_html};
use remora_actors::model::Question;

use super::{shell, text_of, words};

/// The page on which a person confirms the answer that the link stands for. Opening it changes nothing: previews of
/// links open them too.
pub fn link_question(question: &Question, answer: &str) -> String {
    let body = text_of(owned_html! {
        p(class = "more") { span(data-ignore) : words::brief(&question.agent_id, 80).as_ref(); : " asks"; }
        p(class = "question", data-ignore) : question.question.as_str();
        form(class = "answer", method = "post") {
            button(type = "submit") { : "Answer “"; span(data-ignore) : answer; : "”"; }
        }
        p(class = "more") : "The link works once, for this answer only.";
    });
    document("Answer", &body)
}

/// The page that says that the answer was taken.
pub fn link_answered(question: &Question, answer: &str) -> String {
    let body = text_of(owned_html! {
        p(class = "note ok", role = "status") { : "Answered “"; span(data-ignore) : answer; : "”."; }
        p(class = "question", data-ignore) : question.question.as_str();
        p(class = "more") {
            span(data-ignore) : words::brief(&question.agent_id, 80).as_ref(); : " goes on with it.";
        }
    });
    document("Answered", &body)
}

/// The page that says why the link does nothing.
pub fn link_refused(question: Option<&Question>, why: &str) -> String {
    let body = text_of(owned_html! {
        p(class = "note error", role = "alert", data-ignore) : why;
        @ if let Some(question) = question {
            p(class = "question", data-ignore) : question.question.as_str();
        }
        p(class = "more") : "Nothing was changed.";
    });
    document("Nothing to answer", &body)
}

fn document(title: &str, body: &str) -> String {
    let body = text_of(owned_html! {
        main(id = "link") {
            section(class = "panel", aria-labelledby = "link-title") {
                h1(id = "link-title") : title;
                : Raw(body);
            }
        }
    });
    text_of(owned_html! { : shell::plain(title, &body); })
}

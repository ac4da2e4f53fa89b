//! The page of questions that are alike: how many they are, whose, and the two things a person can do to all of them.
//! It does not change by itself, so that what is done is what was shown.

use horrorshow::{Render, owned_html};
use jiff::tz::TimeZone;
use remora_actors::model::{Question, QuestionRecord};
use serde_json::json;

use super::{answer_form, card, markdown, shell, text_of, words};

/// Askers listed by name; all of them are counted and meant.
const LISTED: usize = 100;

/// The document.
pub fn alike_page(questions: &[QuestionRecord]) -> String {
    let Some(first) = questions.first() else {
        return alike_report("These questions do not wait any more", &[]);
    };
    let title = match questions.len() {
        1 => "One question".to_owned(),
        several => format!("{several} equal questions"),
    };
    let heading = title.clone();
    let body = text_of(owned_html! {
        main(id = "alike") {
            section(class = "panel", aria-labelledby = "alike-title") {
                h1(id = "alike-title") : &heading;
                : markdown::block(Some(&words::question_id(&first.question.key())), "question", &first.question.question);
                : card::whole_context(&first.question);
                : askers(questions);
            }
            : answering(questions, &first.question);
            : dismissing(questions, &first.question);
        }
    });
    text_of(owned_html! { : shell::plain(&title, &body); })
}

/// What became of the questions: in one sentence, and for each that was not done why.
pub fn alike_report(summary: &str, failed: &[(&str, &str)]) -> String {
    let body = text_of(owned_html! {
        main(id = "alike") {
            section(class = "panel", aria-labelledby = "alike-title") {
                h1(id = "alike-title", role = "status") : summary;
                ul(class = "rows") {
                    @ for (msg_id, why) in failed { li { code : *msg_id; p(class = "state") : *why; } }
                }
                p { a(href = "/") : "Back to the inbox"; }
            }
        }
    });
    text_of(owned_html! { : shell::plain("Inbox", &body); })
}

fn askers(questions: &[QuestionRecord]) -> impl Render {
    let hidden = questions.len().saturating_sub(LISTED);
    owned_html! {
        ul(class = "rows") {
            @ for record in questions.iter().take(LISTED) {
                li {
                    a(class = "asker", href = &words::agent_url(&record.question.agent_id))
                        : record.question.agent_id.as_str();
                    code : record.question.msg_id.as_str();
                }
            }
        }
        @ if hidden > 0 { p(class = "more") : format!("and {hidden} more"); }
    }
}

fn answering(questions: &[QuestionRecord], first: &Question) -> impl Render {
    let button = with_count("Answer", questions.len());
    owned_html! {
        section(class = "panel", aria-labelledby = "answer-title") {
            h2(id = "answer-title") : &button;
            form(class = "answer", action = "/alike/answer", method = "post") {
                : names(questions);
                : answer_form::for_several(first, &TimeZone::system(), &button);
            }
        }
    }
}

fn dismissing(questions: &[QuestionRecord], first: &Question) -> impl Render {
    let button = with_count("Dismiss", questions.len());
    let only = name(first);
    owned_html! {
        section(class = "panel", aria-labelledby = "dismiss-title") {
            h2(id = "dismiss-title") : &button;
            p(class = "more") : "They close without an answer, and their agents learn why.";
            form(class = "answer", action = "/alike/dismiss", method = "post") {
                : names(questions);
                label(for = "reason") : "Reason, if you like";
                textarea(id = "reason", name = "reason", rows = "1", maxlength = "1000");
                button(type = "submit") : &button;
                @ if questions.len() > 1 {
                    button(type = "submit", class = "plain", name = "only", value = &only)
                        : format!("Dismiss only the one of {}", words::brief(&first.agent_id, 40));
                }
            }
        }
    }
}

/// `Answer all 12`, `Dismiss`.
fn with_count(verb: &str, count: usize) -> String {
    if count == 1 { verb.to_owned() } else { format!("{verb} all {count}") }
}

/// The exact list that a form is about.
fn names(questions: &[QuestionRecord]) -> impl Render {
    owned_html! {
        @ for record in questions { input(type = "hidden", name = "of", value = &name(&record.question)); }
    }
}

fn name(question: &Question) -> String {
    json!({"msg_id": question.msg_id, "workspace_id": question.workspace_id}).to_string()
}

//! A form that was sent and refused: as it was filled in, each problem at its field.

use horrorshow::{Render, owned_html};
use jiff::tz::TimeZone;
use remora_actors::model::{FieldError, Form, Kind, Question};

use super::{Parts, element};
use crate::{
    form_post::FormPost,
    html::{card::Place, markdown, shell, text_of, words},
};

/// What was sent, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Again<'a> {
    pub(crate) post: &'a FormPost,
    pub(crate) errors: &'a [FieldError],
}

impl Again<'_> {
    /// What is wrong, in a line: the fields tell the rest.
    pub(super) fn summary(&self, question: &Question) -> String {
        let form = match (question.kind(), &question.arguments) {
            (Kind::Form(form), _) => Some(form),
            (Kind::Decision, Some(arguments)) => Some(Form::of_values(arguments)),
            _ => None,
        };
        let placed = form.map_or(0, |form| form.place(self.errors).len());
        let stray = self.errors.iter().filter(|_| placed == 0).map(|error| error.problem.as_str());
        let stray: Vec<_> = stray.collect();
        if stray.is_empty() { format!("{} to mend.", words::count(placed, "field")) } else { stray.join("; ") }
    }
}

/// The form again, with what is wrong at its end: the body, `text/html`, of the response to the page.
pub(crate) fn refused(question: &Question, again: &Again<'_>, zone: &TimeZone) -> String {
    text_of(element(&Parts::new(question, Place::AgentPage, zone, Some(again))))
}

/// The same as a page of its own, for browsers that send a form without a script.
pub(in crate::html) fn document(question: &Question, again: &Again<'_>, zone: &TimeZone) -> impl Render {
    let body = text_of(owned_html! {
        main(id = "agent") {
            section(class = "panel") {
                h1 : "Not sent yet";
                : markdown::block(None, "question", &question.question);
                : element(&Parts::new(question, Place::AgentPage, zone, Some(again)));
            }
        }
    });
    owned_html! { : shell::plain("Not sent yet", &body); }
}

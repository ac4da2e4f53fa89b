//! The form that answers a question.
//!
//! - `choice`, `decision`, `fields`: one kind of answer each; `control`: one field.
//! - `arguments`: what a call is about, where it is too much to be changed in place.
//! - `again`: a form that was sent and refused, with what was typed and what is wrong with it.
//!
//! What the fields are called and mean stands in `form_post`. Scripts rely on a field `answer` and a submit button.

mod again;
mod arguments;
mod choice;
mod control;
mod decision;
mod fields;

use horrorshow::{Raw, Render, owned_html};
use jiff::tz::TimeZone;
use remora_actors::model::{Kind, Question};

use super::{card::Place, live, text_of, words};
pub(super) use again::document;
pub(crate) use again::{Again, refused};

/// What a form is made from.
struct Parts<'a> {
    question: &'a Question,
    /// Makes ids, unlike any other question's.
    hash: String,
    place: Place,
    zone: &'a TimeZone,
    again: Option<&'a Again<'a>>,
}

/// The form. It is left alone by every patch while its card stays, so that nothing typed or chosen is lost.
pub(super) fn form(question: &Question, place: Place, zone: &TimeZone) -> impl Render {
    let parts = Parts::new(question, place, zone, None);
    let (id, form) = (parts.id("place"), element(&parts));
    owned_html! { div(id = &id) : &form; }
}

/// The fields alone, for a form that answers several questions like this one; with their own buttons or with `button`.
pub(super) fn for_several(question: &Question, zone: &TimeZone, button: &str) -> impl Render + use<> {
    let kind = question.kind();
    let body = body(&Parts::new(question, Place::AgentPage, zone, None), &kind);
    let button = (kind != Kind::Decision).then(|| button.to_owned());
    owned_html! {
        : Raw(&body);
        @ if let Some(button) = &button { button(type = "submit") : button; }
    }
}

impl<'a> Parts<'a> {
    fn new(question: &'a Question, place: Place, zone: &'a TimeZone, again: Option<&'a Again<'a>>) -> Self {
        Self { question, hash: words::question_hash(&question.key()), place, zone, again }
    }

    fn id(&self, what: &str) -> String {
        format!("{what}-{}", self.hash)
    }

    /// The id of the question's text, which describes its form.
    fn described_by(&self) -> String {
        words::question_id(&self.question.key())
    }
}

/// A refused form gets into its place because it does not ask to be left alone itself; the place goes on asking for it.
fn element(parts: &Parts<'_>) -> impl Render + use<> {
    let question = parts.question;
    let (id, action, kind) = (parts.id("form"), words::respond_url(&question.agent_id), question.kind());
    let (msg_id, workspace_id) = (question.msg_id.clone(), question.workspace_id.clone());
    let is_decision = kind == Kind::Decision;
    let is_new = parts.again.is_none();
    let body = body(parts, &kind);
    let wrong = parts.again.map(|again| again.summary(question));
    owned_html! {
        form(id = &id, class = "answer", action = &action, method = "post", data-on:submit = live::SUBMIT,
            data-ignore-morph ?= is_new, data-preserve-attr ?= (!is_new).then_some("data-ignore-morph"),
            // A decision is made with its own button, never by a key that was meant for a text.
            data-on:keydown ?= (!is_decision).then_some(live::SUBMIT_BY_KEY)) {
            input(type = "hidden", name = "msg_id", value = &msg_id);
            input(type = "hidden", name = "workspace_id", value = &workspace_id);
            : Raw(&body);
            @ if !is_decision { button(type = "submit") : "Answer"; }
            @ if let Some(wrong) = &wrong { p(class = "note error", role = "alert", data-ignore) : wrong; }
        }
    }
}

fn body(parts: &Parts<'_>, kind: &Kind) -> String {
    match kind {
        Kind::Text => text(parts),
        Kind::Choice => choice::body(parts),
        Kind::Decision => decision::body(parts),
        Kind::Form(form) => fields::body(parts, form),
        Kind::Json => fields::json(parts),
    }
}

fn text(parts: &Parts<'_>) -> String {
    let (id, asked) = (parts.id("answer"), parts.described_by());
    let typed = parts.again.and_then(|again| again.post.answers.last().cloned()).unwrap_or_default();
    text_of(owned_html! {
        label(for = &id, class = "unseen") : "Your answer";
        textarea(id = &id, name = "answer", rows = "2", dir = "auto", required, placeholder = "Your answer", aria-describedby = &asked,
            data-ignore) : control::Typed(&typed);
    })
}

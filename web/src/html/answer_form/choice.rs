//! Options to choose from, what each leads to, and an own text instead.

use horrorshow::{Raw, Render, owned_html};
use remora_actors::model::{Question, field_text};

use super::{Parts, control::Typed, decision, fields};
use crate::html::{text_of, words};

/// Characters of an effect: what is longer belongs into the question.
const EFFECT_CHARS: usize = 400;

pub(super) fn body(parts: &Parts<'_>) -> String {
    let question = parts.question;
    let asked = parts.described_by();
    let options: Vec<_> = question.options.iter().map(|option| text_of(of_question(parts, option))).collect();
    let legend = if question.multiple { "Choose one or more" } else { "Choose one" };
    let subject = decision::subject(parts);
    let other = question.allow_other.then(|| text_of(other(parts)));
    let schema =
        (question.allow_other && !question.response_schema.is_null()).then(|| text_of(fields::schema(question)));
    text_of(owned_html! {
        : Raw(&subject);
        fieldset(class = "options", aria-describedby = &asked, data-ignore) {
            legend : legend;
            @ for option in &options { : Raw(option); }
            @ if let Some(other) = &other { : Raw(other); }
            @ if let Some(schema) = &schema { : Raw(schema); }
        }
    })
}

fn is_chosen(parts: &Parts<'_>, option: &str) -> bool {
    let option = field_text(option);
    parts.again.is_some_and(|again| again.post.answers.iter().any(|answer| field_text(answer) == option))
}

fn of_question(parts: &Parts<'_>, option: &str) -> impl Render + use<> {
    let question = parts.question;
    let label = question.labels.get(option).map_or(option, String::as_str).to_owned();
    let effect = question.effects.get(option).map(|effect| words::brief(effect, EFFECT_CHARS).into_owned());
    let box_ = Box_ {
        name: "answer",
        kind: kind(question),
        value: option.to_owned(),
        is_chosen: is_chosen(parts, option),
        // Several checkboxes need not all be ticked: which ones are, the server checks.
        is_required: !question.multiple,
    };
    labelled(box_, label, effect)
}

fn kind(question: &Question) -> &'static str {
    if question.multiple { "checkbox" } else { "radio" }
}

/// The way out: an own text. It shows once it is wanted.
fn other(parts: &Parts<'_>) -> impl Render + use<> {
    let (id, kind) = (parts.id("other"), kind(parts.question));
    let typed = parts.again.map(|again| again.post.other.clone()).unwrap_or_default();
    let is_chosen = !typed.is_empty();
    let is_json = !parts.question.response_schema.is_null();
    let (class, dir) = if is_json { (Some("json"), None) } else { (None, Some("auto")) };
    let hint = if is_json { "Your own answer, as JSON" } else { "Your own answer" };
    owned_html! {
        label(class = "option other") {
            input(type = kind, name = "answer", value = "", checked ?= is_chosen);
            span : "Something else";
        }
        textarea(id = &id, class ?= class, name = "other", rows = "1", dir ?= dir, placeholder = hint, aria-label = hint) : Typed(&typed);
    }
}

/// A radio button or a checkbox.
pub(super) struct Box_ {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) is_chosen: bool,
    pub(super) is_required: bool,
}

/// A choice with its name and what it leads to: all of it can be pressed.
pub(super) fn labelled(choice: Box_, label: String, effect: Option<String>) -> impl Render {
    owned_html! {
        label(class = "option") {
            input(type = choice.kind, name = choice.name, value = &choice.value, checked ?= choice.is_chosen,
                required ?= choice.is_required);
            span(dir = "auto") {
                : &label;
                @ if let Some(effect) = &effect { small(dir = "auto") : effect; }
            }
        }
    }
}

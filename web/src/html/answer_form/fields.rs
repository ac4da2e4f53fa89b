//! A form from a schema: one labelled field for each property. What is not flat is answered with JSON.

use horrorshow::{Raw, Render, owned_html};
use remora_actors::model::{Field, Form, Question};

use super::{
    Parts,
    control::{Control, Typed},
};
use crate::html::{pretty::pretty, text_of, words};

/// Characters of a schema; the rest is a link away.
const SCHEMA_CHARS: usize = 4_000;

pub(super) fn body(parts: &Parts<'_>, form: &Form) -> String {
    let (fields, asked) = (controls(parts, form), parts.described_by());
    text_of(
        owned_html! { div(class = "fields", role = "group", aria-describedby = &asked, data-ignore) { : Raw(&fields); } },
    )
}

/// The fields of a form, as they were sent or as they are before anybody has touched them.
pub(super) fn controls(parts: &Parts<'_>, form: &Form) -> String {
    let errors = parts.again.map(|again| form.place(again.errors)).unwrap_or_default();
    let control = |(place, field): (usize, &Field)| {
        let texts = match parts.again {
            Some(again) if !field.is_present || !again.post.fields.is_empty() => {
                again.post.texts(form, place).into_iter().map(str::to_owned).collect()
            }
            _ => field.initial.as_ref().map(|initial| field.write(initial, parts.zone)).unwrap_or_default(),
        };
        let name = if form.is_bare { "answer".to_owned() } else { format!("f{place}") };
        Control { field, name, id: parts.id(&format!("f{place}")), texts, error: errors.get(&place).copied() }.render()
    };
    form.fields.iter().enumerate().map(control).collect()
}

/// A text that is read as JSON, and what it must look like.
pub(super) fn json(parts: &Parts<'_>) -> String {
    let (id, error_id) = (parts.id("answer"), format!("{}-error", parts.id("answer")));
    let described = format!("{} {error_id}", parts.described_by());
    let typed = parts.again.and_then(|again| again.post.answers.last().cloned()).unwrap_or_default();
    let schema = text_of(schema(parts.question));
    text_of(owned_html! {
        div(class = "field") {
            label(for = &id) : "Your answer, as JSON";
            textarea(id = &id, class = "json", name = "answer", rows = "4", required, spellcheck = "false",
                aria-describedby = &described, data-format = "json", data-ignore) : Typed(&typed);
            p(id = &error_id, class = "problem", hidden);
        }
        : Raw(&schema);
    })
}

/// What a JSON answer must look like.
pub(super) fn schema(question: &Question) -> impl Render + use<> {
    let (schema, is_cut) = pretty(&question.response_schema, SCHEMA_CHARS);
    let whole = is_cut.then(|| words::question_url(question));
    owned_html! {
        details(class = "schema") {
            summary : "What it must look like";
            pre(data-ignore) : &schema;
            @ if let Some(url) = &whole { p { a(href = url) : "All of it, with the question as JSON"; } }
        }
    }
}

//! The form that answers a question.

use horrorshow::{Render, RenderBox, box_html, owned_html};
use remora_actors::model::Question;

use super::{live, words};

/// The form. It is left alone by every patch while its card stays, so that nothing typed or chosen is lost.
pub(super) fn form(question: &Question) -> impl Render {
    let action = words::respond_url(&question.agent_id);
    owned_html! {
        form(class = "answer", action = &action, method = "post", data-ignore-morph, data-on:submit = live::SUBMIT) {
            input(type = "hidden", name = "msg_id", value = question.msg_id.as_str());
            input(type = "hidden", name = "workspace_id", value = question.workspace_id.as_str());
            : fields(question);
            button(type = "submit") : "Answer";
        }
    }
}

/// What the answer is given with: the name is always `answer`.
pub(super) fn fields(question: &Question) -> Box<dyn RenderBox + '_> {
    let kind = if question.multiple { "checkbox" } else { "radio" };
    let id = format!("answer-{}", words::question_hash(&question.key()));
    let asked = words::question_id(&question.key());
    let structured = !question.response_schema.is_null();
    if structured && question.options.is_empty() {
        return box_html! { : json_field(question, "Your answer, as JSON", true); };
    }
    if question.options.is_empty() {
        return box_html! {
            label(for = &id, class = "unseen") : "Your answer";
            textarea(id = &id, name = "answer", rows = "2", required, placeholder = "Your answer",
                aria-describedby = &asked,
                data-on:keydown = live::SUBMIT_BY_KEY);
        };
    }
    box_html! {
        fieldset(aria-describedby = &asked) {
            legend : if question.multiple { "Choose one or more" } else { "Choose one" };
            @ for option in &question.options {
                label(class = "option", data-ignore) {
                    // Several checkboxes need not all be ticked: which ones are, the server checks.
                    input(type = kind, name = "answer", value = option.as_str(),
                        required ?= !question.multiple && !structured);
                    span : option.as_str();
                }
            }
        }
        @ if structured {
            details(class = "schema") {
                summary : "Or answer in your own words, as JSON";
                : json_field(question, "Your answer, as JSON, instead of a choice", false);
            }
        }
    }
}

/// A text that is read as JSON, and what it must look like.
fn json_field(question: &Question, label: &'static str, required: bool) -> impl Render {
    let schema = serde_json::to_string_pretty(&question.response_schema).unwrap_or_default();
    let id = format!("answer-{}", words::question_hash(&question.key()));
    let asked = words::question_id(&question.key());
    owned_html! {
        label(for = &id) : label;
        textarea(id = &id, class = "json", name = "answer", rows = "4", required ?= required, spellcheck = "false",
            aria-describedby = &asked,
            data-on:keydown = live::SUBMIT_BY_KEY);
        details(class = "schema") { summary : "What it must look like"; pre(data-ignore) : &schema; }
    }
}

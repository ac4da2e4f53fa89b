//! One field of a form.

use horrorshow::{Raw, Render, TemplateBuffer, owned_html};
use remora_actors::model::{Choice, Field, Format, Input};
use serde_json::Value;

use crate::html::{text_of, words};

/// Choices that are shown side by side; more are folded into a list.
const MOST_RADIOS: usize = 5;
/// Characters of a field's description.
const HINT_CHARS: usize = 600;

/// The content of a text field: browsers drop a line break at its beginning, so that one is put before.
pub(super) struct Typed<'a>(pub(super) &'a str);

impl horrorshow::RenderOnce for Typed<'_> {
    fn render_once(self, tmpl: &mut TemplateBuffer<'_>) {
        self.render(tmpl);
    }
}

impl horrorshow::RenderMut for Typed<'_> {
    fn render_mut(&mut self, tmpl: &mut TemplateBuffer<'_>) {
        self.render(tmpl);
    }
}

impl Render for Typed<'_> {
    fn render(&self, tmpl: &mut TemplateBuffer<'_>) {
        if self.0.starts_with(['\n', '\r']) {
            tmpl.write_str("\n");
        }
        tmpl.write_str(self.0);
    }
}

/// A field where it stands.
pub(super) struct Control<'a> {
    pub(super) field: &'a Field,
    /// What its texts are sent as.
    pub(super) name: String,
    /// Makes its ids.
    pub(super) id: String,
    /// What it holds.
    pub(super) texts: Vec<String>,
    /// What is wrong with that.
    pub(super) error: Option<&'a str>,
}

impl Control<'_> {
    /// The field with its name, what it is for, and what is wrong with it.
    pub(super) fn render(&self) -> String {
        let Self { field, .. } = self;
        let hint = hint(field);
        let (hint_id, error_id) = (format!("{}-hint", self.id), format!("{}-error", self.id));
        // A text that is to be JSON is looked at while it is typed.
        let is_checked = field.input == Input::Json;
        let mut described: Vec<_> = hint.iter().map(|_| hint_id.as_str()).collect();
        described.extend((is_checked || self.error.is_some()).then_some(error_id.as_str()));
        let described = (!described.is_empty()).then(|| described.join(" "));
        let error = self.error.map(|problem| format!("{} {problem}", field.label()));
        let control = self.control(described.as_deref());
        let class = if error.is_some() { "field wrong" } else { "field" };
        text_of(owned_html! {
            div(class = class) {
                : Raw(&control);
                @ if let Some(hint) = &hint { p(id = &hint_id, class = "hint") : hint; }
                @ if let Some(error) = &error {
                    p(id = &error_id, class = "problem") : error;
                } else if is_checked {
                    p(id = &error_id, class = "problem", hidden);
                }
            }
        })
    }

    fn control(&self, described: Option<&str>) -> String {
        match &self.field.input {
            Input::Truth => self.truth(described),
            Input::One(choices) if self.are_side_by_side(choices) => {
                let open = self.may_be_open().then(left_open);
                let choices: Vec<_> = open.into_iter().chain(choices.iter().cloned()).collect();
                self.boxes("radio", &choices, described)
            }
            Input::One(choices) => self.list(choices, described),
            Input::Several(choices) => self.boxes("checkbox", choices, described),
            input => self.line(input, described),
        }
    }

    fn are_side_by_side(&self, choices: &[Choice]) -> bool {
        let is_short = !self.may_be_open() && choices.len() <= MOST_RADIOS;
        !self.field.is_present && (is_short || self.field.input.is_truth())
    }

    /// True where nothing is an answer too.
    fn may_be_open(&self) -> bool {
        !self.field.is_required || self.field.is_nullable
    }

    /// True where it has to be filled in.
    fn is_needed(&self) -> bool {
        !self.may_be_open() && !self.field.is_present
    }

    fn text(&self) -> String {
        self.texts.first().cloned().unwrap_or_default()
    }

    /// The field's name, and whether it must be filled in.
    fn label(&self) -> String {
        let (label, id) = (self.field.label().to_owned(), self.id.clone());
        let mark = self.mark();
        text_of(owned_html! { label(for = &id) { : &label; : Raw(&mark); } })
    }

    fn mark(&self) -> String {
        let is_marked = self.is_needed() && !self.field.label().is_empty();
        if is_marked { text_of(owned_html! { small(class = "needed") : "required"; }) } else { String::new() }
    }

    fn truth(&self, described: Option<&str>) -> String {
        let (name, label, id) = (self.name.clone(), self.field.label().to_owned(), self.id.clone());
        let label = if label.is_empty() { "Yes".to_owned() } else { label };
        let (is_ticked, described, is_wrong) = (!self.text().is_empty(), described.map(str::to_owned), self.is_wrong());
        text_of(owned_html! {
            label(class = "option") {
                input(id = &id, type = "checkbox", name = &name, value = "true", checked ?= is_ticked,
                    aria-describedby ?= described.as_deref(), aria-invalid ?= is_wrong);
                span : &label;
            }
        })
    }

    fn is_wrong(&self) -> Option<&'static str> {
        self.error.map(|_| "true")
    }

    fn boxes(&self, kind: &'static str, choices: &[Choice], described: Option<&str>) -> String {
        let choices: Vec<_> =
            choices.iter().map(|choice| (choice.clone(), self.is_chosen(choice), self.name.clone())).collect();
        let is_required = kind == "radio" && self.is_needed();
        let (label, mark) = (self.field.label().to_owned(), self.mark());
        let (described, is_wrong) = (described.map(str::to_owned), self.is_wrong());
        text_of(owned_html! {
            fieldset(class = "options", aria-describedby ?= described.as_deref()) {
                @ if !label.is_empty() { legend { : &label; : Raw(&mark); } }
                @ for (choice, is_chosen, name) in &choices {
                    label(class = "option") {
                        input(type = kind, name = name, value = &choice.text, checked ?= *is_chosen,
                            required ?= is_required, aria-invalid ?= is_wrong);
                        span {
                            : &choice.label;
                            @ if let Some(effect) = &choice.effect { small : effect; }
                        }
                    }
                }
            }
        })
    }

    fn is_chosen(&self, choice: &Choice) -> bool {
        self.texts.contains(&choice.text) || choice.text.is_empty() && self.texts.is_empty()
    }

    fn list(&self, choices: &[Choice], described: Option<&str>) -> String {
        let options: Vec<_> =
            choices.iter().map(|c| (c.text.clone(), c.label.clone(), self.texts.contains(&c.text))).collect();
        let (label, id, name) = (self.label(), self.id.clone(), self.name.clone());
        let (described, is_wrong) = (described.map(str::to_owned), self.is_wrong());
        let (is_required, is_open) = (self.is_needed(), !self.field.is_present);
        text_of(owned_html! {
            : Raw(&label);
            select(id = &id, name = &name, required ?= is_required, aria-describedby ?= described.as_deref(),
                aria-invalid ?= is_wrong) {
                @ if is_open { option(value = "") : "—"; }
                @ for (text, label, is_chosen) in &options {
                    option(value = text, selected ?= *is_chosen) : label;
                }
            }
        })
    }

    /// A text, a number, or JSON.
    fn line(&self, input: &Input, described: Option<&str>) -> String {
        let text = self.text();
        let look = look(input, &text, self.field.is_present);
        let (label, id, name) = (self.label(), self.id.clone(), self.name.clone());
        let (described, is_wrong) = (described.map(str::to_owned), self.is_wrong());
        let is_required = self.is_needed();
        let format = (*input == Input::Json).then_some("json");
        let example = self.field.examples.first().map(|example| words::value(example).into_owned());
        if look.is_area {
            let dir = look.class.is_none().then_some("auto");
            return text_of(owned_html! {
                : Raw(&label);
                textarea(id = &id, class ?= look.class, name = &name, rows = "1", dir ?= dir, required ?= is_required,
                    data-format ?= format, inputmode ?= look.inputmode, placeholder ?= example.as_deref(), spellcheck ?= look.spellcheck,
                    aria-describedby ?= described.as_deref(), aria-invalid ?= is_wrong) : Typed(&text);
            });
        }
        let value = (!text.is_empty()).then_some(text);
        text_of(owned_html! {
            : Raw(&label);
            input(id = &id, type = look.kind, name = &name, value ?= value.as_deref(), required ?= is_required,
                inputmode ?= look.inputmode, min ?= look.min.as_deref(), max ?= look.max.as_deref(),
                step ?= look.step.as_deref(), placeholder ?= example.as_deref(),
                aria-describedby ?= described.as_deref(), aria-invalid ?= is_wrong);
        })
    }
}

/// The choice of none.
fn left_open() -> Choice {
    Choice { value: Value::Null, text: String::new(), label: "No answer".to_owned(), effect: None }
}

/// How a text field looks. What it takes, the server decides.
#[derive(Default)]
struct Look {
    is_area: bool,
    kind: &'static str,
    class: Option<&'static str>,
    inputmode: Option<&'static str>,
    spellcheck: Option<&'static str>,
    min: Option<String>,
    max: Option<String>,
    step: Option<String>,
}

fn look(input: &Input, text: &str, is_present: bool) -> Look {
    let look = match input {
        Input::Number { is_integer, min, max, step } => Look {
            kind: "number",
            inputmode: Some(if *is_integer { "numeric" } else { "decimal" }),
            min: min.as_ref().map(ToString::to_string),
            max: max.as_ref().map(ToString::to_string),
            // Browsers count steps from `min`, schemas from 0.
            step: step
                .as_ref()
                .filter(|_| min.is_none())
                .map_or_else(|| Some("any".to_owned()), |s| Some(s.to_string())),
            ..Look::default()
        },
        Input::Text { is_long, format } => Look { is_area: *is_long, kind: kind(*format, text), ..Look::default() },
        _ => Look { is_area: true, class: Some("json"), spellcheck: Some("false"), ..Look::default() },
    };
    // Enter in a single line would press the form's first button, which approves.
    let class = if is_present { Some("json") } else { look.class };
    Look { is_area: look.is_area || is_present || text.contains('\n'), class, ..look }
}

/// The browser's name for a text; a special field would lose a text that it does not know.
fn kind(format: Format, text: &str) -> &'static str {
    match format {
        Format::Email => "email",
        Format::Uri => "url",
        Format::Date if text.is_empty() || text.parse::<jiff::civil::Date>().is_ok() => "date",
        Format::DateTime if text.is_empty() || text.len() <= 23 && text.parse::<jiff::civil::DateTime>().is_ok() => {
            "datetime-local"
        }
        _ => "text",
    }
}

fn hint(field: &Field) -> Option<String> {
    let description = field.description.as_deref().map(|text| words::brief(text, HINT_CHARS).into_owned());
    let examples: Vec<_> = field.examples.iter().take(3).map(words::value).collect();
    let examples = (!examples.is_empty()).then(|| format!("For example: {}", examples.join(", ")));
    let whole = [description, examples].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    (!whole.is_empty()).then_some(whole)
}

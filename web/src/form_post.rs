//! What a question's form sends, and the answer that it stands for. The fields: `answer`, the options chosen, the text, or
//! the button that was pressed; `other`, an own text instead of an option; `reason`, why; `proposal`; and `f0`, `f1`, …,
//! the fields of a form by their places.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use remora_actors::model::{FieldError, Form, Invalid, Kind, Limits, Question, field_text};
use serde_json::{Map, Value, json};

/// The texts of one form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FormPost {
    pub(crate) answers: Vec<String>,
    pub(crate) other: String,
    pub(crate) reason: String,
    pub(crate) proposal: Option<String>,
    pub(crate) fields: BTreeMap<usize, Vec<String>>,
}

impl FormPost {
    /// Takes a field in, if it is one of an answer's.
    pub(crate) fn add(&mut self, name: &str, value: String) {
        match name {
            "answer" => self.answers.push(value),
            "other" => self.other = value,
            "reason" => self.reason = value,
            "proposal" => self.proposal = Some(value),
            _ => {
                if let Some(place) = name.strip_prefix('f').and_then(|place| place.parse().ok()) {
                    self.fields.entry(place).or_default().push(value);
                }
            }
        }
    }

    /// The texts that were sent for a form's field.
    pub(crate) fn texts(&self, form: &Form, place: usize) -> Vec<&str> {
        let sent = if form.is_bare { Some(&self.answers) } else { self.fields.get(&place) };
        sent.into_iter().flatten().map(String::as_str).collect()
    }

    /// The answer. Times without a zone are in `zone`.
    ///
    /// # Errors
    /// [`Invalid`] where a text stands for no value.
    pub(crate) fn answer(&self, question: &Question, zone: &TimeZone) -> Result<Value, Invalid> {
        match question.kind() {
            Kind::Text => Ok(self.only(question).into()),
            Kind::Choice => self.choice(question),
            Kind::Decision => self.decision(question, zone),
            Kind::Form(form) if form.is_bare || self.fields.values().any(|texts| !texts.is_empty()) => {
                self.schema_form(&form, question, zone)
            }
            // A form of boxes none of which is ticked sends nothing.
            Kind::Form(form) if self.only(question).is_empty() => self.schema_form(&form, question, zone),
            Kind::Form(_) | Kind::Json => read_json(&self.only(question)),
        }
    }

    fn form(&self, form: &Form, zone: &TimeZone) -> Result<Value, Invalid> {
        let (value, errors) = form.read(|place| self.texts(form, place), zone);
        if errors.is_empty() { Ok(value) } else { Err(Invalid::Answer(errors)) }
    }

    /// A person hears of everything at once: where some texts stand for no value, of what the schema has against the
    /// others too.
    fn schema_form(&self, form: &Form, question: &Question, zone: &TimeZone) -> Result<Value, Invalid> {
        let (value, mut errors) = form.read(|place| self.texts(form, place), zone);
        if errors.is_empty() {
            return Ok(value);
        }
        if let Err(Invalid::Answer(more)) = question.accept(value, &Limits::UNBOUNDED) {
            let is_new = |error: &FieldError| errors.iter().all(|known| known.field != error.field);
            let more: Vec<_> = more.into_iter().filter(is_new).collect();
            errors.extend(more);
        }
        Err(Invalid::Answer(errors))
    }

    fn choice(&self, question: &Question) -> Result<Value, Invalid> {
        let mut chosen: Vec<_> =
            self.answers.iter().filter(|answer| !answer.is_empty()).map(|answer| as_meant(question, answer)).collect();
        let has_own = !self.other.trim().is_empty() && (chosen.len() < self.answers.len() || chosen.is_empty());
        let own = field_text(&self.other);
        if question.multiple {
            chosen.extend(has_own.then_some(own));
            return Ok(json!(chosen));
        }
        match chosen.pop().filter(|_| !has_own) {
            Some(option) if question.response_schema.is_null() || question.offers(&option) => Ok(option.into()),
            Some(json) => read_json(&json),
            None if has_own && !question.response_schema.is_null() => read_json(&own),
            None => Ok(own.into()),
        }
    }

    fn decision(&self, question: &Question, zone: &TimeZone) -> Result<Value, Invalid> {
        let word = self.only(question);
        if word.trim_start().starts_with('{') {
            return read_json(&word);
        }
        let mut decision = Map::from_iter([("decision".to_owned(), Value::from(word))]);
        let mut put = |name: &str, value: Value| drop(decision.insert(name.to_owned(), value));
        if !self.reason.trim().is_empty() {
            put("reason", field_text(&self.reason).into());
        }
        if decision_is_no(&self.answers) {
            return Ok(Value::Object(decision));
        }
        if let Some(arguments) = question.arguments.as_ref().filter(|_| !self.fields.is_empty()) {
            put("arguments", self.form(&Form::of_values(arguments), zone)?);
        }
        if let (Some(original), Some(sent)) = (&question.proposal, &self.proposal) {
            let is_same = field_text(original) == field_text(sent);
            put("proposal", if is_same { original.clone() } else { field_text(sent) }.into());
        }
        Ok(Value::Object(decision))
    }

    /// The last text that is not blank.
    fn only(&self, question: &Question) -> String {
        let answer = self.answers.iter().rfind(|answer| !answer.trim().is_empty());
        answer.map(|answer| as_meant(question, answer)).unwrap_or_default()
    }
}

/// A rejected call needs no arguments, however they were left.
fn decision_is_no(answers: &[String]) -> bool {
    answers.iter().any(|answer| answer == "reject" || answer == "deny")
}

fn read_json(text: &str) -> Result<Value, Invalid> {
    serde_json::from_str(text).map_err(|error| Invalid::field("answer", format!("must be json: {error}")))
}

/// The option whose text this is, or the text.
fn as_meant(question: &Question, answer: &str) -> String {
    let answer = field_text(answer);
    question.options.iter().find(|option| field_text(option) == answer).cloned().unwrap_or(answer)
}

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
    /// The names of the fields beside `answer`; those of a form go on with `f1`.
    pub(crate) const FIELDS: [&str; 4] = ["other", "reason", "proposal", "f0"];

    /// Takes a field in. `false`: it is none of an answer's.
    pub(crate) fn add(&mut self, name: &str, value: String) -> bool {
        match name {
            "answer" => self.answers.push(value),
            "other" => self.other = value,
            "reason" => self.reason = value,
            "proposal" => self.proposal = Some(value),
            _ => {
                let place = name.strip_prefix('f').and_then(|place| place.parse().ok());
                let Some(place) = place else { return false };
                self.fields.entry(place).or_default().push(value);
            }
        }
        true
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
    serde_json::from_str(text).map_err(|error| Invalid::field("answer", format!("is not valid JSON: {error}")))
}

/// The option whose text this is, or the text.
fn as_meant(question: &Question, answer: &str) -> String {
    let answer = field_text(answer);
    question.options.iter().find(|option| field_text(option) == answer).cloned().unwrap_or(answer)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use remora_actors::model::QuestionKey;

    use super::*;

    fn ask(fields: &str) -> Question {
        let mut fields: Value = serde_json::from_str(fields).expect("json");
        fields["question"] = "?".into();
        let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
        let fields = fields.as_object().expect("an object");
        Question::from_fields(key, "a", Timestamp::UNIX_EPOCH, fields, &Limits::default()).expect("a question")
    }

    fn post(form: &str) -> FormPost {
        let mut post = FormPost::default();
        let fields: Vec<(String, String)> = serde_urlencoded::from_str(form).expect("a form");
        fields.into_iter().for_each(|(name, value)| {
            post.add(&name, value);
        });
        post
    }

    fn answer(question: &str, form: &str) -> Result<Value, Invalid> {
        post(form).answer(&ask(question), &TimeZone::UTC)
    }

    #[test]
    fn a_form_is_read_by_what_was_asked() {
        let call = r#"{"tool_name": "rm", "arguments": {"path": "a\nb", "depth": 1}}"#;
        let form = r#"{"response_schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"},
            "b": {"type": "boolean"}}}}"#;
        for (question, sent, expected) in [
            ("{}", "answer=one%0D%0Atwo", json!("one\ntwo")),
            (r#"{"options": ["a", "b"]}"#, "answer=b&other=", json!("b")),
            (r#"{"options": ["a", "b"]}"#, "answer=&other=c", json!("c")),
            (r#"{"options": ["a", "b"]}"#, "answer=b&other=left+over", json!("b")),
            (r#"{"options": ["a", "b"]}"#, "answer=b&answer=", json!("b")),
            (r#"{"options": ["a", "b"]}"#, "answer=c", json!("c")),
            (r#"{"options": ["a"], "response_schema": {"type": "object"}}"#, "answer=a", json!("a")),
            (r#"{"options": ["a"], "response_schema": {"type": "object"}}"#, "answer=&other={}", json!({})),
            (r#"{"options": ["a", "b"], "multiple": true}"#, "answer=a&answer=&other=c", json!(["a", "c"])),
            (r#"{"options": ["a", "b"], "multiple": true}"#, "answer=a&other=c", json!(["a"])),
            (r#"{"options": ["a", "b"], "multiple": true}"#, "", json!([])),
            (r#"{"reason": "confirmation"}"#, "reason=+&answer=approve", json!({"decision": "approve"})),
            (r#"{"reason": "confirmation"}"#, "reason=no&answer=reject", json!({"decision": "reject", "reason": "no"})),
            (call, "answer=approve", json!({"decision": "approve"})),
            (
                call,
                "f0=a%0D%0Ab&f1=1&answer=approve",
                json!({"decision": "approve", "arguments": {"path": "a\nb", "depth": 1}}),
            ),
            (call, "f0=c&f1=2&answer=approve", json!({"decision": "approve", "arguments": {"path": "c", "depth": 2}})),
            (call, "f0=c&f1=deep&answer=reject", json!({"decision": "reject"})),
            (call, "answer={\"decision\":\"reject\"}", json!({"decision": "reject"})),
            (
                r#"{"reason": "confirmation", "proposal": "a\r\nb"}"#,
                "proposal=a%0D%0Ab&answer=approve",
                json!({"decision": "approve", "proposal": "a\r\nb"}),
            ),
            (form, "f0=3&f1=true", json!({"n": 3, "b": true})),
            (form, "f0=3&f1=false", json!({"n": 3, "b": false})),
            (form, "f0=3", json!({"n": 3})),
            (form, "f0=3&f1=", json!({"n": 3})),
            (form, "answer={\"n\":3}", json!({"n": 3})),
            (r#"{"response_schema": {"type": "integer"}}"#, "answer=7", json!(7)),
            (r#"{"response_schema": {"type": "object"}}"#, "answer={\"k\":[]}", json!({"k": []})),
        ] {
            assert_eq!(answer(question, sent), Ok(expected), "{question} {sent}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let form = r#"{"response_schema": {"type": "object", "required": ["n", "m"], "properties": {
            "n": {"type": "integer"}, "m": {"type": "string", "minLength": 3}, "e": {"type": "string", "format": "email"}}}}"#;
        let Err(Invalid::Answer(errors)) = answer(form, "f0=x&f1=a&f2=b") else { panic!("not refused") };
        let told: Vec<_> =
            errors.iter().map(|error| (error.field.as_deref().unwrap_or_default(), &*error.problem)).collect();
        assert_eq!(told[0], ("n", "must be a whole number"));
        assert!(
            told.contains(&("m", "must have at least 3 characters"))
                && told.contains(&("e", "must be an e-mail address")),
            "{told:?}"
        );
    }

    #[test]
    fn line_breaks_arrive_as_they_were_meant() {
        for option in ["a\nb", "a\r\nb", "a\rb"] {
            let question = ask(&json!({"options": [option, "c"]}).to_string());
            let answer = post("answer=a%0D%0Ab").answer(&question, &TimeZone::UTC);
            assert_eq!(answer, Ok(option.into()));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(
            kind in prop::sample::select(vec![
                "{}", r#"{"options": ["a"]}"#, r#"{"options": ["a"], "multiple": true}"#, r#"{"reason": "confirmation", "proposal": "p"}"#,
                r#"{"arguments": {"a": "x", "n": 1, "b": true, "j": [1]}}"#, r#"{"response_schema": {"type": "object"}}"#,
                r#"{"response_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", 1]}}}}"#,
            ]),
            sent in prop::collection::vec(("answer|other|reason|proposal|f0|f1|f2|f99|f-1|fx", any::<String>()), 0..6),
        ) {
            let (question, mut post) = (ask(kind), FormPost::default());
            sent.into_iter().for_each(|(name, value)| { post.add(&name, value); });
            if let Ok(answer) = post.answer(&question, &TimeZone::UTC) {
                let _ = question.accept(answer, &Limits::default());
            }
        }
    }
}

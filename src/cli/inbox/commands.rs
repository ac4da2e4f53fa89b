//! The commands that decide about a question, ready to be typed into a shell.

use remora_actors::model::{Field, Form, Input, Kind, QuestionRecord};
use serde_json::{Value, json};

use crate::cli::terminal::{escape, quoted, steers};

/// What stands for a text that a person has to think of.
const TEXT: &str = "'TEXT'";
const WHY: &str = "'WHY'";

/// The commands for one question.
pub(in crate::cli) struct Commands<'a> {
    record: &'a QuestionRecord,
    /// True where its id alone does not name it.
    names_agent: bool,
}

impl<'a> Commands<'a> {
    /// `None`: its id, or its agent's, cannot be typed.
    pub(in crate::cli) fn of(record: &'a QuestionRecord, names_agent: bool) -> Option<Self> {
        let question = &record.question;
        let cannot_be_typed = steers(&question.msg_id) || names_agent && steers(&question.agent_id);
        (!cannot_be_typed).then_some(Self { record, names_agent })
    }

    /// Takes its answer back.
    pub(in crate::cli) fn undo(&self) -> String {
        self.line("answer --undo", "", &[])
    }

    /// What each of them does, and how it is typed.
    pub(super) fn all(&self) -> Vec<(&'static str, Vec<String>)> {
        let question = &self.record.question;
        let mut all = match question.kind() {
            Kind::Text => vec![("answer it", vec![self.answer(&[TEXT.to_owned()])])],
            Kind::Choice => self.choices(),
            Kind::Decision => self.decisions(),
            Kind::Form(form) => vec![("answer it", vec![self.answer(&filled_in(&form))])],
            Kind::Json => vec![("answer it", vec![self.answer(&["'{…}'".to_owned()])])],
        };
        all.push(("close it without an answer", vec![self.line("dismiss", &format!("--reason {WHY}"), &[])]));
        all
    }

    fn choices(&self) -> Vec<(&'static str, Vec<String>)> {
        let question = &self.record.question;
        let options: Vec<_> = question.options.iter().map(String::as_str).collect();
        let mut all = if question.multiple {
            vec![("answer it with any of these", vec![self.chosen(&options)])]
        } else {
            vec![("answer it", options.iter().map(|option| self.chosen(&[option])).collect())]
        };
        if question.allow_other {
            all.push(("answer it in words of your own", vec![self.answer(&[TEXT.to_owned()])]));
        }
        all
    }

    fn decisions(&self) -> Vec<(&'static str, Vec<String>)> {
        let question = &self.record.question;
        let word = |word: &str| word.to_owned();
        let mut all = vec![("approve it", vec![self.answer(&[word("approve")])])];
        let names = question.arguments.iter().flat_map(|arguments| arguments.keys()).filter(|name| !steers(name));
        let changed: Vec<_> = names.map(|name| format!("{}={TEXT}", quoted(name))).collect();
        if !changed.is_empty() {
            let each = changed.into_iter().map(|change| self.answer(&[word("approve"), change]));
            all.push(("approve it with an argument changed", each.collect()));
        }
        if question.proposal.is_some() {
            let change = format!("proposal={TEXT}");
            all.push(("approve it with another text", vec![self.answer(&[word("approve"), change])]));
        }
        all.push(("reject it", vec![self.answer(&[word("reject"), word(WHY)])]));
        all
    }

    /// With options just as they are; what cannot be typed goes as JSON.
    fn chosen(&self, options: &[&str]) -> String {
        if !options.iter().any(|option| steers(option)) {
            return self.answer(&options.iter().map(|option| quoted(option)).collect::<Vec<_>>());
        }
        let json = match options {
            [only] if !self.record.question.multiple => Value::from(*only),
            several => json!(several),
        };
        self.line("answer", &format!("--json-answer {}", quoted(&escape(&json.to_string()))), &[])
    }

    fn answer(&self, words: &[String]) -> String {
        self.line("answer", "", words)
    }

    /// A command about the question. The flags and the words can be typed as they are.
    fn line(&self, command: &str, flags: &str, words: &[String]) -> String {
        let question = &self.record.question;
        let mut flags = flags.to_owned();
        if self.names_agent {
            flags.push_str(&format!(" --agent {}", quoted(&question.agent_id)));
        }
        let words: Vec<_> = std::iter::once(quoted(&question.msg_id)).chain(words.iter().cloned()).collect();
        let has_dash = words.iter().any(|word| word.trim_start_matches('\'').starts_with('-'));
        let (flags, words) = (flags.trim_start(), words.join(" "));
        match (flags.is_empty(), has_dash) {
            (true, false) => format!("remora {command} {words}"),
            (true, true) => format!("remora {command} -- {words}"),
            (false, false) => format!("remora {command} {words} {flags}"),
            (false, true) => format!("remora {command} {flags} -- {words}"),
        }
    }
}

/// The fields that must be filled in, or all where none must be.
fn filled_in(form: &Form) -> Vec<String> {
    if form.is_bare {
        return form.fields.iter().map(example).collect();
    }
    if form.fields.iter().any(|field| steers(&field.name)) {
        return vec!["'{…}'".to_owned()];
    }
    let needed = form.fields.iter().filter(|field| field.is_required);
    let all =
        if form.fields.iter().any(|field| field.is_required) { needed.collect() } else { Vec::from_iter(&form.fields) };
    all.into_iter().map(|field| format!("{}={}", quoted(&field.name), example(field))).collect()
}

/// A value that would do, or a word for it.
fn example(field: &Field) -> String {
    match &field.input {
        Input::Text { .. } => TEXT.to_owned(),
        Input::Number { .. } => "NUMBER".to_owned(),
        Input::Truth => "true".to_owned(),
        Input::One(choices) | Input::Several(choices) => match choices.first() {
            Some(choice) if !steers(&choice.text) => quoted(&choice.text),
            _ => TEXT.to_owned(),
        },
        Input::Json => "'{…}'".to_owned(),
    }
}

//! A whole question, for whoever decides about it: who asks what, with all that belongs to it, and how it is answered.
//! What an agent wrote is indented and cannot be taken for anything else.

use jiff::Timestamp;
use remora_actors::model::{
    Choice, Field, Format, Held, Input, Kind, OnDeadline, QuestionRecord, Spread, Status, Urgency,
};
use serde_json::{Number, Value};

use super::commands::Commands;
use crate::cli::terminal::{self, Output, clock, escape, escape_lines, span};

/// Shown where there are no commands.
const NOT_TYPEABLE: &str = "its id cannot be typed; answer it on the page";

/// The question as text. `names_agent`: its id alone does not name it.
pub(in crate::cli) fn of(record: &QuestionRecord, names_agent: bool, now: Timestamp, out: &Output) -> String {
    let mut sheet = Sheet { out, text: String::new() };
    sheet.head(record, now);
    sheet.asked(record);
    sheet.answer(record);
    match Commands::of(record, names_agent) {
        Some(commands) => sheet.commands(record, &commands),
        None => sheet.section(NOT_TYPEABLE, ""),
    }
    sheet.text.trim_end().to_owned()
}

/// When an answer that is held counts, and how it is taken back until then.
pub(in crate::cli) fn until_it_counts(record: &QuestionRecord, held: &Held, names_agent: bool) -> String {
    let undo = Commands::of(record, names_agent).map_or_else(|| NOT_TYPEABLE.to_owned(), |commands| commands.undo());
    format!("counts at {}; until then it can be taken back: {undo}", clock(held.deliver_at))
}

struct Sheet<'a> {
    out: &'a Output,
    text: String,
}

impl Sheet<'_> {
    fn head(&mut self, record: &QuestionRecord, now: Timestamp) {
        let question = &record.question;
        let waits = record.waits();
        let word = if record.status == Status::Open && !waits { "held" } else { record.status.as_str() };
        let style = if waits { terminal::WAITING } else { terminal::GOOD };
        let (msg_id, word) = (self.out.paint(terminal::STRONG, &escape(&question.msg_id)), self.out.paint(style, word));
        self.line(&format!("{msg_id}  {word}"));
        let age = span(now.duration_since(question.created_at).as_secs().max(0));
        self.line(&format!("asked by {}, {age} ago, at {}", escape(&question.agent_id), clock(question.created_at)));
        if let Some(at) = question.expires_at.filter(|_| waits) {
            let left = span(at.duration_since(now).as_secs().max(0));
            self.line(&format!("deadline in {left}, at {}: then {}", clock(at), at_deadline(record)));
        }
        match question.urgency {
            Urgency::Normal => {}
            Urgency::Low => self.line("urgency low"),
            Urgency::High => self.line("urgency high"),
            Urgency::Critical => self.line("urgency critical"),
        }
    }

    fn asked(&mut self, record: &QuestionRecord) {
        let question = &record.question;
        self.section("question", &question.question);
        if !question.context.is_null() {
            self.section("context", &written(&question.context));
        }
        if let Some(tool) = &question.tool_name {
            self.section("tool", tool);
        }
        if let Some(arguments) = &question.arguments {
            self.section(if arguments.is_empty() { "no arguments" } else { "arguments" }, "");
            for (name, value) in Spread::new(arguments, usize::MAX).named {
                self.name(&name, "");
                self.indented(4, &written(value));
            }
        }
        if let Some(proposal) = &question.proposal {
            self.section("proposal", proposal);
        }
        match question.kind() {
            Kind::Text | Kind::Decision => {}
            Kind::Choice => self.choices(record),
            Kind::Form(form) => {
                self.section(if form.is_bare { "wanted" } else { "fields" }, "");
                form.fields.iter().for_each(|field| self.field(field));
            }
            Kind::Json => self.section("json schema of the answer", &written(&question.response_schema)),
        }
    }

    fn choices(&mut self, record: &QuestionRecord) {
        let question = &record.question;
        self.section(if question.multiple { "choices, of which several may be taken" } else { "choices" }, "");
        for option in &question.options {
            self.name(option, "");
            for note in [question.labels.get(option), question.effects.get(option)].into_iter().flatten() {
                self.indented(4, note);
            }
        }
        if question.allow_other {
            self.line("  or words of your own");
        }
    }

    fn field(&mut self, field: &Field) {
        let needed = if field.is_required { " (required)" } else { "" };
        if !field.name.is_empty() {
            self.name(&field.name, needed);
        }
        for note in [&field.title, &field.description].into_iter().flatten() {
            self.indented(4, note);
        }
        self.indented(4, &taken(&field.input));
        if let Some(initial) = &field.initial {
            self.indented(4, &format!("left out: {}", written(initial)));
        }
    }

    /// The answer, if there is one that may be told.
    fn answer(&mut self, record: &QuestionRecord) {
        if let Some(answer) = &record.answer {
            self.section("answer", &written(&answer.answer));
            let by = &answer.answered_by;
            self.line(&format!("by {} ({}), at {}", escape(&by.who), by.door.as_str(), clock(answer.responded_at)));
        }
        if let Some(reason) = &record.closed_reason {
            self.section("closed", reason);
        }
    }

    fn commands(&mut self, record: &QuestionRecord, commands: &Commands<'_>) {
        if record.waits() {
            for (what, lines) in commands.all() {
                self.section(what, &lines.join("\n"));
            }
        } else if let Some(held) = record.held.as_ref().filter(|_| record.status == Status::Open) {
            let by = &held.answered_by;
            let (who, door, at) = (escape(&by.who), by.door.as_str(), clock(held.deliver_at));
            let heading = format!("answered by {who} ({door}), which counts at {at}; take it back");
            self.section(&heading, &commands.undo());
        }
    }

    /// A heading of ours, and below it what somebody wrote.
    fn section(&mut self, heading: &str, text: &str) {
        self.line("");
        let heading = self.out.paint(terminal::FAINT, heading);
        self.line(&heading);
        if !text.is_empty() {
            self.indented(2, text);
        }
    }

    /// What something goes by, on one line: none of it can be taken for what belongs to it.
    fn name(&mut self, name: &str, note: &str) {
        self.line(&format!("  {}{note}", escape(name)));
    }

    fn indented(&mut self, width: usize, text: &str) {
        for line in escape_lines(text).split('\n') {
            self.line(format!("{:width$}{line}", "").trim_end());
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// A text as it is, anything else as JSON.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
    }
}

/// What a field takes.
fn taken(input: &Input) -> String {
    match input {
        Input::Text { format, .. } => match format {
            Format::Plain => "a text".to_owned(),
            Format::Email => "an e-mail address".to_owned(),
            Format::Uri => "a web address".to_owned(),
            Format::Date => "a day, such as 2026-02-24".to_owned(),
            Format::DateTime => "a time, such as 2026-02-24T14:05".to_owned(),
        },
        Input::Number { is_integer, min, max, .. } => {
            let kind = if *is_integer { "a whole number" } else { "a number" };
            let bound = |word: &str, bound: &Option<Number>| {
                bound.as_ref().map(|bound| format!(", {word} {bound}")).unwrap_or_default()
            };
            format!("{kind}{}{}", bound("at least", min), bound("at most", max))
        }
        Input::Truth => "true or false".to_owned(),
        Input::One(_) if input.is_truth() => taken(&Input::Truth),
        Input::One(choices) => listed("one of", choices),
        Input::Several(choices) => listed("any of", choices),
        Input::Json => "json".to_owned(),
    }
}

fn listed(which: &str, choices: &[Choice]) -> String {
    let one = |choice: &Choice| match (&choice.effect, choice.label == choice.text) {
        (None, true) => choice.text.clone(),
        (None, false) => format!("{} ({})", choice.text, choice.label),
        (Some(effect), _) => format!("{} ({}: {effect})", choice.text, choice.label),
    };
    std::iter::once(which.to_owned()).chain(choices.iter().map(one)).collect::<Vec<_>>().join("\n  ")
}

fn at_deadline(record: &QuestionRecord) -> String {
    match record.question.on_deadline {
        OnDeadline::Expire => "it closes unanswered".to_owned(),
        OnDeadline::Wait => "it goes on waiting".to_owned(),
        OnDeadline::Default => format!("the answer is {}", escape(&record.question.default.to_string())),
        OnDeadline::Deny => "it is denied".to_owned(),
    }
}

//! What there is to choose from, and what each choice leads to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{Invalid, Limits};

/// Texts that belong to options, by the option.
pub type Notes = BTreeMap<String, String>;

/// The options of a question as they stand in its record.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// What an answer holds.
    pub(super) values: Vec<String>,
    /// What is shown instead of the value.
    pub(super) labels: Notes,
    /// What the choice leads to.
    pub(super) effects: Notes,
}

impl Options {
    /// Reads `options`, each a text or an object `{"value","label"?,"effect"?}`, and the notes that stand beside them in
    /// `labels` and `effects`, which is how a record carries them.
    pub(super) fn read(fields: &Map<String, Value>, limits: &Limits) -> Result<Self, Invalid> {
        let mut options =
            Self { values: Vec::new(), labels: notes(fields, "labels")?, effects: notes(fields, "effects")? };
        let given = match fields.get("options") {
            None | Some(Value::Null) => &Vec::new(),
            Some(Value::Array(given)) => given,
            Some(_) => return Err(Invalid::field("options", "must be an array")),
        };
        Invalid::over(given.len(), limits.options, "the list of options", "options")?;
        for option in given {
            options.add(option)?;
        }
        for (name, notes) in [("labels", &options.labels), ("effects", &options.effects)] {
            if let Some(stray) = notes.keys().find(|option| !options.values.contains(option)) {
                return Err(Invalid::field(name, format!("speak of {stray:?}, which is no option")));
            }
        }
        let texts = options.values.iter().chain(options.labels.values()).chain(options.effects.values());
        for text in texts {
            Invalid::over(text.len(), limits.question_bytes, "an option", "question_bytes")?;
        }
        Ok(options)
    }

    fn add(&mut self, option: &Value) -> Result<(), Invalid> {
        let problem =
            || Invalid::field("options", "must hold texts, or objects of a `value`, a `label` and an `effect`");
        let value = match option {
            Value::String(value) => value,
            Value::Object(parts) => {
                if parts.keys().any(|key| !["value", "label", "effect"].contains(&key.as_str())) {
                    return Err(problem());
                }
                let value = parts.get("value").and_then(Value::as_str).ok_or_else(problem)?;
                for (name, notes) in [("label", &mut self.labels), ("effect", &mut self.effects)] {
                    match parts.get(name) {
                        None | Some(Value::Null) => {}
                        Some(Value::String(note)) => drop(notes.insert(value.to_owned(), note.clone())),
                        Some(_) => return Err(problem()),
                    }
                }
                value
            }
            _ => return Err(problem()),
        };
        if value.trim().is_empty() {
            return Err(Invalid::field("options", "must not hold an empty text"));
        }
        self.values.push(value.to_owned());
        Ok(())
    }
}

fn notes(fields: &Map<String, Value>, name: &'static str) -> Result<Notes, Invalid> {
    let problem = || Invalid::field(name, "must be an object of texts, one for each option that has one");
    let notes = match fields.get(name) {
        None | Some(Value::Null) => return Ok(Notes::new()),
        Some(Value::Object(notes)) => notes,
        Some(_) => return Err(problem()),
    };
    notes.iter().map(|(option, note)| Ok((option.clone(), note.as_str().ok_or_else(problem)?.to_owned()))).collect()
}

//! What an answer is, and which answers a question takes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{Invalid, Limits},
    Form, Question, Reason, schema,
};

/// By which way an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// The dashboard.
    Browser,
    /// The command line.
    Cli,
    /// The JSON API.
    Http,
    /// A model context protocol client.
    Mcp,
    /// A signed link in a notice.
    Link,
    /// The question's own deadline policy.
    Policy,
    /// Somebody who wrote into the workspace without Remora.
    External,
}

impl Door {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Cli => "cli",
            Self::Http => "http",
            Self::Mcp => "mcp",
            Self::Link => "link",
            Self::Policy => "policy",
            Self::External => "external",
        }
    }
}

/// Who gave an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredBy {
    /// The person, as far as known.
    pub who: String,
    /// The way it came.
    pub door: Door,
}

/// An answer with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// A text; an array of texts for `multiple`; a [`Decision`](super::Decision) for a confirmation or a tool call;
    /// anything the `response_schema` allows.
    pub answer: Value,
    /// Who gave it.
    pub answered_by: AnsweredBy,
    /// When it was decided.
    pub responded_at: Timestamp,
}

/// How a question is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A free text.
    Text,
    /// One of the options, or several; with `allow_other` an own text, which is JSON where there is a schema.
    Choice,
    /// A [`Decision`](super::Decision).
    Decision,
    /// The fields of a flat `response_schema`.
    Form(Form),
    /// JSON that fits a `response_schema` that is not flat.
    Json,
}

impl Question {
    /// How it is answered.
    pub fn kind(&self) -> Kind {
        if !self.options.is_empty() {
            Kind::Choice
        } else if self.asks_for_decision() {
            Kind::Decision
        } else if self.response_schema.is_null() {
            Kind::Text
        } else {
            Form::of_schema(&self.response_schema).map_or(Kind::Json, Kind::Form)
        }
    }

    /// True where it is answered by a [`Decision`](super::Decision).
    pub fn asks_for_decision(&self) -> bool {
        self.reason != Reason::InputRequired && self.options.is_empty() && self.response_schema.is_null()
    }

    /// Checks an answer against what was asked for, and gives it back as the agent shall read it.
    ///
    /// # Errors
    /// [`Invalid`] says what an answer must be; [`Invalid::Answer`] for each field of it.
    pub fn accept(&self, answer: Value, limits: &Limits) -> Result<Value, Invalid> {
        Invalid::over(answer.to_string().len(), limits.answer_bytes, "the answer", "answer_bytes")?;
        match self.kind() {
            Kind::Decision => return self.decided(&answer),
            Kind::Text => free_text(&answer)?,
            Kind::Choice => self.check_choice(&answer)?,
            Kind::Form(_) | Kind::Json => schema::check(&self.response_schema, &answer)?,
        }
        Ok(answer)
    }

    /// True for one of the options.
    pub fn offers(&self, text: &str) -> bool {
        self.options.iter().any(|option| option == text)
    }

    fn check_choice(&self, answer: &Value) -> Result<(), Invalid> {
        let is_offered = |one: &Value| one.as_str().is_some_and(|text| self.offers(text));
        let all_offered = match answer {
            Value::Array(chosen) if self.multiple => !chosen.is_empty() && chosen.iter().all(is_offered),
            one => !self.multiple && is_offered(one),
        };
        if all_offered {
            return Ok(());
        }
        if self.allow_other && !self.response_schema.is_null() {
            return schema::check(&self.response_schema, answer);
        }
        match answer {
            Value::Array(chosen) if self.multiple && !chosen.is_empty() => {
                chosen.iter().try_for_each(|one| self.check_one(one, "must be an array of texts"))
            }
            _ if self.multiple => Err(Invalid::field("answer", "must be an array of at least one option")),
            one => self.check_one(one, "must be a text"),
        }
    }

    fn check_one(&self, one: &Value, shape: &str) -> Result<(), Invalid> {
        match one {
            Value::String(text) if self.offers(text) => Ok(()),
            Value::String(_) if self.allow_other => free_text(one),
            Value::String(_) => {
                let offered = serde_json::to_string(&self.options).unwrap_or_default();
                Err(Invalid::field("answer", format!("must be one of {offered}")))
            }
            _ => Err(Invalid::field("answer", shape)),
        }
    }
}

fn free_text(answer: &Value) -> Result<(), Invalid> {
    match answer {
        Value::String(text) if text.trim().is_empty() => Err(Invalid::field("answer", "must not be empty")),
        Value::String(_) => Ok(()),
        _ => Err(Invalid::field("answer", "must be a text")),
    }
}

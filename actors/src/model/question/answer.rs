//! What an answer is, and which answers a question takes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{Invalid, Limits},
    Question,
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
    /// A text; an array of texts for `multiple`; anything the `response_schema` allows.
    pub answer: Value,
    /// Who gave it.
    pub answered_by: AnsweredBy,
    /// When it was decided.
    pub responded_at: Timestamp,
}

impl Question {
    /// Checks an answer against what was asked for.
    ///
    /// # Errors
    /// [`Invalid`] says what an answer must be.
    pub fn check(&self, answer: &Value, limits: &Limits) -> Result<(), Invalid> {
        Invalid::over(answer.to_string().len(), limits.answer_bytes, "the answer", "answer_bytes")?;
        if !self.response_schema.is_null() {
            if answer.as_str().is_some_and(|text| self.offers(text)) {
                return Ok(());
            }
            return jsonschema::validate(&self.response_schema, answer)
                .map_err(|e| Invalid::field("answer", format!("does not fit the response_schema: {e}")));
        }
        match answer {
            Value::String(text) if !self.multiple => self.check_text(text),
            Value::Array(chosen) if self.multiple && !chosen.is_empty() => {
                chosen.iter().try_for_each(|one| match one {
                    Value::String(text) => self.check_text(text),
                    _ => Err(Invalid::field("answer", "must be an array of texts")),
                })
            }
            _ if self.multiple => Err(Invalid::field("answer", "must be an array of at least one option")),
            _ => Err(Invalid::field("answer", "must be a text")),
        }
    }

    /// True for one of the options.
    pub fn offers(&self, text: &str) -> bool {
        self.options.iter().any(|option| option == text)
    }

    fn check_text(&self, text: &str) -> Result<(), Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::field("answer", "must not be empty"));
        }
        if !self.options.is_empty() && !self.offers(text) {
            let offered = serde_json::to_string(&self.options).unwrap_or_default();
            return Err(Invalid::field("answer", format!("must be one of {offered}")));
        }
        Ok(())
    }
}

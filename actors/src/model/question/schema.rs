//! Answers against the asker's JSON Schema.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::super::{FieldError, Invalid};

/// Reads a schema. Formats are part of what is asked for; nothing is ever loaded from elsewhere.
pub(super) fn compile(schema: &Value) -> Result<Validator, Invalid> {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|e| Invalid::field("response_schema", format!("is no usable json schema: {e}")))
}

/// Refuses an answer that does not fit, field by field.
pub(super) fn check(schema: &Value, answer: &Value) -> Result<(), Invalid> {
    let errors: Vec<_> = compile(schema)?.iter_errors(answer).map(|error| field_error(&error)).collect();
    if errors.is_empty() { Ok(()) } else { Err(Invalid::Answer(errors)) }
}

fn field_error(error: &ValidationError<'_>) -> FieldError {
    let path = error.instance_path().to_string();
    let top = path.split('/').nth(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    let missing = match error.kind() {
        ValidationErrorKind::Required { property } if path.is_empty() => property.as_str().map(str::to_owned),
        _ => None,
    };
    FieldError { field: missing.or(top), problem: problem(error) }
}

/// What is wrong, in words for the person who fills the form in.
fn problem(error: &ValidationError<'_>) -> String {
    let characters = |limit: &u64| if *limit == 1 { "1 character".to_owned() } else { format!("{limit} characters") };
    match error.kind() {
        ValidationErrorKind::Required { property } if error.instance_path().to_string().is_empty() => {
            "is required".to_owned()
        }
        ValidationErrorKind::Required { property } => format!("needs the property {property}"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {}", characters(limit)),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {}", characters(limit)),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        ValidationErrorKind::MinItems { limit } => format!("needs at least {limit} of them"),
        ValidationErrorKind::MaxItems { limit } => format!("takes at most {limit} of them"),
        ValidationErrorKind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        ValidationErrorKind::Format { format } => match format.as_str() {
            "email" => "must be an e-mail address".to_owned(),
            "uri" => "must be a whole web address, such as https://example.org".to_owned(),
            "date" => "must be a date, such as 2026-02-24".to_owned(),
            "date-time" => "must be a time with its zone, such as 2026-02-24T09:37:00Z".to_owned(),
            other => format!("must be in the format {other}"),
        },
        // The answer itself stays out of error texts.
        _ => error.masked_with("it").to_string(),
    }
}

//! Answers against the asker's JSON Schema.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::super::{FieldError, Invalid};

/// Objects and arrays of a schema with all that it refers to written out: a form of a hundred fields, several times over.
/// What an answer costs to check grows with it, and a few references to references would make it endless.
const PARTS: usize = 1_000;
/// Errors that are told of one answer: more than anybody reads at once.
const ERRORS: usize = 100;
/// Keywords under which names of the asker's own lead to schemas.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"];
/// Keywords under which there are values, which only look like schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];
/// Keywords that refer, or make references mean something else, in ways that are not followed here.
const FOREIGN: [&str; 4] = ["$dynamicRef", "$recursiveRef", "$id", "id"];

/// Reads a schema. Formats are part of what is asked for; nothing is ever loaded from elsewhere.
pub(super) fn compile(schema: &Value) -> Result<Validator, Invalid> {
    let refused = |problem: String| Invalid::field("response_schema", problem);
    Extent { root: schema, left: PARTS }.take(schema).map_err(refused)?;
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|e| refused(format!("is no usable json schema: {e}")))
}

/// How much of a schema is left to be written out.
struct Extent<'a> {
    root: &'a Value,
    left: usize,
}

impl Extent<'_> {
    fn take(&mut self, part: &Value) -> Result<(), String> {
        if !part.is_object() && !part.is_array() {
            return Ok(());
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            format!(
                "must have at most {PARTS} parts, with everything that it refers to written out, and not contain itself"
            )
        })?;
        let Value::Object(fields) = part else {
            return part.as_array().into_iter().flatten().try_for_each(|item| self.take(item));
        };
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    let found = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
                    self.take(found.ok_or("must refer to its own parts only, as in `#/$defs/name`")?)?;
                }
                (name, Value::String(_)) if FOREIGN.contains(&name) && !std::ptr::eq(part, self.root) => {
                    return Err(format!("must not have `{name}` in its parts"));
                }
                (name, _) if VALUES.contains(&name) => {}
                (name, Value::Object(named)) if NAMED.contains(&name) => {
                    named.values().try_for_each(|schema| self.take(schema))?;
                }
                _ => self.take(value)?,
            }
        }
        Ok(())
    }
}

/// Refuses an answer that does not fit, field by field.
pub(super) fn check(schema: &Value, answer: &Value) -> Result<(), Invalid> {
    let validator = compile(schema)?;
    if validator.is_valid(answer) {
        return Ok(());
    }
    Err(Invalid::Answer(validator.iter_errors(answer).take(ERRORS).map(|error| field_error(&error)).collect()))
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
        _ => error.masked_with("it").to_string().trim_start_matches("it ").to_owned(),
    }
}

//! How one field is filled in, and which values its texts stand for.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Number, Value};

use super::field_text;

/// Characters from which on a text gets several lines.
const LONG_TEXT: u64 = 120;

/// How a field is filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// With a text.
    Text {
        /// True for several lines.
        is_long: bool,
        /// What kind of text.
        format: Format,
    },
    /// With a number.
    Number {
        /// True for whole ones.
        is_integer: bool,
        /// The least.
        min: Option<Number>,
        /// The greatest.
        max: Option<Number>,
        /// It is a multiple of this.
        step: Option<Number>,
    },
    /// With yes or no, where no is what is not said.
    Truth,
    /// With one of these.
    One(Vec<Choice>),
    /// With any of these.
    Several(Vec<Choice>),
    /// With JSON.
    Json,
}

/// A kind of text that browsers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Any text.
    Plain,
    /// An e-mail address.
    Email,
    /// A web address.
    Uri,
    /// A day.
    Date,
    /// A point in time.
    DateTime,
}

/// A value to choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The value.
    pub value: Value,
    /// What a form sends for it, unlike any other's.
    pub text: String,
    /// What a person reads.
    pub label: String,
    /// What the choice leads to.
    pub effect: Option<String>,
}

impl Input {
    pub(super) fn of_schema(schema: &Value) -> Self {
        // Optional values are often written as "this or null"; leaving a field empty is the null.
        let alternatives = || ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).next();
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let names = schema.get("enumNames").and_then(Value::as_array);
            let name = |place: usize| names.and_then(|names| names.get(place)?.as_str()).map(str::to_owned);
            let named = values.iter().enumerate().map(|(place, value)| (value.clone(), name(place), None));
            return Self::One(choices(named));
        }
        if let Some(value) = schema.get("const") {
            return Self::One(choices([(value.clone(), None, None)]));
        }
        if let Some(alternatives) = alternatives() {
            let named: Option<Vec<_>> = alternatives.iter().map(constant).collect();
            return match (named, alternatives.iter().filter(|one| !takes_null(one)).collect::<Vec<_>>().as_slice()) {
                (Some(named), _) => Self::One(choices(named)),
                (None, [only]) => Self::of_schema(only),
                _ => Self::Json,
            };
        }
        match type_of(schema) {
            Some("string") => Self::text(schema),
            Some(kind @ ("number" | "integer")) => Self::Number {
                is_integer: kind == "integer",
                min: number(schema, "minimum"),
                max: number(schema, "maximum"),
                step: number(schema, "multipleOf"),
            },
            Some("boolean") => Self::Truth,
            Some("array") => match schema.get("items").map(Self::of_schema) {
                Some(Self::One(choices)) => Self::Several(choices),
                _ => Self::Json,
            },
            _ => Self::Json,
        }
    }

    fn text(schema: &Value) -> Self {
        let format = match schema.get("format").and_then(Value::as_str) {
            Some("email") => Format::Email,
            Some("uri") => Format::Uri,
            Some("date") => Format::Date,
            Some("date-time") => Format::DateTime,
            _ => Format::Plain,
        };
        let is_short = schema.get("pattern").is_some() || schema.get("format").is_some();
        let most = schema.get("maxLength").and_then(Value::as_u64);
        Self::Text { is_long: !is_short && most.is_none_or(|most| most > LONG_TEXT), format }
    }

    /// True where nothing but yes or no is said.
    pub fn is_truth(&self) -> bool {
        match self {
            Self::Truth => true,
            Self::One(choices) => choices.iter().all(|choice| choice.value.is_boolean()),
            _ => false,
        }
    }

    /// Yes, no, or nothing.
    pub(super) fn open_truth() -> Self {
        Self::One(choices(
            [(true, "Yes"), (false, "No")].map(|(value, word)| (value.into(), Some(word.to_owned()), None)),
        ))
    }

    /// For a value that is there already.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::String(_) => Self::Text { is_long: true, format: Format::Plain },
            Value::Number(number) => Self::Number { is_integer: !number.is_f64(), min: None, max: None, step: None },
            Value::Bool(_) => Self::One(choices([true, false].map(|value| (Value::Bool(value), None, None)))),
            _ => Self::Json,
        }
    }

    pub(super) fn write(&self, value: &Value, zone: &TimeZone) -> Vec<String> {
        match (self, value) {
            (Self::One(choices), value) => choices
                .iter()
                .find(|choice| choice.value == *value)
                .map(|choice| choice.text.clone())
                .into_iter()
                .collect(),
            (Self::Several(choices), Value::Array(values)) => choices
                .iter()
                .filter(|choice| values.contains(&choice.value))
                .map(|choice| choice.text.clone())
                .collect(),
            (Self::Several(_), _) => Vec::new(),
            (Self::Truth, value) => (*value == Value::Bool(true)).then(|| "true".to_owned()).into_iter().collect(),
            (Self::Text { format: Format::DateTime, .. }, Value::String(text)) => vec![local_text(text, zone)],
            (Self::Json, value) => vec![serde_json::to_string_pretty(value).unwrap_or_default()],
            (_, value) => vec![text_of(value)],
        }
    }

    pub(super) fn read(&self, texts: &[String], zone: &TimeZone) -> Result<Value, String> {
        let only = texts.iter().find(|text| !text.is_empty()).map(String::as_str).unwrap_or_default();
        match self {
            Self::Text { format: Format::DateTime, .. } => Ok(zoned_text(only, zone).into()),
            Self::Text { .. } => Ok(only.into()),
            Self::Number { is_integer, .. } => read_number(only, *is_integer).map(Value::Number),
            Self::Truth => Ok(Value::Bool(true)),
            Self::One(choices) => chosen(choices, only),
            Self::Several(choices) => texts.iter().map(|text| chosen(choices, text)).collect(),
            Self::Json => serde_json::from_str(only).map_err(|error| format!("is not valid JSON: {error}")),
        }
    }
}

/// True where the schema names null as a type.
pub(super) fn takes_null(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let of_types =
        schema.get("type").is_some_and(|kind| is_null(kind) || kind.as_array().is_some_and(|k| k.iter().any(is_null)));
    let alternatives = ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    of_types || alternatives.into_iter().any(|one| one.get("type").is_some_and(is_null))
}

/// The type, also where null is another one.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            match kinds.iter().filter_map(Value::as_str).filter(|k| *k != "null").collect::<Vec<_>>()[..] {
                [kind] => Some(kind),
                _ => None,
            }
        }
        _ => None,
    }
}

fn number(schema: &Value, key: &str) -> Option<Number> {
    schema.get(key)?.as_number().cloned()
}

type Named = (Value, Option<String>, Option<String>);

/// A value with its name, written as `{"const","title","description"}`.
fn constant(schema: &Value) -> Option<Named> {
    let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    Some((schema.get("const")?.clone(), text("title"), text("description")))
}

fn choices(values: impl IntoIterator<Item = Named>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    for (value, label, effect) in values {
        let text = text_of(&value);
        // Two values may have one text, as 1 and "1" have; an empty text stands for no choice.
        let is_taken = text.is_empty() || choices.iter().any(|choice| field_text(&choice.text) == field_text(&text));
        let text = if is_taken { value.to_string() } else { text };
        let label = label.unwrap_or_else(|| if value.is_null() { "none".to_owned() } else { text_of(&value) });
        if choices.iter().all(|choice| choice.value != value) {
            choices.push(Choice { value, text, label, effect });
        }
    }
    choices
}

fn chosen(choices: &[Choice], text: &str) -> Result<Value, String> {
    let choice = choices.iter().find(|choice| field_text(&choice.text) == text);
    choice.map(|choice| choice.value.clone()).ok_or_else(|| "must be one of the choices".to_owned())
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number as it was written: never a neighbour that a double happens to hold.
fn read_number(text: &str, is_integer: bool) -> Result<Number, String> {
    let text = text.trim();
    let is_whole = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    let problem = || if is_integer { "must be a whole number".to_owned() } else { "must be a number".to_owned() };
    if text.is_empty() {
        return Err(problem());
    }
    if is_whole {
        let signed = text.parse::<i64>().map(Number::from);
        return signed.or_else(|_| text.parse::<u64>().map(Number::from)).map_err(|error| match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "is too large".to_owned(),
            _ => problem(),
        });
    }
    // Browsers write `.5` too.
    let read = text.parse::<f64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)));
    let number = read.ok_or_else(problem)?;
    if is_integer {
        let is_exact = number.fract() == 0.0 && number.abs() <= (1_u64 << f64::MANTISSA_DIGITS) as f64;
        return if is_exact { Ok((number as i64).into()) } else { Err(problem()) };
    }
    Number::from_f64(number).ok_or_else(|| "is too large".to_owned())
}

/// A time as browsers show it, without a zone; what is no time stays as it is.
fn local_text(text: &str, zone: &TimeZone) -> String {
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |at| zone.to_datetime(at).to_string())
}

fn zoned_text(text: &str, zone: &TimeZone) -> String {
    let local = text.parse::<DateTime>().ok().filter(|_| text.parse::<Timestamp>().is_err());
    let zoned = local.and_then(|local| zone.to_zoned(local).ok());
    zoned.map_or_else(|| text.to_owned(), |zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

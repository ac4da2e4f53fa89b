//! Forms: one field per property of a flat JSON Schema, or per value that a person may change. What a form sends are
//! texts; which value they stand for is known here alone.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{
    super::FieldError,
    field_text,
    input::{self, Input},
};

/// Fields of one form: more than a person fills in is data, and better written as JSON.
const MOST_FIELDS: usize = 50;

/// What a person fills in, field by field.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// In the order in which they were written.
    pub fields: Vec<Field>,
    /// True where the only field is the answer itself instead of one of its properties.
    pub is_bare: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The property's name.
    pub name: String,
    /// What to call it, where that is not its name.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Values that would do.
    pub examples: Vec<Value>,
    /// False where it may be left out.
    pub is_required: bool,
    /// True where null is a value too: that of a field that must be there and is left empty.
    pub is_nullable: bool,
    /// True for a value that is there to be changed: an empty text is a text, and it is never left out.
    pub is_present: bool,
    /// How it is filled in.
    pub input: Input,
    /// What it holds before anybody has touched it.
    pub initial: Option<Value>,
}

impl Form {
    /// The form of a flat schema. `None`: nothing that could be shown field by field.
    pub fn of_schema(schema: &Value) -> Option<Self> {
        let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|p| !p.is_empty()) else {
            let field = Field::of_schema(String::new(), schema, true);
            return (field.input != Input::Json).then(|| Self { fields: vec![field], is_bare: true });
        };
        let is_object = schema.get("type").is_none_or(|kind| kind == "object");
        if !is_object || properties.len() > MOST_FIELDS {
            return None;
        }
        let required = |name: &str| {
            let required = schema.get("required").and_then(Value::as_array);
            required.is_some_and(|names| names.iter().any(|one| one == name))
        };
        let fields = properties.iter().map(|(name, schema)| Field::of_schema(name.clone(), schema, required(name)));
        Some(Self { fields: fields.collect(), is_bare: false })
    }

    /// The form that changes values which are there.
    pub fn of_values(values: &Map<String, Value>) -> Self {
        let field = |(name, value): (&String, &Value)| Field {
            name: name.clone(),
            title: None,
            description: None,
            examples: Vec::new(),
            is_required: true,
            is_nullable: false,
            is_present: true,
            input: Input::of_value(value),
            initial: Some(value.clone()),
        };
        Self { fields: values.iter().map(field).collect(), is_bare: false }
    }

    /// The value that a form's texts stand for, and what is wrong with those that stand for none, which are left out.
    /// `texts` gives those of one field, by its place; times without a zone are in `zone`.
    pub fn read<'a>(&self, texts: impl Fn(usize) -> Vec<&'a str>, zone: &TimeZone) -> (Value, Vec<FieldError>) {
        let mut errors = Vec::new();
        let mut values = Map::new();
        for (place, field) in self.fields.iter().enumerate() {
            match field.read(&texts(place), zone) {
                Ok(Some(value)) => drop(values.insert(field.name.clone(), value)),
                Ok(None) => {}
                Err(problem) => {
                    let field = (!self.is_bare).then(|| field.name.clone());
                    errors.push(FieldError { field, problem });
                }
            }
        }
        let value = if self.is_bare { values.remove("").unwrap_or_default() } else { Value::Object(values) };
        (value, errors)
    }

    /// Where the errors belong: each field's, by its place. What belongs to no field is not in it.
    pub fn place<'e>(&self, errors: &'e [FieldError]) -> HashMap<usize, &'e str> {
        let place = |error: &FieldError| {
            if self.is_bare {
                return Some(0);
            }
            self.fields.iter().position(|field| error.field.as_ref() == Some(&field.name))
        };
        // The first is what a person mends first.
        errors.iter().rev().filter_map(|error| Some((place(error)?, error.problem.as_str()))).collect()
    }
}

impl Field {
    fn of_schema(name: String, schema: &Value, is_required: bool) -> Self {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let is_nullable = input::takes_null(schema);
        let input = match Input::of_schema(schema) {
            Input::Truth if is_nullable || !is_required => Input::open_truth(),
            input => input,
        };
        Self {
            name,
            title: text("title"),
            description: text("description"),
            examples: schema.get("examples").and_then(Value::as_array).cloned().unwrap_or_default(),
            is_required,
            is_nullable,
            is_present: false,
            input,
            initial: schema.get("default").filter(|value| !value.is_null()).cloned(),
        }
    }

    /// What to call it.
    pub fn label(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The texts that a form sends for a value: none, one, or one for each of several.
    pub fn write(&self, value: &Value, zone: &TimeZone) -> Vec<String> {
        self.input.write(value, zone)
    }

    /// The value of a field's texts; `None`: left empty.
    ///
    /// # Errors
    /// What a person should write instead.
    pub fn read(&self, texts: &[&str], zone: &TimeZone) -> Result<Option<Value>, String> {
        let texts: Vec<_> = texts.iter().map(|text| field_text(text)).collect();
        // A value that nobody touched stays as it was, also where its text does not tell all of it.
        if let Some(initial) = &self.initial
            && self.write(initial, zone).iter().map(|text| field_text(text)).eq(texts.iter().cloned())
        {
            return Ok(Some(initial.clone()));
        }
        let is_empty = texts.iter().all(|text| text.is_empty());
        match &self.input {
            Input::Text { .. } if is_empty && self.is_present => Ok(Some(Value::from(""))),
            Input::Truth => Ok(Some(Value::Bool(!is_empty))),
            Input::Several(_) if is_empty && self.is_required => Ok(Some(Value::Array(Vec::new()))),
            _ if is_empty && self.is_present => Err("must not be empty".to_owned()),
            _ if is_empty => Ok((self.is_required && self.is_nullable).then_some(Value::Null)),
            input => input.read(&texts, zone).map(Some),
        }
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;

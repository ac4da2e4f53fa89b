use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Choice, Format};

fn form(properties: &Value, required: &[&str]) -> Form {
    Form::of_schema(&json!({"type": "object", "properties": properties, "required": required})).expect("flat")
}

fn input(schema: &Value) -> Input {
    Input::of_schema(schema)
}

fn texts(choices: &[Choice]) -> Vec<&str> {
    choices.iter().map(|choice| choice.text.as_str()).collect()
}

#[test]
fn each_property_gets_the_field_it_needs() {
    let text = |is_long, format| Input::Text { is_long, format };
    for (schema, expected) in [
        (json!({"type": "string"}), text(true, Format::Plain)),
        (json!({"type": "string", "maxLength": 40}), text(false, Format::Plain)),
        (json!({"type": "string", "maxLength": 4000}), text(true, Format::Plain)),
        (json!({"type": "string", "format": "email"}), text(false, Format::Email)),
        (json!({"type": "string", "format": "date-time"}), text(false, Format::DateTime)),
        (json!({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}), text(false, Format::Date)),
        (json!({"type": ["boolean", "null"]}), Input::Truth),
        (json!({"type": "array", "items": {"type": "string"}}), Input::Json),
        (json!({"type": "object"}), Input::Json),
        (json!({"$ref": "#/$defs/x"}), Input::Json),
        (json!(true), Input::Json),
    ] {
        assert_eq!(input(&schema), expected, "{schema}");
    }
    assert!(matches!(
        input(&json!({"type": "integer", "minimum": 1})),
        Input::Number { is_integer: true, min: Some(_), .. }
    ));
    let Input::Several(days) = input(&json!({"type": "array", "items": {"enum": ["mo", "tu"]}})) else { panic!() };
    assert_eq!(texts(&days), ["mo", "tu"]);
    let named = json!({"oneOf": [{"const": 1, "title": "One", "description": "d"}, {"const": 2}]});
    let Input::One(named) = input(&named) else { panic!() };
    assert_eq!((named[0].label.as_str(), named[0].effect.as_deref(), named[1].label.as_str()), ("One", Some("d"), "2"));
    let Input::One(named) = input(&json!({"enum": ["a", "b"], "enumNames": ["A", "B"]})) else { panic!() };
    assert_eq!((named[1].label.as_str(), named[1].text.as_str()), ("B", "b"));
}

#[test]
fn choices_have_texts_of_their_own() {
    let values = json!({"enum": [1, "1", "", null, "null", true, "a\r", "a\n"]});
    let Input::One(choices) = input(&values) else { panic!() };
    assert_eq!(texts(&choices), ["1", "\"1\"", "\"\"", "null", "\"null\"", "true", "a\r", "\"a\\n\""]);
}

#[test]
fn what_is_not_flat_has_no_form() {
    for schema in
        [json!({"type": "object"}), json!({"type": "array"}), json!({"allOf": [{"type": "object"}]}), json!(true)]
    {
        assert_eq!(Form::of_schema(&schema), None, "{schema}");
    }
    let scalar = Form::of_schema(&json!({"type": "integer"})).expect("one field");
    assert_eq!(scalar.read(|_| vec!["3"], &TimeZone::UTC), (json!(3), vec![]));
}

#[test]
fn texts_become_exactly_the_values_they_stand_for() {
    let properties = json!({"s": {"type": "string"}, "n": {"type": "number"}, "i": {"type": "integer"},
        "b": {"type": "boolean"}, "t": {"type": "string", "format": "date-time"}, "j": {"type": "array"},
        "o": {"type": ["string", "null"]}});
    let form = form(&properties, &["o"]);
    let read = |place: usize, text: &'static str| {
        let (value, errors) = form.read(|at| if at == place { vec![text] } else { vec![] }, &TimeZone::UTC);
        (value[&form.fields[place].name].clone(), errors.into_iter().next().map(|error| error.problem))
    };
    for (place, text, value) in [
        (0, " a\r\nb ", json!(" a\nb ")),
        (1, "1.50", json!(1.5)),
        (1, "7", json!(7)),
        (1, ".5", json!(0.5)),
        (1, "18446744073709551615", json!(u64::MAX)),
        (2, "-3", json!(-3)),
        (2, "1e3", json!(1000)),
        (2, "2.0", json!(2)),
        (3, "true", json!(true)),
        (3, "false", json!(false)),
        (4, "2026-02-24T09:37", json!("2026-02-24T09:37:00+00:00")),
        (4, "2026-02-24T09:37:00+02:00", json!("2026-02-24T09:37:00+02:00")),
        (5, "[1]", json!([1])),
    ] {
        assert_eq!(read(place, text), (value, None), "{text}");
    }
    for (place, text, problem) in [
        (1, "seven", "a number"),
        (1, "NaN", "a number"),
        (1, "1e999", "too large"),
        (2, "1.5", "a whole number"),
        (2, "-", "a whole number"),
        (2, "99999999999999999999", "too large"),
        (5, "[1", "JSON"),
    ] {
        let told = read(place, text).1.expect(text);
        assert!(told.contains(problem), "{text}: {told}");
    }
    let (nothing, errors) = form.read(|_| vec![""], &TimeZone::UTC);
    assert_eq!((nothing, errors), (json!({"o": null}), vec![]), "what is empty is left out");
}

#[test]
fn a_value_that_nobody_touched_stays_as_it_was() {
    let values =
        json!({"cmd": "a\r\nb\r", "n": 1.0, "big": 1e300, "on": true, "deep": {"k": [1, null]}, "none": null, "e": ""});
    let values = values.as_object().expect("an object");
    let form = Form::of_values(values);
    let written: Vec<_> = form
        .fields
        .iter()
        .map(|field| field.write(field.initial.as_ref().expect("present"), &TimeZone::UTC))
        // What a browser makes of line breaks.
        .map(|texts| texts.iter().map(|text| field_text(text).replace('\n', "\r\n")).collect::<Vec<_>>())
        .collect();
    let sent = |place: usize| written[place].iter().map(String::as_str).collect();
    assert_eq!(form.read(sent, &TimeZone::UTC), (Value::Object(values.clone()), vec![]));
    let cleared = form.read(|place| if place == 0 { vec![""] } else { sent(place) }, &TimeZone::UTC).0;
    assert_eq!(cleared["cmd"], "", "an argument may be emptied");
    let (_, errors) = form.read(|place| if place == 1 { vec![""] } else { sent(place) }, &TimeZone::UTC);
    assert_eq!(errors[0].field.as_deref(), Some("n"), "but a number may not");
}

#[test]
fn errors_find_their_fields() {
    let form = form(&json!({"a": {"type": "string"}, "b": {"type": "string"}}), &["a"]);
    let error = |field: Option<&str>, problem: &str| FieldError {
        field: field.map(str::to_owned),
        problem: problem.to_owned(),
    };
    let errors =
        [error(Some("b"), "first"), error(Some("b"), "second"), error(None, "whole"), error(Some("z"), "stray")];
    assert_eq!(form.place(&errors), HashMap::from([(1, "first")]));
}

/// A flat property, and a value that it allows and that can be told from none.
fn property() -> impl Strategy<Value = (Value, Value)> {
    let choice = || {
        prop_oneof![
            "[a-c\\r\\n]{0,3}".prop_map(Value::from),
            (0..3).prop_map(Value::from),
            Just(Value::Null),
            any::<bool>().prop_map(Value::from)
        ]
    };
    let choices = || {
        prop::collection::vec(choice(), 1..6).prop_map(|mut values| {
            let mut seen: Vec<Value> = Vec::new();
            values.retain(|value| {
                !seen.contains(value) && {
                    seen.push(value.clone());
                    true
                }
            });
            values
        })
    };
    prop_oneof![
        // The line breaks that a browser leaves.
        "[^\\x00\\r]{1,20}".prop_map(|text| (json!({"type": "string"}), json!(text))),
        any::<i64>().prop_map(|n| (json!({"type": "integer"}), json!(n))),
        any::<u64>().prop_map(|n| (json!({"type": "number"}), json!(n))),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| (json!({"type": "number"}), json!(n))),
        any::<bool>().prop_map(|b| (json!({"type": "boolean"}), json!(b))),
        (choices(), any::<prop::sample::Index>()).prop_map(|(values, at)| {
            let value = values[at.index(values.len())].clone();
            (json!({"enum": values}), value)
        }),
        (choices(), any::<u8>()).prop_map(|(values, chosen)| {
            let some: Vec<_> =
                values.iter().enumerate().filter(|(n, _)| chosen >> n & 1 == 1).map(|(_, v)| v.clone()).collect();
            (json!({"type": "array", "items": {"enum": values}}), json!(some))
        }),
        (0_i64..4_000_000_000).prop_map(|s| {
            let at = jiff::Timestamp::from_second(s).expect("a time").strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
            (json!({"type": "string", "format": "date-time"}), json!(at))
        }),
        Just((json!({"type": "array"}), json!([1, {"a": null}]))),
    ]
}

proptest! {
    #[test]
    fn a_value_written_into_a_form_is_read_back(properties in prop::collection::vec(property(), 1..6)) {
        let (mut schemas, mut values, mut names) = (Map::new(), Map::new(), Vec::new());
        for (n, (schema, value)) in properties.into_iter().enumerate() {
            schemas.insert(format!("p{n}"), schema);
            values.insert(format!("p{n}"), value);
            names.push(format!("p{n}"));
        }
        let schema = json!({"type": "object", "properties": schemas, "required": names});
        let form = Form::of_schema(&schema).expect("flat");
        let sent: Vec<Vec<String>> = form
            .fields
            .iter()
            .map(|field| field.write(&values[&field.name], &TimeZone::UTC))
            .map(|texts| texts.iter().map(|text| field_text(text).replace('\n', "\r\n")).collect())
            .collect();
        let (read, errors) = form.read(|place| sent[place].iter().map(String::as_str).collect(), &TimeZone::UTC);
        prop_assert_eq!(errors, vec![]);
        prop_assert_eq!(&read, &Value::Object(values));
        prop_assert!(crate::model::question::schema::check(&schema, &read).is_ok());
    }

    #[test]
    fn whatever_is_sent_is_read_or_refused(properties in prop::collection::vec(property(), 1..4), text in any::<String>()) {
        let schemas: Map<_, _> = properties.into_iter().enumerate().map(|(n, (schema, _))| (format!("p{n}"), schema)).collect();
        let form = Form::of_schema(&json!({"type": "object", "properties": schemas})).expect("flat");
        let (value, errors) = form.read(|_| vec![&text], &TimeZone::UTC);
        for error in errors {
            prop_assert!(value.get(error.field.expect("a field")).is_none());
        }
    }
}

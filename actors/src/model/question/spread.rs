//! A call's arguments as a person reads them.

use serde_json::{Map, Value};

/// Characters of a name.
const NAME_CHARS: usize = 200;
/// Levels that come apart. What is deeper has a name that is hard to read.
const LEVELS: usize = 4;

/// Arguments by their names. What holds texts of several lines comes apart into them, each named by the way to it, as in
/// `edits[0].old`: JSON would write their lines in one.
#[derive(Debug, PartialEq)]
pub struct Spread<'a> {
    /// Names and values.
    pub named: Vec<(String, &'a Value)>,
    /// How many more there are.
    pub left: usize,
}

impl<'a> Spread<'a> {
    /// The first `most` of them.
    pub fn new(arguments: &'a Map<String, Value>, most: usize) -> Self {
        let mut spread = Self { named: Vec::new(), left: 0 };
        arguments.iter().for_each(|(name, value)| spread.add(name, value, most, LEVELS));
        spread
    }

    fn add(&mut self, name: &str, value: &'a Value, most: usize, levels: usize) {
        if self.named.len() == most {
            self.left += 1;
            return;
        }
        let name = match name.char_indices().nth(NAME_CHARS) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.to_owned(),
        };
        match value {
            Value::Object(fields) if levels > 0 && has_lines(value) => {
                fields.iter().for_each(|(field, value)| self.add(&format!("{name}.{field}"), value, most, levels - 1));
            }
            Value::Array(items) if levels > 0 && has_lines(value) => {
                let each = |(at, value)| self.add(&format!("{name}[{at}]"), value, most, levels - 1);
                items.iter().enumerate().for_each(each);
            }
            _ => self.named.push((name, value)),
        }
    }

    /// True where some of these arguments come apart.
    pub fn comes_apart(arguments: &Map<String, Value>) -> bool {
        arguments.values().any(|value| !value.is_string() && has_lines(value))
    }
}

fn has_lines(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\n'),
        Value::Array(items) => items.iter().any(has_lines),
        Value::Object(fields) => fields.values().any(has_lines),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_holds_several_lines_comes_apart() {
        let call = json!({
            "path": "a.py", "edits": [{"old": "if a:\n  b", "new": "b"}], "flags": {"all": true}, "limits": [1, 2],
        });
        let arguments = call.as_object().expect("an object");
        let Spread { named, left } = Spread::new(arguments, 9);
        let expected = [
            ("path", json!("a.py")),
            ("edits[0].old", json!("if a:\n  b")),
            ("edits[0].new", json!("b")),
            ("flags", json!({"all": true})),
            ("limits", json!([1, 2])),
        ];
        let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), (*value).clone())).collect();
        assert_eq!((named, left), (expected.into(), 0));
        assert_eq!(Spread::new(arguments, 2).left, 3);
        assert!(Spread::comes_apart(arguments));
        assert!(!Spread::comes_apart(json!({"text": "a\nb", "flags": [1]}).as_object().expect("an object")));
    }
}

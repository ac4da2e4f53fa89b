//! JSON on several lines, for people, and no more of it than is shown: a deeply nested value grows a hundredfold by its
//! line breaks.

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::words;

/// A value for people: a text as it is, in its own lines, anything else as [`pretty`] has it.
pub(super) fn readable(value: &Value, max: usize) -> (String, bool) {
    match value {
        Value::String(text) => {
            let shown = words::brief(text, max);
            let is_cut = shown.len() < text.len();
            (shown.into_owned(), is_cut)
        }
        other => pretty(other, max),
    }
}

/// A value's first `max` characters on several lines, with an ellipsis where some are missing; and whether some are.
pub(super) fn pretty(value: &impl Serialize, max: usize) -> (String, bool) {
    let mut shown = Shown { text: String::new(), room: max, is_cut: false };
    // The one error that there may be says that enough has been written.
    let _ = serde_json::to_writer_pretty(&mut shown, value);
    if shown.is_cut {
        shown.text.push('…');
    }
    (shown.text, shown.is_cut)
}

/// Takes a text until there is room for no more.
struct Shown {
    text: String,
    /// In characters.
    room: usize,
    is_cut: bool,
}

impl io::Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for char in str::from_utf8(bytes).map_err(io::Error::other)?.chars() {
            if self.room == 0 {
                self.is_cut = true;
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.text.push(char);
            self.room -= 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_fits_is_whole_and_what_does_not_is_cut_at_a_character() {
        let value = json!({"ü": ["ß", null]});
        let whole = serde_json::to_string_pretty(&value).expect("json");
        let chars = whole.chars().count();
        assert_eq!(pretty(&value, chars), (whole.clone(), false));
        for max in 0..chars {
            let beginning: String = whole.chars().take(max).chain(['…']).collect();
            assert_eq!(pretty(&value, max), (beginning, true));
        }
    }

    #[test]
    fn what_is_not_shown_is_not_looked_at() {
        struct Trap;
        impl Serialize for Trap {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                panic!("looked at");
            }
        }
        let (shown, is_cut) = pretty(&(Value::from("a long text"), Trap), 5);
        assert_eq!((shown.as_str(), is_cut), ("[\n  \"…", true));
    }
}

//! A prefix of keys as a range that an index serves; `_` and `%` are letters like any other.

use tokio_rusqlite::types::Value;

/// The bounds `key >= first AND key < end` of all keys that start with `prefix`.
pub(crate) fn of_prefix(prefix: &str) -> (String, Value) {
    (prefix.to_owned(), end(prefix))
}

/// The same for those of them that come behind a key.
pub(crate) fn behind(after: Option<&str>, prefix: &str) -> (String, Value) {
    let first = after.map(|after| format!("{after}\0")).unwrap_or_default();
    (first.max(prefix.to_owned()), end(prefix))
}

fn end(prefix: &str) -> Value {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Value::Text(end);
        }
    }
    // SQLite orders every text before every blob.
    Value::Blob(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio_rusqlite::rusqlite::{Connection, params};

    fn in_range(key: &str, prefix: &str) -> bool {
        let (first, end) = of_prefix(prefix);
        let db = Connection::open_in_memory().expect("memory");
        db.query_row("SELECT ?1 >= ?2 AND ?1 < ?3", params![key, first, end], |row| row.get(0)).expect("a row")
    }

    proptest! {
        #[test]
        fn holds_the_keys_of_the_prefix_and_no_others(key in ".{0,4}", prefix in ".{0,3}", rest in ".{0,3}") {
            prop_assert_eq!(in_range(&key, &prefix), key.starts_with(&prefix));
            prop_assert!(in_range(&(prefix.clone() + &rest), &prefix));
        }
    }

    #[test]
    fn steps_over_what_is_no_character() {
        assert!(in_range("\u{d7ff}x", "\u{d7ff}"));
        assert!(!in_range("\u{e000}", "\u{d7ff}"));
        assert!(in_range("a\u{10ffff}x", "a\u{10ffff}"));
        assert!(!in_range("b", "a\u{10ffff}"));
        assert!(in_range("\u{10ffff}x", "\u{10ffff}"));
    }
}

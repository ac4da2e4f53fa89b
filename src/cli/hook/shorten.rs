//! Makes a value small enough for an event: long texts lose their end, long lists their last items.

use serde_json::{Map, Value};

/// Bytes of one event's payload. Even if every byte were written as `\u0000` it would stay below the daemon's limit
/// `event_bytes` of 256 KiB.
pub(super) const PAYLOAD_BYTES: usize = 40 << 10;
/// Bytes of one text in it, so that one long output does not push out what stands beside it.
pub(super) const TEXT_BYTES: usize = 8 << 10;
/// Bytes that a value costs beside its text.
const VALUE_BYTES: usize = 8;

/// A copy of `value` within `budget` bytes, with a mark wherever something was left out.
pub(super) fn shorten(value: &Value, text_bytes: usize, budget: &mut usize) -> Value {
    *budget = budget.saturating_sub(VALUE_BYTES);
    match value {
        Value::String(text) => Value::String(cut(text, text_bytes, budget)),
        Value::Array(items) => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                if *budget == 0 {
                    kept.push(format!("… {} more", items.len() - kept.len()).into());
                    break;
                }
                kept.push(shorten(item, text_bytes, budget));
            }
            kept.into()
        }
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, value) in fields {
                if *budget == 0 {
                    kept.insert("…".to_owned(), format!("{} more", fields.len() - kept.len()).into());
                    break;
                }
                let name = cut(name, text_bytes, budget);
                kept.insert(name, shorten(value, text_bytes, budget));
            }
            kept.into()
        }
        other => other.clone(),
    }
}

fn cut(text: &str, text_bytes: usize, budget: &mut usize) -> String {
    let end = text.floor_char_boundary(text_bytes.min(*budget));
    *budget -= end;
    if end == text.len() {
        return text.to_owned();
    }
    format!("{}… ({} bytes left out)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        let value = json!({"a": ["text", 1, null, {"b": true}], "ü": "漢字"});
        assert_eq!(shorten(&value, TEXT_BYTES, &mut PAYLOAD_BYTES.clone()), value);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shorten(&json!("ääää"), 5, &mut 100), json!("ää… (4 bytes left out)"));
        assert_eq!(shorten(&json!(["abc", "def"]), 5, &mut 20), json!(["abc", "… (3 bytes left out)"]));
    }

    #[test]
    fn whatever_comes_it_stays_small() {
        let wide: Vec<_> = (0..100_000).map(|n| json!({"name": n, "text": "\u{1}".repeat(50)})).collect();
        let deep = (0..100).fold(json!("x".repeat(1 << 20)), |inner, _| json!({ "k": [inner] }));
        for value in [json!(wide), deep, json!("\u{1}".repeat(1 << 20)), json!({"k".repeat(1 << 20): 1})] {
            let small = shorten(&value, PAYLOAD_BYTES, &mut PAYLOAD_BYTES.clone()).to_string();
            assert!(small.len() < 250 << 10, "{}", small.len());
            assert!(small.contains('…'), "what was left out is marked");
        }
    }
}

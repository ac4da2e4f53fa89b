//! How a text falls into words, and when two words are the same.

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Characters of a word that count: longer ones are keys and encoded files, and nobody types them.
const WORD_CHARS: usize = 64;

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Where it stands in the text, in bytes.
    pub(super) range: Range<usize>,
    /// The word in small letters without accents: letters and digits only. Never empty.
    pub(super) folded: String,
}

/// The words of a text.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word> {
    parts(text).filter_map(|range| {
        let mut folded = String::new();
        fold(&text[range.clone()], &mut folded);
        (!folded.is_empty()).then_some(Word { range, folded })
    })
}

/// Where the words of a text stand: its longest runs of letters and digits. One may be of marks alone, and no word.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_part)?;
        at = text[start..].find(|c| !is_part(c)).map_or(text.len(), |length| start + length);
        Some(start..at)
    })
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && is_combining_mark(c)
}

/// Writes a word in small letters without accents.
pub(super) fn fold(word: &str, out: &mut String) {
    if word.is_ascii() {
        let start = out.len();
        out.push_str(&word[..word.len().min(WORD_CHARS)]);
        out[start..].make_ascii_lowercase();
        return;
    }
    let letters = word.nfkd().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    out.extend(letters.filter(|c| c.is_alphanumeric()).take(WORD_CHARS));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<String> {
        words(text).map(|word| word.folded).collect()
    }

    #[test]
    fn words_are_letters_and_digits_whatever_their_dress() {
        assert_eq!(all("Read_file: src/Main.rs, 48×"), ["read", "file", "src", "main", "rs", "48"]);
        assert_eq!(all("Zoë ZOE\u{308} ﬁsh"), ["zoe", "zoe", "fish"]);
        assert_eq!(all("日本 Ünïcode"), ["日本", "unicode"]);
        assert_eq!(all("-- \u{301} \"*\" "), Vec::<String>::new());
        assert_eq!(all(&"x".repeat(1_000))[0].len(), WORD_CHARS);
    }

    proptest! {
        #[test]
        fn words_stand_where_they_say(text in "(?s).{0,60}") {
            let mut end = 0;
            for word in words(&text) {
                prop_assert!(word.range.start >= end && !word.folded.is_empty());
                prop_assert!(word.folded.chars().all(char::is_alphanumeric), "{:?}", word.folded);
                prop_assert_eq!(all(&text[word.range.clone()]), vec![word.folded.clone()]);
                prop_assert_eq!(all(&word.folded), vec![word.folded], "folding is done once");
                end = word.range.end;
            }
        }
    }
}

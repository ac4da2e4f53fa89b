//! What a mistyped id was perhaps meant to be.

/// Typos in an id that are still taken for typos.
const MOST_TYPOS: usize = 4;
/// Ids that are named: more is a list.
const MOST_NAMED: usize = 3;

/// Those of the known ids that were perhaps meant, the most likely first: they begin as it was typed, or are some typos
/// away.
pub(super) fn meant<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typos = (typed.chars().count() / 4).clamp(1, MOST_TYPOS);
    let begun = |id: &str| !typed.is_empty() && id.starts_with(typed);
    let away = |id: &'a str| (strsim::osa_distance(id, typed), id);
    let mut near: Vec<_> =
        known.into_iter().map(away).filter(|(distance, id)| *distance <= typos || begun(id)).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MOST_NAMED).map(|(_, id)| id).collect()
}

/// The question that follows an error; nothing where there is nothing to name.
pub(super) fn did_you_mean(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => format!("; did you mean {only}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_id_finds_those_that_were_meant() {
        let known = ["deploy-1", "deploy-2", "0198c2f0-7a3e", "q"];
        for (typed, expected) in [
            ("0198", &["0198c2f0-7a3e"][..]),
            ("0198c2f0-7a3f", &["0198c2f0-7a3e"]),
            ("0198c2f07a3e", &["0198c2f0-7a3e"]),
            ("depoly-2", &["deploy-2", "deploy-1"]),
            ("deploy", &["deploy-1", "deploy-2"]),
            ("something else", &[]),
            ("zz", &[]),
            ("", &["q"]),
        ] {
            assert_eq!(meant(typed, known), expected, "{typed}");
        }
        assert!(meant("x", []).is_empty());
    }

    #[test]
    fn what_was_meant_is_asked_in_words() {
        let names = |names: &[&str]| did_you_mean(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]), "");
        assert_eq!(names(&["a"]), "; did you mean a?");
        assert_eq!(names(&["a", "b", "c"]), "; did you mean a, b or c?");
    }
}

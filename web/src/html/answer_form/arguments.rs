//! A call's arguments, to be read: each under its name, a text in its own lines.

use horrorshow::{Render, owned_html};
use remora_actors::model::Spread;
use serde_json::{Map, Value};

use crate::html::{pretty::readable, words};

/// Arguments that are shown. Nobody reads more of them before a decision.
const ARGUMENTS: usize = 50;

/// What is shown of a call's arguments.
#[derive(Debug, PartialEq)]
pub(super) struct Arguments {
    /// Names and what they hold.
    shown: Vec<(String, String)>,
    /// How many more there are.
    left: usize,
    /// True where something is missing.
    pub(super) is_cut: bool,
}

impl Arguments {
    /// Up to `max` characters. The longest are cut first, so that all others stay whole.
    pub(super) fn new(arguments: &Map<String, Value>, max: usize) -> Self {
        let Spread { named, left } = Spread::new(arguments, ARGUMENTS);
        let chars = named.iter().map(|(_, value)| readable(value, max).0.chars().count()).collect();
        let each = fair_share(chars, max);
        let mut is_cut = left > 0;
        let show = |(name, value): (String, &Value)| {
            let (text, is_text_cut) = readable(value, each);
            is_cut |= is_text_cut;
            (name, text)
        };
        let shown = named.into_iter().map(show).collect();
        Self { shown, left, is_cut }
    }

    /// As a list of names and what they hold.
    pub(super) fn render(&self) -> impl Render {
        owned_html! {
            dl(class = "arguments subject", data-ignore) {
                @ for (name, text) in &self.shown {
                    dt : name;
                    dd { pre(dir = "auto") : text; }
                }
            }
            @ if self.left > 0 { p { : "And "; : words::count(self.left, "more argument"); } }
        }
    }
}

/// What each may have at most of so much room, so that all have room.
fn fair_share(mut wanted: Vec<usize>, mut room: usize) -> usize {
    wanted.sort_unstable();
    let count = wanted.len();
    for (at, wanted) in wanted.into_iter().enumerate() {
        let each = room / (count - at);
        if wanted > each {
            return each;
        }
        room -= wanted;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(arguments: &Value, max: usize) -> Arguments {
        Arguments::new(arguments.as_object().expect("an object"), max)
    }

    fn shown(arguments: &Arguments) -> Vec<(&str, &str)> {
        arguments.shown.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }

    #[test]
    fn the_longest_is_cut_and_the_others_stay_whole() {
        let arguments = of(&json!({"content": "x".repeat(5_000), "path": "a.txt"}), 100);
        assert_eq!(shown(&arguments)[1], ("path", "a.txt"));
        assert_eq!(shown(&arguments)[0].1, format!("{}…", "x".repeat(95)));
        assert!(arguments.is_cut);
    }

    #[test]
    fn what_nobody_would_read_is_counted() {
        let many: Map<_, _> = (0..ARGUMENTS + 3).map(|at| (format!("a{at}"), json!(at))).collect();
        let arguments = Arguments::new(&many, 1_000);
        assert_eq!((arguments.shown.len(), arguments.left, arguments.is_cut), (ARGUMENTS, 3, true));
    }

    proptest! {
        #[test]
        fn all_together_have_the_room_and_no_more(wanted in prop::collection::vec(0usize..500, 1..60), room in 0usize..5_000) {
            let each = fair_share(wanted.clone(), room);
            let given: usize = wanted.iter().map(|wanted| each.min(*wanted)).sum();
            prop_assert!(given <= room);
            prop_assert!(given + wanted.len() > room || given == wanted.iter().sum::<usize>());
        }
    }
}

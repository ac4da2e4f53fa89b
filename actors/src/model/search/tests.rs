use proptest::prelude::*;
use serde_json::json;

use super::*;

fn terms(typed: &str) -> Terms {
    let Ok(terms) = typed.parse();
    terms
}

fn event(payload: Value) -> Event {
    Event {
        graph_id: Some("release-2.4".to_owned()),
        ..Event::of_agent("lint-7", "blocked", Timestamp::UNIX_EPOCH, &[], payload)
    }
}

#[test]
fn finds_what_is_typed() {
    let event =
        event(json!({"question": "Rewrite 48 files with Café fmt?", "context": {"n": [1.5, true, "src/main.rs"]}}));
    for (typed, expected) in [
        ("", true),
        ("rewrite", true),
        ("rewr", true),
        ("rewr*", true),
        ("\"rewr\"", false),
        ("\"rewr\"*", true),
        ("files rewrite", true),
        ("\"files rewrite\"", false),
        ("\"48 files\"", true),
        ("\"48 fil\"*", true),
        ("cafe CAFÉ", true),
        ("lint-7", true),
        ("agent:blocked", true),
        ("blocked release-2", true),
        ("main.rs", true),
        ("main.py", false),
        ("rewrite -files", false),
        ("rewrite -\"files 48\"", true),
        ("-nothing", true),
        ("question", false),
        ("\"fmt lint\"", false),
        ("\"unfinished", false),
        ("\"48 files with", true),
        ("OR AND NOT ( ) : ^ { }", false),
        ("( ) : ^ { } + - * \"", true),
        ("true 1.5", true),
    ] {
        assert_eq!(terms(typed).matches(&event), expected, "{typed}");
    }
}

#[test]
fn places_are_what_was_found() {
    let text = "Deploy? déployer — de plo, \"deploy now\"";
    let marked = |typed: &str| terms(typed).places(text).into_iter().map(|place| &text[place]).collect::<Vec<_>>();
    assert_eq!(marked("deploy"), ["Deploy", "déployer", "deploy"]);
    assert_eq!(marked("\"deploy now\""), ["deploy now"]);
    assert_eq!(marked("\"deploy now\" now deploy"), ["Deploy", "déployer", "deploy now"]);
    assert_eq!(marked("-deploy"), Vec::<&str>::new());
}

#[test]
fn a_search_has_its_bounds() {
    let long = "word ".repeat(10_000);
    assert_eq!(terms(&long).wanted().len(), TERMS);
    let event = event(json!({"content": format!("{long} {long} {long} last")}));
    assert!(!terms("last").matches(&event) && terms("word").matches(&event));
}

proptest! {
    #[test]
    fn any_text_is_a_search(typed in "(?s).{0,60}") {
        let terms = terms(&typed);
        prop_assert_eq!(terms.to_string(), typed);
        for term in terms.wanted().iter().chain(terms.unwanted()) {
            prop_assert!(!term.words.is_empty());
        }
    }

    #[test]
    fn what_stands_in_an_event_is_found(text in "(?s)[a-zé A-Z\"*.-]{1,30}") {
        let event = event(json!({"deep": [{"content": text}]}));
        let quoted = format!("\"{}\"", text.replace('"', " "));
        prop_assert!(terms(&quoted).matches(&event));
        let wanted = terms(&quoted);
        prop_assert_eq!(wanted.places(&text).is_empty(), wanted.is_empty());
    }
}

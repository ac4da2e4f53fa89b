//! The addresses of the pages beside the dashboard, written and read in one place.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remora_actors::view::{GraphFilter, GraphShown, GraphState, NodeOrder, Subject};

/// What stays as it is in a path segment or a query value: RFC 3986's unreserved characters.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The address of a page, path and query.
pub(crate) fn url(subject: &Subject) -> String {
    match subject {
        Subject::Agent(agent_id) => format!("/agents/{}", utf8_percent_encode(agent_id, SEGMENT)),
        Subject::Graphs(filter) => {
            let state = word_of(&GRAPH_STATES, filter.state);
            with_query("/graphs", &[("q", &filter.text), ("state", state), ("page", &page_text(filter.page))])
        }
        Subject::Graph(shown) => {
            let path = format!("/graphs/{}", utf8_percent_encode(&shown.graph_id, SEGMENT));
            let (size, order) = (if shown.fit { "fit" } else { "" }, word_of(&NODE_ORDERS, shown.order));
            with_query(&path, &[("size", size), ("order", order), ("page", &page_text(shown.page))])
        }
        Subject::Projector => "/projector".to_owned(),
    }
}

/// How graphs are looked for, in words.
pub(crate) const GRAPH_STATES: [(GraphState, &str); 5] = [
    (GraphState::Any, "any"),
    (GraphState::Live, "live"),
    (GraphState::Waiting, "waiting"),
    (GraphState::Failed, "failed"),
    (GraphState::Ended, "ended"),
];

/// The orders of nodes, in words.
const NODE_ORDERS: [(NodeOrder, &str); 5] = [
    (NodeOrder::Begin, "begin"),
    (NodeOrder::State, "state"),
    (NodeOrder::Name, "name"),
    (NodeOrder::Ran, "ran"),
    (NodeOrder::Waited, "waited"),
];

/// The word of a value; nothing for the first, which needs none.
fn word_of<T: PartialEq>(words: &[(T, &'static str)], value: T) -> &'static str {
    words[1..].iter().find(|(of, _)| *of == value).map_or("", |(_, word)| word)
}

fn value_of<T: Copy + Default>(words: &[(T, &str)], word: &str) -> T {
    words.iter().find(|(_, of)| *of == word).map_or_else(T::default, |(value, _)| *value)
}

/// People count pages from 1; the first needs no number.
fn page_text(page: usize) -> String {
    if page == 0 { String::new() } else { (page + 1).to_string() }
}

/// A path with the parameters that say something.
fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let said = parameters.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = said.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SEGMENT))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// The page of an address. `None`: there is none.
pub(crate) fn subject(address: &str) -> Option<Subject> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let query: HashMap<String, String> = serde_urlencoded::from_str(query).unwrap_or_default();
    let said = |name: &str| query.get(name).map_or("", String::as_str);
    // No page lies so far behind that its number could overflow.
    let page = || said("page").parse::<u32>().map_or(0, |page| page.saturating_sub(1) as usize);
    let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    match segments[..] {
        ["agents", agent_id] if !agent_id.is_empty() => Some(Subject::Agent(decoded(agent_id)?)),
        ["graphs"] => Some(Subject::Graphs(GraphFilter {
            text: said("q").to_owned(),
            state: value_of(&GRAPH_STATES, said("state")),
            page: page(),
        })),
        ["graphs", graph_id] if !graph_id.is_empty() => Some(Subject::Graph(GraphShown {
            graph_id: decoded(graph_id)?,
            fit: said("size") == "fit",
            order: value_of(&NODE_ORDERS, said("order")),
            page: page(),
        })),
        ["projector"] => Some(Subject::Projector),
        _ => None,
    }
}

/// The address of a page's stream.
pub(crate) fn stream_url(subject: &Subject) -> String {
    format!("/events?of={}", utf8_percent_encode(&url(subject), SEGMENT))
}

fn decoded(segment: &str) -> Option<String> {
    Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_leads_to_what_it_was_made_of(
            text in "(?s).{1,40}", page in 0..1_000_usize, choice in 0..5_usize, fit: bool,
        ) {
            let (graph_id, order, state) = (text.clone(), NODE_ORDERS[choice].0, GRAPH_STATES[choice].0);
            for page in [
                Subject::Agent(text.clone()),
                Subject::Graphs(GraphFilter { text, state, page }),
                Subject::Graph(GraphShown { graph_id, fit, order, page }),
            ] {
                prop_assert_eq!(subject(&url(&page)), Some(page));
            }
        }

        #[test]
        fn any_address_is_read_or_refused(address in "(?s).{0,60}") {
            let _ = subject(&address);
        }
    }

    #[test]
    fn a_page_that_is_none_has_no_subject() {
        for address in
            ["", "/", "/agents", "/agents/", "/agents/a/b", "/agents/%ff", "agents/a", "/graphs/", "/graphs/a/b"]
        {
            assert_eq!(subject(address), None, "{address}");
        }
    }
}

//! The addresses of the pages beside the dashboard, written and read in one place.

use std::{borrow::Cow, collections::HashMap};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remora_actors::{
    model::{AgentQuery, AgentSort, InboxQuery, Pattern, Search, Standing},
    view::{GraphFilter, GraphShown, GraphState, NodeOrder, Subject},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stays as it is in a path segment or a query value: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The address of a page, path and query.
pub(crate) fn url(subject: &Subject) -> String {
    match subject {
        Subject::Agent(agent_id) => format!("/agents/{}", segment(agent_id)),
        Subject::AgentPast(agent_id, before) => format!("/agents/{}?before={before}", segment(agent_id)),
        Subject::Agents(query) => {
            let sort = if query.sort == AgentSort::default() { "" } else { query.sort.as_str() };
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            with_query(
                "/agents",
                &[
                    ("state", query.standing.map_or("", Standing::as_str)),
                    ("q", &query.text),
                    ("graph", &text(&query.graph)),
                    ("session", &text(&query.session)),
                    ("sort", sort),
                    ("page", &page_text(query.page)),
                ],
            )
        }
        Subject::Inbox(query) => with_query(
            "/",
            &[
                ("q", &query.text),
                ("agent", &query.agent),
                ("reason", &word(query.reason)),
                ("urgency", &word(query.urgency)),
                ("page", &page_text(query.page)),
            ],
        ),
        Subject::Graphs(filter) => {
            let state = word_of(&GRAPH_STATES, filter.state);
            with_query("/graphs", &[("q", &filter.text), ("state", state), ("page", &page_text(filter.page))])
        }
        Subject::Graph(shown) => {
            let path = format!("/graphs/{}", segment(&shown.graph_id));
            let (size, order) = (if shown.fit { "fit" } else { "" }, word_of(&NODE_ORDERS, shown.order));
            with_query(&path, &[("size", size), ("order", order), ("page", &page_text(shown.page))])
        }
        Subject::Projector => "/projector".to_owned(),
        Subject::Notices => "/notices".to_owned(),
        Subject::History => "/history".to_owned(),
    }
}

/// An id as a path segment, percent-encoded.
pub(crate) fn segment(id: &str) -> String {
    utf8_percent_encode(&guarded(id), SEGMENT).to_string()
}

/// An id as it stands in a path, before it is percent-encoded. Browsers and clients take `.` and `..` for steps along
/// the path, however they are encoded: these two get a `~` before them, and so do ids that would be taken for such a one.
pub fn guarded(id: &str) -> Cow<'_, str> {
    if is_dots(id.trim_start_matches('~')) { format!("~{id}").into() } else { id.into() }
}

/// The id of a path segment. `None`: it is no text.
pub(crate) fn id_of(segment: &str) -> Option<String> {
    let id = percent_decode_str(segment).decode_utf8().ok()?;
    let guarded = id.strip_prefix('~').filter(|rest| is_dots(rest.trim_start_matches('~')));
    Some(guarded.unwrap_or(&id).to_owned())
}

fn is_dots(id: &str) -> bool {
    matches!(id, "." | "..")
}

/// Bytes of a text that is looked for: no name is longer.
const TEXT_BYTES: usize = 256;

/// The fields of a query. A value that cannot be read says nothing.
struct Query(HashMap<String, String>);

impl Query {
    fn read(query: &str) -> Self {
        Self(serde_urlencoded::from_str(query).unwrap_or_default())
    }

    fn text(&self, name: &str) -> &str {
        let text = self.0.get(name).map_or("", String::as_str);
        &text[..text.floor_char_boundary(TEXT_BYTES)]
    }

    /// A text that says something.
    fn said(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }

    fn word<'de, T: Deserialize<'de>>(&self, name: &str) -> Option<T> {
        T::deserialize(Value::from(self.text(name))).ok()
    }

    /// People count pages from 1. No page lies so far behind that its number could overflow.
    fn page(&self) -> usize {
        self.text("page").parse::<u32>().map_or(0, |page| page.saturating_sub(1) as usize)
    }
}

/// The first page needs no number.
fn page_text(page: usize) -> String {
    if page == 0 { String::new() } else { (page + 1).to_string() }
}

fn word(value: Option<impl Serialize>) -> String {
    let value = value.and_then(|value| serde_json::to_value(value).ok());
    value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A path with the fields that say something.
fn with_query(path: &str, fields: &[(&str, &str)]) -> String {
    let said = fields.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = said.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SEGMENT))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
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
fn word_of<T: PartialEq + Copy>(words: &[(T, &'static str)], value: T) -> &'static str {
    words[1..].iter().find(|(of, _)| *of == value).map_or("", |(_, word)| word)
}

fn value_of<T: Copy + Default>(words: &[(T, &str)], word: &str) -> T {
    words.iter().find(|(_, of)| *of == word).map_or_else(T::default, |(value, _)| *value)
}

/// The page of an address. `None`: there is none.
pub(crate) fn subject(address: &str) -> Option<Subject> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let query = Query::read(query);
    let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    match segments[..] {
        ["agents"] => Some(Subject::Agents(AgentQuery {
            standing: Standing::from_word(query.text("state")),
            text: query.text("q").to_owned(),
            graph: query.said("graph"),
            session: query.said("session"),
            sort: AgentSort::ALL.into_iter().find(|sort| sort.as_str() == query.text("sort")).unwrap_or_default(),
            page: query.page(),
        })),
        ["agents", agent_id] if !agent_id.is_empty() => {
            let agent_id = id_of(agent_id)?;
            Some(match query.text("before").parse() {
                Ok(before) => Subject::AgentPast(agent_id, before),
                Err(_) => Subject::Agent(agent_id),
            })
        }
        [""] => {
            let inbox = InboxQuery {
                text: query.text("q").to_owned(),
                agent: query.text("agent").to_owned(),
                reason: query.word("reason"),
                urgency: query.word("urgency"),
                page: query.page(),
            };
            // Without any filter it is the dashboard.
            Some(Subject::Inbox(inbox)).filter(|subject| url(subject) != "/")
        }
        ["graphs"] => Some(Subject::Graphs(GraphFilter {
            text: query.text("q").to_owned(),
            state: value_of(&GRAPH_STATES, query.text("state")),
            page: query.page(),
        })),
        ["graphs", graph_id] if !graph_id.is_empty() => Some(Subject::Graph(GraphShown {
            graph_id: id_of(graph_id)?,
            fit: query.text("size") == "fit",
            order: value_of(&NODE_ORDERS, query.text("order")),
            page: query.page(),
        })),
        ["projector"] => Some(Subject::Projector),
        ["notices"] => Some(Subject::Notices),
        ["history"] => Some(Subject::History),
        _ => None,
    }
}

/// The address of a page's stream.
pub(crate) fn stream_url(subject: &Subject) -> String {
    format!("/events?of={}", utf8_percent_encode(&url(subject), SEGMENT))
}

/// A search as a query, to be read back by the routes.
pub(crate) fn search_query(search: &Search) -> String {
    let typed = search.terms.to_string();
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    let fields = [
        ("q", Some(typed).filter(|typed| !typed.is_empty())),
        ("pattern", Some(search.pattern.to_string()).filter(|_| search.pattern != Pattern::ALL)),
        ("agent_id", search.agent_id.clone()),
        ("graph_id", search.graph_id.clone()),
        ("session_id", search.session_id.clone()),
        ("from", time(search.from)),
        ("until", time(search.until)),
    ];
    let pairs = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, SEGMENT))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use remora_actors::model::{Reason, Urgency};

    use super::*;

    proptest! {
        #[test]
        fn an_address_leads_to_what_it_was_made_of(
            text in "(?s).{1,40}", page in 0..1_000_usize, choice in 0..5_usize, fit: bool,
        ) {
            let (graph_id, order, state) = (text.clone(), NODE_ORDERS[choice].0, GRAPH_STATES[choice].0);
            for page in [
                Subject::Agent(text.clone()),
                Subject::AgentPast(text.clone(), 7),
                Subject::Agents(AgentQuery {
                    standing: Some(Standing::TimedOut),
                    text: text.clone(),
                    graph: Some(text.clone()),
                    session: None,
                    sort: AgentSort::Waited,
                    page,
                }),
                Subject::Graphs(GraphFilter { text, state, page }),
                Subject::Graph(GraphShown { graph_id, fit, order, page }),
            ] {
                prop_assert_eq!(subject(&url(&page)), Some(page));
            }
        }

        #[test]
        fn a_filter_leads_to_what_it_was_made_of(text in ".{1,20}", agent in ".{0,20}", page in 0..5usize) {
            let urgency = [None, Some(Urgency::High), Some(Urgency::Low)][page % 3];
            let reason = [Some(Reason::ToolCall), None][page % 2];
            let page = Subject::Inbox(InboxQuery { text, agent, reason, urgency, page });
            prop_assert_eq!(subject(&url(&page)), Some(page));
        }

        #[test]
        fn any_address_is_read_or_refused(address in "(?s).{0,60}") {
            let _ = subject(&address);
        }
    }

    #[test]
    fn an_id_of_dots_is_no_step_along_the_path() {
        for id in [".", "..", "~.", "~~..", "~", "...", "a.b"] {
            let segment = segment(id);
            assert!(!is_dots(&segment), "{segment}");
            assert_eq!(id_of(&segment).as_deref(), Some(id));
        }
    }

    #[test]
    fn what_a_form_sends_empty_says_nothing() {
        assert_eq!(
            subject("/agents?state=&q=a+b&sort=none&page=x&more=1").map(|s| url(&s)).as_deref(),
            Some("/agents?q=a%20b")
        );
    }

    #[test]
    fn a_page_that_is_none_has_no_subject() {
        for address in ["", "/", "/agents/", "/agents/a/b", "/agents/%ff", "agents/a", "/graphs/", "/graphs/a/b"] {
            assert_eq!(subject(address), None, "{address}");
        }
    }
}

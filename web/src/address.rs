//! The addresses of the pages beside the dashboard, written and read in one place.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remora_actors::{
    model::{AgentQuery, AgentSort, InboxQuery, Reason, Standing, Urgency},
    view::Subject,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What stays as it is in a path segment or a query value: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The address of a page, path and query.
pub(crate) fn url(subject: &Subject) -> String {
    match subject {
        Subject::Agent(agent_id) => format!("/agents/{}", segment(agent_id)),
        Subject::AgentPast(agent_id, before) => format!("/agents/{}?before={before}", segment(agent_id)),
        Subject::Agents(query) => with_query("/agents", &agents_query(query)),
        Subject::Inbox(query) => with_query("/", &inbox_query(query)),
        Subject::Projector => "/projector".to_owned(),
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

/// A path and the query fields that say something.
fn with_query(path: &str, fields: &[(&str, String)]) -> String {
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    let fields: Vec<_> =
        fields.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SEGMENT))).collect();
    if fields.is_empty() { path.to_owned() } else { format!("{path}?{}", fields.join("&")) }
}

/// The fields of a query that say something. A value that cannot be read says nothing.
fn fields(query: &str) -> Vec<(String, String)> {
    let fields: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Bytes of a text that is looked for: no name is longer.
const TEXT_BYTES: usize = 256;

fn agents_query(query: &AgentQuery) -> [(&'static str, String); 6] {
    let page = if query.page == 0 { String::new() } else { (query.page + 1).to_string() };
    let sort = if query.sort == AgentSort::default() { "" } else { query.sort.as_str() };
    [
        ("state", query.standing.map_or("", Standing::as_str).to_owned()),
        ("q", query.text.clone()),
        ("graph", query.graph.clone().unwrap_or_default()),
        ("session", query.session.clone().unwrap_or_default()),
        ("sort", sort.to_owned()),
        ("page", page),
    ]
}

fn inbox_query(query: &InboxQuery) -> [(&'static str, String); 5] {
    let word = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let page = if query.page == 0 { String::new() } else { (query.page + 1).to_string() };
    [
        ("q", query.text.clone()),
        ("agent", query.agent.clone()),
        ("reason", word(query.reason.map(|reason| json!(reason)))),
        ("urgency", word(query.urgency.map(|urgency| json!(urgency)))),
        ("page", page),
    ]
}

fn read_agents_query(query: &str) -> AgentQuery {
    let mut read = AgentQuery::default();
    for (name, mut value) in fields(query) {
        match name.as_str() {
            "state" => read.standing = Standing::from_word(&value),
            "q" => {
                value.truncate(value.floor_char_boundary(TEXT_BYTES));
                read.text = value;
            }
            "graph" => read.graph = Some(value),
            "session" => read.session = Some(value),
            "sort" => read.sort = AgentSort::ALL.into_iter().find(|sort| sort.as_str() == value).unwrap_or_default(),
            "page" => read.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
            _ => {}
        }
    }
    read
}

fn read_inbox_query(query: &str) -> InboxQuery {
    let mut read = InboxQuery::default();
    for (name, mut value) in fields(query) {
        value.truncate(value.floor_char_boundary(TEXT_BYTES));
        match name.as_str() {
            "q" => read.text = value,
            "agent" => read.agent = value,
            "reason" => read.reason = Reason::deserialize(Value::from(value)).ok(),
            "urgency" => read.urgency = Urgency::deserialize(Value::from(value)).ok(),
            "page" => read.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
            _ => {}
        }
    }
    read
}

/// The page of an address. `None`: there is none.
pub(crate) fn subject(address: &str) -> Option<Subject> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    match segments[..] {
        ["agents"] => Some(Subject::Agents(read_agents_query(query))),
        ["agents", agent_id] if !agent_id.is_empty() => {
            let agent_id = id_of(agent_id)?;
            let before = fields(query).into_iter().find(|(name, _)| name == "before");
            Some(match before.and_then(|(_, seq)| seq.parse().ok()) {
                Some(before) => Subject::AgentPast(agent_id, before),
                None => Subject::Agent(agent_id),
            })
        }
        [""] => Some(Subject::Inbox(read_inbox_query(query))).filter(|subject| url(subject) != "/"),
        ["projector"] => Some(Subject::Projector),
        _ => None,
    }
}

/// The address of a page's stream.
pub(crate) fn stream_url(subject: &Subject) -> String {
    format!("/events?of={}", utf8_percent_encode(&url(subject), SEGMENT))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_leads_to_what_it_was_made_of(agent_id in "(?s).{1,40}") {
            let (page, past) = (Subject::Agent(agent_id.clone()), Subject::AgentPast(agent_id, 7));
            prop_assert_eq!(subject(&url(&page)), Some(page));
            prop_assert_eq!(subject(&url(&past)), Some(past));
        }

        #[test]
        fn a_list_leads_to_itself(text in "(?s).{0,9}", graph in proptest::option::of("(?s).{1,9}"), page in 0..9usize) {
            let standing = Some(Standing::TimedOut);
            let sort = AgentSort::Waited;
            let page = Subject::Agents(AgentQuery { standing, text, graph, session: None, sort, page });
            prop_assert_eq!(subject(&url(&page)), Some(page));
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
        for address in ["", "/", "/agents/", "/agents/a/b", "/agents/%ff", "agents/a"] {
            assert_eq!(subject(address), None, "{address}");
        }
    }
}

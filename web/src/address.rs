//! The addresses of the pages beside the dashboard, written and read in one place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remora_actors::{
    model::{InboxQuery, Pattern, Reason, Search, Urgency},
    view::Subject,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What stays as it is in a path segment or a query value: RFC 3986's unreserved characters.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The address of a page, path and query.
pub(crate) fn url(subject: &Subject) -> String {
    match subject {
        Subject::Agent(agent_id) => format!("/agents/{}", utf8_percent_encode(agent_id, SEGMENT)),
        Subject::Inbox(query) => with_query("/", &inbox_query(query)),
        Subject::Projector => "/projector".to_owned(),
        Subject::History => "/history".to_owned(),
    }
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
        ["agents", agent_id] if !agent_id.is_empty() => Some(Subject::Agent(decoded(agent_id)?)),
        [""] => Some(Subject::Inbox(read_inbox_query(query))).filter(|subject| url(subject) != "/"),
        ["projector"] => Some(Subject::Projector),
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

fn decoded(segment: &str) -> Option<String> {
    Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_leads_to_what_it_was_made_of(agent_id in "(?s).{1,40}") {
            let page = Subject::Agent(agent_id);
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
    fn a_page_that_is_none_has_no_subject() {
        for address in ["", "/", "/agents", "/agents/", "/agents/a/b", "/agents/%ff", "agents/a"] {
            assert_eq!(subject(address), None, "{address}");
        }
    }
}

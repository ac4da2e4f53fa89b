//! The addresses of the pages beside the dashboard, written and read in one place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remora_actors::{
    model::{Pattern, Search},
    view::Subject,
};

/// What stays as it is in a path segment or a query value: RFC 3986's unreserved characters.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The address of a page, path and query.
pub(crate) fn url(subject: &Subject) -> String {
    match subject {
        Subject::Agent(agent_id) => format!("/agents/{}", utf8_percent_encode(agent_id, SEGMENT)),
        Subject::Projector => "/projector".to_owned(),
        Subject::History => "/history".to_owned(),
    }
}

/// The page of an address. `None`: there is none.
pub(crate) fn subject(address: &str) -> Option<Subject> {
    let (path, _query) = address.split_once('?').unwrap_or((address, ""));
    let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    match segments[..] {
        ["agents", agent_id] if !agent_id.is_empty() => Some(Subject::Agent(decoded(agent_id)?)),
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

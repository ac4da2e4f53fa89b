//! The addresses of the pages beside the dashboard, written and read in one place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use remora_actors::view::Subject;

/// What stays as it is in a path segment or a query value: RFC 3986's unreserved characters.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The address of a page, path and query.
pub(crate) fn url(subject: &Subject) -> String {
    match subject {
        Subject::Agent(agent_id) => format!("/agents/{}", utf8_percent_encode(agent_id, SEGMENT)),
    }
}

/// The page of an address. `None`: there is none.
pub(crate) fn subject(address: &str) -> Option<Subject> {
    let (path, _query) = address.split_once('?').unwrap_or((address, ""));
    let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    match segments[..] {
        ["agents", agent_id] if !agent_id.is_empty() => Some(Subject::Agent(decoded(agent_id)?)),
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

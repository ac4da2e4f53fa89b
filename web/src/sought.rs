//! A search as a query says it, for the page, the API and the exports alike.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use remora_actors::model::{Invalid, Pattern, Search};
use serde::Deserialize;
use utoipa::IntoParams;

/// Characters of a search: more than a person types.
const TYPED_CHARS: usize = 1_000;

/// Which events are sought. What is empty or not given does not matter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sought {
    /// Words, by their beginnings; `"phrases"`; `-unwanted` ones. Any text is a search.
    q: Option<String>,
    /// `agent:blocked`, `tool:*` or `*`.
    pattern: Option<String>,
    /// Only this agent's events.
    agent_id: Option<String>,
    /// Only this graph's events.
    graph_id: Option<String>,
    /// Only this session's events.
    session_id: Option<String>,
    /// Not before this time: RFC 3339, or without a zone as the daemon's clock shows it.
    from: Option<String>,
    /// Not after this time.
    until: Option<String>,
}

impl Sought {
    /// The search.
    ///
    /// # Errors
    /// [`Invalid`] names the field and what it should be.
    pub(crate) fn search(&self) -> Result<Search, Invalid> {
        let given = |field: &Option<String>| field.clone().filter(|value| !value.trim().is_empty());
        let typed: String = self.q.as_deref().unwrap_or_default().chars().take(TYPED_CHARS).collect();
        let Ok(terms) = typed.parse();
        Ok(Search {
            terms,
            pattern: given(&self.pattern).map_or(Ok(Pattern::ALL), |pattern| pattern.trim().parse())?,
            agent_id: given(&self.agent_id),
            graph_id: given(&self.graph_id),
            session_id: given(&self.session_id),
            from: given(&self.from).map(|text| time(&text, "from")).transpose()?,
            until: given(&self.until).map(|text| time(&text, "until")).transpose()?,
        })
    }
}

/// A time, also as browsers' fields and people write it.
pub(crate) fn time(text: &str, field: &'static str) -> Result<Timestamp, Invalid> {
    let text = text.trim();
    let local = || text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(Date::into)).ok();
    let zoned = || local().and_then(|local| local.to_zoned(TimeZone::system()).ok()).map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>()
        .ok()
        .or_else(zoned)
        .ok_or_else(|| Invalid::field(field, "must be a time such as 2026-02-24T14:05:00Z or 2026-02-24 14:05"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address;

    fn read(query: &str) -> Result<Search, Invalid> {
        serde_urlencoded::from_str::<Sought>(query).expect("every field is a text").search()
    }

    #[test]
    fn an_empty_field_is_none() {
        assert_eq!(read("q=&agent_id=&pattern=+&from=&until="), Ok(Search::all()));
        for (query, field) in [("pattern=robot", "pattern"), ("from=yesterday", "from"), ("until=25:00", "until")] {
            assert!(matches!(read(query), Err(Invalid::Field { field: named, .. }) if named == field), "{query}");
        }
    }

    #[test]
    fn times_are_read_as_people_and_browsers_write_them() {
        for text in ["2026-02-24T14:05:09Z", "2026-02-24T14:05", "2026-02-24 14:05:09", "2026-02-24"] {
            assert!(time(text, "from").is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_search_survives_its_address(q in "(?s).{0,40}", agent in "[^\\s]{1,20}", second in 0_i64..4_000_000_000) {
            let Ok(terms) = q.parse();
            let search = Search {
                terms,
                agent_id: Some(agent),
                pattern: "tool:*".parse().expect("a pattern"),
                until: Timestamp::from_second(second).ok(),
                ..Search::all()
            };
            prop_assert_eq!(read(&address::search_query(&search)), Ok(search));
        }
    }
}

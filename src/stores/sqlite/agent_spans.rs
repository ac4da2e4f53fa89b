//! Which spans of the journal hold events of an agent: the only ones that are looked through for them.
//!
//! An index with an entry per event would halve the speed of appending. An entry per span is written once for many
//! events, so that most commits touch no page for it.

use std::collections::BTreeSet;

use remora_actors::model::Seq;
use tokio_rusqlite::rusqlite::{self, Connection};

/// Events in a span: few enough to be looked through in some tens of microseconds.
pub(super) const SPAN_EVENTS: u64 = 128;

/// A span is told by its number: the positions in it divided by [`SPAN_EVENTS`].
pub(super) const SCHEMA: &str = "
    DROP TABLE agent_spans;
    CREATE TABLE agent_spans (
        agent_id TEXT NOT NULL,
        span INTEGER NOT NULL,
        PRIMARY KEY (agent_id, span)
    ) WITHOUT ROWID;
    INSERT INTO agent_spans SELECT DISTINCT agent_id, seq / 128 FROM events WHERE agent_id IS NOT NULL;
";

/// The events between `:after` and `:before` that may be those of `:agent_id`, by span.
pub(super) const CANDIDATES: &str =
    "agent_spans AS spans CROSS JOIN events ON seq BETWEEN span * 128 AND span * 128 + 127
                     WHERE spans.agent_id = :agent_id AND span BETWEEN :after / 128 AND :before / 128 AND seq > :after";

/// Forgets the spans of an agent, up to a position, that hold no event of it any more.
pub(super) const FORGET: &str = "DELETE FROM agent_spans WHERE agent_id = ?1 AND span <= ?2 / 128 AND NOT EXISTS (
    SELECT 1 FROM events WHERE seq BETWEEN span * 128 AND span * 128 + 127 AND events.agent_id = ?1)";

/// The spans that the events of a commit lie in.
#[derive(Default)]
pub(super) struct Spans<'a>(BTreeSet<(&'a str, u64)>);

impl<'a> Spans<'a> {
    pub(super) fn add(&mut self, agent_id: &'a str, seq: Seq) {
        self.0.insert((agent_id, seq / SPAN_EVENTS));
    }

    pub(super) fn save(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut insert = connection
            .prepare_cached("INSERT INTO agent_spans (agent_id, span) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
        for (agent_id, span) in self.0 {
            insert.execute((agent_id, span.cast_signed()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_divides_alike() {
        for statement in [SCHEMA, CANDIDATES, FORGET] {
            assert!(statement.contains(&format!("/ {SPAN_EVENTS}")), "{statement}");
        }
        let width = format!("BETWEEN span * {SPAN_EVENTS} AND span * {SPAN_EVENTS} + {}", SPAN_EVENTS - 1);
        assert!(CANDIDATES.contains(&width) && FORGET.contains(&width));
    }
}

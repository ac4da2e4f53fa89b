//! The one place where events leave the journal. Whatever is kept beside an event is deleted here with it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use remora_actors::{
    model::Seq,
    ports::{Extent, Prune, Pruned},
};
use tokio_rusqlite::rusqlite::{self, Connection, OptionalExtension, Row, params};

use super::{agent_spans, database::transact, search};

/// Pages given back to the file system after a batch: more than a batch frees, so that what earlier ones left
/// behind goes as well.
const VACUUM_PAGES: u32 = 1_000;

const CANDIDATES: &str = "SELECT seq, received_at, id, agent_id,
           json_extract(body, '$.payload.msg_id'), json_extract(body, '$.payload.message_id')
    FROM events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3";
/// The newest event stays, whatever is asked: the next one's position follows from it.
const NEWEST_BUT_ONE: &str = "SELECT coalesce(max(seq), 1) - 1 FROM events";
const EXTENT: &str = "SELECT pruned, (SELECT coalesce(max(seq), 0) FROM events),
           (SELECT count(*) FROM events WHERE seq <= pruned),
           (SELECT received_at FROM events ORDER BY seq LIMIT 1),
           (SELECT received_at FROM events WHERE seq > pruned ORDER BY seq LIMIT 1)
    FROM retention";

/// By how much two clocks that are right may differ, in milliseconds: those of daemons that share a journal, or one that
/// was set back.
const SKEW_MS: i64 = 60 * 60 * 1_000;

/// An event that may go.
struct Candidate {
    seq: i64,
    received_at: i64,
    id: String,
    agent_id: Option<String>,
    /// The question or the message it tells of.
    tells_of: [Option<String>; 2],
}

impl Candidate {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let tells_of = [row.get(4).unwrap_or_default(), row.get(5).unwrap_or_default()];
        Ok(Self { seq: row.get(0)?, received_at: row.get(1)?, id: row.get(2)?, agent_id: row.get(3)?, tells_of })
    }

    fn is_kept(&self, keep: &BTreeSet<String>) -> bool {
        keep.contains(&self.id) || self.tells_of.iter().flatten().any(|id| keep.contains(id))
    }
}

/// Deletes one batch.
pub(super) fn prune(connection: &Connection, batch: &Prune) -> rusqlite::Result<Pruned> {
    let pruned = transact(connection, |connection| delete(connection, batch))?;
    if pruned.deleted > 0 {
        // A row for each page: what is not asked for is not done.
        let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
    }
    Ok(pruned)
}

/// The events that a batch looks at, in order.
fn candidates(connection: &Connection, batch: &Prune) -> rusqlite::Result<Vec<Candidate>> {
    let newest_but_one: i64 = connection.prepare_cached(NEWEST_BUT_ONE)?.query_row([], |row| row.get(0))?;
    let until = i64::try_from(batch.until).unwrap_or(i64::MAX).min(newest_but_one);
    let limit = i64::try_from(batch.limit).unwrap_or(i64::MAX);
    let before = batch.received_before.as_millisecond();
    let mut find = connection.prepare_cached(CANDIDATES)?;
    let found = find.query_map(params![batch.after.cast_signed(), until, limit], Candidate::from_row)?;
    let mut candidates = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let now = Timestamp::now().as_millisecond();
    let young = candidates.iter().position(|candidate| believed(candidate.received_at, now) >= before);
    candidates.truncate(young.unwrap_or(candidates.len()));
    Ok(candidates)
}

/// When an event came in, in milliseconds. What was noted by a clock that was ahead cannot be believed, and is taken for
/// old: else the event would keep all that came in later until the clock is there again.
fn believed(received_at: i64, now: i64) -> i64 {
    if received_at > now.saturating_add(SKEW_MS) { 0 } else { received_at }
}

/// The positions that a batch would delete.
pub(super) fn deletable(connection: &Connection, batch: &Prune) -> rusqlite::Result<Vec<Seq>> {
    let candidates = candidates(connection, batch)?.into_iter();
    let deleted = candidates.filter(|candidate| !candidate.is_kept(&batch.keep));
    Ok(deleted.map(|candidate| candidate.seq.cast_unsigned()).collect())
}

fn delete(connection: &Connection, batch: &Prune) -> rusqlite::Result<Pruned> {
    let mut remove = connection.prepare_cached("DELETE FROM events WHERE seq = ?1")?;
    let (mut deleted, mut upto, mut agents) = (Vec::new(), batch.after.cast_signed(), BTreeSet::new());
    for candidate in candidates(connection, batch)? {
        upto = candidate.seq;
        if !candidate.is_kept(&batch.keep) {
            remove.execute([candidate.seq])?;
            deleted.push(candidate.seq);
            agents.extend(candidate.agent_id);
        }
    }
    search::forget(connection, &deleted)?;
    let mut forget = connection.prepare_cached(agent_spans::FORGET)?;
    for agent_id in agents {
        forget.execute(params![agent_id, upto])?;
    }
    note_pruned(connection, upto)?;
    Ok(Pruned { deleted: deleted.len(), upto: upto.cast_unsigned() })
}

/// Notes that nothing but what is unfinished was kept up to a position.
pub(super) fn note_pruned(connection: &Connection, upto: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE retention SET pruned = max(pruned, ?1)")?.execute([upto]).map(drop)
}

/// What the journal holds.
pub(super) fn extent(connection: &Connection) -> rusqlite::Result<Extent> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let used = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
    let values: u64 = connection.prepare_cached("SELECT total FROM value_bytes")?.query_row([], |row| row.get(0))?;
    let time = |milliseconds: Option<i64>| milliseconds.and_then(|time| Timestamp::from_millisecond(time).ok());
    let now = Timestamp::now().as_millisecond();
    connection.prepare_cached(EXTENT)?.query_row([], |row| {
        let [pruned, last_seq, left_behind] = [row.get::<_, u64>(0)?, row.get(1)?, row.get(2)?];
        Ok(Extent {
            first_seq: pruned + 1,
            last_seq,
            events: last_seq.saturating_sub(pruned) + left_behind,
            bytes: used.saturating_sub(values),
            oldest: time(row.get(3)?),
            first_received: time(row.get::<_, Option<i64>>(4)?.map(|first| believed(first, now))),
        })
    })
}

/// The first position from which on nothing is missing.
pub(super) fn first_seq(connection: &Connection) -> rusqlite::Result<Seq> {
    let pruned: Option<u64> =
        connection.prepare_cached("SELECT pruned FROM retention")?.query_row([], |row| row.get(0)).optional()?;
    Ok(pruned.unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        sqlite::{Database, Durability, FILE_NAME},
    };
    use remora_actors::{
        model::{Event, Pattern},
        ports::{Appended, Entry, Filter, Journal, Workspace},
    };
    use serde_json::json;

    const FAR: Timestamp = Timestamp::MAX;

    fn database() -> (Database, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("tempdir");
        (Database::open(&folder.path().join(FILE_NAME), Durability::Normal).expect("open"), folder)
    }

    fn up_to(until: Seq, keep: &[&str]) -> Prune {
        let keep = Arc::new(keep.iter().map(|id| (*id).to_owned()).collect());
        Prune { after: 0, until, received_before: FAR, keep, limit: 1_000, pictures: &[] }
    }

    async fn seqs(journal: &impl Journal, filter: &Filter) -> Vec<Seq> {
        journal.read(0, 10_000, filter).await.expect("read").iter().map(|record| record.seq).collect()
    }

    #[tokio::test]
    async fn the_oldest_go_and_no_position_is_given_twice() {
        let (database, _folder) = database();
        let journal = database.journal();
        let entries = journal::batch(0..10);
        journal.append(entries.clone()).await.expect("append");
        let pruned = journal.prune(up_to(4, &[])).await.expect("prune");
        assert_eq!(pruned, Pruned { deleted: 4, upto: 4 });
        assert_eq!(seqs(&journal, &Filter::ALL).await, [5, 6, 7, 8, 9, 10]);
        assert_eq!(journal.first_seq().await.expect("first"), 5);
        // Even where everything is to go.
        journal.prune(up_to(Seq::MAX, &[])).await.expect("prune");
        assert_eq!(seqs(&journal, &Filter::ALL).await, [10]);
        let appended = journal.append(entries).await.expect("append");
        assert_eq!((appended[0], appended[9]), (Appended::New(11), Appended::Duplicate(10)));
    }

    #[tokio::test]
    async fn what_is_unfinished_stays_and_goes_later() {
        let (database, _folder) = database();
        let journal = database.journal();
        let entries = journal::batch(0..10);
        let (kept, agent_id) = (entries[2].event.id.clone(), entries[2].event.agent_id.clone());
        journal.append(entries).await.expect("append");
        assert_eq!(journal.prune(up_to(5, &[&kept])).await.expect("prune").deleted, 4);
        assert_eq!(seqs(&journal, &Filter::ALL).await, [3, 6, 7, 8, 9, 10]);
        let of_agent = Filter { pattern: Pattern::ALL, agent_id };
        assert!(seqs(&journal, &of_agent).await.contains(&3), "its agent's list still has it");
        let extent = journal.extent().await.expect("extent");
        assert_eq!((extent.first_seq, extent.events), (6, 6));
        assert_eq!(journal.prune(up_to(5, &[])).await.expect("prune"), Pruned { deleted: 1, upto: 3 });
        assert!(!seqs(&journal, &of_agent).await.contains(&3));
        assert_eq!(journal.first_seq().await.expect("first"), 6);
    }

    #[tokio::test]
    async fn what_came_in_lately_stays() {
        let (database, _folder) = database();
        let journal = database.journal();
        let before = Timestamp::now();
        journal.append(journal::batch(0..3)).await.expect("append");
        let young = Prune { received_before: before, ..up_to(Seq::MAX, &[]) };
        assert_eq!(journal.prune(young).await.expect("prune"), Pruned { deleted: 0, upto: 0 });
    }

    #[tokio::test]
    async fn what_agents_keep_in_workspaces_pushes_no_event_out() {
        let (database, _folder) = database();
        let journal = database.journal();
        journal.append(journal::batch(0..10)).await.expect("append");
        let bytes = async || journal.extent().await.expect("extent").bytes;
        let (before, workspace) = (bytes().await, database.workspace("w"));
        let large = json!("x".repeat(1 << 20));
        for key in ["a", "b", "b"] {
            workspace.set(key, &large).await.expect("set");
        }
        assert!(bytes().await < before + (64 << 10));
        workspace.set("a", &json!("é")).await.expect("set");
        workspace.delete("b").await.expect("delete");
        assert!(bytes().await + 4_096 >= before, "what is gone is not taken off twice");
    }

    #[tokio::test]
    async fn what_came_in_while_the_clock_was_ahead_keeps_nothing() {
        let (database, _folder) = database();
        let journal = database.journal();
        journal.append(journal::batch(0..4)).await.expect("append");
        let (now, year) = (Timestamp::now(), Duration::from_secs(365 * 24 * 60 * 60));
        for (seq, received_at) in [(1, now + year), (2, now - year), (3, now - year)] {
            let received_at = received_at.as_millisecond();
            let set = "UPDATE events SET received_at = ?2 WHERE seq = ?1";
            let set = database.write(move |writer| writer.execute(set, [seq, received_at]));
            assert_eq!(set.await.expect("update"), 1);
        }
        let minute_ago = now - Duration::from_secs(60);
        assert!(journal.extent().await.expect("extent").first_received.is_some_and(|first| first < minute_ago));
        let old = Prune { received_before: minute_ago, ..up_to(Seq::MAX, &[]) };
        assert_eq!(journal.prune(old).await.expect("prune"), Pruned { deleted: 3, upto: 3 });
    }

    #[tokio::test]
    async fn the_file_shrinks() {
        let (database, folder) = database();
        let journal = database.journal();
        let large = |n: u32| {
            let payload = json!({"text": "x".repeat(10_000)});
            let event = Event::of_agent("a1", "progress", Timestamp::UNIX_EPOCH, &[], payload);
            Entry::from(Event { id: n.to_string(), ..event })
        };
        journal.append((0..1_000).map(large).collect()).await.expect("append");
        let before = journal.extent().await.expect("extent").bytes;
        let mut after = 0;
        while let Pruned { upto, deleted: 1.. } =
            journal.prune(Prune { after, limit: 100, ..up_to(Seq::MAX, &[]) }).await.expect("prune")
        {
            after = upto;
        }
        assert!(journal.extent().await.expect("extent").bytes < before / 20);
        database.close().await.expect("close");
        let size = std::fs::metadata(folder.path().join(FILE_NAME)).expect("metadata").len();
        assert!(size < before / 10, "{size} of {before}");
    }
}

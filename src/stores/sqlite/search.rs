//! Searching the journal with an index of its words, SQLite's FTS5.
//!
//! The index is contentless and knows only which word stands in which event: it gives candidates, and the event itself
//! tells whether it matches. Its tokenizer need not fold anything: [`event_words`] has done that. The ids an event has are
//! words of a private kind in it. For times there are spans: the earliest and the latest in each stretch of events.
//!
//! Events are indexed some time after they were appended (see [`indexer`](super::indexer)); those that are not yet are
//! looked at one by one, so that a search finds everything at any time.

use std::{collections::HashMap, sync::Arc};

use remora_actors::{
    model::{Record, Search, Seq, Term, event_words},
    ports::{Found, PAGE_BYTES},
};
use tokio_rusqlite::rusqlite::{self, Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::journal::record;

/// Events that one search looks at: some tens of milliseconds. It then says where to go on.
const CANDIDATES: usize = 10_000;
/// Events in one span.
const SPAN_EVENTS: u64 = 1_000;
/// Begins a word that stands for an id: no letter and no digit, hence in no text's words.
const PRIVATE: char = '\u{e000}';

/// The index can be thrown away at any time: it is made again from the events.
pub(super) const SCHEMA: &str = "
    CREATE VIRTUAL TABLE search USING fts5 (
        words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
    );
    CREATE TABLE search_spans (
        first INTEGER PRIMARY KEY,
        last INTEGER NOT NULL,
        earliest INTEGER NOT NULL,
        latest INTEGER NOT NULL
    );
";

/// The last event in the index.
pub(super) fn indexed(connection: &Connection) -> rusqlite::Result<Seq> {
    let sql = "SELECT coalesce((SELECT last FROM search_spans ORDER BY first DESC LIMIT 1), 0)";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0).map(i64::cast_unsigned))
}

/// What the index holds of an event.
pub(super) struct Indexable {
    seq: Seq,
    words: String,
    time_ms: i64,
}

impl Indexable {
    pub(super) fn new(record: &Record, ids: &mut Ids) -> Self {
        let event = &record.event;
        let mut words = event_words(event);
        let kind = [('c', Some(event.category.as_str())), ('k', Some(event.action.as_str()))];
        let of = [('a', &event.agent_id), ('g', &event.graph_id), ('s', &event.session_id)];
        for (field, id) in kind.into_iter().chain(of.map(|(field, id)| (field, id.as_deref()))) {
            words.extend(id.map(|id| ids.word(field, id)));
        }
        Self { seq: record.seq, words, time_ms: event.timestamp.as_millisecond() }
    }
}

/// The words that stand for ids. The events of a batch have most of them in common.
#[derive(Default)]
pub(super) struct Ids(HashMap<(char, String), String>);

impl Ids {
    fn word(&mut self, field: char, value: &str) -> &str {
        self.0.entry((field, value.to_owned())).or_insert_with(|| private(field, value) + " ")
    }
}

/// A word that stands for a field's value, whatever characters are in it.
fn private(field: char, value: &str) -> String {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, value.as_bytes()).simple().to_string();
    format!("{PRIVATE}{field}{}", &hash[..16])
}

/// Puts events into the index, which must be behind the ones in it.
pub(super) fn index(connection: &Connection, events: &[Indexable]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO search (rowid, words) VALUES (?1, ?2)")?;
    let mut span = Span::newest(connection)?;
    let indexed = span.as_ref().map_or(0, |span| span.last);
    for event in events.iter().filter(|event| event.seq > indexed) {
        insert.execute(params![event.seq.cast_signed(), event.words])?;
        match &mut span {
            Some(span) if event.seq < span.first + SPAN_EVENTS => span.widen(event),
            full => {
                full.take().map_or(Ok(()), |full| full.save(connection))?;
                span = Some(Span::of(event));
            }
        }
    }
    span.map_or(Ok(()), |span| span.save(connection))
}

/// The earliest and the latest time in a stretch of events.
struct Span {
    first: Seq,
    last: Seq,
    earliest_ms: i64,
    latest_ms: i64,
}

impl Span {
    fn of(event: &Indexable) -> Self {
        Self { first: event.seq, last: event.seq, earliest_ms: event.time_ms, latest_ms: event.time_ms }
    }

    fn newest(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT first, last, earliest, latest FROM search_spans ORDER BY first DESC LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            let [first, last] = [row.get(0)?, row.get(1)?];
            Ok(Self { first, last, earliest_ms: row.get(2)?, latest_ms: row.get(3)? })
        };
        connection.prepare_cached(sql)?.query_row([], read).optional()
    }

    fn widen(&mut self, event: &Indexable) {
        self.last = event.seq;
        self.earliest_ms = self.earliest_ms.min(event.time_ms);
        self.latest_ms = self.latest_ms.max(event.time_ms);
    }

    fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO search_spans (first, last, earliest, latest) VALUES (?1, ?2, ?3, ?4)";
        let (first, last) = (self.first.cast_signed(), self.last.cast_signed());
        connection.prepare_cached(sql)?.execute(params![first, last, self.earliest_ms, self.latest_ms])?;
        Ok(())
    }
}

/// Takes events that were deleted out of the index.
pub(super) fn forget(connection: &Connection, deleted: &[i64]) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?;
    for seq in deleted {
        forget.execute([seq])?;
    }
    let sql = "DELETE FROM search_spans WHERE last < (SELECT min(seq) FROM events)";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Searches: the events that are not indexed yet one by one, then the others by the index.
pub(super) fn search(
    connection: &mut Connection,
    search: &Search,
    before: Seq,
    limit: usize,
) -> rusqlite::Result<Found> {
    // One state of the database for both halves.
    let transaction = connection.transaction()?;
    let indexed = indexed(&transaction)?;
    let end = before.min(i64::MAX.cast_unsigned());
    let mut hits = Hits { search, limit, left: CANDIDATES, records: Vec::new(), bytes: 0, stopped: None };
    hits.look(&transaction, "SELECT seq, body FROM events", "seq", None, (indexed + 1, end))?;
    let (from, words) = match words_of(search) {
        None => ("SELECT seq, body FROM events", None),
        words => ("SELECT seq, body FROM search CROSS JOIN events ON seq = search.rowid", words),
    };
    let column = if words.is_some() { "search.rowid" } else { "seq" };
    for range in ranges(&transaction, search, end.min(indexed + 1))? {
        hits.look(&transaction, from, column, words.as_deref(), range)?;
    }
    Ok(Found { older: hits.stopped, records: hits.records })
}

/// What a search has found, and how far it has come.
struct Hits<'a> {
    search: &'a Search,
    limit: usize,
    left: usize,
    records: Vec<Arc<Record>>,
    bytes: usize,
    /// Before which event there is more to look at.
    stopped: Option<Seq>,
}

impl Hits<'_> {
    /// Looks at the events of a range, the first one in it and the last one not, from the newest on.
    fn look(
        &mut self,
        transaction: &Transaction<'_>,
        from: &str,
        column: &str,
        words: Option<&str>,
        (first, end): (Seq, Seq),
    ) -> rusqlite::Result<()> {
        if self.stopped.is_some() || first >= end {
            return Ok(());
        }
        let matching = if words.is_some() { "search MATCH ?3 AND" } else { "?3 IS NULL AND" };
        let sql = format!("{from} WHERE {matching} {column} >= ?1 AND {column} < ?2 ORDER BY {column} DESC");
        let mut statement = transaction.prepare_cached(&sql)?;
        let mut rows = statement.query(params![first.cast_signed(), end.cast_signed(), words])?;
        while let Some(row) = rows.next()? {
            if self.left == 0 || self.records.len() == self.limit {
                let seq: i64 = row.get(0)?;
                self.stopped = Some(seq.cast_unsigned() + 1);
                break;
            }
            self.left -= 1;
            let record = record(row)?;
            if self.search.matches(&record.event) {
                self.bytes += record.json.len();
                if self.bytes > PAGE_BYTES && !self.records.is_empty() {
                    self.stopped = Some(record.seq + 1);
                    break;
                }
                self.records.push(record);
            }
        }
        Ok(())
    }
}

/// Where indexed events of the wanted times may stand, the newest first.
fn ranges(transaction: &Transaction<'_>, search: &Search, end: Seq) -> rusqlite::Result<Vec<(Seq, Seq)>> {
    if search.from.is_none() && search.until.is_none() {
        return Ok(vec![(0, end)]);
    }
    let sql = "SELECT first, last FROM search_spans WHERE first < ?1 AND latest >= ?2 AND earliest <= ?3
               ORDER BY first DESC";
    let from = search.from.map_or(i64::MIN, |from| from.as_millisecond());
    let until = search.until.map_or(i64::MAX, |until| until.as_millisecond());
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query(params![end.cast_signed(), from, until])?;
    let mut ranges: Vec<(Seq, Seq)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (first, last) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        match ranges.last_mut() {
            Some(range) if range.0 == last + 1 => range.0 = first,
            _ => ranges.push((first, end.min(last + 1))),
        }
    }
    Ok(ranges)
}

/// The words that every match has, as a query of the index, and those it must not have. `None`: there are none.
fn words_of(search: &Search) -> Option<String> {
    let field = |field, value: Option<&str>| value.map(|value| format!("\"{}\"", private(field, value)));
    let ids = [
        field('c', search.pattern.category().map(|category| category.as_str())),
        field('k', search.pattern.action()),
        field('a', search.agent_id.as_deref()),
        field('g', search.graph_id.as_deref()),
        field('s', search.session_id.as_deref()),
    ];
    let wanted: Vec<_> =
        ids.into_iter().flatten().chain(search.terms.wanted().iter().flat_map(words_of_term)).collect();
    if wanted.is_empty() {
        return None;
    }
    let mut query = format!("({})", wanted.join(" AND "));
    // A phrase is unwanted only where its words stand together, which the index does not know.
    for term in search.terms.unwanted().iter().filter(|term| term.words.len() == 1) {
        query = format!("({query} NOT {})", words_of_term(term).concat());
    }
    Some(query)
}

/// Words are letters and digits: within quotes none of them means anything to the index.
fn words_of_term(term: &Term) -> Vec<String> {
    let last = term.words.len() - 1;
    let word = |(index, word)| format!("\"{word}\"{}", if index == last && term.is_open { " *" } else { "" });
    term.words.iter().enumerate().map(word).collect()
}

#[cfg(test)]
mod tests {
    use remora_actors::ports::Journal;

    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        sqlite::{Database, Durability, FILE_NAME},
    };

    fn database() -> (Database, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("tempdir");
        (Database::open(&folder.path().join(FILE_NAME), Durability::Normal).expect("open"), folder)
    }

    #[tokio::test]
    async fn finds_the_same_however_much_is_indexed() {
        let (database, _folder) = database();
        let journal = database.journal();
        for _ in 0..3 {
            let last = journal.last_seq().await.expect("last");
            journal.append(journal::various(last..last + 400)).await.expect("append");
            journal::finds_what_a_scan_finds(&journal).await;
            assert!(database.index_some(150).await.expect("indexed"));
            journal::finds_what_a_scan_finds(&journal).await;
        }
        while database.index_some(150).await.expect("indexed") {}
        journal::finds_what_a_scan_finds(&journal).await;
    }

    #[tokio::test]
    async fn a_store_without_an_index_finds_the_same() {
        let (database, _folder) = database();
        let journal = journal::WithoutIndex(database.journal());
        journal.append(journal::various(0..1_200)).await.expect("append");
        journal::finds_what_a_scan_finds(&journal).await;
    }

    #[tokio::test]
    async fn what_was_deleted_is_forgotten() {
        let (database, _folder) = database();
        let journal = database.journal();
        journal.append(journal::various(0..2_500)).await.expect("append");
        while database.index_some(500).await.expect("indexed") {}
        let delete = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM events WHERE seq < 1500", [])?;
            forget(&transaction, &(1..1_500).collect::<Vec<_>>())?;
            transaction.commit()?;
            connection.query_row(
                "SELECT count(*), min(rowid) FROM search WHERE search MATCH 'agent OR tool'",
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )
        };
        assert_eq!(database.write(delete).await.expect("deleted"), (1_001, 1_500));
        journal::finds_what_a_scan_finds(&journal).await;
    }

    #[tokio::test]
    async fn a_search_that_looked_at_much_says_where_to_go_on() {
        let (database, _folder) = database();
        let journal = database.journal();
        let events = CANDIDATES as u64 + 5_000;
        journal.append(journal::batch(0..u32::try_from(events).expect("fits"))).await.expect("append");
        let nothing = Search { terms: "nothing".parse().expect("any text"), ..Search::all() };
        let found = journal.search(&nothing, Seq::MAX, 5).await.expect("search");
        assert_eq!(found, Found { records: vec![], older: Some(5_001) });
        assert_eq!(journal.search(&nothing, 5_001, 5).await.expect("search"), Found::default());
        while database.index_some(2_000).await.expect("indexed") {}
        assert_eq!(journal.search(&nothing, Seq::MAX, 5).await.expect("search"), Found::default());
    }
}

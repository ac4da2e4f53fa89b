//! The journal in the daemon's database.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use remora_actors::{
    model::{Record, Search, Seq},
    ports::{Appended, Entry, Extent, Filter, Found, Journal, JournalError, Prune, Pruned, Snapshot, Storing, last_of},
};
use tokio_rusqlite::{
    Error,
    rusqlite::{self, OptionalExtension, Row, ToSql, params, types::Type},
};

use super::{
    Database,
    agent_spans::{self, Spans},
    database::{is_damage, transact},
    retention, search,
};

const INSERT: &str = "INSERT INTO events (seq, id, category, action, agent_id, body, received_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
const LAST_SEQ: &str = "SELECT coalesce(max(seq), 0) FROM events";

/// The journal in a [`Database`].
#[derive(Debug, Clone)]
pub struct SqliteJournal {
    database: Database,
}

impl SqliteJournal {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }
}

pub(super) fn failed(error: Error) -> JournalError {
    match error {
        Error::Error(error) if is_damage(&error) => JournalError::Damaged(error.to_string()),
        Error::Error(error) => JournalError::Unavailable(error.to_string()),
        other => JournalError::Unavailable(other.to_string()),
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn store(&self, entries: Arc<[Entry]>) -> Storing {
        let store = move |connection: &mut rusqlite::Connection| {
            transact(connection, |connection| insert(connection, &entries))
        };
        let stored = self.database.write(store).await.map_err(failed);
        if let Ok(appended) = &stored {
            self.database.appends.tell(last_of(appended));
        }
        Box::pin(async { stored })
    }

    async fn read(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        let query = Query::new(filter);
        let run =
            move |connection: &mut rusqlite::Connection| query.run(connection, (after, None), limit, Order::Oldest);
        self.database.journal_reader.call(run).await.map_err(failed)
    }

    async fn latest(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        let query = Query::new(filter);
        let run = move |connection: &mut rusqlite::Connection| query.run(connection, (0, before), limit, Order::Newest);
        let mut records = self.database.journal_reader.call(run).await.map_err(failed)?;
        records.reverse();
        Ok(records)
    }

    async fn search(&self, search: &Search, before: Seq, limit: usize) -> Result<Found, JournalError> {
        let search = search.clone();
        let run = move |connection: &mut rusqlite::Connection| search::search(connection, &search, before, limit);
        self.database.search_reader.call(run).await.map_err(failed)
    }

    async fn last_seq(&self) -> Result<Seq, JournalError> {
        let query = |connection: &mut rusqlite::Connection| last_seq(connection);
        self.database.journal_reader.call(query).await.map_err(failed)
    }

    async fn first_seq(&self) -> Result<Seq, JournalError> {
        self.database.journal_reader.call(|connection| retention::first_seq(connection)).await.map_err(failed)
    }

    async fn extent(&self) -> Result<Extent, JournalError> {
        self.database.journal_reader.call(|connection| retention::extent(connection)).await.map_err(failed)
    }

    async fn prune(&self, batch: Prune) -> Result<Pruned, JournalError> {
        self.database.write(move |connection| retention::prune(connection, &batch)).await.map_err(failed)
    }

    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        let name = name.to_owned();
        self.database
            .journal_reader
            .call(move |connection| {
                connection
                    .prepare_cached("SELECT seq, body FROM snapshots WHERE name = ?1")?
                    .query_row([name], |row| Ok(Snapshot { seq: seq_of(row)?, body: row.get(1)? }))
                    .optional()
            })
            .await
            .map_err(failed)
    }

    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError> {
        let name = name.to_owned();
        self.database
            .write(move |connection| {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO snapshots (name, seq, body) VALUES (?1, ?2, ?3)")?
                    .execute(params![name, snapshot.seq.cast_signed(), snapshot.body])
                    .map(|_| ())
            })
            .await
            .map_err(failed)
    }
}

fn insert(connection: &rusqlite::Connection, entries: &[Entry]) -> rusqlite::Result<Vec<Appended>> {
    let mut last = last_seq(connection)?;
    let now = Timestamp::now().as_millisecond();
    let mut insert = connection.prepare_cached(INSERT)?;
    let mut find = connection.prepare_cached("SELECT seq FROM events WHERE id = ?1")?;
    let mut appended = Vec::with_capacity(entries.len());
    let mut spans = Spans::default();
    for Entry { event, json } in entries {
        let seq = last + 1;
        let added = insert.execute(params![
            seq.cast_signed(),
            event.id,
            event.category.as_str(),
            event.action,
            event.agent_id,
            str::from_utf8(json)?,
            now,
        ])?;
        if added == 0 {
            appended.push(Appended::Duplicate(find.query_row([&event.id], seq_of)?));
            continue;
        }
        last = seq;
        appended.push(Appended::New(seq));
        if let Some(agent_id) = &event.agent_id {
            spans.add(agent_id, seq);
        }
    }
    spans.save(connection)?;
    Ok(appended)
}

pub(super) fn last_seq(connection: &rusqlite::Connection) -> rusqlite::Result<Seq> {
    connection.prepare_cached(LAST_SEQ)?.query_row([], seq_of)
}

pub(super) fn seq_of(row: &Row<'_>) -> rusqlite::Result<Seq> {
    row.get(0).map(i64::cast_unsigned)
}

/// Which of the wanted events a limit leaves.
#[derive(Clone, Copy)]
enum Order {
    Oldest,
    Newest,
}

/// A filter as SQL.
struct Query {
    agent_id: Option<String>,
    category: Option<String>,
    action: Option<String>,
}

impl Query {
    fn new(filter: &Filter) -> Self {
        Self {
            agent_id: filter.agent_id.clone(),
            category: filter.pattern.category().map(|category| category.as_str().to_owned()),
            action: filter.pattern.action().map(str::to_owned),
        }
    }

    fn conditions(&self) -> impl Iterator<Item = (&'static str, &'static str, &String)> {
        [
            (" AND events.agent_id = :agent_id", ":agent_id", &self.agent_id),
            (" AND category = :category", ":category", &self.category),
            (" AND action = :action", ":action", &self.action),
        ]
        .into_iter()
        .filter_map(|(condition, name, value)| value.as_ref().map(|value| (condition, name, value)))
    }

    fn sql(&self, order: Order) -> String {
        // A cross join keeps its order, and the spans of an agent do not overlap: what comes out is in order.
        let (from, order) = match (&self.agent_id, order) {
            (None, Order::Oldest) => ("events WHERE seq > :after", "seq"),
            (None, Order::Newest) => ("events WHERE seq > :after", "seq DESC"),
            (Some(_), Order::Oldest) => (agent_spans::CANDIDATES, "span, seq"),
            (Some(_), Order::Newest) => (agent_spans::CANDIDATES, "span DESC, seq DESC"),
        };
        let conditions: String = self.conditions().map(|(condition, ..)| condition).collect();
        format!("SELECT seq, body FROM {from} AND seq < :before{conditions} ORDER BY {order} LIMIT :limit")
    }

    /// Runs it between two positions, neither of them included.
    fn run(
        &self,
        connection: &rusqlite::Connection,
        (after, before): (Seq, Option<Seq>),
        limit: usize,
        order: Order,
    ) -> rusqlite::Result<Vec<Arc<Record>>> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (after, before, limit) = (number(after), number(before.unwrap_or(Seq::MAX)), number(limit as u64));
        let mut values: Vec<(&str, &dyn ToSql)> = vec![(":after", &after), (":before", &before), (":limit", &limit)];
        values.extend(self.conditions().map(|(_, name, value)| (name, value as &dyn ToSql)));
        connection.prepare_cached(&self.sql(order))?.query_and_then(values.as_slice(), record)?.collect()
    }
}

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Arc<Record>> {
    let seq = seq_of(row)?;
    let json = Bytes::copy_from_slice(row.get_ref(1)?.as_str()?.as_bytes());
    Record::from_json(seq, json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, format!("event {seq}: {error}").into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        sqlite::{Durability, FILE_NAME},
    };

    struct Fixture {
        folder: tempfile::TempDir,
        database: Database,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("tempdir");
            let database = Self::open(&folder);
            Self { folder, database }
        }

        fn open(folder: &tempfile::TempDir) -> Database {
            Database::open(&folder.path().join(FILE_NAME), Durability::Normal).expect("open")
        }

        async fn reopened(self) -> Self {
            self.database.close().await.expect("close");
            Self { database: Self::open(&self.folder), folder: self.folder }
        }
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        journal::keeps_the_contract(async || {
            let fixture = Fixture::new();
            (fixture.database.journal(), fixture)
        })
        .await;
    }

    #[tokio::test]
    async fn outlives_the_daemon() {
        let fixture = Fixture::new();
        let entries = journal::batch(0..3);
        fixture.database.journal().append(entries.clone()).await.expect("append");
        let fixture = fixture.reopened().await;
        let journal = fixture.database.journal();
        assert_eq!(journal.last_seq().await.expect("last"), 3);
        assert_eq!(journal.append(entries).await.expect("append")[2], Appended::Duplicate(3));
    }

    #[tokio::test]
    async fn a_full_disk_is_unavailable_and_leaves_nothing() {
        let fixture = Fixture::new();
        let journal = fixture.database.journal();
        journal.append(journal::batch(0..1)).await.expect("append");
        let pages = |pages: u32| {
            fixture.database.write(move |c| c.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())))
        };
        pages(1).await.expect("no page more than there are");
        let error = journal.append(journal::batch(1..1000)).await.expect_err("full");
        assert!(matches!(error, JournalError::Unavailable(_)), "{error}");
        assert_eq!(journal.last_seq().await.expect("last"), 1);
        pages(1 << 20).await.expect("room again");
        assert_eq!(journal.append(journal::batch(1..3)).await.expect("append")[1], Appended::New(3));
    }

    #[tokio::test]
    async fn a_changed_event_is_damage() {
        let fixture = Fixture::new();
        let journal = fixture.database.journal();
        journal.append(journal::batch(0..2)).await.expect("append");
        let spoil = |c: &mut rusqlite::Connection| c.execute("UPDATE events SET body = '{' WHERE seq = 2", []);
        fixture.database.write(spoil).await.expect("update");
        assert_eq!(journal.read(0, 1, &Filter::ALL).await.expect("the first is whole").len(), 1);
        let error = journal.read(0, 9, &Filter::ALL).await.expect_err("damaged");
        assert!(matches!(&error, JournalError::Damaged(why) if why.contains("event 2")), "{error}");
    }

    #[tokio::test]
    async fn a_closed_database_is_unavailable() {
        let fixture = Fixture::new();
        fixture.database.close().await.expect("close");
        let error = fixture.database.journal().append(journal::batch(0..1)).await.expect_err("closed");
        assert!(matches!(error, JournalError::Unavailable(_)), "{error}");
    }

    #[tokio::test]
    async fn nothing_is_sorted() {
        let fixture = Fixture::new();
        for (agent_id, expected) in [
            (None, vec!["SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]),
            (
                Some("a"),
                vec![
                    "SEARCH spans USING PRIMARY KEY (agent_id=? AND span>? AND span<?)",
                    "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
                ],
            ),
        ] {
            for (pattern, order) in [("*", Order::Oldest), ("agent:failed", Order::Oldest), ("*", Order::Newest)] {
                let pattern = pattern.parse().expect("a pattern");
                let query = Query::new(&Filter { pattern, agent_id: agent_id.map(str::to_owned) });
                let explain = format!("EXPLAIN QUERY PLAN {}", query.sql(order));
                let plan = move |c: &mut rusqlite::Connection| {
                    let mut statement = c.prepare(&explain)?;
                    statement.raw_query().mapped(|row| row.get(3)).collect::<rusqlite::Result<Vec<String>>>()
                };
                assert_eq!(fixture.database.journal_reader.call(plan).await.expect("a plan"), expected);
            }
        }
    }
}

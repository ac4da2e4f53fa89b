//! Copies of a journal and of workspaces that lie elsewhere, so that reading them is as quick as reading one's own.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use remora_actors::{
    model::Seq,
    ports::{Entry, JournalError, Prune},
};
use tokio_rusqlite::rusqlite::{self, Connection, OptionalExtension, Row, params};

use super::{
    Database,
    agent_spans::Spans,
    database::transact,
    embedded::{delete, set},
    journal::{failed, last_seq, seq_of},
    retention,
};

const COPY: &str = "INSERT OR IGNORE INTO events (seq, id, category, action, agent_id, body, received_at)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const PAGE: &str = "SELECT seq, received_at, id, category, action, agent_id, body FROM events
                    WHERE seq > ?1 ORDER BY seq LIMIT ?2";

/// Ids that are looked at for the greatest: a start must not go through all of them.
const LOOKED_AT: usize = 1_000;

/// An event as it stands in another journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedEvent {
    /// Its position there, and here.
    pub seq: Seq,
    /// When it came in there, in milliseconds since 1970.
    pub received_at: i64,
    /// Its id. Of a second event of the same id nothing is kept.
    pub id: String,
    /// Its category.
    pub category: String,
    /// Its action.
    pub action: String,
    /// Its agent.
    pub agent_id: Option<String>,
    /// Its JSON.
    pub json: Bytes,
}

/// What a workspace elsewhere holds.
#[derive(Debug, Clone)]
pub struct CopiedValue {
    /// The workspace.
    pub workspace: String,
    /// The key.
    pub key: String,
    /// The value's JSON; `None`: the key was removed.
    pub json: Option<String>,
}

impl CopiedEvent {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: seq_of(row)?,
            received_at: row.get(1)?,
            id: row.get(2)?,
            category: row.get(3)?,
            action: row.get(4)?,
            agent_id: row.get(5)?,
            json: row.get::<_, String>(6)?.into(),
        })
    }
}

impl Database {
    /// Up to `limit` events behind a position, in order, for whoever copies them.
    ///
    /// # Errors
    /// The disk is failing.
    pub async fn events(&self, after: Seq, limit: usize) -> Result<Vec<CopiedEvent>, JournalError> {
        let page = move |connection: &mut Connection| {
            let mut page = connection.prepare_cached(PAGE)?;
            page.query_map(params![after.cast_signed(), limit.cast_signed()], CopiedEvent::from_row)?.collect()
        };
        self.journal_reader.call(page).await.map_err(failed)
    }

    /// Copies events in one commit.
    ///
    /// # Errors
    /// The disk is full or failing; nothing was copied.
    pub async fn copy_events(&self, events: Vec<CopiedEvent>) -> Result<(), JournalError> {
        let last = events.last().map_or(0, |event| event.seq);
        let copy = move |connection: &mut Connection| transact(connection, |connection| insert(connection, &events));
        self.write(copy).await.map_err(failed)?;
        self.appends.tell(last);
        Ok(())
    }

    /// Copies values in one commit and wakes whoever waits for a change of their workspaces.
    ///
    /// # Errors
    /// The disk is full or failing; nothing was copied.
    pub async fn copy_values(&self, values: Vec<CopiedValue>) -> Result<(), JournalError> {
        let changes = Arc::clone(&self.changes);
        let copy = move |connection: &mut Connection| {
            transact(connection, |connection| {
                values.iter().try_for_each(|CopiedValue { workspace, key, json }| match json {
                    Some(json) => set(connection, workspace, key, json).map(drop),
                    None => delete(connection, workspace, key).map(drop),
                })
            })?;
            let workspaces: BTreeSet<_> = values.iter().map(|value| value.workspace.as_str()).collect();
            workspaces.into_iter().for_each(|workspace| changes.of(workspace).announce());
            Ok(())
        };
        self.write(copy).await.map_err(failed)
    }

    /// Forgets all values, before they are copied anew.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub async fn forget_values(&self) -> Result<(), JournalError> {
        self.write(|connection| connection.execute("DELETE FROM kv", []).map(drop)).await.map_err(failed)
    }

    /// Where events of these ids stand, as far as they are here.
    ///
    /// # Errors
    /// The disk is failing.
    pub async fn positions(&self, entries: Arc<[Entry]>) -> Result<Vec<Option<Seq>>, JournalError> {
        let find = move |connection: &mut Connection| {
            // One look at the file for all of them, and not one for each.
            let reading = connection.transaction()?;
            let mut find = reading.prepare_cached("SELECT seq FROM events WHERE id = ?1")?;
            entries.iter().map(|entry| find.query_row([&entry.event.id], seq_of).optional()).collect()
        };
        self.journal_reader.call(find).await.map_err(failed)
    }

    /// No wanted id here is greater than this: the greatest of them, or, where it is not among the first, the last one that
    /// was looked at. `None`: there is no wanted one at all.
    ///
    /// # Errors
    /// The disk is failing.
    pub async fn greatest_id(&self, is_wanted: fn(&str) -> bool) -> Result<Option<String>, JournalError> {
        let find = move |connection: &mut Connection| {
            let mut ids = connection.prepare_cached("SELECT id FROM events ORDER BY id DESC")?;
            let mut ids = ids.query([])?;
            let mut looked_at = 0;
            while let Some(row) = ids.next()? {
                let id: String = row.get(0)?;
                looked_at += 1;
                if is_wanted(&id) || looked_at == LOOKED_AT {
                    return Ok(Some(id));
                }
            }
            Ok(None)
        };
        self.journal_reader.call(find).await.map_err(failed)
    }

    /// The positions that a batch would delete.
    ///
    /// # Errors
    /// The disk is failing.
    pub async fn deletable(&self, batch: Prune) -> Result<Vec<Seq>, JournalError> {
        self.journal_reader.call(move |connection| retention::deletable(connection, &batch)).await.map_err(failed)
    }

    /// Says that the journal elsewhere was pruned up to a position before it was copied.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub async fn pruned_until(&self, seq: Seq) -> Result<(), JournalError> {
        let note = move |connection: &mut Connection| retention::note_pruned(connection, seq.cast_signed());
        self.write(note).await.map_err(failed)
    }
}

fn insert(connection: &Connection, events: &[CopiedEvent]) -> rusqlite::Result<()> {
    let after = last_seq(connection)?;
    let mut copy = connection.prepare_cached(COPY)?;
    let mut spans = Spans::default();
    for event in events.iter().filter(|event| event.seq > after) {
        let CopiedEvent { seq, received_at, id, category, action, agent_id, json } = event;
        let text = str::from_utf8(json)?;
        let added = copy.execute(params![seq.cast_signed(), id, category, action, agent_id, text, received_at])?;
        if let (1.., Some(agent_id)) = (added, agent_id) {
            spans.add(agent_id, *seq);
        }
    }
    spans.save(connection)
}

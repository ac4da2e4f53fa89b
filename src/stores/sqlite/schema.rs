//! The schema, as the steps that made it: a database of any earlier version takes those that it lacks.

use std::path::Path;

use tokio_rusqlite::rusqlite::{self, TransactionBehavior};

use super::{OpenError, agent_spans, search};

/// "RMRA": says to `file` and to other programs whose database this is.
pub(super) const APPLICATION_ID: u32 = 0x524d_5241;

/// The steps, the first of which begins with nothing. A step that was released never changes; what is to be otherwise
/// is a further one. `user_version` counts the steps taken.
const STEPS: [&str; 6] = [BEGINNING, RETENTION, search::SCHEMA, COMPACT_PICTURES, agent_spans::SCHEMA, VALUE_BYTES];

/// The version that this program writes.
pub(super) const VERSION: u32 = STEPS.len() as u32;

/// There is no index by kind: looking through a million events takes a fifth of a second.
const BEGINNING: &str = "
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        agent_id TEXT,
        body TEXT NOT NULL
    );
    CREATE TABLE agent_spans (
        agent_id TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (agent_id, first)
    ) WITHOUT ROWID;
    CREATE TABLE snapshots (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE kv (
        workspace TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (workspace, key)
    ) WITHOUT ROWID;
";

/// When an event came in, in milliseconds since 1970: its own time stamp is its sender's, who may replay an old log.
/// For what is there already that is all there is. `pruned`: up to here events were deleted.
const RETENTION: &str = "
    ALTER TABLE events ADD COLUMN received_at INTEGER NOT NULL DEFAULT 0;
    UPDATE events SET received_at = coalesce(unixepoch(json_extract(body, '$.timestamp')), 0) * 1000;
    CREATE TABLE retention (pruned INTEGER NOT NULL);
    INSERT INTO retention VALUES (0);
";

/// Pictures in a form that is not read any more, some megabytes each: they are folded anew.
const COMPACT_PICTURES: &str = "DELETE FROM snapshots WHERE name = 'dashboard-2' OR name GLOB 'dashboard-2/*';";

/// How much of the file are values of workspaces: to count them each time would mean to read them all.
const VALUE_BYTES: &str = "
    CREATE TABLE value_bytes (total INTEGER NOT NULL);
    INSERT INTO value_bytes SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM kv;
    CREATE TRIGGER value_added AFTER INSERT ON kv BEGIN
        UPDATE value_bytes SET total = total + octet_length(new.key) + octet_length(new.value);
    END;
    CREATE TRIGGER value_changed AFTER UPDATE ON kv BEGIN
        UPDATE value_bytes SET total = total + octet_length(new.value) - octet_length(old.value);
    END;
    CREATE TRIGGER value_removed AFTER DELETE ON kv BEGIN
        UPDATE value_bytes SET total = total - octet_length(old.key) - octet_length(old.value);
    END;
";

/// Takes the steps that the database lacks, all or none.
pub(super) fn migrate(connection: &mut rusqlite::Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    // Before there is a table it costs nothing; later it takes a `VACUUM`, see `shrinkable`.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    // The write-ahead log may know more than the file's header, which was looked at first.
    let Some(missing) = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)) else {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    };
    if missing.is_empty() {
        return Ok(());
    }
    if found > 0 {
        tracing::info!(path = %path.display(), from = found, to = VERSION, "bringing the database up to date");
    }
    let taken = missing.iter().try_for_each(|step| transaction.execute_batch(step));
    // Both are in the file's header from its first commit on, which is made before there is a write-ahead log.
    taken
        .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
        .and_then(|()| transaction.pragma_update(None, "user_version", VERSION))
        .and_then(|()| transaction.commit())
        .map_err(failed)
}

/// Lets the file shrink when events are deleted. A database that was made without that is written anew, once.
pub(super) fn shrinkable(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    /// `PRAGMA auto_vacuum` where pages are given back on demand.
    const INCREMENTAL: u32 = 2;
    let mode: u32 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode == INCREMENTAL {
        return Ok(());
    }
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::sqlite::{Database, Durability, FILE_NAME};
    use remora_actors::{
        model::Pattern,
        ports::{Filter, Journal},
    };

    /// A database as the first version wrote it.
    fn first_version(path: &Path) {
        let old = rusqlite::Connection::open(path).expect("open");
        old.execute_batch(BEGINNING).expect("made");
        old.pragma_update(None, "application_id", APPLICATION_ID).expect("application_id");
        old.pragma_update(None, "user_version", 1).expect("user_version");
        old.execute_batch(
            r#"PRAGMA journal_mode = WAL;
            INSERT INTO events VALUES (1, 'e1', 'agent', 'started', 'a', '{"id":"e1","timestamp":"2026-02-24T09:37:15.120Z",
                "category":"agent","action":"started","agent_id":"a","payload":{}}');
            INSERT INTO agent_spans VALUES ('a', 1, 1);
            INSERT INTO kv VALUES ('a', 'k', '"kept"');"#,
        )
        .expect("filled");
    }

    #[tokio::test]
    async fn an_older_database_is_brought_up_to_date() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(FILE_NAME);
        first_version(&path);
        let database = Database::open(&path, Durability::Normal).expect("open");
        let journal = database.journal();
        let filter = Filter { pattern: Pattern::ALL, agent_id: Some("a".to_owned()) };
        let events = journal.read(0, 9, &filter).await.expect("read");
        assert_eq!(events.iter().map(|record| record.event.id.as_str()).collect::<Vec<_>>(), ["e1"]);
        let extent = journal.extent().await.expect("extent");
        assert_eq!((extent.first_seq, extent.events), (1, 1));
        assert_eq!(extent.oldest.expect("an event").to_string(), "2026-02-24T09:37:15Z");
        database.close().await.expect("close");
        let file = rusqlite::Connection::open(&path).expect("open");
        let number = |name| file.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).expect("a number");
        assert_eq!((number("user_version"), number("auto_vacuum")), (VERSION, 2));
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(FILE_NAME);
        first_version(&path);
        let mut connection = rusqlite::Connection::open(&path).expect("open");
        connection.execute_batch("CREATE TABLE retention (in_the_way)").expect("made");
        migrate(&mut connection, &path).expect_err("refused");
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
        let columns: u32 = connection
            .query_row("SELECT count(*) FROM pragma_table_info('events')", [], |row| row.get(0))
            .expect("a number");
        assert_eq!((version, columns), (1, 6));
    }

    #[test]
    fn a_newer_version_is_refused_also_where_only_the_log_tells() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(FILE_NAME);
        first_version(&path);
        // Kept open: the write-ahead log stays beside the file, whose header is the old one.
        let newer = rusqlite::Connection::open(&path).expect("open");
        newer.pragma_update(None, "user_version", VERSION + 1).expect("user_version");
        let error = Database::open(&path, Durability::Normal).expect_err("refused");
        assert!(matches!(error, OpenError::Newer { found, known: VERSION, .. } if found == VERSION + 1), "{error}");
    }
}

//! One AgentFS file: opened, read or written, and closed again each time, so that it is never held against its agent.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use remora_actors::ports::{Listed, WorkspaceError};
use serde_json::Value;
use tokio_rusqlite::rusqlite::{
    Connection, Error, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior,
    config::DbConfig,
    params,
    types::{self, ValueRef},
};

use super::Roots;

/// SQLite's writers commit within milliseconds. Who holds a file for longer may hold it for hours, and trying again
/// later is cheaper than a thread that waits.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// Keys whose unreadable values are reported, once each; beyond it an agent only fills the log.
const REPORTED_KEYS: usize = 100;

const TABLE: &str = "kv_store";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS kv_store (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    created_at INTEGER DEFAULT (unixepoch()),
    updated_at INTEGER DEFAULT (unixepoch())
)";
const GET: &str = "SELECT CASE WHEN octet_length(value) <= ?1 THEN value END FROM kv_store WHERE key = ?2";
const SET: &str = "INSERT INTO kv_store (key, value, created_at, updated_at) VALUES (?1, ?2, unixepoch(), unixepoch())
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
const LIST: &str = "SELECT CASE WHEN octet_length(value) <= ?1 THEN value END, key FROM kv_store
                    WHERE key >= ?2 AND key < ?3 ORDER BY key";
const DELETE: &str = "DELETE FROM kv_store WHERE key = ?1";

/// A workspace file by the name it was given. Every method blocks.
#[derive(Debug)]
pub(super) struct WorkspaceFile {
    name: PathBuf,
    roots: Roots,
    value_bytes: usize,
    reported: Mutex<HashSet<String>>,
}

impl WorkspaceFile {
    /// # Errors
    /// The name leads outside of the roots.
    pub(super) fn new(name: &Path, roots: Roots, value_bytes: usize) -> Result<Self, WorkspaceError> {
        roots.resolve(name)?;
        Ok(Self { name: name.to_owned(), roots, value_bytes, reported: Mutex::default() })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Value>, WorkspaceError> {
        match self.read(|file| self.value(file, key))?.flatten() {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(why)) => Err(self.broken(format!("the value of {key:?} {why}"))),
            None => Ok(None),
        }
    }

    pub(super) fn set(&self, key: &str, value: &Value) -> Result<(), WorkspaceError> {
        self.write(|file| file.execute(SET, params![key, value.to_string()]).map(|_| true)).map(|_| ())
    }

    pub(super) fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Value>,
        value: &Value,
    ) -> Result<bool, WorkspaceError> {
        self.write(|file| {
            let is_expected = match self.value(file, key)? {
                Some(Ok(found)) => expected == Some(&found),
                Some(Err(_)) => false,
                None => expected.is_none(),
            };
            Ok(is_expected && file.execute(SET, params![key, value.to_string()])? > 0)
        })
    }

    pub(super) fn set_once(&self, key: &str, value: &Value, receipt: &str) -> Result<bool, WorkspaceError> {
        self.write(|file| {
            let is_new = self.value(file, receipt)?.is_none();
            Ok(is_new
                && file.execute(SET, [receipt, "true"])? > 0
                && file.execute(SET, params![key, value.to_string()])? > 0)
        })
    }

    /// The keys of a range with their values, up to so many bytes.
    pub(super) fn list(
        &self,
        (first, end): (String, types::Value),
        max_bytes: usize,
    ) -> Result<Listed, WorkspaceError> {
        let read = self.read(|file| {
            let mut statement = file.prepare(LIST)?;
            let mut rows = statement.query(params![self.max_bytes(), first, end])?;
            let (mut listed, mut bytes) = (Vec::<(String, Result<Value, String>)>::new(), 0_usize);
            while let Some(row) = rows.next()? {
                bytes = bytes.saturating_add(row.get_ref(0)?.as_bytes().map_or(0, <[u8]>::len));
                if bytes > max_bytes
                    && let Some((last, _)) = listed.last()
                {
                    let next = Some(last.clone());
                    return Ok((listed, next));
                }
                listed.push((row.get(1)?, self.parse(row)?));
            }
            Ok((listed, None))
        })?;
        // One bad value must not hide the others.
        let readable = |(key, value): (String, Result<Value, String>)| match value {
            Ok(value) => Some((key, value)),
            Err(why) => {
                self.report(key, &why);
                None
            }
        };
        let (listed, next) = read.unwrap_or_default();
        Ok(Listed { entries: listed.into_iter().filter_map(readable).collect(), next })
    }

    pub(super) fn delete(&self, key: &str) -> Result<bool, WorkspaceError> {
        if self.read(|_| Ok(()))?.is_none() {
            return Ok(false);
        }
        self.write(|file| file.execute(DELETE, [key]).map(|rows| rows > 0))
    }

    /// `None`: the agent has not created the table yet.
    fn read<R>(&self, query: impl FnOnce(&Connection) -> Result<R, Error>) -> Result<Option<R>, WorkspaceError> {
        let file = self.open()?;
        let run = |file: &Connection| {
            if file.table_exists(None, TABLE)? { query(file).map(Some) } else { Ok(None) }
        };
        run(&file).map_err(|error| self.failed(&error))
    }

    /// Keeps what `change` did where it says that it did something.
    fn write(&self, change: impl FnOnce(&Transaction<'_>) -> Result<bool, Error>) -> Result<bool, WorkspaceError> {
        let mut file = self.open()?;
        let run = || {
            let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute(CREATE, [])?;
            let changed = change(&transaction)?;
            if changed {
                transaction.commit()?;
            }
            Ok(changed)
        };
        run().map_err(|error| self.failed(&error))
    }

    fn open(&self) -> Result<Connection, WorkspaceError> {
        let path = self.roots.resolve(&self.name)?;
        match fs::metadata(&path) {
            Ok(file) if file.is_file() => {}
            Ok(_) => {
                let why = "it is not a regular file; name the agent's database".to_owned();
                return Err(WorkspaceError::Refused { path: self.name.clone(), why });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WorkspaceError::Missing { path: self.name.clone() });
            }
            Err(error) => return Err(self.unavailable(error.to_string())),
        }
        let connect = || {
            // Without links nobody can lead the path elsewhere since it was resolved. A reader opens for writing,
            // too: one that cannot write would leave the `-wal` and `-shm` behind that it has to create.
            let flags =
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            let file = Connection::open_with_flags(&path, flags)?;
            file.busy_timeout(BUSY_TIMEOUT)?;
            // Its schema is the agent's.
            file.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            Ok(file)
        };
        connect().map_err(|error| self.failed(&error))
    }

    fn value(&self, file: &Connection, key: &str) -> Result<Option<Result<Value, String>>, Error> {
        file.query_row(GET, params![self.max_bytes(), key], |row| self.parse(row)).optional()
    }

    /// The first column as JSON, or what is wrong with it.
    fn parse(&self, row: &Row<'_>) -> Result<Result<Value, String>, Error> {
        Ok(match row.get_ref(0)? {
            ValueRef::Text(json) | ValueRef::Blob(json) => {
                serde_json::from_slice(json).map_err(|error| format!("is not json: {error}"))
            }
            ValueRef::Null => Err(format!("is over the limit `value_bytes` of {}", self.value_bytes)),
            _ => Err("is not text".to_owned()),
        })
    }

    fn max_bytes(&self) -> i64 {
        i64::try_from(self.value_bytes).unwrap_or(i64::MAX)
    }

    fn report(&self, key: String, why: &str) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < REPORTED_KEYS && !reported.contains(&key) {
            tracing::warn!(file = %self.name.display(), key, why, "unreadable value in a workspace file is left out");
            reported.insert(key);
        }
    }

    fn failed(&self, error: &Error) -> WorkspaceError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                WorkspaceError::Locked { path: self.name.clone() }
            }
            // `Unknown` is SQL that does not fit the file's schema.
            None | Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
                self.broken(error.to_string())
            }
            Some(_) => self.unavailable(error.to_string()),
        }
    }

    fn broken(&self, why: String) -> WorkspaceError {
        WorkspaceError::Broken { name: self.name.display().to_string(), why }
    }

    pub(super) fn unavailable(&self, why: String) -> WorkspaceError {
        WorkspaceError::Unavailable { name: self.name.display().to_string(), why }
    }
}

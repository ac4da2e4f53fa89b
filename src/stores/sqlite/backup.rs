//! Copies of the database: made while a daemon uses it or while none does, and restored into an empty folder.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;
use tokio_rusqlite::rusqlite::{self, Connection, ErrorCode, OpenFlags, ffi};

use super::{
    FILE_NAME, OpenError,
    database::{check_header, connect},
    part::Part,
    retention, schema,
};
use crate::stores::data_dir::{DataDir, DataDirError};

/// SQLite's failures to read: nothing is read but what is copied.
const READING: [i32; 2] = [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ];

/// Why there is no copy, or nothing was restored. Nothing was left half-done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no database in the folder.
    #[error("{0} has no database yet; is the folder the daemon's? name another with --data DIR")]
    Nothing(PathBuf),
    /// The copy would replace something.
    #[error("{0} is there already; name a file that is not, or move this one away")]
    Exists(PathBuf),
    /// The folder is in use.
    #[error("{0} is not empty, and nothing in it is replaced; restore into a new folder with --data DIR")]
    NotEmpty(PathBuf),
    /// The newest commits are in the file beside the copy.
    #[error(
        "{0} is not all: its newest events stand in {0}-wal; make the copy with `remora backup`, or bring the two \
         together with: sqlite3 {0} 'PRAGMA wal_checkpoint(TRUNCATE)'"
    )]
    Unfinished(String),
    /// SQLite knows names that are text only.
    #[error("{0:?} is not utf-8, and a copy cannot be made there; name a file in another folder")]
    NotText(PathBuf),
    /// The database or the copy.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Somebody else writes the copy.
    #[error("another process is writing {0} at this moment; wait for it, or name another file")]
    Busy(PathBuf),
    /// There is no room.
    #[error("{0} cannot be written: there is no space left on its disk; make room, or name a place on another one")]
    Full(PathBuf),
    /// The system.
    #[error("{path} cannot be written: {source}; check that its folder is yours")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BackupError {
    /// The copy could not be written.
    fn unwritten(target: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(target.to_owned()),
            _ => Self::Io { path: target.to_owned(), source },
        }
    }

    /// The one could not be copied to the other: the fault may be with either.
    fn uncopied(database: &Path, target: &Path, error: &rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(target.to_owned()),
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
                Self::unwritten(target, io::Error::other(error.to_string()))
            }
            Some(ErrorCode::SystemIoFailure) if !extended.is_some_and(|code| READING.contains(&code)) => {
                Self::unwritten(target, io::Error::other(error.to_string()))
            }
            _ => OpenError::sqlite(database, error).into(),
        }
    }
}

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The version of its schema; the next start brings an older one up to date.
    pub schema: u32,
    /// Events.
    pub events: u64,
    /// The newest position; 0 where there is none.
    pub last_seq: u64,
    /// When the oldest event came in.
    pub oldest: Option<Timestamp>,
    /// Agents that events tell of.
    pub agents: u64,
    /// Values in embedded workspaces, the daemon's own included.
    pub values: u64,
    /// The file's size.
    pub bytes: u64,
}

/// Copies the database of a data folder as it is at one moment. Agents and people can go on meanwhile.
///
/// # Errors
/// [`BackupError`]; there is no file then.
pub fn back_up(data: &Path, target: &Path) -> Result<Contents, BackupError> {
    let database = data.join(FILE_NAME);
    if !database.is_file() {
        return Err(BackupError::Nothing(data.to_owned()));
    }
    if target.exists() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    DataDir::check_whole(data)?;
    check_header(&database)?;
    let part = begin(target)?;
    let name = part.path().to_str().ok_or_else(|| BackupError::NotText(target.to_owned()))?;
    let source = connect(&database).map_err(|error| OpenError::sqlite(&database, &error))?;
    // Reads in one transaction, however long it takes: writers do not wait for readers.
    let copied = source.execute("VACUUM INTO ?1", [name]);
    copied.map_err(|error| BackupError::uncopied(&database, target, &error))?;
    let contents = verify(part.path(), target)?;
    part.keep(target).map_err(|error| BackupError::unwritten(target, error))?;
    Ok(contents)
}

fn begin(target: &Path) -> Result<Part, BackupError> {
    let part = Part::begin(target).map_err(|error| BackupError::unwritten(target, error))?;
    part.ok_or_else(|| BackupError::Busy(target.to_owned()))
}

/// Puts a copy into a data folder that is missing or empty.
///
/// # Errors
/// [`BackupError`]; the folder holds no database then.
pub fn restore(source: &Path, data: &Path) -> Result<Contents, BackupError> {
    if !DataDir::is_vacant(data) {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    check_header(source)?;
    if fs::metadata(wal_of(source)).is_ok_and(|wal| wal.len() > 0) {
        return Err(BackupError::Unfinished(source.display().to_string()));
    }
    // Held until all is done: a daemon that starts meanwhile must not begin with an empty database.
    let folder = DataDir::open(data)?;
    let target = folder.database();
    let unwritten = |error| BackupError::unwritten(&target, error);
    let mut part = begin(&target)?;
    let mut from =
        File::open(source).map_err(|error| OpenError::Io { path: source.to_owned(), why: error.to_string() })?;
    io::copy(&mut from, part.file()).map_err(unwritten)?;
    let contents = verify(part.path(), source)?;
    part.keep(&target).map_err(unwritten)?;
    Ok(contents)
}

/// Reads the whole copy, and says what is in it. What is wrong is said of the file under its own name.
fn verify(copy: &Path, name: &Path) -> Result<Contents, BackupError> {
    let damaged = |why: String| OpenError::Damaged { path: name.to_owned(), why };
    check_header(copy)?;
    let failed = |error: rusqlite::Error| damaged(error.to_string());
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if verdict != "ok" {
        return Err(damaged(verdict).into());
    }
    contents(&connection, copy).map_err(|error| failed(error).into())
}

fn contents(connection: &Connection, file: &Path) -> rusqlite::Result<Contents> {
    let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, u64>(0));
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let oldest = if version == schema::VERSION { retention::extent(connection)?.oldest } else { None };
    Ok(Contents {
        schema: version,
        events: count("SELECT count(*) FROM events")?,
        last_seq: count("SELECT coalesce(max(seq), 0) FROM events")?,
        oldest,
        agents: count("SELECT count(DISTINCT agent_id) FROM agent_spans")?,
        values: count("SELECT count(*) FROM kv")?,
        bytes: fs::metadata(file).map_or(0, |file| file.len()),
    })
}

/// Where SQLite keeps the newest commits of a database.
fn wal_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

//! Opening the database: what the file must be, its schema and its connections.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio_rusqlite::{
    Connection, Error,
    rusqlite::{self, ErrorCode, OpenFlags, config::DbConfig},
};

use super::{EmbeddedWorkspace, SqliteJournal, embedded::Changes, indexer::Appends, place::Place, schema};

/// The database's name in the data folder.
pub const FILE_NAME: &str = "remora.db";
/// Only a person with a database tool can be in the way, for as long as a query takes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages the writer keeps: the upper levels of the index over random ids for some millions of events.
const WRITER_CACHE_KIB: u32 = 32 << 10;
/// Pages of the write-ahead log after which they are moved into the file: four times what SQLite would take by itself, as
/// most of them are versions of the same few pages.
const WAL_PAGES: u32 = 4_000;
/// What a burst may leave of the write-ahead log.
const WAL_LIMIT_BYTES: u32 = 64 << 20;
/// A file up to this size is checked whole at the start, which takes about a tenth of a second.
const QUICK_CHECK_BYTES: u64 = 32 << 20;
/// Statements in use by one connection, all of them.
const CACHED_STATEMENTS: usize = 32;

/// The journal tells what every agent did: nobody else's business, also where the folder is open to others.
const MODE: u32 = 0o600;

/// What a commit waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Until the disk has it: an acknowledged event survives a loss of power.
    #[default]
    Full,
    /// Until the operating system has it: an acknowledged event survives a crash of the daemon, but the last ones
    /// may be lost with the machine. Much faster on slow disks.
    Normal,
}

impl Durability {
    fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

/// Why a database was not opened. The file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is a database, but another program's.
    #[error(
        "{path} belongs to another program (application id {application_id:#010x}); \
         move it away or choose another data folder"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What stands in its header.
        application_id: u32,
    },
    /// A newer Remora wrote it.
    #[error(
        "{path} was written by a newer remora (schema {found}, this one knows up to {known}); install that version again, \
         restore a backup from before it, or choose another data folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's schema version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// It is no database, or not as it was written.
    #[error("{path} is damaged: {why}; restore it from a backup, or move it away to begin with an empty one")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be opened: {why}; check that the file and its folder are yours and the disk is not full")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        if is_damage(error) { Self::Damaged { path, why } } else { Self::Io { path, why } }
    }
}

/// True where the file's content is at fault, false where trying again may help.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(error, rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..))
}

/// The open database. Clones share its connections: one that writes, and one each for the readers of the journal,
/// of the workspaces and for searches, so that none waits for the other.
#[derive(Debug, Clone)]
pub struct Database {
    writer: Connection,
    pub(super) journal_reader: Connection,
    pub(super) workspace_reader: Connection,
    pub(super) search_reader: Connection,
    place: Arc<Place>,
    pub(super) appends: Appends,
    pub(super) changes: Arc<Changes>,
}

impl Database {
    /// Opens the file, or creates it where it is missing or empty. Blocks while it does. The caller holds the data
    /// folder's lock.
    ///
    /// # Errors
    /// [`OpenError`]; the file is as it was.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        check_header(path)?;
        create(path)?;
        let failed = |error: rusqlite::Error| OpenError::sqlite(path, &error);
        let mut writer = connect(path).map_err(failed)?;
        if std::fs::metadata(path).is_ok_and(|file| file.len() <= QUICK_CHECK_BYTES) {
            quick_check(&writer, path)?;
        }
        schema::migrate(&mut writer, path)?;
        configure_writer(&writer, durability).map_err(failed)?;
        schema::shrinkable(&writer).map_err(failed)?;
        let place = Place::of(path).map_err(|error| OpenError::Io { path: path.to_owned(), why: error.to_string() })?;
        let reader = || connect(path).map(Connection::from).map_err(failed);
        Ok(Self {
            journal_reader: reader()?,
            workspace_reader: reader()?,
            search_reader: reader()?,
            place: Arc::new(place),
            appends: Appends::default(),
            writer: writer.into(),
            changes: Arc::default(),
        })
    }

    /// Has something written, as long as the file is where it was.
    pub(in crate::stores) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.place);
        self.writer.call(move |connection| place.check().and_then(|()| work(connection))).await
    }

    /// Whether the file is a database that could be opened, or missing. Changes nothing, and does not read it all.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn check(path: &Path) -> Result<(), OpenError> {
        check_header(path)
    }

    /// The journal.
    pub fn journal(&self) -> SqliteJournal {
        SqliteJournal::new(self.clone())
    }

    /// The workspace of an id. It comes into being with its first key.
    pub fn workspace(&self, id: &str) -> EmbeddedWorkspace {
        EmbeddedWorkspace::new(self.clone(), id, self.changes.of(id))
    }

    /// How many values a workspace has.
    ///
    /// # Errors
    /// What the database said.
    pub async fn count_values(&self, workspace: &str) -> Result<u64, String> {
        let workspace = workspace.to_owned();
        let count = self.workspace_reader.call(move |connection| {
            let mut count = connection.prepare_cached("SELECT count(*) FROM kv WHERE workspace = ?1")?;
            count.query_row([workspace], |row| row.get(0))
        });
        count.await.map_err(|error| error.to_string())
    }

    /// Ends the connections after what they have begun, and leaves one tidy file. Later calls fail.
    ///
    /// # Errors
    /// What was written is safe; only the tidying failed.
    pub async fn close(&self) -> Result<(), String> {
        // The last connection to close moves the write-ahead log into the file. Both are found by their paths: where
        // another file is now, that one's would be taken away.
        let is_kept = self.place.is_kept();
        for connection in [&self.journal_reader, &self.workspace_reader, &self.search_reader, &self.writer] {
            if !is_kept {
                let leave =
                    |c: &mut rusqlite::Connection| c.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
                connection.call(leave).await.map_err(|error| error.to_string())?;
            }
            connection.clone().close().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Does `work` as a whole or not at all. Its statements are prepared once: to parse them costs as much as a small write.
pub(super) fn transact<T>(
    connection: &rusqlite::Connection,
    work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    struct Unfinished<'a>(&'a rusqlite::Connection);

    impl Drop for Unfinished<'_> {
        fn drop(&mut self) {
            if !self.0.is_autocommit()
                && let Err(error) = self.0.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "transaction not rolled back");
            }
        }
    }

    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    run("BEGIN IMMEDIATE")?;
    let unfinished = Unfinished(connection);
    let done = work(connection)?;
    run("COMMIT")?;
    drop(unfinished);
    Ok(done)
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

/// Makes the file where it is missing, with a mode that SQLite gives the files beside it too.
fn create(path: &Path) -> Result<(), OpenError> {
    let made = File::options().create(true).append(true).mode(MODE).open(path);
    made.map(drop).map_err(|error| OpenError::Io { path: path.to_owned(), why: error.to_string() })
}

pub(super) fn quick_check(connection: &rusqlite::Connection, path: &Path) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::sqlite(path, &error))?;
    if verdict == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.to_owned(), why: verdict }) }
}

fn configure_writer(writer: &rusqlite::Connection, durability: Durability) -> rusqlite::Result<()> {
    writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    writer.pragma_update(None, "synchronous", durability.pragma())?;
    writer.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    writer.pragma_update_and_check(None, "wal_autocheckpoint", WAL_PAGES, |_| Ok(()))?;
    writer.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT_BYTES, |_| Ok(()))
}

/// Looks at the file before SQLite does: opening another program's database could already finish what that program
/// had begun.
pub(super) fn check_header(path: &Path) -> Result<(), OpenError> {
    let io = |error: io::Error| OpenError::Io { path: path.to_owned(), why: error.to_string() };
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(io)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if header.is_empty() {
        return Ok(());
    }
    // The file format's offsets: the magic at 0, the user version at 60, the application id at 68.
    let number = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    match (header.starts_with(b"SQLite format 3\0"), number(60), number(68)) {
        (true, Some(found), Some(schema::APPLICATION_ID)) if found > schema::VERSION => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: schema::VERSION })
        }
        (true, _, Some(schema::APPLICATION_ID)) => Ok(()),
        (true, _, Some(application_id)) => Err(OpenError::Foreign { path: path.to_owned(), application_id }),
        _ => Err(OpenError::Damaged { path: path.to_owned(), why: "it is not a sqlite database".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(path: &Path, application_id: u32, user_version: u32) {
        let other = rusqlite::Connection::open(path).expect("open");
        other
            .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE treasure (x); INSERT INTO treasure VALUES (1)")
            .expect("fill");
        other.pragma_update(None, "application_id", application_id).expect("application_id");
        other.pragma_update(None, "user_version", user_version).expect("user_version");
    }

    fn refused(path: &Path) -> OpenError {
        let before = std::fs::read(path).expect("read");
        let error = Database::open(path, Durability::Full).expect_err("refused");
        assert_eq!(std::fs::read(path).expect("read"), before, "the file is untouched");
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        error
    }

    #[tokio::test]
    async fn creates_and_opens_again() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "").expect("an empty file is a new one");
        for _ in 0..2 {
            let database = Database::open(&path, Durability::Normal).expect("open");
            database.close().await.expect("close");
            assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1, "one tidy file");
        }
    }

    #[test]
    fn refuses_what_is_not_its_own() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(FILE_NAME);
        foreign(&path, 0, 0);
        assert!(matches!(refused(&path), OpenError::Foreign { application_id: 0, .. }));
        foreign(&folder.path().join("fossil"), 252_006_673, 1);
        assert!(matches!(
            refused(&folder.path().join("fossil")),
            OpenError::Foreign { application_id: 252_006_673, .. }
        ));
        foreign(&folder.path().join("newer"), schema::APPLICATION_ID, schema::VERSION + 1);
        assert!(matches!(refused(&folder.path().join("newer")), OpenError::Newer { known: schema::VERSION, .. }));
    }

    #[tokio::test]
    async fn refuses_what_is_damaged() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "precious notes").expect("write");
        assert!(matches!(refused(&path), OpenError::Damaged { .. }));

        std::fs::remove_file(&path).expect("remove");
        Database::open(&path, Durability::Normal).expect("open").close().await.expect("close");
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, &whole[..whole.len() - 5000]).expect("cut the end off");
        assert!(matches!(refused(&path), OpenError::Damaged { .. }));

        let mut holed = whole.clone();
        holed[4096..8192].fill(0xaa);
        std::fs::write(&path, holed).expect("write");
        assert!(matches!(refused(&path), OpenError::Damaged { .. }));
    }

    #[test]
    fn says_when_the_file_cannot_be_opened() {
        let folder = tempfile::tempdir().expect("tempdir");
        let error = Database::open(&folder.path().join("absent/remora.db"), Durability::Full).expect_err("no folder");
        assert!(matches!(error, OpenError::Io { .. }), "{error}");
        let error = Database::open(folder.path(), Durability::Full).expect_err("a folder");
        assert!(matches!(error, OpenError::Io { .. }), "{error}");
    }
}

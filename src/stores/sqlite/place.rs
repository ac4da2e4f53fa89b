//! The file that a database is in. Who deletes or moves the folder of a running daemon takes it away: what is written
//! then would be gone with the daemon's end, or mixed into whatever stands at that path now.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tokio_rusqlite::rusqlite::{self, ffi};

/// A file by its path and by what it is.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: (u64, u64),
}

impl Place {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: number(path)? })
    }

    pub(super) fn is_kept(&self) -> bool {
        number(&self.path).is_ok_and(|file| file == self.file)
    }

    /// # Errors
    /// Another file stands at the path now, or none.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        let path = self.path.display();
        let what =
            format!("{path} was deleted, moved or replaced while it was in use; put it back, or restart this daemon");
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED), Some(what)))
    }
}

/// It is only looked up: a second handle on the file, once closed, would take SQLite's locks with it.
fn number(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

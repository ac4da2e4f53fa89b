//! A copy while it is made: beside its place, under a name that is always the same. What a killed program leaves there
//! the next one replaces.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempPath};

use super::FILE_NAME;

/// How the name ends.
const END: &str = ".part";
/// How the names end of what SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The unfinished copy. Vanishes unless it is kept.
#[derive(Debug)]
pub(super) struct Part {
    beside: Beside,
    /// Locked for as long as somebody writes it, and so the last to go.
    copy: NamedTempFile,
}

/// What SQLite keeps beside the copy, and leaves there where it fails. Vanishes in any case.
#[derive(Debug)]
struct Beside([PathBuf; BESIDE.len()]);

impl Beside {
    fn remove(&self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Part {
    /// Begins a copy that is to come to a place. `None`: somebody else is at work on it.
    pub(super) fn begin(target: &Path) -> io::Result<Option<Self>> {
        let path = with_end(target, END);
        let file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had the lock may have ended meanwhile, and this be no part any more.
        let is_it = |found: fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == found.ino());
        if !fs::metadata(&path).is_ok_and(is_it) {
            return Ok(None);
        }
        let beside = Beside(BESIDE.map(|end| with_end(&path, end)));
        beside.remove();
        let part = Self { beside, copy: NamedTempFile::from_parts(file, TempPath::try_from_path(&path)?) };
        part.copy.as_file().set_len(0)?;
        Ok(Some(part))
    }

    pub(super) fn path(&self) -> &Path {
        self.copy.path()
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.copy.as_file_mut()
    }

    /// Gives the copy its place, for good, if nothing is there.
    pub(super) fn keep(self, target: &Path) -> io::Result<()> {
        let Self { beside, copy } = self;
        drop(beside);
        copy.as_file().sync_all()?;
        copy.persist_noclobber(target).map_err(|error| error.error)?;
        // The file's name is the folder's to keep.
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

/// True for what a copy that was to become a daemon's database leaves behind when it is not finished.
pub(in crate::stores) fn is_left_behind(name: &OsStr) -> bool {
    let part = format!("{FILE_NAME}{END}");
    name.to_str().and_then(|name| name.strip_prefix(&part)).is_some_and(|end| end.is_empty() || BESIDE.contains(&end))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(end);
    path.into()
}

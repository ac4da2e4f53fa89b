//! The data folder: one daemon at a time keeps everything it must not lose in there.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ring::rand::{SecureRandom, SystemRandom};

use super::sqlite;

const LOCK_NAME: &str = "remora.lock";
const KEY_NAME: &str = "link.key";
/// Says where a move comes from that has not come to its end.
const MOVE_NAME: &str = "unfinished-move";
/// As long as the hash that the key goes into.
pub(crate) const KEY_BYTES: usize = 32;
/// The journal tells what every agent did: nobody else's business.
const MODE: u32 = 0o700;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A daemon is running on it.
    #[error("another remora daemon{} runs on {path}; stop it or choose another folder with --data DIR",
        .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The daemon's process, where it is known.
        pid: Option<u32>,
    },
    /// It holds a part of what was to be moved there.
    #[error(
        "a move from {from} to {path} did not come to its end, so that only a part is there; run it again: \
         remora migrate --from {from} --to {path}; or remove {path}"
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// Where everything still is.
        from: String,
    },
    /// It cannot be created or written.
    #[error("the data folder {path} cannot be used: {why}; give it to this user or choose another with --data DIR")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

/// The data folder, locked until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Locks the folder, which is created where it is missing.
    ///
    /// # Errors
    /// [`DataDirError`]; another daemon on it is not disturbed.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let folder = Self::open_to_move(path)?;
        Self::check_whole(path)?;
        Ok(folder)
    }

    /// The same, also where a move into the folder did not come to its end.
    ///
    /// # Errors
    /// [`DataDirError`], but for [`DataDirError::Unfinished`].
    pub fn open_to_move(path: &Path) -> Result<Self, DataDirError> {
        let io = |error: io::Error| DataDirError::Io { path: path.to_owned(), why: error.to_string() };
        DirBuilder::new().recursive(true).mode(MODE).create(path).map_err(io)?;
        let lock_path = path.join(LOCK_NAME);
        let mut lock =
            File::options().create(true).truncate(false).read(true).write(true).open(&lock_path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Locked { path: path.to_owned(), pid: process(&lock_path) });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // The process id is a help for people; the lock is what counts.
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(io)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Whether the folder, or where it would be made, can be written. Leaves nothing behind.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn check(path: &Path) -> Result<(), DataDirError> {
        let there = path.ancestors().find(|folder| folder.exists()).filter(|there| !there.as_os_str().is_empty());
        let written = tempfile::NamedTempFile::new_in(there.unwrap_or(Path::new(".")));
        written.map(drop).map_err(|error| DataDirError::Io { path: path.to_owned(), why: error.to_string() })
    }

    /// Whether all is in the folder that was to be moved there.
    ///
    /// # Errors
    /// [`DataDirError::Unfinished`], or it cannot be found out.
    pub fn check_whole(path: &Path) -> Result<(), DataDirError> {
        match fs::read(path.join(MOVE_NAME)) {
            Ok(from) => {
                let from = String::from_utf8_lossy(&from).into_owned();
                Err(DataDirError::Unfinished { path: path.to_owned(), from })
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
            Err(error) => Err(DataDirError::Io { path: path.to_owned(), why: error.to_string() }),
        }
    }

    /// Marks the folder as one that holds a part only, until [`Self::end_move`].
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn begin_move(&self, from: &str) -> Result<(), DataDirError> {
        self.keep(MOVE_NAME, from.as_bytes())
    }

    /// Takes the mark away: everything is there.
    ///
    /// # Errors
    /// It cannot be taken away.
    pub fn end_move(&self) -> Result<(), DataDirError> {
        let removed = fs::remove_file(self.path.join(MOVE_NAME)).and_then(|()| self.sync());
        removed.map_err(|error| self.failed(MOVE_NAME, &error))
    }

    /// True where the folder is missing or holds nothing: at most what an attempt has left that came to nothing.
    pub fn is_vacant(path: &Path) -> bool {
        match fs::read_dir(path) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| entry.file_name())
                .all(|name| name == LOCK_NAME || sqlite::is_left_behind(&name)),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Whether a daemon runs on the folder, and in which process, where that is known. Changes nothing.
    ///
    /// # Errors
    /// The lock cannot be read.
    pub fn user(path: &Path) -> io::Result<Option<Option<u32>>> {
        let lock_path = path.join(LOCK_NAME);
        let lock = match File::open(&lock_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            lock => lock?,
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(process(&lock_path))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that signs links, made at its first use. Whoever removes its file makes all links void.
    ///
    /// # Errors
    /// The file can be neither read nor made.
    pub fn link_key(&self) -> Result<[u8; KEY_BYTES], DataDirError> {
        if let Some(key) = self.known_link_key()? {
            return Ok(key);
        }
        let mut key = [0; KEY_BYTES];
        let random = SystemRandom::new().fill(&mut key);
        random.map_err(|_| self.failed(KEY_NAME, &io::Error::other("the system gives no random bytes")))?;
        self.set_link_key(&key)?;
        Ok(key)
    }

    /// The key that signs links; `None`: it was not needed yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn known_link_key(&self) -> Result<Option<[u8; KEY_BYTES]>, DataDirError> {
        match fs::read(self.path.join(KEY_NAME)) {
            // Written halfway: no link was made with it.
            Ok(bytes) => Ok(bytes.try_into().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(KEY_NAME, &error)),
        }
    }

    /// Keeps the key that signs links.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_link_key(&self, key: &[u8; KEY_BYTES]) -> Result<(), DataDirError> {
        self.keep(KEY_NAME, key)
    }

    /// Puts a file into the folder, as a whole and for good.
    fn keep(&self, name: &str, content: &[u8]) -> Result<(), DataDirError> {
        let unfinished = self.path.join(format!("{name}.new"));
        let write = || {
            let mut new = File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
            new.write_all(content)?;
            new.sync_all()?;
            fs::rename(&unfinished, self.path.join(name))?;
            self.sync()
        };
        write().map_err(|error| self.failed(name, &error))
    }

    /// The files' names are the folder's to keep.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn failed(&self, name: &str, error: &io::Error) -> DataDirError {
        DataDirError::Io { path: self.path.join(name), why: error.to_string() }
    }

    /// Where the daemon's database lies.
    pub fn database(&self) -> PathBuf {
        self.path.join(sqlite::FILE_NAME)
    }
}

fn process(lock_path: &Path) -> Option<u32> {
    fs::read_to_string(lock_path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_daemon_at_a_time() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("new/data");
        let first = DataDir::open(&path).expect("created");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o700);
        let error = DataDir::open(&path).expect_err("locked");
        let own = std::process::id();
        assert!(matches!(&error, DataDirError::Locked { pid: Some(pid), .. } if *pid == own), "{error}");
        assert!(error.to_string().contains(&format!("(process {own})")), "{error}");
        assert_eq!(DataDir::user(&path).expect("readable"), Some(Some(own)));
        drop(first);
        assert_eq!(DataDir::user(&path).expect("readable"), None);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn the_link_key_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("tempdir");
        let data = DataDir::open(folder.path()).expect("created");
        let key = data.link_key().expect("made");
        assert_ne!(key, [0; KEY_BYTES]);
        assert_eq!(data.link_key().expect("read"), key);
        let file = folder.path().join(KEY_NAME);
        assert_eq!(fs::metadata(&file).expect("metadata").permissions().mode() & 0o777, 0o600);
        fs::write(&file, "half").expect("written");
        assert_ne!(data.link_key().expect("made anew"), key);
    }

    #[test]
    fn a_folder_into_which_a_move_was_begun_is_opened_to_end_it() {
        let folder = tempfile::tempdir().expect("tempdir");
        let data = DataDir::open(folder.path()).expect("created");
        data.begin_move("/old").expect("marked");
        drop(data);
        let error = DataDir::open(folder.path()).expect_err("a part only").to_string();
        assert!(error.contains("remora migrate --from /old --to") && error.contains("or remove"), "{error}");
        let data = DataDir::open_to_move(folder.path()).expect("opened");
        data.begin_move("/old").expect("marked again");
        data.end_move().expect("ended");
        drop(data);
        DataDir::open(folder.path()).expect("whole");
    }

    #[test]
    fn says_why_a_folder_cannot_be_used() {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("write");
        for path in [file.clone(), file.join("below")] {
            let error = DataDir::open(&path).expect_err("a file is in the way");
            assert!(matches!(error, DataDirError::Io { .. }), "{error}");
            assert!(error.to_string().contains("--data DIR"), "{error}");
        }
    }
}

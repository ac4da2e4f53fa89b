//! What a poll compares.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

/// Two writes within one tick of the file system's clock look like one.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// What a look at a file tells without opening it. The default is that of no file.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Signature {
    pub(super) file: Option<Stat>,
    /// SQLite's write-ahead log, unless it is empty.
    wal: Option<Stat>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stat {
    pub(super) identity: Identity,
    size: u64,
    modified: Option<SystemTime>,
}

/// A file or folder whatever its name: device and inode, and its birth, since inodes are used again.
pub(super) type Identity = (u64, u64, Option<SystemTime>);

impl Stat {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let identity = (metadata.dev(), metadata.ino(), metadata.created().ok());
        Some(Self { identity, size: metadata.len(), modified: metadata.modified().ok() })
    }

    /// True where a later write may leave the same signature.
    fn is_fresh(&self) -> bool {
        self.modified.is_some_and(|modified| modified.elapsed().is_ok_and(|age| age < CLOCK_TICK))
    }
}

impl Signature {
    pub(super) fn of(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self { file: Stat::of(path), wal: Stat::of(Path::new(&wal)).filter(|wal| wal.size > 0) }
    }

    pub(super) fn is_fresh(&self) -> bool {
        [self.file, self.wal].iter().flatten().any(Stat::is_fresh)
    }
}

//! The files that a log leaves behind when it is rotated, found by their names: `run.jsonl.1`, `run.jsonl-20261126`.
//!
//! Which of two was written later the times of their last writes tell, and where these are the same their names: of
//! numbers the lower is the newer, of dates the later.

use std::{
    cmp::Reverse,
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Device and inode.
pub(super) type Identity = (u64, u64);
/// When a file was last written to: seconds and nanoseconds.
pub(super) type Written = (i64, i64);

/// How the names of compressed files end.
const COMPRESSED: [&str; 5] = [".gz", ".xz", ".bz2", ".zst", ".lz4"];
/// Digits of a number; more are a date.
const NUMBER_DIGITS: usize = 4;

/// What was rotated away after a file.
#[derive(Debug, Default)]
pub(super) struct Newer {
    /// True where the file itself is among the rotated ones.
    pub(super) is_rotated: bool,
    /// The oldest of it that has content and can be read.
    pub(super) file: Option<File>,
    /// What is older than that and cannot be read, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

pub(super) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

pub(super) fn written(metadata: &Metadata) -> Written {
    (metadata.mtime(), metadata.mtime_nsec())
}

/// What was rotated away after the file of an identity, or, where that is not among the rotated ones, after a time.
pub(super) fn newer(log: &Path, than: Option<Identity>, since: Written) -> io::Result<Newer> {
    'looks: loop {
        let all = all(log)?;
        let place = all.iter().position(|old| than == Some(old.identity));
        let newer = all.into_iter().enumerate().filter(|(at, old)| place.map_or(old.written > since, |it| *at > it));
        let mut found = Newer { is_rotated: place.is_some(), ..Newer::default() };
        for (_, old) in newer {
            match old.open() {
                Ok(Some(file)) => {
                    found.file = Some(file);
                    break;
                }
                // Rotated once more meanwhile.
                Ok(None) => continue 'looks,
                Err(why) => found.unreadable.push((old.path, why.to_string())),
            }
        }
        return Ok(found);
    }
}

/// A file that was the log once, and is not empty.
#[derive(Debug)]
struct Rotated {
    path: PathBuf,
    identity: Identity,
    written: Written,
    stamp: String,
    is_compressed: bool,
}

impl Rotated {
    /// Opens it, if its name is still its own.
    fn open(&self) -> io::Result<Option<File>> {
        if self.is_compressed {
            return Err(io::Error::new(ErrorKind::Unsupported, "it is compressed"));
        }
        match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(file) => Ok((identity(&file.metadata()?) == self.identity).then_some(file)),
        }
    }

    fn number(&self) -> Option<u64> {
        if self.stamp.len() > NUMBER_DIGITS { None } else { self.stamp.parse().ok() }
    }
}

/// Everything that was rotated away, the oldest first.
fn all(log: &Path) -> io::Result<Vec<Rotated>> {
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let log_name = log.file_name().unwrap_or_default().to_string_lossy();
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((stamp, is_compressed)) = stamp_of(&name.to_string_lossy(), &log_name) else { continue };
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if metadata.is_file() && metadata.len() > 0 {
            let (identity, written) = (identity(&metadata), written(&metadata));
            all.push(Rotated { path: entry.path(), identity, written, stamp, is_compressed });
        }
    }
    // One that is being compressed is there twice.
    let plain: Vec<_> = all.iter().filter(|old| !old.is_compressed).map(|old| old.stamp.clone()).collect();
    all.retain(|old| !old.is_compressed || !plain.contains(&old.stamp));
    all.sort_by_cached_key(|old| (old.written, Reverse(old.number()), old.stamp.clone()));
    Ok(all)
}

/// The number or date in the name of a rotated file, and whether it is compressed.
fn stamp_of(name: &str, log_name: &str) -> Option<(String, bool)> {
    let rest = name.strip_prefix(log_name)?;
    let plain = COMPRESSED.iter().find_map(|end| rest.strip_suffix(end));
    let stamp = plain.unwrap_or(rest).strip_prefix(['.', '-', '_'])?;
    let is_stamp = stamp.starts_with(|first: char| first.is_ascii_digit())
        && stamp.chars().all(|it| it.is_ascii_digit() || "-_.:+TZ".contains(it));
    is_stamp.then(|| (stamp.to_owned(), plain.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_is_known_by_its_name() {
        for (name, stamp) in [
            ("run.log.1", Some(("1", false))),
            ("run.log.12.gz", Some(("12", true))),
            ("run.log-20261126", Some(("20261126", false))),
            ("run.log.2026-11-26_10:00.zst", Some(("2026-11-26_10:00", true))),
            ("run.log", None),
            ("run.log.gz", None),
            ("run.log.bak", None),
            ("run.log.1.bak", None),
            ("run.log2", None),
            ("other.log.1", None),
        ] {
            let found = stamp_of(name, "run.log");
            assert_eq!(found.as_ref().map(|(stamp, packed)| (stamp.as_str(), *packed)), stamp, "{name}");
        }
    }

    #[test]
    fn the_times_order_them_and_then_the_names() {
        let folder = tempfile::tempdir().expect("tempdir");
        let mut times = std::time::SystemTime::UNIX_EPOCH;
        for name in ["9", "10", "1", "20261126", "20261125", "2.gz", "3.gz", "3"] {
            let file = File::create(folder.path().join(format!("run.log.{name}"))).expect("created");
            fs::write(folder.path().join(format!("run.log.{name}")), "x").expect("written");
            if !["10", "20261125"].contains(&name) {
                times += std::time::Duration::from_secs(1);
            }
            file.set_modified(times).expect("set");
        }
        File::create(folder.path().join("run.log.4")).expect("empty");
        let all = all(&folder.path().join("run.log")).expect("listed");
        let names: Vec<_> = all.iter().map(|old| old.stamp.as_str()).collect();
        assert_eq!(names, ["10", "9", "1", "20261125", "20261126", "2", "3"]);
        let newer = newer(&folder.path().join("run.log"), Some(all[4].identity), (0, 0)).expect("found");
        assert_eq!(newer.unreadable.len(), 1);
        assert_eq!(identity(&newer.file.expect("a file").metadata().expect("metadata")), all[6].identity);
    }
}

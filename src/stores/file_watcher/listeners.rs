//! Which notification is told to whom.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, Weak},
};

use notify::{
    EventKind,
    event::{Event, ModifyKind},
};

use crate::stores::change::Change;

/// Who is told about which file, by the path that notifications name.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<HashMap<PathBuf, Vec<Weak<Change>>>>);

impl Listeners {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Vec<Weak<Change>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, file: &Path, change: &Weak<Change>) {
        self.lock().entry(file.to_owned()).or_default().push(change.clone());
    }

    pub(super) fn remove(&self, file: &Path, change: &Weak<Change>) {
        let mut listeners = self.lock();
        if let Some(changes) = listeners.get_mut(file) {
            changes.retain(|other| !other.ptr_eq(change));
            if changes.is_empty() {
                listeners.remove(file);
            }
        }
    }

    pub(super) fn notified(&self, event: notify::Result<Event>) {
        let announce = |change: &Weak<Change>| change.upgrade().iter().for_each(|change| change.announce());
        let listeners = self.lock();
        match event {
            Ok(event) if !event.need_rescan() => {
                let files = event.paths.iter().filter_map(|path| written_file(path, event.kind));
                files.filter_map(|file| listeners.get(file)).flatten().for_each(announce);
            }
            // Notifications were lost.
            _ => listeners.values().flatten().for_each(announce),
        }
    }
}

/// The file whose content an event at `path` may have changed.
pub(super) fn written_file(path: &Path, kind: EventKind) -> Option<&Path> {
    if matches!(kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))) {
        return None;
    }
    let name = path.as_os_str().as_bytes();
    let main = |bytes| Path::new(OsStr::from_bytes(bytes));
    match name.strip_suffix(b"-wal") {
        // A mere reader creates and removes it, too.
        Some(file) => matches!(kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any)).then(|| main(file)),
        None => Some(main(name.strip_suffix(b"-journal").unwrap_or(name))),
    }
}

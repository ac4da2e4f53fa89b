//! The thread behind the watcher: it looks after the watches of folders, and polls.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{
    listeners::Listeners,
    signature::{Identity, Signature, Stat},
};
use crate::stores::change::Change;

/// Where a watched file lies at present, with all symbolic links resolved; `None`: nowhere.
pub(super) type Find = Box<dyn Fn() -> Option<PathBuf> + Send>;

/// A watched file as the service's thread knows it.
pub(super) struct Entry {
    find: Find,
    /// Gone with the last who wants to know.
    change: Weak<Change>,
    /// Where it was found at the last look.
    file: Option<PathBuf>,
    /// The watch of that folder, while there is one.
    watch: Option<u64>,
    /// As it was at the last look, unless the next write may not show.
    signature: Option<Signature>,
}

impl Entry {
    pub(super) fn new(find: Find, change: Weak<Change>) -> Self {
        Self { find, change, file: None, watch: None, signature: None }
    }

    fn folder(&self) -> Option<&Path> {
        self.file.as_deref().and_then(Path::parent)
    }
}

/// Where a path leads, though the file itself may be missing.
pub(super) fn resolve(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)))
}

/// A folder being watched.
#[derive(Debug)]
pub(super) struct Watch {
    id: u64,
    identity: Identity,
}

/// The thread's state.
pub(super) struct Service {
    pub(super) listeners: Arc<Listeners>,
    notifier: Option<RecommendedWatcher>,
    pub(super) watches: HashMap<PathBuf, Watch>,
    pub(super) entries: Vec<Entry>,
    last_watch_id: u64,
    /// A failing notifier is reported once, not at every poll.
    has_warned: bool,
}

impl Service {
    pub(super) fn new() -> Self {
        let listeners = Arc::<Listeners>::default();
        let notified = listeners.clone();
        let notifier = notify::recommended_watcher(move |event| notified.notified(event));
        if let Err(error) = &notifier {
            tracing::warn!(%error, "file notifications are not available, files are polled instead");
        }
        Self {
            listeners,
            notifier: notifier.ok(),
            watches: HashMap::new(),
            entries: Vec::new(),
            last_watch_id: 0,
            has_warned: false,
        }
    }

    pub(super) fn run(mut self, arriving: &mpsc::Receiver<Entry>, poll_interval: Duration) {
        let mut next_poll = Instant::now() + poll_interval;
        loop {
            match arriving.recv_timeout(next_poll.saturating_duration_since(Instant::now())) {
                Ok(mut entry) => {
                    if self.look(&mut entry) {
                        self.entries.push(entry);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.poll();
                    next_poll = Instant::now() + poll_interval;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    pub(super) fn poll(&mut self) {
        self.forget_lost_folders();
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain_mut(|entry| self.look(entry));
        self.entries = entries;
        let watched = |folder: &Path| self.entries.iter().any(|entry| entry.folder() == Some(folder));
        let idle: Vec<PathBuf> = self.watches.keys().filter(|folder| !watched(folder)).cloned().collect();
        idle.iter().for_each(|folder| self.unwatch(folder));
    }

    /// A watch follows its folder, not the folder's name.
    fn forget_lost_folders(&mut self) {
        let lost =
            |(folder, watch): &(&PathBuf, &Watch)| Stat::of(folder).is_none_or(|stat| stat.identity != watch.identity);
        let lost: Vec<PathBuf> = self.watches.iter().filter(lost).map(|(folder, _)| folder.clone()).collect();
        lost.iter().for_each(|folder| self.unwatch(folder));
    }

    fn unwatch(&mut self, folder: &Path) {
        self.watches.remove(folder);
        if let Some(notifier) = &mut self.notifier {
            // It fails where the folder is gone, and its watch with it.
            let _ = notifier.unwatch(folder);
        }
    }

    /// Sees to it that the file's folder is watched, then looks whether the file changed. `false`: nobody wants to
    /// know any more.
    pub(super) fn look(&mut self, entry: &mut Entry) -> bool {
        let change = entry.change.upgrade();
        let file = change.as_ref().and_then(|_| (entry.find)());
        if entry.file != file {
            entry.file.iter().for_each(|file| self.listeners.remove(file, &entry.change));
            file.iter().for_each(|file| self.listeners.add(file, &entry.change));
            entry.file = file;
        }
        let Some(change) = change else { return false };
        let watch = entry.folder().and_then(|folder| self.watch(folder));
        // What happened before the watch was there was not notified.
        let unwatched = std::mem::replace(&mut entry.watch, watch) != watch;
        let signature = entry.file.as_deref().map(Signature::of).unwrap_or_default();
        if unwatched || entry.signature != Some(signature) {
            change.announce();
        }
        // A file that came and went unwatched would look as if it had never been there.
        let is_sure = !signature.is_fresh() && (watch.is_some() || signature.file.is_some());
        entry.signature = is_sure.then_some(signature);
        true
    }

    fn watch(&mut self, folder: &Path) -> Option<u64> {
        if let Some(watch) = self.watches.get(folder) {
            return Some(watch.id);
        }
        let identity = Stat::of(folder)?.identity;
        if let Err(error) = self.notifier.as_mut()?.watch(folder, RecursiveMode::NonRecursive) {
            if !std::mem::replace(&mut self.has_warned, true) {
                tracing::warn!(%error, folder = %folder.display(), "file notifications fail, files are polled instead");
            }
            return None;
        }
        self.last_watch_id += 1;
        self.watches.insert(folder.to_owned(), Watch { id: self.last_watch_id, identity });
        Some(self.last_watch_id)
    }
}

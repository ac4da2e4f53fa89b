//! Telling when files change: one notification service and one slow poll for all of them, on one thread.
//!
//! A file is watched through its folder, since the file itself may be missing, replaced or renamed, and since SQLite
//! writes to the `-wal` and `-journal` beside it. Opening and reading a file is never reported, so that a reader does
//! not wake itself.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{Event, ModifyKind},
};

use super::change::{Change, Seen};

/// How often files are looked at where nothing was notified: network file systems notify nothing.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The notifications of one commit come within this time; a person does not notice it.
const SETTLE: Duration = Duration::from_millis(5);
/// Two writes within one tick of the file system's clock look like one.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// The service. Clones share it; it ends with the last of them and of the watches.
#[derive(Debug, Clone)]
pub struct FileWatcher {
    arrivals: mpsc::Sender<Entry>,
}

/// Changes of one file, until this is dropped.
#[derive(Debug)]
pub struct FileChanges {
    pub(super) seen: Seen,
    _watcher: FileWatcher,
}

impl FileWatcher {
    /// Starts the service's thread.
    pub fn start(poll_interval: Duration) -> Self {
        let (arrivals, arriving) = mpsc::channel();
        thread::Builder::new()
            .name("file-watcher".to_owned())
            .spawn(move || Service::new().run(&arriving, poll_interval))
            .expect("a program that cannot start a thread cannot start");
        Self { arrivals }
    }

    /// Watches a file, which need not exist, nor its folder.
    pub fn watch(&self, path: &Path) -> FileChanges {
        let change = Change::new();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let entry = Entry { path, change: Arc::downgrade(&change), ..Entry::default() };
        // The receiver lives as long as there is a sender.
        let _ = self.arrivals.send(entry);
        FileChanges { seen: Seen::nothing(change), _watcher: self.clone() }
    }
}

impl FileChanges {
    /// Returns once the file may have changed since the last call returned; the first time at once. A cancelled call
    /// forgets nothing.
    pub async fn next(&self) {
        self.seen.next(SETTLE).await;
    }
}

/// Who is told about which file, by the path that notifications name.
#[derive(Debug, Default)]
struct Listeners(Mutex<HashMap<PathBuf, Vec<Weak<Change>>>>);

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Vec<Weak<Change>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, file: &Path, change: &Weak<Change>) {
        self.lock().entry(file.to_owned()).or_default().push(change.clone());
    }

    fn remove(&self, file: &Path, change: &Weak<Change>) {
        let mut listeners = self.lock();
        if let Some(changes) = listeners.get_mut(file) {
            changes.retain(|other| !other.ptr_eq(change));
            if changes.is_empty() {
                listeners.remove(file);
            }
        }
    }

    fn notified(&self, event: notify::Result<Event>) {
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
fn written_file(path: &Path, kind: EventKind) -> Option<&Path> {
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

/// What a look at a file tells without opening it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Signature {
    file: Option<Stat>,
    /// SQLite's write-ahead log, unless it is empty.
    wal: Option<Stat>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    identity: Identity,
    size: u64,
    modified: Option<SystemTime>,
}

/// A file or folder whatever its name: device and inode, and its birth, since inodes are used again.
type Identity = (u64, u64, Option<SystemTime>);

impl Stat {
    fn of(path: &Path) -> Option<Self> {
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
    fn of(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self { file: Stat::of(path), wal: Stat::of(Path::new(&wal)).filter(|wal| wal.size > 0) }
    }

    fn is_fresh(&self) -> bool {
        [self.file, self.wal].iter().flatten().any(Stat::is_fresh)
    }
}

/// A watched file as the service's thread knows it.
#[derive(Debug, Default)]
struct Entry {
    path: PathBuf,
    /// Gone with the last who wants to know.
    change: Weak<Change>,
    /// The path where all symbolic links lead, while there is such a folder.
    file: Option<PathBuf>,
    /// The watch of that folder, while there is one.
    watch: Option<u64>,
    /// As it was at the last look, unless the next write may not show.
    signature: Option<Signature>,
}

impl Entry {
    fn folder(&self) -> Option<&Path> {
        self.file.as_deref().and_then(Path::parent)
    }
}

/// Where a path leads, though the file itself may be missing.
fn resolve(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)))
}

/// A folder being watched.
#[derive(Debug)]
struct Watch {
    id: u64,
    identity: Identity,
}

/// The thread's state.
#[derive(Debug)]
struct Service {
    listeners: Arc<Listeners>,
    notifier: Option<RecommendedWatcher>,
    watches: HashMap<PathBuf, Watch>,
    entries: Vec<Entry>,
    last_watch_id: u64,
    /// A failing notifier is reported once, not at every poll.
    has_warned: bool,
}

impl Service {
    fn new() -> Self {
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

    fn run(mut self, arriving: &mpsc::Receiver<Entry>, poll_interval: Duration) {
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

    fn poll(&mut self) {
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
    fn look(&mut self, entry: &mut Entry) -> bool {
        let change = entry.change.upgrade();
        let file = change.as_ref().and_then(|_| resolve(&entry.path));
        if entry.file != file {
            entry.file.iter().for_each(|file| self.listeners.remove(file, &entry.change));
            file.iter().for_each(|file| self.listeners.add(file, &entry.change));
            entry.file = file;
        }
        let Some(change) = change else { return false };
        let watch = entry.folder().and_then(|folder| self.watch(folder));
        // What happened before the watch was there was not notified.
        let unwatched = std::mem::replace(&mut entry.watch, watch) != watch;
        let signature = Signature::of(&entry.path);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Longer than any test needs.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// A poll that never comes: only notifications can wake.
    const NEVER: Duration = Duration::from_secs(3600);
    const SOON: Duration = Duration::from_millis(20);

    async fn wakes(changes: &FileChanges) {
        tokio::time::timeout(PATIENCE, changes.next()).await.expect("a wake-up");
    }

    /// Waits for the wake-up that comes once the folder is watched.
    async fn watching(watcher: &FileWatcher, path: &Path) -> FileChanges {
        let changes = watcher.watch(path);
        while changes.seen.version() < 2 {
            wakes(&changes).await;
        }
        changes
    }

    #[tokio::test]
    async fn notices_every_kind_of_change_by_notification() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("a.db");
        let beside = |suffix: &str| folder.path().join(format!("a.db{suffix}"));
        let changes = watching(&FileWatcher::start(NEVER), &path).await;
        fs::write(&path, "created").expect("write");
        wakes(&changes).await;
        fs::write(beside("-wal"), "committed").expect("write");
        wakes(&changes).await;
        fs::write(beside("-journal"), "begun").expect("write");
        wakes(&changes).await;
        fs::remove_file(beside("-journal")).expect("remove");
        wakes(&changes).await;
        fs::rename(&path, folder.path().join("b")).expect("rename");
        wakes(&changes).await;
        fs::rename(folder.path().join("b"), &path).expect("rename");
        wakes(&changes).await;
        fs::remove_file(&path).expect("remove");
        wakes(&changes).await;
    }

    #[test]
    fn a_mere_reader_changes_nothing() {
        use notify::event::{AccessKind, AccessMode, CreateKind, DataChange, MetadataKind, RemoveKind};
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let file = Some(Path::new("/f/a.db"));
        for (path, kind, expected) in [
            ("/f/a.db", write, file),
            ("/f/a.db-wal", write, file),
            ("/f/a.db-journal", EventKind::Remove(RemoveKind::File), file),
            ("/f/a.db", EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
            ("/f/a.db", EventKind::Access(AccessKind::Close(AccessMode::Write)), None),
            ("/f/a.db-wal", EventKind::Create(CreateKind::File), None),
            ("/f/a.db-wal", EventKind::Remove(RemoveKind::File), None),
            ("/f/a.db-wal", EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), None),
            ("/f/a.db-shm", write, Some(Path::new("/f/a.db-shm"))),
        ] {
            assert_eq!(written_file(Path::new(path), kind), expected, "{path} {kind:?}");
        }
    }

    #[tokio::test]
    async fn survives_folders_that_come_and_go() {
        let base = tempfile::tempdir().expect("tempdir");
        let folder = base.path().join("later/still later");
        let path = folder.join("a.db");
        let changes = FileWatcher::start(SOON).watch(&path);
        wakes(&changes).await;
        for _ in 0..3 {
            fs::create_dir_all(&folder).expect("create");
            fs::write(&path, "x").expect("write");
            until(&changes, || path.exists()).await;
            fs::remove_dir_all(base.path().join("later")).expect("remove");
            until(&changes, || !path.exists()).await;
        }
    }

    async fn until(changes: &FileChanges, condition: impl Fn() -> bool) {
        loop {
            wakes(changes).await;
            if condition() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn follows_a_link_to_where_it_leads() {
        let (here, there) = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
        let (link, file) = (here.path().join("link"), there.path().join("file"));
        fs::write(&file, "").expect("write");
        std::os::unix::fs::symlink(&file, &link).expect("link");
        let changes = watching(&FileWatcher::start(NEVER), &link).await;
        fs::write(&file, "more").expect("write");
        wakes(&changes).await;
    }

    #[test]
    fn forgets_what_nobody_watches() {
        let folder = tempfile::tempdir().expect("tempdir");
        let mut service = Service::new();
        let change = Change::new();
        let path = folder.path().join("a");
        let mut entry = Entry { path, change: Arc::downgrade(&change), ..Entry::default() };
        assert!(service.look(&mut entry));
        service.entries.push(entry);
        service.poll();
        assert_eq!((service.entries.len(), service.watches.len(), service.listeners.lock().len()), (1, 1, 1));
        drop(change);
        service.poll();
        assert_eq!((service.entries.len(), service.watches.len(), service.listeners.lock().len()), (0, 0, 0));
    }
}

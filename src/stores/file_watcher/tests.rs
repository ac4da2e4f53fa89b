//! Files that come, go, change and move.

use std::fs;

use notify::EventKind;

use super::{listeners::written_file, *};

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
    use notify::event::{AccessKind, AccessMode, CreateKind, DataChange, MetadataKind, ModifyKind, RemoveKind};
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
    let mut entry = Entry::new(Box::new(move || Some(path.clone())), Arc::downgrade(&change));
    assert!(service.look(&mut entry));
    service.entries.push(entry);
    service.poll();
    assert_eq!((service.entries.len(), service.watches.len(), service.listeners.lock().len()), (1, 1, 1));
    drop(change);
    service.poll();
    assert_eq!((service.entries.len(), service.watches.len(), service.listeners.lock().len()), (0, 0, 0));
}

//! Logs that grow, rotate and are truncated while they are followed.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::{Path, PathBuf},
    time::Duration,
};

use proptest::prelude::*;
use remora_actors::model::Limits;
use uuid::Uuid;

use super::{
    follow::{Cursor, Follower},
    lines::{Line, Lines},
    tail::{Filled, Tail},
};
use crate::stores::file_watcher::FileWatcher;

const LINE_BYTES: usize = 1000;
/// Longer than any test needs.
const PATIENCE: Duration = Duration::from_secs(30);
const NEVER: Duration = Duration::from_secs(3600);

struct Log {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        Self { path: folder.path().join("agent.log"), folder }
    }

    fn append(&self, text: impl AsRef<[u8]>) {
        let mut log = OpenOptions::new().create(true).append(true).open(&self.path).expect("open");
        log.write_all(text.as_ref()).expect("write");
    }

    fn rotate(&self, name: &str) {
        fs::rename(&self.path, self.folder.path().join(name)).expect("rename");
    }

    /// As logrotate does it: each gets the number of the next older one.
    fn shift(&self, count: usize) {
        for number in (1..count).rev() {
            let [from, to] = [number, number + 1].map(|n| self.folder.path().join(format!("agent.log.{n}")));
            fs::rename(from, to).expect("rename");
        }
        self.rotate("agent.log.1");
    }

    fn tail(&self, cursor: Cursor) -> Tail {
        Tail::new(&self.path, cursor, &limits())
    }
}

fn limits() -> Limits {
    Limits { event_bytes: LINE_BYTES, ..Limits::default() }
}

/// Reads until there is no more; then the texts and the place.
fn drain(tail: &mut Tail, max_lines: usize) -> (Vec<Line>, Cursor) {
    let mut lines = Vec::new();
    while tail.fill(max_lines).expect("fill") == Filled::Batch {
        let batch = tail.take().0;
        assert!(batch.len() <= max_lines);
        lines.extend(batch);
    }
    let (rest, cursor) = tail.take();
    lines.extend(rest);
    (lines, cursor)
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8(line.text.clone().expect("short")).expect("text")).collect()
}

fn read(tail: &mut Tail) -> Vec<String> {
    texts(&drain(tail, 100).0)
}

#[test]
fn a_followed_log_has_the_ids_of_a_replayed_one() {
    let log = Log::new();
    let mut tail = log.tail(Cursor::default());
    assert_eq!(read(&mut tail), [""; 0], "there is no file yet");
    for part in ["one\nt", "", "wo\r", "\n\n  \nsa", "me\nsame\nhal"] {
        log.append(part);
        tail.fill(1).expect("fill");
    }
    let followed = drain(&mut tail, 1).0;
    assert_eq!(texts(&followed), ["one", "two", "same", "same"]);
    let replayed: Vec<Line> = Lines::new(fs::read(&log.path).expect("read").as_slice(), LINE_BYTES).flatten().collect();
    assert_eq!(texts(&replayed), ["one", "two", "same", "same", "hal"], "the end of a file ends its last line");
    assert_eq!(followed, replayed[..4]);
    log.append("f\n");
    assert_eq!(read(&mut tail), ["half"]);
}

#[test]
fn a_restart_goes_on_behind_the_last_line() {
    let log = Log::new();
    log.append("one\ntwo\nthr");
    let (lines, cursor) = drain(&mut log.tail(Cursor::default()), 100);
    assert_eq!(texts(&lines), ["one", "two"]);
    let saved = serde_json::to_string(&cursor).expect("json");
    log.append("ee\n");
    let (lines, _) = drain(&mut log.tail(serde_json::from_str(&saved).expect("json")), 100);
    assert_eq!((texts(&lines), lines[0].number), (vec!["three".to_owned()], 3));
}

#[test]
fn rotation_reads_the_old_file_to_its_end() {
    let log = Log::new();
    let mut tail = log.tail(Cursor::default());
    log.append("same\nb\n");
    assert_eq!(read(&mut tail), ["same", "b"]);
    let mut writer = OpenOptions::new().append(true).open(&log.path).expect("open");
    log.rotate("agent.log.1");
    assert_eq!(tail.fill(9).expect("fill"), Filled::EndElsewhere);
    File::create_new(&log.path).expect("create");
    writer.write_all(b"late\nun").expect("write");
    assert_eq!(read(&mut tail), ["late"], "nobody writes to the new one yet");
    writer.write_all(b"ended").expect("write");
    log.append("same\nd\n");
    let (lines, _) = drain(&mut tail, 100);
    assert_eq!(texts(&lines), ["unended", "same", "d"]);
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [4, 1, 2]);
    let first = Lines::new(&b"same"[..], LINE_BYTES).next().expect("a line").expect("readable");
    assert_ne!(lines[1].event_id, first.event_id, "an equal first line is a new event");
}

#[test]
fn a_log_that_is_written_anew_as_a_whole_is_read_on() {
    let log = Log::new();
    // Held open, so that none gets the number of another.
    let mut files = Vec::new();
    let mut replace = |text: &str| {
        let new = log.folder.path().join("new");
        fs::write(&new, text).expect("write");
        files.push(File::open(&new).expect("open"));
        fs::rename(new, &log.path).expect("rename");
    };
    replace("a\nb\nha");
    let mut tail = log.tail(Cursor::default());
    assert_eq!(read(&mut tail), ["a", "b"]);
    replace("a\nb\nhalf\nc\n");
    let (lines, cursor) = drain(&mut tail, 100);
    assert_eq!(texts(&lines), ["half", "c"]);
    assert_eq!(lines[1].number, 4);
    replace("a\nb\nhalf\nc\nd\n");
    let restarted = log.tail(cursor.clone());
    for mut tail in [tail, restarted] {
        assert_eq!(read(&mut tail), ["d"]);
    }
    // Another log, whose line in the same place is the same.
    replace("x\nb\nhalf\nc\ne\n");
    assert_eq!(read(&mut log.tail(cursor)), ["x", "b", "half", "c", "e"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let log = Log::new();
    log.append("\u{feff}one\n\u{feff}two\n");
    assert_eq!(read(&mut log.tail(Cursor::default())), ["one", "\u{feff}two"]);
}

#[test]
fn rotation_during_a_restart_loses_nothing() {
    let log = Log::new();
    log.append("a\nb\n");
    let (_, cursor) = drain(&mut log.tail(Cursor::default()), 100);
    log.append("c\n");
    log.rotate("agent.log.1");
    let mut between = log.tail(cursor.clone());
    assert_eq!(read(&mut between), ["c"], "while there is no new file");
    log.append("a\n");
    assert_eq!(read(&mut log.tail(cursor)), ["c", "a"]);
    assert_eq!(read(&mut between), ["a"]);
}

#[test]
fn rotations_during_a_restart_lose_nothing_that_can_be_read() {
    let log = Log::new();
    let write = |text: &str, count| {
        log.append(text);
        log.shift(count);
    };
    write("a\n", 1);
    log.append("b\n");
    let (lines, cursor) = drain(&mut log.tail(Cursor::default()), 100);
    assert_eq!(texts(&lines), ["b"]);
    write("c\n", 2);
    write("d\nun", 3);
    write("ended\n", 4);
    log.append("f\n");
    let all = ["c", "d", "un", "ended", "f"];
    let (lines, _) = drain(&mut log.tail(cursor.clone()), 2);
    assert_eq!(texts(&lines), all);
    // The same with restarts between: the same ids.
    let (mut at, mut again) = (cursor.clone(), Vec::new());
    while again.len() < all.len() {
        let mut tail = log.tail(at);
        tail.fill(1).expect("fill");
        let (lines, behind) = tail.take();
        again.extend(lines);
        at = behind;
    }
    assert_eq!(again, lines);
    // What was read last is gone; what was read before is older, and is not read again.
    let name = |number: &str| log.folder.path().join(format!("agent.log.{number}"));
    fs::remove_file(name("3")).expect("remove");
    assert_eq!(read(&mut log.tail(cursor.clone())), all[1..]);
    fs::rename(name("2"), name("2.gz")).expect("rename");
    assert_eq!(read(&mut log.tail(cursor)), all[3..]);
}

#[test]
fn a_copy_made_before_a_truncation_is_read_to_its_end() {
    let log = Log::new();
    log.append("a\nb\n");
    let mut live = log.tail(Cursor::default());
    let (_, cursor) = drain(&mut live, 100);
    log.append("c\n");
    fs::copy(&log.path, log.folder.path().join("agent.log.1")).expect("copy");
    fs::write(&log.path, "d\n").expect("truncate");
    for mut tail in [live, log.tail(cursor)] {
        assert_eq!(read(&mut tail), ["c", "d"]);
    }
}

#[test]
fn a_file_that_was_replaced_is_read_from_its_start() {
    let log = Log::new();
    log.append("aaaa\nbbbb\n");
    let (lines, cursor) = drain(&mut log.tail(Cursor::default()), 100);
    // Written in place: the inode is the same as after a removal whose inode was used again.
    fs::write(&log.path, "xxxx\nyyyy\nzzzz\n").expect("write");
    let (others, _) = drain(&mut log.tail(cursor), 100);
    assert_eq!(texts(&others), ["xxxx", "yyyy", "zzzz"]);
    assert!(others.iter().all(|other| lines.iter().all(|line| line.event_id != other.event_id)));
}

#[test]
fn truncation_begins_anew_with_other_ids() {
    let log = Log::new();
    let mut tail = log.tail(Cursor::default());
    log.append("a\nb\nunfinis");
    let before = drain(&mut tail, 100).0;
    fs::write(&log.path, "").expect("truncate");
    assert_eq!(read(&mut tail), [""; 0]);
    log.append("a\n");
    let after = drain(&mut tail, 100).0;
    assert_eq!((texts(&after), after[0].number), (vec!["a".to_owned()], 1));
    assert_ne!(before[0].event_id, after[0].event_id);

    fs::write(&log.path, "truncated and longer than before\nat once\n").expect("write");
    assert_eq!(read(&mut tail), ["truncated and longer than before", "at once"]);
    log.append("cut");
    assert_eq!(read(&mut tail), [""; 0]);
    let whole = fs::metadata(&log.path).expect("metadata").len();
    OpenOptions::new().write(true).open(&log.path).and_then(|log| log.set_len(whole - 3)).expect("truncate");
    log.append("x\n");
    assert_eq!(read(&mut tail), ["x"], "only the line without an end is forgotten");
}

#[test]
fn what_has_the_old_files_number_and_is_no_file_is_passed_over() {
    let log = Log::new();
    log.append("a\n");
    let (_, cursor) = drain(&mut log.tail(Cursor::default()), 100);
    let (folder, socket) = (log.folder.path().join("agent.log.d"), log.folder.path().join("agent.sock"));
    fs::create_dir(&folder).expect("create");
    let _listener = UnixListener::bind(&socket).expect("bind");
    fs::write(&log.path, "b\n").expect("write");
    for other in [folder, socket] {
        let inode = fs::metadata(other).expect("metadata").ino();
        assert_eq!(read(&mut log.tail(Cursor { inode, ..cursor.clone() })), ["b"]);
    }
}

#[test]
fn a_batch_has_room_in_what_may_wait_for_the_journal() {
    let log = Log::new();
    log.append(format!("{}\n", "x".repeat(99)).repeat(40));
    let mut tail = Tail::new(&log.path, Cursor::default(), &Limits { publishing_bytes: 2_000, ..limits() });
    assert_eq!(tail.fill(100).expect("fill"), Filled::Batch);
    assert_eq!(tail.take().0.len(), 11);
    assert_eq!(drain(&mut tail, 100).0.len(), 29);
}

#[test]
fn what_is_no_file_is_an_error_and_no_wait() {
    let log = Log::new();
    fs::create_dir(&log.path).expect("create");
    let error = log.tail(Cursor::default()).fill(1).expect_err("a folder").to_string();
    assert_eq!(error, "it is not a regular file");
    fs::remove_dir(&log.path).expect("remove");
    log.append("a\n");
    assert_eq!(read(&mut log.tail(Cursor::default())), ["a"]);
}

async fn next(follower: &mut Follower, max_lines: usize) -> Vec<String> {
    let batch = tokio::time::timeout(PATIENCE, follower.next_batch(max_lines)).await;
    texts(&batch.expect("lines come").expect("readable"))
}

fn follow(path: &Path, cursor: Cursor) -> Follower {
    Follower::new(path, cursor, &limits(), &FileWatcher::start(NEVER))
}

#[tokio::test]
async fn lines_come_as_they_are_written() {
    let log = Log::new();
    let mut follower = follow(&log.path, Cursor::default());
    log.append("first\n");
    assert_eq!(next(&mut follower, 10).await, ["first"]);
    for n in 0..20 {
        let write = async { log.append(format!("{n}\n")) };
        assert_eq!(tokio::join!(next(&mut follower, 10), write).0, [n.to_string()]);
    }
    log.rotate("agent.log.1");
    log.append("new\n");
    assert_eq!(next(&mut follower, 10).await, ["new"]);
    let cursor = follower.cursor().clone();
    drop(follower);
    log.append("a\nb\nc\n");
    let mut follower = follow(&log.path, cursor);
    assert_eq!(next(&mut follower, 2).await, ["a", "b"]);
    assert_eq!(next(&mut follower, 2).await, ["c"]);
}

#[tokio::test]
async fn a_cancelled_wait_loses_no_line() {
    let log = Log::new();
    let mut follower = follow(&log.path, Cursor::default());
    let mut got = Vec::new();
    for n in 0..50 {
        log.append(format!("{n}\n"));
        let impatient = tokio::time::timeout(Duration::from_micros(n * 20), follower.next_batch(10)).await;
        let before = follower.cursor().clone();
        if let Ok(batch) = impatient {
            got.extend(texts(&batch.expect("readable")));
        } else {
            assert_eq!(*follower.cursor(), before, "the cursor stays behind the lines that were returned");
        }
    }
    while got.len() < 50 {
        got.extend(next(&mut follower, 10).await);
    }
    assert_eq!(got, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[derive(Debug, Clone)]
enum Step {
    Append(String),
    Read(usize),
    Restart,
    Rotate,
    Truncate,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => "[ab \r\n]{0,12}".prop_map(Step::Append),
        3 => (1..4usize).prop_map(Step::Read),
        1 => Just(Step::Restart),
        1 => Just(Step::Rotate),
        1 => Just(Step::Truncate),
    ]
}

/// What was written.
#[derive(Default)]
struct Model {
    /// The lines of the files of before.
    done: Vec<String>,
    /// The text of the last one.
    file: String,
}

impl Model {
    fn close(&mut self, keeps_unended: bool) {
        let mut lines: Vec<&str> = self.file.split('\n').collect();
        let unended = lines.pop().unwrap_or_default();
        lines.extend(keeps_unended.then_some(unended));
        let lines = lines.iter().map(|line| line.strip_suffix('\r').unwrap_or(line));
        self.done.extend(lines.filter(|line| !line.trim_ascii().is_empty()).map(str::to_owned));
        self.file.clear();
    }

    fn ids(&self) -> Vec<String> {
        let mut chain = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"remora log");
        let mut next = |text: &String| {
            chain = Uuid::new_v5(&chain, text.as_bytes());
            chain.to_string()
        };
        self.done.iter().map(&mut next).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_line_comes_once_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let log = Log::new();
        log.append("first\n");
        let (mut model, mut rotations) = (Model { file: "first\n".to_owned(), ..Model::default() }, 0);
        let mut tail = log.tail(Cursor::default());
        // What is rotated away before anything was read is nobody's.
        let (mut got, mut cursor) = drain(&mut tail, 3);
        for step in steps {
            match step {
                Step::Append(text) => {
                    log.append(&text);
                    model.file.push_str(&text);
                }
                Step::Read(max_lines) => {
                    tail.fill(max_lines).expect("fill");
                    let (lines, behind) = tail.take();
                    cursor = if lines.is_empty() { cursor } else { behind };
                    got.extend(lines);
                }
                Step::Restart => tail = log.tail(cursor.clone()),
                Step::Rotate => {
                    rotations += 1;
                    log.shift(rotations);
                    // Content makes the new file the log.
                    log.append("\n");
                    model.close(true);
                    model.file.push('\n');
                }
                // What is cut off unread is gone, and only one truncation at a time can be told from none.
                Step::Truncate => {
                    got.extend(drain(&mut tail, 3).0);
                    fs::write(&log.path, "").expect("truncate");
                    model.close(false);
                    let (lines, behind) = drain(&mut tail, 3);
                    cursor = behind;
                    got.extend(lines);
                }
            }
        }
        got.extend(drain(&mut tail, 3).0);
        model.close(false);
        prop_assert_eq!(texts(&got), &model.done[..]);
        prop_assert_eq!(got.into_iter().map(|line| line.event_id).collect::<Vec<_>>(), model.ids());
    }
}

//! Takes the lines of a followed log in as events.

use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use remora_actors::{
    Handle,
    model::{Draft, Invalid},
    ports::{Journal, Snapshot},
    publish::PublishError,
};

use super::{
    follow::{Cursor, Follower},
    lines::Line,
};

/// Lines taken in at once at most: a commit's cost vanishes, and other publishers still get their turn.
const BATCH_LINES: usize = 1_000;
/// Pause before a file that cannot be read is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Longest pause before a busy daemon is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Where reading goes on.
pub async fn load_cursor(journal: &dyn Journal, path: &Path) -> Cursor {
    match journal.load_snapshot(&cursor_name(path)).await {
        Ok(Some(snapshot)) => serde_json::from_slice(&snapshot.body).unwrap_or_default(),
        Ok(None) => Cursor::default(),
        Err(error) => {
            // Read again from the start: the lines' ids make that harmless.
            tracing::warn!(path = %path.display(), %error, "place in followed file unknown, reading it from the start");
            Cursor::default()
        }
    }
}

/// Follows a log for as long as the daemon runs. Unless it is `trusted`, its lines tell nothing of what a person does.
pub async fn run(handle: Handle, journal: Arc<dyn Journal>, path: PathBuf, mut follower: Follower, trusted: bool) {
    let batch_lines = BATCH_LINES.min(handle.limits().batch_events);
    loop {
        match follower.next_batch(batch_lines).await {
            Ok(lines) => {
                let drafts = lines.iter().filter_map(|line| draft(&handle, &path, line, trusted)).collect();
                let seq = publish(&handle, &path, drafts).await;
                save_cursor(&*journal, &path, follower.cursor(), seq).await;
            }
            Err(error) => {
                tracing::warn!(%error, "followed file not read");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Publishes lines, however long the journal takes to accept them, and returns their highest position.
async fn publish(handle: &Handle, path: &Path, drafts: Vec<Draft>) -> u64 {
    let send = || async { handle.publish(drafts.clone()).await };
    let backoff = ExponentialBuilder::default().with_max_delay(LONGEST_RETRY).without_max_times();
    let told = |error: &PublishError, _| tracing::warn!(path = %path.display(), %error, "lines not taken in yet");
    send.retry(backoff).notify(told).await.map_or(0, |receipt| receipt.last_seq)
}

/// A line that is no event is reported and left: the ones after it must not wait for somebody to mend it.
fn draft(handle: &Handle, path: &Path, line: &Line, trusted: bool) -> Option<Draft> {
    let read = |text: &Vec<u8>| Draft::parse(text, handle.limits());
    let may = |draft: Draft| {
        if draft.speaks_for_a_person() && !trusted {
            let why = "tells of a person's doing, which a followed log cannot where there are tokens; \
                       replay the log with an operator's token";
            return Err(Invalid::field("action", why));
        }
        Ok(draft)
    };
    match line.text.as_ref().map_err(Invalid::clone).and_then(read).and_then(may) {
        Ok(mut draft) => {
            draft.id.get_or_insert_with(|| line.event_id.clone());
            Some(draft)
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), line = line.number, %error, "line refused");
            None
        }
    }
}

async fn save_cursor(journal: &dyn Journal, path: &Path, cursor: &Cursor, seq: u64) {
    let Ok(body) = serde_json::to_vec(cursor) else { return };
    if let Err(error) = journal.save_snapshot(&cursor_name(path), Snapshot { seq, body }).await {
        tracing::warn!(path = %path.display(), %error, "place in followed file not saved");
    }
}

fn cursor_name(path: &Path) -> String {
    format!("follow:{}", path.display())
}

//! What a daemon hears of NATS: how far its copies follow, and what hinders them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use remora_actors::{
    model::Seq,
    ports::{JournalError, Standing},
};
use tokio::sync::watch;

use super::{follower::Progress, link::Link};

/// Messages that the copy of the journal may be behind: it copies that many within a few seconds, far less than the
/// server's memory for ids.
const BEHIND: u64 = 100_000;
/// Acknowledged events that the copy may lack: it is made while NATS stores the next ones, and has time for these within
/// about a tenth of a second.
const NOT_COPIED: u64 = 10_000;
/// How long the copy may take to follow what was stored.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at the connection, which tells of itself in no other way.
const LOOK: Duration = Duration::from_millis(250);

/// The two streams that are followed, and the connection. What this daemon does not follow it does not change either:
/// others can.
#[derive(Clone)]
pub(super) struct Followed {
    pub(super) link: Link,
    pub(super) journal: Copied,
    pub(super) workspaces: Copied,
}

/// How far the copy of a stream is, beside what this daemon has itself put into the stream.
#[derive(Clone)]
pub(super) struct Copied {
    pub(super) progress: watch::Receiver<Progress>,
    /// The last position known of anything that stands there.
    known: Arc<AtomicU64>,
}

impl Followed {
    /// How the journal stands.
    fn standing(&self) -> Standing {
        // One lock at a time, here and below: a thread that reads a channel twice at once waits for ever if it is written
        // in between.
        let last_seq = self.journal.progress.borrow().position;
        Standing { last_seq, trouble: self.trouble().map(JournalError::Unavailable) }
    }

    /// What hinders the copies; `None`: as far as is known, nothing.
    pub(super) fn trouble(&self) -> Option<String> {
        let of = |copied: &Copied| copied.progress.borrow().trouble.as_deref().map(str::to_owned);
        let connected = self.link.check().err();
        connected.or_else(|| of(&self.journal)).or_else(|| of(&self.workspaces))
    }

    /// Whether the server can be told so.
    pub(super) fn is_connected(&self) -> bool {
        self.link.check().is_ok()
    }

    /// Whether anything can be appended.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        if let Some(trouble) = self.trouble() {
            return Err(JournalError::Unavailable(trouble));
        }
        let behind = self.journal.progress.borrow().behind;
        if behind > BEHIND {
            return Err(JournalError::Unavailable(format!("{behind} events are still to be read from the stream")));
        }
        Ok(())
    }

    /// Notes that events up to a position were stored here. Returns once more can be.
    pub(super) async fn stored(&self, seq: Seq) -> Result<(), JournalError> {
        self.journal.note(seq);
        self.journal.reaches(seq.saturating_sub(NOT_COPIED)).await
    }

    /// Waits until the journal stands otherwise than is known.
    pub(super) async fn changed(&self, known: &Standing) -> Standing {
        let (mut journal, mut workspaces) = (self.journal.progress.clone(), self.workspaces.progress.clone());
        loop {
            journal.mark_unchanged();
            workspaces.mark_unchanged();
            let standing = self.standing();
            if standing != *known {
                return standing;
            }
            tokio::select! {
                _ = journal.changed() => {}
                _ = workspaces.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

impl Copied {
    pub(super) fn new(progress: watch::Receiver<Progress>) -> Self {
        Self { progress, known: Arc::default() }
    }

    /// Notes that something stands at a position.
    pub(super) fn note(&self, position: u64) {
        self.known.fetch_max(position, Ordering::AcqRel);
    }

    fn known(&self) -> u64 {
        self.known.load(Ordering::Acquire)
    }

    /// Waits until the copy has all that is known to stand there, so that nobody reads less than it knows. Where something
    /// hinders the copy, it is as good as it is.
    pub(super) async fn settled(&self) {
        let (known, mut progress) = (self.known(), self.progress.clone());
        let settled = progress.wait_for(|progress| progress.position >= known || progress.trouble.is_some());
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            tracing::warn!(position = known, "what this daemon has written cannot be read back yet");
        }
    }

    /// Waits until the copy has what is known to stand there up to a position.
    pub(super) async fn holds(&self, position: u64) -> Result<(), JournalError> {
        self.reaches(position.min(self.known())).await
    }

    async fn reaches(&self, position: u64) -> Result<(), JournalError> {
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|progress| progress.position >= position);
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(JournalError::Unavailable("what was stored cannot be read back yet".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;
    use crate::stores::nats::testing::Fixture;

    #[tokio::test]
    async fn the_standing_is_told_while_it_changes() {
        let fixture = Fixture::new().await;
        let progress = watch::Sender::new(Progress::default());
        let followed = Followed { journal: Copied::new(progress.subscribe()), ..fixture.nats.journal.followed.clone() };
        // Threads of their own, so that one that waits for ever fails the test instead of holding it up.
        thread::spawn(move || {
            while !progress.is_closed() {
                progress.send_modify(|progress| progress.position += 1);
            }
        });
        let (told, heard) = mpsc::channel();
        thread::spawn(move || {
            for _ in 0..20_000 {
                followed.standing();
            }
            told.send(())
        });
        heard.recv_timeout(Duration::from_secs(60)).expect("nobody waits for ever");
    }
}

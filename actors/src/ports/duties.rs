//! What one of many daemons does for all.

use std::time::Duration;

use async_trait::async_trait;

/// What one of many daemons does for all of them.
///
/// Whatever comes of a duty may be done twice without harm: the events have ids that are always the same, and what is
/// decided is claimed. So a daemon that still believes to have a duty, because it was paused or cut off, is no danger;
/// that there is one at a time saves the others the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Ends questions at their deadlines, and the waiting of answers that can be taken back.
    Deadlines,
    /// Watches the workspaces that are not files on one machine.
    Workspaces,
    /// Sends notices.
    Notices,
    /// Deletes old events.
    Retention,
    /// Takes in what agents publish on a message bus, in its order.
    Intake,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Deadlines, Self::Workspaces, Self::Notices, Self::Retention, Self::Intake];

    /// The name used in logs and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadlines => "deadlines",
            Self::Workspaces => "workspaces",
            Self::Notices => "notices",
            Self::Retention => "retention",
            Self::Intake => "intake",
        }
    }
}

/// After this time, work that somebody took counts as not done if nothing tells that it was.
pub const RETAKEN_AFTER: Duration = Duration::from_secs(60);

/// Who does what, where many daemons share a journal.
#[async_trait]
pub trait Duties: Send + Sync + 'static {
    /// True where there are no other daemons, and therefore all duties are this one's.
    fn is_alone(&self) -> bool;

    /// True while a duty is this daemon's.
    fn has(&self, duty: Duty) -> bool;

    /// Returns once this daemon may have got or lost a duty since `known`, with what to give to the next call.
    async fn changed(&self, known: u64) -> u64;

    /// Takes a piece of work that cannot be taken back: for [`RETAKEN_AFTER`] no daemon can take work of the
    /// same name again. `false`: another one has it, or whether one has cannot be found out.
    async fn take(&self, work: &str) -> bool;
}

/// The duties of a daemon that shares its journal with no other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

#[async_trait]
impl Duties for Alone {
    fn is_alone(&self) -> bool {
        true
    }

    fn has(&self, _: Duty) -> bool {
        true
    }

    async fn changed(&self, _: u64) -> u64 {
        std::future::pending().await
    }

    async fn take(&self, _: &str) -> bool {
        true
    }
}

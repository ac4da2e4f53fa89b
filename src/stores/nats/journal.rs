//! The journal in a JetStream stream, whose sequence is `seq`: each event is one message, and its id is the message's.
//!
//! Events are appended at the stream and read from a copy in the daemon's own database, which follows the stream. So
//! pages, searches and histories are as quick as with a journal of one's own, a start reads only what is new, and what
//! is there stays readable while NATS is away. The copy is made while NATS stores what comes next: who publishes does not
//! wait for it, who reads does.
//!
//! **An id is taken once.** The server recognises the ids of the last two minutes; older ones are found in the copy
//! before anything is published. Between the two there is no gap: nothing is appended while the copy is further behind
//! than it could make good in that time. So an id is recognised for as long as its event is kept, as in SQLite, and the
//! server needs memory for minutes of ids and not for days. Should an event stand in the stream twice all the same, the
//! copies pass over the second.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_nats::jetstream::stream::Stream;
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use remora_actors::{
    model::{Record, Search, Seq},
    ports::{
        Commits, Duties, Duty, Entry, Extent, Filter, Found, Journal, JournalError, Prune, Pruned, Snapshot, Standing,
        Storing, last_of,
    },
};
use serde_json::{Value, json};

use super::{
    commit::{Commit, Publisher},
    followed::Followed,
    growing::Growing,
    journal_copy::{note_pruned, own, pruned},
    leases::Leases,
    own::Hand,
    pictures::Pictures,
    streams::{check_room, info_of},
    why,
    workspace::NatsWorkspace,
};
use crate::stores::sqlite::{CopiedEvent, Database, SqliteJournal};

/// Messages deleted from the stream at once.
const DELETIONS: usize = 64;

/// The journal.
#[derive(Clone)]
pub(super) struct NatsJournal {
    pub(super) publisher: Arc<Publisher>,
    pub(super) stream: Stream,
    pub(super) database: Database,
    pub(super) copy: SqliteJournal,
    /// Of the copy.
    pub(super) growing: Growing,
    pub(super) followed: Followed,
    /// To the copy, what is appended here.
    pub(super) own: Hand<CopiedEvent>,
    pub(super) pictures: Pictures,
    pub(super) duties: Arc<Leases>,
    /// What the daemons agree on.
    pub(super) shared: Arc<NatsWorkspace>,
    /// Up to here the copy lacks events that were deleted before it was made.
    pub(super) lacks: Arc<AtomicU64>,
}

impl NatsJournal {
    async fn begin(&self, entries: Arc<[Entry]>) -> Result<Commit, JournalError> {
        self.followed.check()?;
        let known = if self.growing.may_hold(&entries) {
            self.database.positions(Arc::clone(&entries)).await?
        } else {
            vec![None; entries.len()]
        };
        Ok(Commit::begin(Arc::clone(&self.publisher), entries, &known).await)
    }

    /// The copy, which holds all that was stored here.
    async fn settled(&self) -> &SqliteJournal {
        self.followed.journal.settled().await;
        &self.copy
    }

    /// Deletes from the stream what a batch will delete from the copy. First the pictures that hold it go where a daemon
    /// finds them that has not seen it.
    async fn prune_stream(&self, batch: &Prune) -> Result<(), JournalError> {
        let doomed = self.database.deletable(batch.clone()).await?;
        let upto = doomed.last().copied().unwrap_or(0).max(self.copy.first_seq().await? - 1);
        if upto > pruned(&self.shared).await.map_err(JournalError::Unavailable)? {
            self.pictures.leave(&self.copy, batch.pictures, upto).await?;
            note_pruned(&self.shared, upto).await.map_err(JournalError::Unavailable)?;
        }
        let oldest = self.copy.read(0, 1, &Filter::ALL).await?.first().map_or(0, |record| record.seq);
        let unbroken = doomed.first() == Some(&oldest) && doomed.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        if batch.after == 0 || unbroken {
            // Also what other daemons have deleted from their copies while they had the duty.
            let first = if unbroken { doomed.last().map_or(oldest, |last| last + 1) } else { oldest };
            self.stream.purge().sequence(first).await.map_err(|error| JournalError::Unavailable(why(&error)))?;
        }
        if !unbroken {
            stream::iter(doomed).map(Ok).try_for_each_concurrent(DELETIONS, |seq| self.delete(seq)).await?;
        }
        Ok(())
    }

    async fn delete(&self, seq: Seq) -> Result<(), JournalError> {
        // Events are not secrets that must be overwritten.
        let subject = format!("STREAM.MSG.DELETE.{}", self.stream.cached_info().config.name);
        // That it is gone already is as good: what counts is that the server has heard it.
        let message = json!({"seq": seq, "no_erase": true});
        self.publisher
            .context
            .request::<_, _, Value>(subject, &message)
            .await
            .map(drop)
            .map_err(|error| JournalError::Unavailable(why(&error)))
    }
}

#[async_trait]
impl Journal for NatsJournal {
    async fn store(&self, entries: Arc<[Entry]>) -> Storing {
        let begun = self.begin(Arc::clone(&entries)).await;
        let (slot, followed) = (self.own.begin(), self.followed.clone());
        Box::pin(async move {
            let appended = begun?.finish().await?;
            slot.fill(own(&entries, &appended));
            followed.stored(last_of(&appended)).await?;
            Ok(appended)
        })
    }

    fn commits(&self) -> Commits {
        Commits::SMALL
    }

    async fn read(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        self.settled().await.read(after, limit, filter).await
    }

    async fn latest(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        self.settled().await.latest(before, limit, filter).await
    }

    async fn search(&self, search: &Search, before: Seq, limit: usize) -> Result<Found, JournalError> {
        self.settled().await.search(search, before, limit).await
    }

    async fn last_seq(&self) -> Result<Seq, JournalError> {
        self.settled().await.last_seq().await
    }

    async fn first_seq(&self) -> Result<Seq, JournalError> {
        self.copy.first_seq().await
    }

    async fn extent(&self) -> Result<Extent, JournalError> {
        self.settled().await.extent().await
    }

    async fn prune(&self, batch: Prune) -> Result<Pruned, JournalError> {
        // What goes from the stream and what goes from the copy is the same.
        let copy = self.settled().await;
        if self.duties.has(Duty::Retention) {
            self.prune_stream(&batch).await?;
        }
        copy.prune(batch).await
    }

    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        let own = self.copy.load_snapshot(name).await?;
        if own.as_ref().map_or(0, |own| own.seq) >= self.lacks.load(Ordering::Relaxed) {
            return Ok(own);
        }
        Ok(self.pictures.load(name).await?.or(own))
    }

    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError> {
        // A daemon that is killed finds no picture of what its copy does not hold.
        self.followed.journal.holds(snapshot.seq).await?;
        self.copy.save_snapshot(name, snapshot).await
    }

    async fn probe(&self, bytes: usize) -> Result<(), JournalError> {
        self.followed.check()?;
        let info = info_of(&self.stream).await.map_err(JournalError::Unavailable)?;
        check_room(&info, bytes).map_err(JournalError::Unavailable)?;
        self.duties.probe(bytes).await.map_err(JournalError::Unavailable)?;
        self.copy.probe(bytes).await
    }

    async fn standing(&self, known: &Standing) -> Standing {
        self.followed.changed(known).await
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf, sync::mpsc, time::Duration};

    use futures_util::future::join_all;
    use jiff::Timestamp;
    use remora_actors::ports::Appended;
    use tokio::time::timeout;

    use super::*;
    use crate::stores::{
        conformance::journal::{self, Append},
        nats::{
            acks::UNACKNOWLEDGED,
            testing::{Fixture, Server, in_time, open},
        },
        sqlite::Durability,
    };

    fn ids(records: &[Arc<Record>]) -> Vec<&str> {
        records.iter().map(|record| record.event.id.as_str()).collect()
    }

    fn up_to(until: Seq, keep: &[&str]) -> Prune {
        let keep: BTreeSet<_> = keep.iter().map(|id| (*id).to_owned()).collect();
        let (keep, received_before) = (Arc::new(keep), Timestamp::MAX);
        Prune { after: 0, until, received_before, keep, limit: 1_000, pictures: &["picture"] }
    }

    async fn lead(nats: &super::super::Nats) {
        let lead = async {
            while !nats.duties.has(Duty::Retention) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        in_time(lead).await;
    }

    async fn follow(journal: &Arc<dyn Journal>, until: Seq) {
        let mut standing = Standing::default();
        while standing.last_seq < until {
            standing = in_time(journal.standing(&standing)).await;
        }
        assert_eq!(standing, Standing { last_seq: until, trouble: None });
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        Box::pin(journal::keeps_the_contract(async || {
            let fixture = Fixture::new().await;
            (fixture.nats.journal.as_ref().clone(), fixture)
        }))
        .await;
    }

    #[tokio::test]
    async fn daemons_share_one_order_and_recognise_each_others_ids() {
        let fixture = Fixture::new().await;
        let other = fixture.another().await;
        let (here, there) = (fixture.nats.journal(), other.journal());
        let write = async |journal: &Arc<dyn Journal>, ids| journal.append(journal::batch(ids)).await.expect("append");
        tokio::join!(write(&here, 0..300), write(&there, 200..500));
        follow(&here, 500).await;
        follow(&there, 500).await;
        let mine = here.read(0, 1_000, &Filter::ALL).await.expect("read");
        let theirs = there.read(0, 1_000, &Filter::ALL).await.expect("read");
        assert_eq!(ids(&mine), ids(&theirs));
        let order = |from: u32, to: u32| {
            let numbers = mine.iter().map(|record| record.event.id.parse::<u32>().expect("a number"));
            numbers.filter(|number| (from..to).contains(number)).collect::<Vec<_>>()
        };
        assert_eq!(order(0, 200), (0..200).collect::<Vec<_>>(), "one daemon's events keep their order");
        assert_eq!(order(300, 500), (300..500).collect::<Vec<_>>());
        assert_eq!(mine.len(), 500, "what both had is there once");
    }

    #[tokio::test]
    async fn a_commit_may_be_larger_than_what_is_unacknowledged_at_a_time() {
        let fixture = Fixture::new().await;
        let journal = fixture.nats.journal();
        let large = journal::batch(0..2 * UNACKNOWLEDGED as u32 + 2);
        let appends =
            [journal::batch(0..UNACKNOWLEDGED as u32), large.clone(), large].map(|batch| journal.append(batch));
        for appended in futures_util::future::join_all(appends).await {
            let seqs: Vec<_> = appended.expect("append").iter().map(|appended| appended.seq()).collect();
            assert!(seqs.is_sorted() && seqs.last() <= Some(&(2 * UNACKNOWLEDGED as u64 + 2)), "{seqs:?}");
        }
    }

    #[tokio::test]
    async fn what_is_stored_is_read_also_where_the_copy_is_late() {
        let fixture = Fixture::new().await;
        let journal = fixture.nats.journal();
        let (go_on, wait) = mpsc::channel::<()>();
        let database = fixture.nats.database().clone();
        let busy = tokio::spawn(async move { database.write(move |_| Ok(wait.recv())).await });
        journal.append(journal::batch(0..3)).await.expect("stored, and not copied");
        let picture = Snapshot { seq: 3, body: Vec::new() };
        let mut reads = join_all([journal.read(0, 10, &Filter::ALL), journal.latest(None, 10, &Filter::ALL)]);
        let mut saved = journal.save_snapshot("picture", picture);
        assert!(timeout(Duration::from_millis(50), &mut reads).await.is_err(), "it waits for the copy");
        assert!(
            timeout(Duration::from_millis(50), &mut saved).await.is_err(),
            "nothing is kept before what it is made of"
        );
        go_on.send(()).expect("the database waits");
        for records in in_time(reads).await {
            assert_eq!(ids(&records.expect("read")), ["0", "1", "2"]);
        }
        in_time(saved).await.expect("saved");
        busy.await.expect("no panic").expect("written").expect("told");
        assert_eq!(journal.last_seq().await.expect("last"), 3);
    }

    #[tokio::test]
    async fn an_id_is_recognised_after_the_server_has_forgotten_it() {
        let fixture = Fixture::new().await;
        let journal = fixture.nats.journal();
        journal.append(journal::batch(0..3)).await.expect("append");
        // As if the window had passed: the server does not look at ids at all.
        let mut config = fixture.nats.journal.stream.cached_info().config.clone();
        config.duplicate_window = Duration::from_millis(100);
        fixture.nats.journal.publisher.context.update_stream(config).await.expect("updated");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(journal.append(journal::batch(1..4)).await.expect("append")[..2], [2, 3].map(Appended::Duplicate));
        assert_eq!(journal.last_seq().await.expect("last"), 4);
    }

    #[tokio::test]
    async fn a_copy_is_made_anew_where_it_is_lost_or_another_ones_and_none_is_thrown_away() {
        let fixture = Fixture::new().await;
        fixture.nats.journal().append(journal::batch(0..20)).await.expect("append");
        let folder = tempfile::tempdir().expect("tempdir");
        let nats = open(&fixture.server, folder.path()).await;
        assert_eq!(nats.journal().last_seq().await.expect("last"), 20);
        nats.close().await;
        nats.database().close().await.expect("closed");
        let elsewhere = Server::start().await;
        let nats = open(&elsewhere, folder.path()).await;
        assert_eq!(nats.journal().last_seq().await.expect("last"), 0);
        let names = std::fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("entry").path());
        let is_kept = |path: &PathBuf| path.to_string_lossy().contains("/copy-");
        let kept: Vec<_> = names.filter(is_kept).collect();
        let kept = Database::open(&kept[0], Durability::Normal).expect("open");
        assert_eq!(kept.journal().last_seq().await.expect("last"), 20);
    }

    #[tokio::test]
    async fn what_is_deleted_goes_from_the_stream_and_leaves_its_picture() {
        let fixture = Fixture::new().await;
        let journal = fixture.nats.journal();
        lead(&fixture.nats).await;
        journal.append(journal::batch(0..20)).await.expect("append");
        let early = journal.prune(up_to(10, &[])).await.expect_err("no picture holds these events yet");
        assert!(early.to_string().contains("picture"), "{early}");
        let picture = Snapshot { seq: 12, body: vec![7; 300_000] };
        journal.save_snapshot("picture", picture.clone()).await.expect("save");
        let messages = async || fixture.nats.journal.stream.get_info().await.expect("info").state.messages;
        assert_eq!(journal.prune(up_to(5, &[])).await.expect("prune"), Pruned { deleted: 5, upto: 5 });
        assert_eq!(messages().await, 15);
        assert_eq!(journal.prune(up_to(10, &["6"])).await.expect("prune"), Pruned { deleted: 4, upto: 10 });
        assert_eq!(messages().await, 11);
        let daemon = fixture.another().await;
        let late = daemon.journal();
        assert_eq!(ids(&late.read(0, 2, &Filter::ALL).await.expect("read")), ["6", "10"]);
        assert_eq!(late.first_seq().await.expect("first"), 11);
        assert_eq!(late.load_snapshot("picture").await.expect("load"), Some(picture));
        assert_eq!(late.append(journal::batch(19..21)).await.expect("append")[1], Appended::New(21));
    }

    #[tokio::test]
    async fn without_a_server_nothing_is_appended_and_everything_can_be_read() {
        let mut fixture = Fixture::new().await;
        let journal = fixture.nats.journal();
        journal.append(journal::batch(0..3)).await.expect("append");
        journal.probe(100_000).await.expect("it can be written");
        let standing = Standing { last_seq: 3, trouble: None };
        fixture.server.kill().await;
        let away = journal.standing(&standing).await;
        assert!(matches!(away.trouble, Some(JournalError::Unavailable(_))), "{away:?}");
        assert!(matches!(journal.append(journal::batch(3..4)).await, Err(JournalError::Unavailable(_))));
        assert!(matches!(journal.probe(1).await, Err(JournalError::Unavailable(_))));
        assert_eq!(journal.read(0, 10, &Filter::ALL).await.expect("read").len(), 3);
    }
}

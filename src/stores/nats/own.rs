//! What a daemon has itself put into a stream. The acknowledgements say where it stands, so it need not be read back.

use std::time::Duration;

use futures_util::FutureExt;
use remora_actors::model::Seq;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Commits that are handed over and not taken yet: many small ones, as there is a limit to the events that are not copied.
/// Whatever finds no place is read from the stream.
const COMMITS: usize = 1_024;
/// Events of commits that are taken together, about: enough that the copy's own commit does not count, few enough that a
/// value which is to be written does not wait long for it.
const TOGETHER: usize = 2_000;
/// A daemon that has put in nothing for this long cannot tell from its own positions what others do.
pub(super) const QUIET: Duration = Duration::from_millis(250);
/// For this long nobody else may have put anything in, before the stream is not read any more. A stream is so begun to
/// be read about once in that time at most, which is some work for a cluster.
const ALONE: Duration = Duration::from_millis(500);
/// So many must come in that time: of few, reading them back costs nothing.
const MANY: usize = 250;
/// Up to so many of a commit are copied at once where the stream is read: whoever waits for them need not wait for the
/// reader. More than that the reader brings in larger commits, and so for less.
const FEW: usize = 100;

/// What one commit has put in.
#[derive(Debug)]
pub(super) struct Own<T> {
    /// At their positions, in order.
    placed: Vec<(Seq, T)>,
    /// The last position that the commit knows of; behind `placed` where an event was there before.
    pub(super) upto: Seq,
}

/// Takes the commits, in the order in which they began.
#[derive(Debug)]
pub(super) struct Owned<T> {
    commits: mpsc::Receiver<oneshot::Receiver<Own<T>>>,
    next: Option<oneshot::Receiver<Own<T>>>,
}

/// Hands them over.
#[derive(Debug, Clone)]
pub(super) struct Hand<T>(mpsc::Sender<oneshot::Receiver<Own<T>>>);

/// Where a commit that has begun is handed over once it has ended.
#[derive(Debug)]
pub(super) struct Slot<T>(oneshot::Sender<Own<T>>);

pub(super) fn channel<T>() -> (Hand<T>, Owned<T>) {
    let (hand, commits) = mpsc::channel(COMMITS);
    (Hand(hand), Owned { commits, next: None })
}

impl<T> Hand<T> {
    pub(super) fn begin(&self) -> Slot<T> {
        let (slot, own) = oneshot::channel();
        let _ = self.0.try_send(own);
        Slot(slot)
    }
}

impl<T> Slot<T> {
    pub(super) fn fill(self, own: Own<T>) {
        let _ = self.0.send(own);
    }
}

impl<T> Owned<T> {
    /// The next ones that have ended, at least one, as one. Nothing is lost if it is not waited for any more.
    pub(super) async fn next(&mut self) -> Own<T> {
        let mut own = self.one().await;
        while own.placed.len() < TOGETHER
            && let Some(next) = self.one().now_or_never()
        {
            own.placed.extend(next.placed);
            own.upto = own.upto.max(next.upto);
        }
        own
    }

    /// The next one. Those that failed are passed over.
    async fn one(&mut self) -> Own<T> {
        loop {
            let next = match &mut self.next {
                Some(next) => next,
                None => match self.commits.recv().await {
                    Some(next) => self.next.insert(next),
                    None => std::future::pending().await,
                },
            };
            let own = next.await;
            self.next = None;
            if let Ok(own) = own {
                return own;
            }
        }
    }
}

impl<T> Own<T> {
    pub(super) fn new(placed: Vec<(Seq, T)>, upto: Seq) -> Self {
        Self { placed, upto }
    }

    /// Whether all of it was there before.
    pub(super) fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// Whether it is worth while to be before the reader with them.
    pub(super) fn is_few(&self) -> bool {
        self.placed.len() <= FEW
    }

    /// Those that come right behind a position.
    pub(super) fn behind(self, position: Seq) -> Vec<T> {
        let new = self.placed.into_iter().skip_while(|(seq, _)| *seq <= position);
        new.zip(position + 1..).take_while(|((seq, _), next)| seq == next).map(|((_, item), _)| item).collect()
    }

    /// Whether nothing stands between a position and the end of these but these.
    pub(super) fn continues(&self, position: Seq) -> bool {
        let seqs = self.placed.iter().map(|(seq, _)| *seq);
        seqs.eq(position + 1..=self.upto)
    }
}

/// How long a daemon has been the only one that puts anything in, and how much.
#[derive(Debug)]
pub(super) struct Streak {
    upto: Seq,
    events: usize,
    since: Instant,
    last: Instant,
}

impl Streak {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { upto: 0, events: 0, since: now, last: now }
    }

    /// Whether, with these as well, it is worth while to do without the stream.
    pub(super) fn lasts<T>(&mut self, own: &Own<T>) -> bool {
        if own.is_empty() {
            return false;
        }
        let now = Instant::now();
        if !own.continues(self.upto) || now - self.last > QUIET {
            (self.since, self.events) = (now, 0);
        }
        (self.upto, self.last) = (own.upto, now);
        self.events += own.placed.len();
        let enough = self.events >= MANY;
        let lasts = now - self.since >= ALONE;
        if lasts {
            (self.since, self.events) = (now, 0);
        }
        lasts && enough
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeFrom;

    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    fn own(seqs: impl IntoIterator<Item = Seq>, upto: Seq) -> Own<Seq> {
        Own::new(seqs.into_iter().map(|seq| (seq, seq)).collect(), upto)
    }

    #[test]
    fn commits_come_in_the_order_in_which_they_began() {
        let (hand, mut owned) = channel();
        let [first, failed, third] = [hand.begin(), hand.begin(), hand.begin()];
        third.fill(own([3], 3));
        assert!(owned.next().now_or_never().is_none(), "the first is waited for");
        first.fill(own([1], 1));
        assert_eq!(owned.next().now_or_never().expect("it has ended").upto, 1);
        assert!(owned.next().now_or_never().is_none(), "the second is waited for");
        drop(failed);
        assert_eq!(owned.next().now_or_never().expect("the second has failed").upto, 3);
        assert!(owned.next().now_or_never().is_none());
    }

    #[test]
    fn those_that_have_ended_are_taken_together_and_never_too_many() {
        let (hand, mut owned) = channel();
        let most = TOGETHER as Seq;
        for (from, upto) in [(1, 2), (3, 4), (4, most - 1), (most, most), (most + 1, most + 1)] {
            hand.begin().fill(own((from..=upto).filter(|seq| *seq != 4 || from == 3), upto));
        }
        let mut next = || owned.next().now_or_never().expect("one has ended");
        let [first, second] = [next(), next()];
        assert!(first.continues(0) && second.continues(most));
        assert_eq!([first.upto, second.upto], [most, most + 1]);
    }

    #[test]
    fn what_finds_no_place_is_not_waited_for() {
        let (hand, mut owned) = channel();
        let slots: Vec<_> = (0..2 * COMMITS).map(|_| hand.begin()).collect();
        for (slot, seq) in slots.into_iter().zip(1..) {
            slot.fill(own([seq], seq));
        }
        let taken = std::iter::from_fn(|| owned.next().now_or_never()).map(|own| own.upto);
        assert_eq!(taken.last(), Some(COMMITS as Seq));
    }

    #[test]
    fn what_others_put_in_between_ends_it() {
        assert!(own(4..=6, 6).continues(3));
        assert!(!own(4..=6, 6).continues(2), "somebody has put in 3");
        assert!(!own([4, 6], 6).continues(3), "somebody has put in 5");
        assert!(!own(4..=6, 8).continues(3), "somebody has put in 8");
        assert!(!own(1..=2, 2).continues(3), "the stream is another one");
        assert!(own([], 3).continues(3), "all of it was there");
    }

    /// Puts in so many at a time, in steps of `ALONE / 5`; whether the streak has lasted after any of them.
    async fn put_in(streak: &mut Streak, seqs: &mut RangeFrom<Seq>, steps: usize, events: usize) -> bool {
        let mut lasted = false;
        for _ in 0..steps {
            tokio::time::advance(ALONE / 5).await;
            let seqs: Vec<_> = seqs.by_ref().take(events).collect();
            lasted |= streak.lasts(&own(seqs.iter().copied(), seqs[events - 1]));
        }
        lasted
    }

    #[tokio::test(start_paused = true)]
    async fn a_streak_is_long_dense_and_unbroken() {
        let (mut streak, mut seqs) = (Streak::new(), 1..);
        assert!(!put_in(&mut streak, &mut seqs, 4, MANY).await, "it has not lasted long enough");
        assert!(put_in(&mut streak, &mut seqs, 1, MANY).await);
        assert!(!put_in(&mut streak, &mut seqs, 1_000, MANY / 10).await, "they are too few, however long it lasts");
        assert!(put_in(&mut streak, &mut seqs, 10, MANY / 4).await);
        tokio::time::advance(QUIET * 2).await;
        assert!(!put_in(&mut streak, &mut seqs, 5, MANY).await, "it was quiet");
        seqs.next();
        assert!(!put_in(&mut streak, &mut seqs, 5, MANY).await, "others have put something in");
        assert!(put_in(&mut streak, &mut seqs, 1, MANY).await);
        assert!(!streak.lasts(&own([], 3)), "it was there before");
        assert!(put_in(&mut streak, &mut seqs, 5, MANY).await, "and says nothing of others");
    }

    proptest! {
        /// However the positions fall to this daemon and to others, what is taken of a commit stands right behind what was
        /// there, and it is all of it where nobody else is between.
        #[test]
        fn what_is_taken_goes_on_without_a_gap(mine in prop::collection::vec(any::<bool>(), 1..40), position in 0_u64..40) {
            let seqs: Vec<_> = (1..).zip(&mine).filter_map(|(seq, mine)| mine.then_some(seq)).collect();
            let upto = seqs.last().copied().unwrap_or(0);
            let continues = own(seqs.clone(), upto).continues(position);
            let taken = own(seqs.clone(), upto).behind(position);
            let end = position + taken.len() as u64;
            prop_assert!(taken.into_iter().eq(position + 1..=end));
            prop_assert!(!seqs.contains(&(end + 1)), "no more could be taken");
            prop_assert!(!continues || end == upto.max(position));
        }
    }
}

//! The contract of a [`Journal`].

use std::{ops::Range, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use remora_actors::{
    model::{Category, Event, Record, Search, Seq},
    ports::{Appended, Entry, Extent, Filter, Journal, JournalError, Prune, Pruned, Snapshot, Storing},
};
use serde_json::json;

/// What the tests do, which wait for what they have stored.
#[async_trait::async_trait]
pub(crate) trait Append: Journal {
    /// Stores the events, and returns once they can be read.
    async fn append(&self, entries: Arc<[Entry]>) -> Result<Vec<Appended>, JournalError> {
        self.store(entries).await.await
    }
}

impl<J: Journal + ?Sized> Append for J {}

/// An event of an id.
pub(crate) fn event(id: &str) -> Event {
    let payload = json!({"name": "Zoë \u{1f41f}", "nested": {"b": [1, 2.5, null], "a": true}});
    Event { id: id.to_owned(), ..Event::of_agent("a1", "started", Timestamp::UNIX_EPOCH, &[], payload) }
}

/// Events whose ids are the numbers.
pub(crate) fn batch(ids: Range<u32>) -> Arc<[Entry]> {
    entries(ids.map(|id| event(&id.to_string())))
}

fn entries(events: impl IntoIterator<Item = Event>) -> Arc<[Entry]> {
    events.into_iter().map(Entry::from).collect()
}

fn ids(records: &[Arc<Record>]) -> Vec<&str> {
    records.iter().map(|record| record.event.id.as_str()).collect()
}

/// Runs every test of the contract.
pub(crate) async fn keeps_the_contract<J: Journal, K>(new: impl AsyncFn() -> (J, K)) {
    begins_empty(&new().await.0).await;
    numbers_without_gaps_and_returns_what_was_written(&new().await.0).await;
    stores_in_the_order_of_taking_over(&new().await.0).await;
    takes_each_id_once(&new().await.0).await;
    filters(&new().await.0).await;
    numbers_concurrent_writers_without_gaps(&new().await.0).await;
    replaces_snapshots(&new().await.0).await;
    searches(&new().await.0).await;
}

async fn begins_empty(journal: &impl Journal) {
    assert_eq!(journal.last_seq().await.expect("last"), 0);
    assert!(journal.read(0, 10, &Filter::ALL).await.expect("read").is_empty());
    assert!(journal.append(Arc::from([])).await.expect("an empty batch").is_empty());
    assert_eq!(journal.last_seq().await.expect("last"), 0);
}

async fn numbers_without_gaps_and_returns_what_was_written(journal: &impl Journal) {
    let written = batch(0..5);
    let appended = journal.append(written.clone()).await.expect("append");
    assert_eq!(appended, [1, 2, 3, 4, 5].map(Appended::New));
    let read = journal.read(0, 100, &Filter::ALL).await.expect("read");
    assert_eq!(read.len(), 5);
    for (record, (seq, entry)) in read.iter().zip((1..).zip(written.iter())) {
        assert_eq!((record.seq, &record.event, &record.json), (seq, &entry.event, &entry.json));
    }
    assert_eq!(ids(&journal.read(2, 2, &Filter::ALL).await.expect("read")), ["2", "3"]);
    assert!(journal.read(5, 2, &Filter::ALL).await.expect("read").is_empty());
    assert!(journal.read(u64::MAX, 2, &Filter::ALL).await.expect("read").is_empty());
}

async fn stores_in_the_order_of_taking_over(journal: &impl Journal) {
    let mut underway = Vec::new();
    for tens in 0..20 {
        underway.push(journal.store(batch(10 * tens..10 * tens + 10)).await);
    }
    // Whoever waits for the last one alone can read the others as well.
    while let Some(storing) = underway.pop() {
        let before = 10 * underway.len() as Seq;
        let expected: Vec<_> = (before + 1..=before + 10).map(Appended::New).collect();
        assert_eq!(storing.await.expect("stored"), expected);
        let read = journal.read(0, 1_000, &Filter::ALL).await.expect("read");
        assert_eq!(ids(&read), (0..200).map(|id| id.to_string()).collect::<Vec<_>>());
    }
}

async fn takes_each_id_once(journal: &impl Journal) {
    journal.append(batch(0..2)).await.expect("append");
    let again = entries(["1", "7", "7", "0", "8"].map(event));
    let appended = journal.append(again).await.expect("append");
    use Appended::{Duplicate, New};
    assert_eq!(appended, [Duplicate(2), New(3), Duplicate(3), Duplicate(1), New(4)]);
    assert_eq!(journal.last_seq().await.expect("last"), 4);
    assert_eq!(ids(&journal.read(0, 100, &Filter::ALL).await.expect("read")), ["0", "1", "7", "8"]);
}

async fn filters(journal: &impl Journal) {
    let agents = [Some("a1"), Some("a2"), None];
    let kinds = [(Category::Agent, "started"), (Category::Tool, "failed"), (Category::Agent, "failed")];
    let events = (0..90).map(|n: usize| Event {
        agent_id: agents[n % 3].map(str::to_owned),
        category: kinds[n / 3 % 3].0,
        action: kinds[n / 3 % 3].1.to_owned(),
        ..event(&n.to_string())
    });
    let events: Vec<Event> = events.collect();
    for commit in events.chunks(7) {
        journal.append(entries(commit.to_vec())).await.expect("append");
    }
    for pattern in ["*", "agent:*", "*:failed", "agent:failed", "tool:failed", "graph:started"] {
        for agent_id in [None, Some("a1"), Some("nobody")] {
            let filter = Filter { pattern: pattern.parse().expect("a pattern"), agent_id: agent_id.map(str::to_owned) };
            let wanted = |after: usize, limit: usize| -> Vec<String> {
                let wanted = events.iter().skip(after).filter(|event| filter.matches(event));
                wanted.take(limit).map(|event| event.id.clone()).collect()
            };
            for (after, limit) in [(0, 100), (0, 3), (40, 5), (89, 5)] {
                let read = journal.read(after as u64, limit, &filter).await.expect("read");
                assert_eq!(ids(&read), wanted(after, limit), "{pattern} {agent_id:?} after {after}, {limit}");
            }
            let all = wanted(0, 100);
            let latest = journal.latest(None, 4, &filter).await.expect("latest");
            assert_eq!(ids(&latest), all[all.len().saturating_sub(4)..], "{pattern} {agent_id:?} latest");
            for before in [1, 40, 89] {
                let latest = journal.latest(Some(before), 4, &filter).await.expect("latest");
                let older = events[..before as usize - 1].iter().filter(|event| filter.matches(event));
                let older: Vec<_> = older.map(|event| event.id.clone()).collect();
                assert_eq!(ids(&latest), older[older.len().saturating_sub(4)..], "{pattern} {agent_id:?} {before}");
            }
        }
    }
}

async fn numbers_concurrent_writers_without_gaps(journal: &impl Journal) {
    let write = async |from: u32| journal.append(batch(from..from + 20)).await.expect("append");
    let (one, two, three) = tokio::join!(write(0), write(10), write(20));
    let mut new: Vec<u64> = [one, two, three]
        .concat()
        .into_iter()
        .filter_map(|appended| if let Appended::New(seq) = appended { Some(seq) } else { None })
        .collect();
    new.sort_unstable();
    assert_eq!(new, (1..=40).collect::<Vec<u64>>());
}

async fn replaces_snapshots(journal: &impl Journal) {
    assert_eq!(journal.load_snapshot("dashboard").await.expect("load"), None);
    for (name, seq, body) in [("dashboard", 1, "old"), ("follow:/x", 2, ""), ("dashboard", 3, "new\0\u{ff}")] {
        let snapshot = Snapshot { seq, body: body.as_bytes().to_vec() };
        journal.save_snapshot(name, snapshot.clone()).await.expect("save");
        assert_eq!(journal.load_snapshot(name).await.expect("load"), Some(snapshot));
    }
    assert_eq!(journal.load_snapshot("follow:/x").await.expect("load").map(|snapshot| snapshot.seq), Some(2));
}

/// Events of all kinds, in which many of the searches below find something.
pub(crate) fn various(numbers: Range<Seq>) -> Arc<[Entry]> {
    let words = ["deploy", "Déployer", "lint", "main.rs", "日本", "a-b", "zoë", "\u{0}"];
    entries(numbers.map(|n| {
        let word = |step: u64| words[usize::try_from(n / step % 8).expect("fits")];
        let id = |name: &str, of: u64| (n % of > 0).then(|| format!("{name} {}", n % of));
        Event {
            category: if n % 5 < 3 { Category::Agent } else { Category::Tool },
            action: ["started", "timed_out", "failed"][usize::try_from(n % 3).expect("fits")].to_owned(),
            agent_id: id("agent", 4),
            graph_id: id("graph", 7),
            session_id: id("session", 6),
            // Clocks differ a little.
            timestamp: Timestamp::UNIX_EPOCH + SignedDuration::from_secs((n * 10 + n % 7 * 13).cast_signed()),
            payload: [("text".to_owned(), json!([word(1), {"deep": format!("{} {}", word(3), word(11))}, n]))]
                .into_iter()
                .collect(),
            ..event(&format!("v-{n}"))
        }
    }))
}

async fn searches(journal: &impl Journal) {
    assert_eq!(journal.search(&Search::all(), Seq::MAX, 10).await.expect("search"), Default::default());
    for from in [0, 250, 500] {
        journal.append(various(from..from + 250)).await.expect("append");
    }
    finds_what_a_scan_finds(journal).await;
}

/// Searches find what looking at every event finds, page by page.
pub(crate) async fn finds_what_a_scan_finds(journal: &impl Journal) {
    let all = journal.read(0, usize::MAX, &Filter::ALL).await.expect("read");
    let at = |second| Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second));
    let typed = |typed: &str| Search { terms: typed.parse().expect("any text"), ..Search::all() };
    let mut searches: Vec<_> = [
        "",
        "deploy",
        "\"deploy\"",
        "deploy -lint",
        "-deploy -lint",
        "\"deploy lint\"",
        "main.rs",
        "zoe -\"a b\"",
        "1",
        "77",
        "failed 日",
        "nothing at all",
        "* \" ( NEAR OR",
        "\u{0}",
        "-",
    ]
    .map(typed)
    .into();
    let text = || typed("lint");
    searches.push(Search { pattern: "tool:*".parse().expect("a pattern"), ..text() });
    searches.push(Search { pattern: "*:timed_out".parse().expect("a pattern"), ..typed("-lint") });
    searches.push(Search { agent_id: Some("agent 2".to_owned()), ..text() });
    searches.push(Search { agent_id: Some("agent".to_owned()), ..text() });
    searches.push(Search {
        graph_id: Some("graph 3".to_owned()),
        session_id: Some("session 5".to_owned()),
        ..typed("")
    });
    searches.push(Search { from: at(1_000), until: at(3_000), ..typed("") });
    searches.push(Search { from: at(4_000), agent_id: Some("agent 1".to_owned()), ..text() });
    searches.push(Search { until: at(2_000), ..text() });
    searches.push(Search { from: at(3_000), until: at(1_000), ..typed("") });
    for search in searches {
        let expected = all.iter().rev().filter(|record| search.matches(&record.event)).map(|record| record.seq);
        let (mut found, mut before) = (Vec::new(), Some(Seq::MAX));
        while let Some(cursor) = before {
            let page = journal.search(&search, cursor, 7).await.expect("search");
            assert!(page.records.len() <= 7 && page.older.is_none_or(|older| older < cursor), "{search:?}");
            found.extend(page.records.iter().map(|record| record.seq));
            before = page.older;
        }
        assert_eq!(found, expected.collect::<Vec<_>>(), "{search:?}");
    }
}

/// A store without an index of its own.
pub(crate) struct WithoutIndex<J>(pub(crate) J);

#[async_trait::async_trait]
impl<J: Journal> Journal for WithoutIndex<J> {
    async fn store(&self, entries: Arc<[Entry]>) -> Storing {
        self.0.store(entries).await
    }

    async fn read(&self, after: Seq, limit: usize, filter: &Filter) -> Result<Vec<Arc<Record>>, JournalError> {
        self.0.read(after, limit, filter).await
    }

    async fn latest(
        &self,
        before: Option<Seq>,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        self.0.latest(before, limit, filter).await
    }

    async fn last_seq(&self) -> Result<Seq, JournalError> {
        self.0.last_seq().await
    }

    async fn first_seq(&self) -> Result<Seq, JournalError> {
        self.0.first_seq().await
    }

    async fn extent(&self) -> Result<Extent, JournalError> {
        self.0.extent().await
    }

    async fn prune(&self, batch: Prune) -> Result<Pruned, JournalError> {
        self.0.prune(batch).await
    }

    async fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, JournalError> {
        self.0.load_snapshot(name).await
    }

    async fn save_snapshot(&self, name: &str, snapshot: Snapshot) -> Result<(), JournalError> {
        self.0.save_snapshot(name, snapshot).await
    }
}

//! What goes on beside everything else: a sender, a reader of the raw stream, and a page.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Api, Stream, http::event, wait_until};

/// Events of one batch.
const BATCH: usize = 20;
/// Pause between two batches: as fast as a busy fleet of agents, not as fast as the machine, on which others test too.
const PAUSE: Duration = Duration::from_millis(50);

/// The load, until it is checked.
pub(super) struct Load {
    api: Api,
    stop: Arc<AtomicBool>,
    sender: JoinHandle<Vec<String>>,
    /// What a reader of the raw stream has seen, and whether its stream still stands.
    raw: Arc<Mutex<Seen>>,
    page: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    ids: Vec<u64>,
    ended: usize,
}

impl Load {
    pub(super) async fn start(api: &Api) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sender = tokio::spawn(send(api.clone(), Arc::clone(&stop)));
        let raw = read(api, "/api/v1/events/stream", "0").await;
        let page = read(api, "/events", "").await;
        Self { api: api.clone(), stop, sender, raw, page }
    }

    /// Ends the load, and checks that nothing of it was lost, nothing doubled and no stream ended. `page_may_end`: the
    /// page's stream may have been opened again.
    pub(super) async fn check(self, page_may_end: bool) {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.await.expect("the sender does not panic");
        let journal = self.api.journal("*").await;
        let last = journal.len() as u64;
        // A frame's position is heard of with the next one.
        self.api.start_agent("end").await;
        let seqs: Vec<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
        let mut times: HashMap<&str, usize> = HashMap::new();
        for event in &journal {
            *times.entry(event["id"].as_str().unwrap()).or_default() += 1;
        }
        assert!(!sent.is_empty());
        let wrong: Vec<_> = sent.iter().filter(|id| times.get(id.as_str()) != Some(&1)).collect();
        assert!(wrong.is_empty(), "acknowledged, and not there once: {wrong:?}");
        for (what, seen, may_end) in [("raw", &self.raw, false), ("page", &self.page, page_may_end)] {
            wait_until(&format!("the {what} stream has everything"), async || {
                let seen = seen.lock().unwrap();
                assert!(may_end || seen.ended == 0, "the {what} stream was ended");
                (seen.ids.last() >= Some(&last)).then_some(())
            })
            .await;
        }
        let raw = &self.raw.lock().unwrap().ids;
        assert!(raw[..last as usize] == seqs, "a gap or a repeat in the raw stream");
        assert!(self.page.lock().unwrap().ids.is_sorted(), "the page went back");
    }
}

async fn send(api: Api, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let from = acknowledged.len();
        let ids: Vec<_> = (from..from + BATCH).map(|n| format!("load-{n}")).collect();
        let one = |id: &String| {
            let mut event = event("tool", "called", "load", &json!({}));
            event["id"] = json!(id);
            event
        };
        let batch: Value = ids.iter().map(one).collect();
        let reply = api.post("/api/v1/events", &batch).await;
        assert!([200, 503].contains(&reply.status), "{reply:?}");
        if reply.status == 200 {
            acknowledged.extend(ids);
        }
        tokio::time::sleep(PAUSE).await;
    }
    acknowledged
}

/// Reads a stream for as long as the test goes on, and opens it again where it ends.
async fn read(api: &Api, path: &'static str, from: &'static str) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut stream = Stream::resume(api, path, (!from.is_empty()).then_some(from)).await;
    let (api, writer) = (api.clone(), Arc::downgrade(&seen));
    tokio::spawn(async move {
        while let Some(seen) = writer.upgrade() {
            match stream.read().await {
                Some(frame) => seen.lock().unwrap().ids.extend(frame.id.parse::<u64>()),
                None => {
                    let last = {
                        let mut seen = seen.lock().unwrap();
                        seen.ended += 1;
                        seen.ids.last().copied()
                    };
                    let last = last.map(|id| id.to_string());
                    stream = loop {
                        match Stream::try_resume(&api, path, last.as_deref()).await {
                            Some(stream) => break stream,
                            None => tokio::time::sleep(PAUSE).await,
                        }
                    };
                }
            }
        }
    });
    seen
}

//! One daemon, so busy that it reads nothing back, while its server dies: what it knows of the stream is what stands there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_nats::jetstream;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{daemons, one_picture};
use crate::support::{Daemon, NatsServer, http::event, wait_until};

/// Publishers at once.
const PUBLISHERS: usize = 4;
/// Events of a request: some thousands come in a second, also from a daemon that is built for tests.
const BATCH: usize = 250;

/// Publishes until told to stop, each batch until it is taken; how many were.
async fn publish(daemon: &Daemon, publisher: usize, stop: &AtomicBool, taken: &AtomicUsize) -> usize {
    let agent_id = format!("agent-{publisher}");
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            return round * BATCH;
        }
        let batch: Vec<_> = (0..BATCH)
            .map(|number| {
                let number = round * BATCH + number;
                let mut event = event("tool", "called", &agent_id, &json!({ "number": number }));
                event["id"] = json!(format!("{agent_id}/{number}"));
                event
            })
            .collect();
        let batch = Value::Array(batch);
        wait_until("the events are taken", async || {
            (daemon.api.post("/api/v1/events", &batch).await.status == 200).then_some(())
        })
        .await;
        taken.fetch_add(BATCH, Ordering::Relaxed);
    }
    unreachable!("there is always another round")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_reads_nothing_back_knows_what_stands_in_the_stream() {
    let mut server = NatsServer::start().await;
    let daemon = &daemons(&server.url(), 1, &[]).await[0];
    let (stop, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    let disturb = async {
        let stream = jetstream::new(server.client().await).get_stream("remora-events").await.expect("a stream");
        wait_until("nobody reads the stream", async || {
            let info = stream.get_info().await.expect("what is known of it");
            (info.state.consumer_count == 0).then_some(())
        })
        .await;
        server.kill().await;
        server.start_again().await;
        let before = taken.load(Ordering::Relaxed);
        let goes_on = async || (taken.load(Ordering::Relaxed) > before + 10 * BATCH).then_some(());
        wait_until("the work goes on", goes_on).await;
        stop.store(true, Ordering::Relaxed);
    };
    let publishers = join_all((0..PUBLISHERS).map(|publisher| publish(daemon, publisher, &stop, &taken)));
    let (published, ()) = tokio::join!(publishers, disturb);
    let total: usize = published.iter().sum();
    // Whoever comes now reads all of it from the stream.
    let late = &daemons(&server.url(), 1, &[]).await[0];
    one_picture(&[daemon, late], total as u64).await;
    let journal = daemon.api.journal("*").await;
    assert_eq!(journal, late.api.journal("*").await);
    let mut ids: Vec<_> = journal.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), journal.len()), (total, total), "each event that was taken is there once");
}

//! What sharding would bring: each graph's events in the stream of its shard, and behind each stream a reader that
//! folds them into a picture, as a daemon would that has only this shard.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Instant,
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use remora_actors::model::{Dashboard, Limits, Record};
use tokio::sync::watch;
use uuid::Uuid;

use super::{connect, follow, like_the_journal, numbers, send};
use crate::event::EVENT_BYTES;

/// Graphs whose events come in turn.
const GRAPHS: u32 = 1_000;

/// Events a second from their sender into the pictures, all shards together.
pub(super) async fn run(url: &str, shards: usize, window: usize, seconds: f64) -> Result<f64> {
    let (mut senders, mut folded) = (Vec::new(), Vec::new());
    for shard in 0..shards {
        // A connection for each direction, as of two programs.
        let (here, there) = (connect(url, window).await?, connect(url, 1).await?);
        let name = format!("shard-{shard}");
        here.create_stream(like_the_journal(&name)).await?;
        let (progress, picture) = watch::channel(0);
        tokio::spawn(async move {
            if let Err(error) = fold(&there, &name, &progress).await {
                eprintln!("{name} is folded no further: {error:#}");
            }
        });
        senders.push(here);
        folded.push(picture);
    }
    let shards_of_graphs: Vec<_> = (0..GRAPHS).map(|graph| shard_of(&graph_id(graph), shards)).collect();
    let mut sent = vec![0_u64; shards];
    let began = Instant::now();
    let events = numbers(began, seconds).map(|number| {
        let graph = number % GRAPHS;
        let shard = shards_of_graphs[graph as usize];
        sent[shard] += 1;
        (shard, event(graph))
    });
    let published = events
        .then(async |(shard, event)| send(&senders[shard], &format!("shard-{shard}.tool.completed"), event).await);
    published.try_buffered(window).try_for_each(async |()| Ok(())).await?;
    for (picture, sent) in folded.iter_mut().zip(&sent) {
        picture.wait_for(|folded| folded >= sent).await.context("a shard's reader has ended")?;
    }
    Ok(sent.iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64())
}

async fn fold(context: &async_nats::jetstream::Context, stream: &str, progress: &watch::Sender<u64>) -> Result<()> {
    let mut messages = Box::pin(follow(context, stream).await?);
    let mut picture = Dashboard::new(&Limits::default());
    while let Some(message) = messages.try_next().await? {
        let seq = message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence;
        picture.apply(&Record::from_json(seq, message.message.payload)?);
        progress.send_replace(seq);
    }
    Ok(())
}

/// The shard of a graph: the same wherever it is computed.
fn shard_of(graph_id: &str, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    graph_id.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards as u64).unwrap_or_default()
}

fn graph_id(graph: u32) -> String {
    format!("graph-{graph:04}")
}

/// An event of a graph, as long as the other events.
fn event(graph: u32) -> String {
    let (id, now, graph_id) = (Uuid::now_v7(), Timestamp::now(), graph_id(graph));
    let mut text = format!(
        r#"{{"id":"{id}","timestamp":"{now:.3}","category":"tool","action":"completed","agent_id":"agent-{graph:04}","graph_id":"{graph_id}","payload":{{"tool":"search","output":""#
    );
    text.extend(std::iter::repeat_n('x', EVENT_BYTES.saturating_sub(text.len() + r#""}}"#.len())));
    text + r#""}}"#
}

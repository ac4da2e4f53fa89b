//! How fast events go through a daemon on NATS, and how fast they would go without it.
//!
//! ```text
//! nats-server -js -sd /tmp/nats
//! remora serve --bus nats://127.0.0.1:4222
//! cargo run --release --example bus_speed -- nats://127.0.0.1:4222 http://127.0.0.1:8000
//! ```
//!
//! Both ways every event is acknowledged as durable, and at most [`WINDOW`] events wait for that at a time. The rounds
//! take turns, so that both see the same machine. Then questions are put and answered one after the other.

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, context::ContextBuilder, message::PublishMessage};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Events that wait for their acknowledgement at a time.
const WINDOW: usize = 8_000;
/// Events in one request to the daemon; two requests fill the window.
const BATCH: usize = WINDOW / 2;
/// Events of one round.
const EVENTS: usize = 80_000;
/// Rounds each way.
const ROUNDS: usize = 3;
/// Questions.
const QUESTIONS: usize = 500;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut args = env::args().skip(1);
    let (Some(nats), Some(daemon)) = (args.next(), args.next()) else {
        return Err("give the address of the nats server and that of the daemon".into());
    };
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        alone.push(EVENTS as f64 / publish_alone(&nats, &events(round)).await?.as_secs_f64());
        through.push(EVENTS as f64 / publish_through(&daemon, &events(round)).await?.as_secs_f64());
        println!("round {round}: async-nats alone {:.0} events/s, through remora {:.0}", alone[round], through[round]);
    }
    println!("median through remora / alone: {:.2}", median(&mut through) / median(&mut alone));
    let mut answers = ask(&daemon).await?;
    answers.sort_unstable();
    let at = |share: f64| answers[((answers.len() - 1) as f64 * share) as usize];
    println!("answering a question: median {:?}, 99 of 100 within {:?}", at(0.5), at(0.99));
    Ok(())
}

/// Events of some two hundred bytes, as agents send them, with new ids.
fn events(round: usize) -> Vec<Value> {
    let event = |n: usize| {
        json!({"id": Uuid::now_v7().to_string(), "timestamp": "2026-02-24T09:37:15.120Z", "category": "tool",
            "action": "called", "agent_id": format!("agent-{}", n % 100), "graph_id": format!("graph-{round}"),
            "payload": {"tool": "search", "query": "the quick brown fox", "n": n}})
    };
    (0..EVENTS).map(event).collect()
}

/// Publishes into a stream of its own, kept as the journal is.
async fn publish_alone(nats: &str, events: &[Value]) -> Outcome<Duration> {
    let client = async_nats::connect(nats).await?;
    let context = ContextBuilder::new().max_ack_inflight(WINDOW).backpressure_on_inflight(true).build(client);
    let config = jetstream::stream::Config {
        name: "bus-speed".to_owned(),
        subjects: vec!["bus-speed.>".to_owned()],
        ..jetstream::stream::Config::default()
    };
    context.create_stream(config).await?;
    let began = Instant::now();
    let messages = stream::iter(events).map(|event| {
        let id = event["id"].as_str().unwrap_or_default();
        PublishMessage::build().message_id(id).payload(event.to_string().into())
    });
    let sent = messages.then(|message| context.send_publish("bus-speed.tool.called", message)).map_err(Box::from);
    sent.map_ok(|ack| async { ack.await.map_err(Box::<dyn Error>::from) })
        .try_buffered(WINDOW)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let took = began.elapsed();
    context.delete_stream("bus-speed").await?;
    Ok(took)
}

/// Posts to the daemon, which answers once the events are durable.
async fn publish_through(daemon: &str, events: &[Value]) -> Outcome<Duration> {
    let (http, url) = (Client::new(), format!("{daemon}/api/v1/events"));
    let bodies: Vec<String> = events.chunks(BATCH).map(|batch| json!(batch).to_string()).collect();
    let began = Instant::now();
    stream::iter(bodies)
        .map(|body| http.post(&url).header("content-type", "application/json").body(body).send())
        .buffer_unordered(WINDOW / BATCH)
        .try_for_each(|reply| async { reply.error_for_status().map(drop) })
        .await?;
    Ok(began.elapsed())
}

/// How long each answer took to be taken.
async fn ask(daemon: &str) -> Outcome<Vec<Duration>> {
    let (http, url) = (Client::new(), format!("{daemon}/api/v1/questions"));
    let mut took = Vec::new();
    for n in 0..QUESTIONS {
        let question = json!({"agent_id": format!("asker-{}", n % 10), "question": "Go on?"});
        let record: Value = http.post(&url).json(&question).send().await?.error_for_status()?.json().await?;
        let msg_id = record["msg_id"].as_str().ok_or("no msg_id")?;
        let began = Instant::now();
        let answer = http.post(format!("{url}/{msg_id}/answer")).json(&json!({"answer": "yes"})).send().await?;
        answer.error_for_status()?;
        took.push(began.elapsed());
    }
    Ok(took)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

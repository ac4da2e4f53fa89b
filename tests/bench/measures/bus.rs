//! Daemons on NATS: the server on one core, its clients on the other, a daemon and its load or `async-nats` by itself.
//!
//! The server is as it comes: a stream is in a file when a message is acknowledged, and synced every two minutes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::answer::answers;
use crate::{
    Bench,
    daemon::{AGENTS, Daemon, EVENTS},
    event::agent_id,
    http::Http,
    load::{Load, Outcome, Pace},
    peers::nats::{JOURNAL, NatsServer},
    process::Place,
    statistics::percentile,
    table::{Figure, Goal, Row, Unit, significant},
};

/// Requests in flight and events of each; without a daemon, as many events are unacknowledged.
const REQUESTS: usize = 4;
const BATCH: u32 = 1000;
const WINDOW: usize = REQUESTS * BATCH as usize;
/// Questions that are asked at once, and agents that ask: more than one may have open are never asked.
const ASKING: usize = 64;
const ASKERS: u32 = 1000;
/// Events that a daemon finds when it comes to a stream.
const FOUND: u32 = 300_000;
/// Streams that the graphs are spread over.
const SHARDS: [usize; 3] = [1, 2, 4];
/// Every round takes half a minute, and three agree.
const ROUNDS: u32 = 3;
const PUBLISH: &str = "a fifth of what the daemon does with an event is to publish it, which is all that the peer does; the rest \
    is to read and check it, to copy it for the pages, to fold and to index it, on the core that it shares with its load";
const ANSWER: &str = "three writes one after the other: the claim, the journal, the workspace; the copy has the first before \
    the second begins";

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let bench = &Bench { rounds: bench.rounds.min(ROUNDS), ..bench.clone() };
    let mut rows = publishing(bench)?;
    rows.extend(asking(bench)?);
    rows.extend(following(bench)?);
    rows.extend(sharding(bench)?);
    Ok(rows)
}

/// A daemon on a server of its own.
struct OnBus {
    daemon: Daemon,
    /// Ends after its daemon.
    nats: NatsServer,
}

impl OnBus {
    fn start(bench: &Bench) -> Result<Self> {
        let nats = NatsServer::start(Place::Server)?;
        Ok(Self { daemon: Daemon::start_on_bus(bench, Place::Load, &nats.url())?, nats })
    }
}

struct Published {
    per_second: f64,
    daemon_us: f64,
}

fn publishing(bench: &Bench) -> Result<Vec<Row>> {
    let client = |per_second| Ok(Published { per_second, daemon_us: 0.0 });
    let [through, beside, alone] = bench.interleave(
        "bus, publishing",
        [
            ("remora", &mut || through(bench, &OnBus::start(bench)?)),
            ("remora, not alone", &mut || {
                let bus = OnBus::start(bench)?;
                let _beside = bus.nats.put_in_beside()?;
                through(bench, &bus)
            }),
            ("async-nats", &mut || {
                client(NatsServer::start(Place::Server)?.published(Place::Load, WINDOW, bench.seconds)?)
            }),
        ],
    )?;
    let figure = |turns: &[Published]| Figure::new(Unit::PerSecond, turns.iter().map(|turn| turn.per_second));
    let what = format!("NATS, NDJSON batches of {BATCH}, {REQUESTS} in flight");
    let cpu = |turns: &[Published]| Figure::new(Unit::Micros, turns.iter().map(|turn| turn.daemon_us));
    Ok(vec![
        Row::new(format!("{what}: events acknowledged"), figure(&through))
            .times("async-nats, one stream, same window", figure(&alone))
            .goal(Goal::at_least(0.7, 0.9))
            .why_missed(PUBLISH),
        Row::new(format!("{what}: CPU of the daemon per event"), cpu(&through)),
        Row::new(format!("{what}, of others 10 events a second: events acknowledged"), figure(&beside)),
        Row::new(format!("{what}, of others 10 events a second: CPU of the daemon per event"), cpu(&beside)),
    ])
}

fn through(bench: &Bench, bus: &OnBus) -> Result<Published> {
    let mut load = Load::alone()?;
    load.publish_to(bus.daemon.server.address(), EVENTS, REQUESTS, BATCH, AGENTS)?;
    let outcome: Outcome = load.run(Pace::Acknowledged, bench.times(), &bus.daemon.server)?;
    Ok(Published { per_second: outcome.acknowledged / outcome.seconds, daemon_us: outcome.cpu_us_per_event() })
}

fn asking(bench: &Bench) -> Result<Vec<Row>> {
    let [mut answers, questions] = bench.interleave(
        "bus, asking",
        [
            ("answers", &mut || answers(&OnBus::start(bench)?.daemon)),
            ("questions", &mut || Ok(vec![questions(bench, &OnBus::start(bench)?.daemon)?])),
        ],
    )?;
    let mut answer = |percent| {
        let figure = Figure::new(Unit::Millis, answers.iter_mut().map(|turn| percentile(turn, percent)));
        Row::new(format!("NATS, answer sent to readable in the workspace, p{percent}"), figure)
    };
    let questions = Figure::new(Unit::PerSecond, questions.into_iter().flatten());
    Ok(vec![
        answer(99.0).goal(Goal::at_most(5.0, 3.0)).why_missed(ANSWER),
        answer(50.0),
        Row::new(format!("NATS, questions asked, {ASKING} at once"), questions),
    ])
}

/// Questions a second, each connection asking its next one once the last one is taken.
fn questions(bench: &Bench, daemon: &Daemon) -> Result<f64> {
    let mut connections = (0..ASKING).map(|_| daemon.http()).collect::<Result<Vec<_>>>()?;
    let mut number = 0;
    let mut ask = |connection: &mut Http| {
        number += 1;
        let question = json!({"agent_id": agent_id(number % ASKERS), "question": "Deploy?", "options": ["yes", "no"]});
        connection.send("POST /api/v1/questions", "application/json", question.to_string().as_bytes())
    };
    connections.iter_mut().try_for_each(&mut ask)?;
    let (began, mut taken) = (Instant::now(), 0_u32);
    let window = Duration::from_secs_f64(bench.seconds);
    while began.elapsed() < window {
        for connection in &mut connections {
            let (status, body) = connection.receive()?;
            if status != 201 {
                bail!("a question was refused: {}", String::from_utf8_lossy(&body));
            }
            taken += 1;
            ask(connection)?;
        }
    }
    Ok(f64::from(taken) / began.elapsed().as_secs_f64())
}

struct Followed {
    per_second: f64,
    daemon_us: f64,
}

fn following(bench: &Bench) -> Result<Vec<Row>> {
    let OnBus { daemon, nats } = OnBus::start(bench)?;
    daemon.fill(AGENTS, FOUND)?;
    drop(daemon);
    let [followed, consumed] = bench.interleave(
        "bus, following",
        [
            ("remora", &mut || follow(bench, &nats)),
            ("async-nats", &mut || {
                let per_second = nats.consumed(Place::Load, JOURNAL)?;
                Ok(Followed { per_second, daemon_us: 0.0 })
            }),
        ],
    )?;
    let figure = |turns: &[Followed]| Figure::new(Unit::PerSecond, turns.iter().map(|turn| turn.per_second));
    let what = format!("NATS, daemon with an empty folder, {} events in the stream", significant(FOUND.into()));
    let cpu = Figure::new(Unit::Micros, followed.iter().map(|turn| turn.daemon_us));
    Ok(vec![
        Row::new(format!("{what}: copied and shown"), figure(&followed))
            .times("async-nats, one consumer", figure(&consumed)),
        Row::new(format!("{what}: CPU of the daemon per event"), cpu),
    ])
}

/// From the start of a daemon until its picture shows everything.
fn follow(bench: &Bench, nats: &NatsServer) -> Result<Followed> {
    let began = Instant::now();
    let daemon = Daemon::start_on_bus(bench, Place::Load, &nats.url())?;
    daemon.until_shown(AGENTS + FOUND)?;
    let (events, took, cpu) = (f64::from(AGENTS + FOUND), began.elapsed(), daemon.server.cpu()?);
    let daemon_us = cpu.since(&Default::default()).as_secs_f64() * 1e6 / events;
    Ok(Followed { per_second: events / took.as_secs_f64(), daemon_us })
}

/// Without daemons: server and clients on both cores, and no more of either than there are.
fn sharding(bench: &Bench) -> Result<Vec<Row>> {
    let turn = |shards| NatsServer::start(Place::Both)?.sharded(Place::Both, shards, WINDOW, bench.seconds);
    let [one, two, four] = SHARDS;
    let [one, two, four] = bench.interleave(
        "bus, sharding",
        [("one", &mut || turn(one)), ("two", &mut || turn(two)), ("four", &mut || turn(four))],
    )?;
    let figure = |turns: &[f64]| Figure::new(Unit::PerSecond, turns.iter().copied());
    let row = |shards: &str, turns: &[f64]| {
        let what = format!("NATS without daemons, events published, spread by graph over {shards} and folded");
        Row::new(what, figure(turns))
    };
    Ok(vec![
        row("one stream", &one),
        row("two streams", &two).times("one stream", figure(&one)),
        row("four streams", &four).times("one stream", figure(&one)),
    ])
}

//! A raw stream at a steady rate: what a delivery costs, and how long it takes. Remora journals each event durably
//! before anybody sees it; nchan journals nothing.

use anyhow::Result;

use crate::{
    Bench,
    contender::Contender,
    load::{Outcome, Pace},
    table::{Figure, Goal, Row, Unit},
};

const READERS: usize = 100;
const EVENTS_PER_SECOND: u32 = 200;
const AGENTS: u32 = 20;
const DURABLE: &str = "each event is on the disk before anybody sees it; nchan keeps none";
const WRITES: &str = "a quarter is the event's own commit, folding and index, the rest a task and a write for each reader; \
    nchan journals nothing and writes to all readers from one loop";

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let [mut remora, mut nchan] = bench.interleave(
        "streams",
        [
            ("remora", &mut || turn(bench, &Contender::remora(bench)?)),
            ("nchan", &mut || turn(bench, &Contender::nchan()?)),
        ],
    )?;
    let cpu = |turns: &[Outcome]| Figure::new(Unit::Micros, turns.iter().map(Outcome::cpu_us_per_delivery));
    let latency = |turns: &mut [Outcome], percent| {
        Figure::new(Unit::Millis, turns.iter_mut().map(|turn| turn.latency_ms(percent)))
    };
    let what = format!("raw stream, {READERS} readers × {EVENTS_PER_SECOND} events/s");
    Ok(vec![
        Row::new(format!("{what}: CPU per delivery"), cpu(&remora))
            .times("nchan", cpu(&nchan))
            .goal(Goal::at_most(1.0, 0.8))
            .why_missed(WRITES),
        Row::new(format!("{what}: sent to received, p99"), latency(&mut remora, 99.0))
            .over("nchan", latency(&mut nchan, 99.0))
            .goal(Goal::at_most(0.5, 0.3))
            .why_missed(DURABLE),
        Row::new(format!("{what}: sent to received, p50"), latency(&mut remora, 50.0))
            .over("nchan", latency(&mut nchan, 50.0)),
    ])
}

fn turn(bench: &Bench, contender: &Contender) -> Result<Outcome> {
    let mut load = contender.subscribe(READERS)?;
    load.publish_to(contender.server.address(), contender.publish, 1, 1, AGENTS)?;
    load.run(Pace::PerSecond(EVENTS_PER_SECOND), bench.times(), &contender.server)
}

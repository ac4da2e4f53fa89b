//! Raw streams as fast as they go, with the same number of events in flight for everybody.

use anyhow::Result;

use crate::{
    Bench,
    contender::Contender,
    load::{Outcome, Pace},
    table::{Figure, Goal, Row, Unit},
};

const READERS: usize = 1000;
/// Events that have not reached every reader yet.
const IN_FLIGHT: u64 = 256;
const AGENTS: u32 = 20;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    // One event a request, each over a connection of its own; and the same events in flight, 32 to a request.
    let alone = |contender: Contender| turn(bench, &contender, IN_FLIGHT as usize, 1);
    let [remora, batches, nchan, warp] = bench.interleave(
        "saturated",
        [
            ("remora", &mut || alone(Contender::remora(bench)?)),
            ("remora, batches", &mut || turn(bench, &Contender::remora(bench)?, 8, 32)),
            ("nchan", &mut || alone(Contender::nchan()?)),
            ("warp", &mut || alone(Contender::warp()?)),
        ],
    )?;
    let what = format!("raw streams, {READERS} readers, {IN_FLIGHT} events in flight");
    let row = |kind: &str, remora: &[f64]| Row::new(format!("{what}, {kind}: deliveries"), figure(remora));
    Ok(vec![
        row("one a request", &remora).times("nchan", figure(&nchan)).goal(Goal::at_least(4.0, 5.0)),
        row("one a request", &remora).times("warp, shared bytes", figure(&warp)).goal(Goal::at_least(0.9, 1.1)),
        row("32 a request", &batches).times("warp, shared bytes, one a request", figure(&warp)),
    ])
}

fn figure(turns: &[f64]) -> Figure {
    Figure::new(Unit::PerSecond, turns.iter().copied())
}

fn turn(bench: &Bench, contender: &Contender, connections: usize, batch: u32) -> Result<f64> {
    let mut load = contender.subscribe(READERS)?;
    load.publish_to(contender.server.address(), contender.publish, connections, batch, AGENTS)?;
    let Outcome { deliveries, seconds, .. } = load.run(Pace::InFlight(IN_FLIGHT), bench.times(), &contender.server)?;
    Ok(deliveries / seconds)
}

//! Taking events in: durably, on one core.

use anyhow::Result;

use crate::{
    Bench,
    contender::Contender,
    daemon::{AGENTS, EVENTS},
    load::{Load, Pace},
    peers,
    table::{Figure, Goal, Row, Unit},
};

/// Events of a batch.
const BATCH: u32 = 1000;
/// Connections that are kept, with one event a request.
const CONNECTIONS: usize = 64;
const READ_AND_FOLDED: &str = "two thirds of the work are reading, checking and folding each event, of which bare SQLite does \
    nothing";
const COMMITTED: &str = "the peer neither stores nor folds; here each request waits for a commit, which it shares with 63 \
    others at the most";

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let [one, four, sqlite, alone, warp] = bench.interleave(
        "ingest",
        [
            ("remora, a batch at a time", &mut || turn(bench, &Contender::remora(bench)?, 1, BATCH)),
            ("remora, four batches at a time", &mut || turn(bench, &Contender::remora(bench)?, 4, BATCH)),
            ("sqlite", &mut || peers::sqlite_events_per_second(BATCH, bench.seconds)),
            ("remora, one event a request", &mut || turn(bench, &Contender::remora(bench)?, CONNECTIONS, 1)),
            ("warp, one event a request", &mut || turn(bench, &Contender::warp()?, CONNECTIONS, 1)),
        ],
    )?;
    let figure = |turns: &[f64]| Figure::new(Unit::PerSecond, turns.iter().copied());
    let batches = |count: &str, turns: &[f64]| {
        Row::new(format!("ingest, NDJSON batches of {BATCH}, durable, {count} in flight"), figure(turns))
            .times("bare SQLite, same batch", figure(&sqlite))
    };
    Ok(vec![
        batches("4", &four).goal(Goal::at_least(0.5, 0.7)).why_missed(READ_AND_FOLDED),
        batches("1", &one),
        Row::new(format!("ingest, one event a request, durable, {CONNECTIONS} connections"), figure(&alone))
            .times("warp, parses and answers", figure(&warp))
            .goal(Goal::at_least(0.6, 0.8))
            .why_missed(COMMITTED),
    ])
}

/// Events a second.
fn turn(bench: &Bench, contender: &Contender, connections: usize, batch: u32) -> Result<f64> {
    let mut load = Load::alone()?;
    load.publish_to(contender.server.address(), EVENTS, connections, batch, AGENTS)?;
    let outcome = load.run(Pace::Acknowledged, bench.times(), &contender.server)?;
    Ok(outcome.acknowledged / outcome.seconds)
}

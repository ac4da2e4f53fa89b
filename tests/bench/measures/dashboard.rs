//! The dashboard as fast as it goes: events that every browser shows. Remora puts what comes together into one frame;
//! the peer is the design that it replaces, which renders the whole page for each event and each browser.

use anyhow::Result;

use crate::{
    Bench,
    contender::Contender,
    daemon::AGENTS,
    load::{Outcome, Pace},
    peers::WholePage,
    table::{Figure, Goal, Row, Unit},
};

const BROWSERS: usize = 50;
/// Events that not every browser shows yet: for some frames of Remora's, and for some seconds of its peer's.
const IN_FLIGHT: u64 = 8_000;
const PEER_IN_FLIGHT: u64 = 16;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let peer = WholePage::find();
    let name = peer.name();
    let [batches, alone, stario] = bench.interleave(
        "dashboard",
        [
            ("remora, batches", &mut || turn(bench, &Contender::dashboard(bench)?, 4, 500, IN_FLIGHT)),
            ("remora", &mut || turn(bench, &Contender::dashboard(bench)?, 64, 1, IN_FLIGHT)),
            (&name, &mut || turn(bench, &Contender::whole_page(&peer)?, 4, 1, PEER_IN_FLIGHT)),
        ],
    )?;
    let figure = |turns: &[f64]| Figure::new(Unit::PerSecond, turns.iter().copied());
    let what = format!("dashboard, {BROWSERS} browsers, 200 log rows: events shown by all");
    Ok(vec![
        Row::new(format!("{what}, 500 a request"), figure(&batches))
            .times(&name, figure(&stario))
            .goal(Goal::at_least(100.0, 500.0)),
        Row::new(format!("{what}, one a request"), figure(&alone)).times(&name, figure(&stario)),
    ])
}

/// Events a second.
fn turn(bench: &Bench, contender: &Contender, connections: usize, batch: u32, in_flight: u64) -> Result<f64> {
    let mut load = contender.subscribe(BROWSERS)?;
    load.publish_to(contender.server.address(), contender.publish, connections, batch, AGENTS)?;
    let Outcome { deliveries, seconds, .. } = load.run(Pace::InFlight(in_flight), bench.times(), &contender.server)?;
    Ok(deliveries / seconds / BROWSERS as f64)
}

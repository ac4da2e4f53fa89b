//! Memory of readers that wait, after they have read everything that they get at first.

use std::time::Duration;

use anyhow::Result;

use crate::{
    Bench,
    contender::Contender,
    process::pause,
    table::{Figure, Goal, Row, Unit},
};

/// What a server needs to give back what opening the streams took.
const SETTLE: Duration = Duration::from_millis(500);

/// Memory hardly varies.
const ROUNDS: u32 = 3;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let bench = &Bench { rounds: bench.rounds.min(ROUNDS), ..bench.clone() };
    let mut rows = Vec::new();
    for readers in [1000, 5000] {
        let [dashboard, raw, nchan, warp] = bench.interleave(
            &format!("idle, {readers} readers"),
            [
                ("remora, dashboard", &mut || turn(&Contender::dashboard(bench)?, readers)),
                ("remora, raw stream", &mut || turn(&Contender::remora(bench)?, readers)),
                ("nchan", &mut || turn(&Contender::nchan()?, readers)),
                ("warp", &mut || turn(&Contender::warp()?, readers)),
            ],
        )?;
        let figure = |turns: &[f64]| Figure::new(Unit::Kib, turns.iter().copied());
        let browser = Row::new(format!("memory per idle browser, {readers} of them"), figure(&dashboard));
        let reader = Row::new(format!("memory per idle raw stream, {readers} of them"), figure(&raw));
        rows.push(browser.goal(Goal::at_most(20.0, 12.0)));
        rows.push(reader.clone().times("nchan", figure(&nchan)));
        rows.push(reader.times("warp, shared bytes", figure(&warp)));
    }
    Ok(rows)
}

/// KiB per reader.
pub(super) fn turn(contender: &Contender, readers: usize) -> Result<f64> {
    let before = contender.server.memory()?.proportional;
    let _load = contender.subscribe(readers)?;
    pause(SETTLE);
    Ok((contender.server.memory()?.proportional - before) / readers as f64)
}

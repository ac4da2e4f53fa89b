//! What a daemon costs that watches workspaces in which nothing happens.

use std::time::Duration;

use anyhow::Result;

use super::answer::WorkspaceFile;
use crate::{
    Bench,
    daemon::Daemon,
    process::pause,
    table::{Figure, Goal, Row, Unit},
};

const WORKSPACES: usize = 50;
/// Long windows: there is little to see in a short one, and three agree.
const WINDOWS: f64 = 10.0;
const ROUNDS: u32 = 3;
/// Until threads that have no more to do have ended.
const SETTLE: Duration = Duration::from_secs(12);

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let bench = Bench { rounds: bench.rounds.min(ROUNDS), ..bench.clone() };
    let [percent] = bench.interleave("idle CPU", [("remora", &mut || turn(&bench))])?;
    let figure = Figure::new(Unit::PercentOfCore, percent);
    let what = format!("idle daemon, {WORKSPACES} watched workspace files: CPU, of a core");
    Ok(vec![Row::new(what, figure).goal(Goal::at_most(0.2, 0.05))])
}

fn turn(bench: &Bench) -> Result<f64> {
    let daemon = Daemon::start_with_files(bench)?;
    for number in 0..WORKSPACES {
        let name = format!("workspace-{number:02}");
        WorkspaceFile::create(&daemon.path(&format!("{name}.db")))?.register(&daemon, &name)?;
    }
    pause(SETTLE);
    let (window, before) = (Duration::from_secs_f64(bench.seconds * WINDOWS), daemon.server.cpu()?);
    pause(window);
    let used = daemon.server.cpu()?.since(&before);
    Ok(used.as_secs_f64() / window.as_secs_f64() * 100.0)
}

//! A million events in the journal and ten thousand agents known, beside a daemon that knows nothing.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    Bench,
    contender::Contender,
    daemon::{AGENTS, Daemon, EVENTS, folder},
    event::Template,
    load::Pace,
    statistics::percentile,
    table::{Figure, Goal, Row, Unit, significant},
};

const KNOWN_AGENTS: u32 = 10_000;
/// Events that a browser is shown while it watches.
const WATCHED_PER_SECOND: u32 = 200;
const KIB_PER_MIB: f64 = 1024.0;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let folder = folder()?;
    let data = folder.path().join("data");
    eprintln!("scale: writing a journal of {} events", bench.journal);
    write_journal(bench, &data)?;
    let [full, empty] = bench.interleave(
        "scale",
        [
            ("full", &mut || turn(bench, Daemon::start_on(bench, &data)?)),
            ("empty", &mut || turn(bench, Daemon::start(bench)?)),
        ],
    )?;
    let figure = |turns: &[Turn], unit, pick: fn(&Turn) -> f64| Figure::new(unit, turns.iter().map(pick));
    let [events, agents] = [bench.journal, KNOWN_AGENTS].map(|count| significant(count.into()));
    let beside = |what: &str, unit, pick| {
        let what = format!("{what}, {events} events journaled and {agents} agents known");
        Row::new(what, figure(&full, unit, pick)).times("empty", figure(&empty, unit, pick))
    };
    let cost = Goal::at_most(1.1, 1.0);
    Ok(vec![
        beside("CPU per event", Unit::Micros, |turn| turn.cpu_us).goal(cost),
        beside("POST of an event, p50", Unit::Millis, |turn| turn.post_ms).goal(cost),
        beside("CPU per event while a browser watches", Unit::Micros, |turn| turn.watched_cpu_us),
        beside("start to first page", Unit::Seconds, |turn| turn.first_page_s).goal_alone(Goal::at_most(0.5, 0.2)),
        beside("resident memory", Unit::Mib, |turn| turn.resident_mib).goal_alone(Goal::at_most(96.0, 48.0)),
        beside("anonymous memory", Unit::Mib, |turn| turn.anonymous_mib),
    ])
}

fn write_journal(bench: &Bench, data: &Path) -> Result<()> {
    let daemon = Daemon::start_on(bench, data)?;
    daemon.fill(KNOWN_AGENTS, bench.journal.saturating_sub(KNOWN_AGENTS))?;
    // What is done afterwards would be done again in every turn, and begins only once no more events come.
    daemon.server.settle(Duration::from_secs(5))
}

struct Turn {
    first_page_s: f64,
    resident_mib: f64,
    anonymous_mib: f64,
    cpu_us: f64,
    post_ms: f64,
    watched_cpu_us: f64,
}

fn turn(bench: &Bench, daemon: Daemon) -> Result<Turn> {
    let first_page_s = daemon.first_page.as_secs_f64();
    daemon.server.settle(Duration::from_millis(250))?;
    let memory = daemon.server.memory()?;
    let (cpu_us, post_ms) = one_by_one(bench, &daemon)?;
    let contender = Contender::watched(daemon);
    let mut load = contender.subscribe(1)?;
    load.publish_to(contender.server.address(), EVENTS, 1, 1, AGENTS)?;
    let watched = load.run(Pace::PerSecond(WATCHED_PER_SECOND), bench.times(), &contender.server)?;
    Ok(Turn {
        first_page_s,
        resident_mib: memory.resident / KIB_PER_MIB,
        anonymous_mib: memory.anonymous / KIB_PER_MIB,
        cpu_us,
        post_ms,
        watched_cpu_us: watched.cpu_us_per_event(),
    })
}

/// What one event costs the daemon, and how long its sender waits.
fn one_by_one(bench: &Bench, daemon: &Daemon) -> Result<(f64, f64)> {
    let (mut http, mut template, mut event) = (daemon.http()?, Template::new(AGENTS), Vec::new());
    let (began, before, mut waits_ms) = (Instant::now(), daemon.server.cpu()?, Vec::new());
    for number in 1.. {
        event.clear();
        template.write(number, &mut event);
        let sent = Instant::now();
        http.post(EVENTS, "application/json", &event)?;
        waits_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        if began.elapsed().as_secs_f64() > bench.seconds {
            break;
        }
    }
    let cpu = daemon.server.cpu()?.since(&before);
    Ok((cpu.as_secs_f64() * 1e6 / waits_ms.len() as f64, percentile(&mut waits_ms, 50.0)))
}

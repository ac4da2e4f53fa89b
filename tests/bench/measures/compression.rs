//! The dashboard in gzip, beside the same daemon that sends it as it is: what a browser gets, and what that costs.
//!
//! The readers unpack what they get, as browsers do, and count the events in it: what is not gzip, or not all of it, fails.

use anyhow::Result;
use flate2::read::GzDecoder;

use super::{idle, weight};
use crate::{
    Bench,
    contender::Contender,
    daemon::{AGENTS, Daemon},
    load::{Outcome, Pace},
    table::{Figure, Goal, Row, Unit},
};

const PLAIN: &str = "uncompressed";
/// Browsers that share what is compressed, and one that has it for itself; events that come alone, each in a frame of its
/// own, and events that share their frames.
const LOADS: [(usize, u32); 3] = [(50, 20), (50, 200), (1, 20)];
/// Browsers whose memory is taken.
const IDLE: usize = 1000;
/// Memory hardly varies.
const IDLE_ROUNDS: u32 = 3;
/// Pages that are asked for, one after the other.
const PAGES: u32 = 200;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (browsers, rate) in LOADS {
        rows.extend(streams(bench, browsers, rate)?);
    }
    rows.push(memory(bench)?);
    rows.extend(pages(bench)?);
    Ok(rows)
}

fn plain(bench: &Bench) -> Result<Contender> {
    Ok(Contender::watched(Daemon::start_with_compression(bench, "off")?))
}

fn packed(bench: &Bench) -> Result<Contender> {
    Ok(Contender::packed(Daemon::start_with_compression(bench, "gzip")?))
}

fn streams(bench: &Bench, browsers: usize, rate: u32) -> Result<Vec<Row>> {
    let turn = |contender: &Contender| -> Result<Outcome> {
        let mut load = contender.subscribe(browsers)?;
        load.publish_to(contender.server.address(), contender.publish, 1, 1, AGENTS)?;
        load.run(Pace::PerSecond(rate), bench.times(), &contender.server)
    };
    let many = if browsers == 1 { "browser" } else { "browsers" };
    let what = format!("dashboard in gzip, {browsers} {many} × {rate} events/s");
    let contenders: [(&str, &mut dyn FnMut() -> Result<Outcome>); 2] =
        [("gzip", &mut || turn(&packed(bench)?)), (PLAIN, &mut || turn(&plain(bench)?))];
    let [mut packed, mut plain] = bench.interleave(&what, contenders)?;
    let mut row = |name: &str, unit, pick: fn(&mut Outcome) -> f64| {
        let figure = |turns: &mut [Outcome]| Figure::new(unit, turns.iter_mut().map(pick));
        Row::new(format!("{what}: {name}"), figure(&mut packed)).times(PLAIN, figure(&mut plain))
    };
    Ok(vec![
        row("received per event", Unit::Bytes, |turn| turn.bytes_per_delivery()),
        row("CPU per delivery", Unit::Micros, |turn| turn.cpu_us_per_delivery()),
        row("sent to received, p50", Unit::Millis, |turn| turn.latency_ms(50.0)),
        row("sent to received, p99", Unit::Millis, |turn| turn.latency_ms(99.0)),
    ])
}

fn memory(bench: &Bench) -> Result<Row> {
    let bench = &Bench { rounds: bench.rounds.min(IDLE_ROUNDS), ..bench.clone() };
    let what = format!("dashboard in gzip: memory per idle browser, {IDLE} of them");
    let contenders: [(&str, &mut dyn FnMut() -> Result<f64>); 2] =
        [("gzip", &mut || idle::turn(&packed(bench)?, IDLE)), (PLAIN, &mut || idle::turn(&plain(bench)?, IDLE))];
    let [packed, plain] = bench.interleave(&what, contenders)?;
    let figure = |turns: Vec<f64>| Figure::new(Unit::Kib, turns);
    Ok(Row::new(what, figure(packed)).times(PLAIN, figure(plain)).goal_alone(Goal::at_most(20.0, 12.0)))
}

struct Page {
    kib: f64,
    loaded_kib: f64,
    cpu_us: f64,
}

fn pages(bench: &Bench) -> Result<Vec<Row>> {
    let contenders: [(&str, &mut dyn FnMut() -> Result<Page>); 2] =
        [("gzip", &mut || page(bench, "gzip")), (PLAIN, &mut || page(bench, "off"))];
    let [packed, plain] = bench.interleave("page in gzip", contenders)?;
    let row = |name: &str, unit, pick: fn(&Page) -> f64| {
        let figure = |turns: &[Page]| Figure::new(unit, turns.iter().map(pick));
        Row::new(format!("page `/` in gzip, {name}"), figure(&packed)).times(PLAIN, figure(&plain))
    };
    Ok(vec![
        row("200 log rows", Unit::Kib, |page| page.kib),
        row("with everything that it loads", Unit::Kib, |page| page.loaded_kib),
        row("CPU per request", Unit::Micros, |page| page.cpu_us),
    ])
}

/// What one browser's visit takes, and what many cost.
fn page(bench: &Bench, compression: &str) -> Result<Page> {
    const BYTES_PER_KIB: f64 = 1024.0;
    let daemon = Daemon::start_with_compression(bench, compression)?;
    let mut http = daemon.http()?;
    let mut get = |path: &str| if compression == "gzip" { http.get_packed(path) } else { http.get(path) };
    let page = get("/")?;
    let text = if compression == "gzip" {
        std::io::read_to_string(GzDecoder::new(&page[..]))?
    } else {
        String::from_utf8(page.clone())?
    };
    let mut loaded = page.len();
    for asset in weight::assets(&text) {
        loaded += get(asset)?.len();
    }
    let before = daemon.server.cpu()?;
    for _ in 0..PAGES {
        get("/")?;
    }
    let cpu_us = daemon.server.cpu()?.since(&before).as_secs_f64() * 1e6 / f64::from(PAGES);
    let kib = |bytes: usize| bytes as f64 / BYTES_PER_KIB;
    Ok(Page { kib: kib(page.len()), loaded_kib: kib(loaded), cpu_us })
}

//! What a user has to carry: the program, the page, the time to start.

use anyhow::Result;

use crate::{
    Bench,
    daemon::Daemon,
    table::{Figure, Row, Unit},
};

const BYTES_PER_KIB: f64 = 1024.0;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let [turns] = bench.interleave("weight", [("remora", &mut || turn(&Daemon::start(bench)?))])?;
    let binary = std::fs::metadata(&bench.binary)?.len() as f64 / BYTES_PER_KIB / BYTES_PER_KIB;
    let figure = |unit, pick: fn(&Turn) -> f64| Figure::new(unit, turns.iter().map(pick));
    Ok(vec![
        Row::new("size of the program", Figure::new(Unit::Mib, [binary])),
        Row::new("page `/`, with nothing to show", figure(Unit::Kib, |turn| turn.page_kib)),
        Row::new("the same with everything that it loads", figure(Unit::Kib, |turn| turn.loaded_kib)),
        Row::new("start to first page, empty folder", figure(Unit::Seconds, |turn| turn.first_page_s)),
    ])
}

struct Turn {
    page_kib: f64,
    loaded_kib: f64,
    first_page_s: f64,
}

fn turn(daemon: &Daemon) -> Result<Turn> {
    let page = String::from_utf8_lossy(&daemon.page);
    let mut http = daemon.http()?;
    let mut loaded = page.len();
    for asset in assets(&page) {
        loaded += http.get(asset)?.len();
    }
    let kib = |bytes: usize| bytes as f64 / BYTES_PER_KIB;
    Ok(Turn { page_kib: kib(page.len()), loaded_kib: kib(loaded), first_page_s: daemon.first_page.as_secs_f64() })
}

/// The addresses of everything static that a page names, each once.
pub(super) fn assets(page: &str) -> Vec<&str> {
    let mut assets: Vec<&str> = page.split(['"', '\'', ' ']).filter(|word| word.starts_with("/static/")).collect();
    assets.sort_unstable();
    assets.dedup();
    assets
}

//! How fast Remora is, beside its peers: `tests/benchmarks` runs this.
//!
//! - `measures`: one file per subject, which says what is done and what it should come to.
//! - `contender`, `daemon`, `peers`: who takes part, started anew for each round. `process`: on which core, and what it
//!   costs.
//! - `load`: readers and publishers, on a core of their own. `event`, `http`: what they send.
//! - `statistics`, `table`, `readme`: what comes of it.
//!
//! Rounds are interleaved: every contender has its turn before the first one has its second. A comparison is made
//! within a round, and its median is taken over the rounds.

mod contender;
mod daemon;
mod event;
mod http;
mod load;
mod measures;
mod peers;
mod process;
mod readme;
mod statistics;
mod table;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use self::{load::Times, measures::Measure, peers::Peer};

/// Measures Remora beside its peers, in one run
#[derive(Debug, Parser)]
#[command(
    name = "tests/benchmarks",
    bin_name = "tests/benchmarks",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    /// What to measure
    #[arg(value_enum, required = true)]
    measures: Vec<Measure>,

    #[command(flatten)]
    bench: Bench,

    /// Write the table into README.md; only all measures together make one
    #[arg(long)]
    update: bool,

    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Be one of the peers
    #[command(hide = true, subcommand)]
    Peer(Peer),
}

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Bench {
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Length of a measured window, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Events of the journal that `scale` is measured with
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000_000)]
    journal: u32,

    /// The daemon to measure; by default the one that was built with this program
    #[arg(long, value_name = "PATH", env = "REMORA_BENCH_BINARY", default_value = env!("CARGO_BIN_EXE_remora"))]
    binary: PathBuf,
}

impl Bench {
    /// Lets each contender have its turn, round by round; what each made of its turns, contender by contender.
    fn interleave<T, const N: usize>(
        &self,
        what: &str,
        contenders: [(&str, &mut dyn FnMut() -> Result<T>); N],
    ) -> Result<[Vec<T>; N]> {
        let mut contenders = contenders;
        let mut turns = [const { Vec::new() }; N];
        for round in 1..=self.rounds {
            for ((name, turn), turns) in contenders.iter_mut().zip(&mut turns) {
                eprintln!("{what}, round {round} of {}: {name}", self.rounds);
                turns.push(turn().with_context(|| format!("{what}, round {round}: {name} failed"))?);
            }
        }
        Ok(turns)
    }

    /// For how long the load runs.
    fn times(&self) -> Times {
        let measured = Duration::from_secs_f64(self.seconds);
        Times { warm: measured / 4, measured }
    }
}

fn main() -> ExitCode {
    // Cargo tells every benchmark that it is one.
    let arguments = Arguments::parse_from(std::env::args_os().filter(|argument| argument != "--bench"));
    let done = match arguments.role {
        Some(Role::Peer(peer)) => peer.run(),
        None => measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let Arguments { measures, bench, update, .. } = arguments;
    if *update && !measures.contains(&Measure::All) {
        bail!("only all measures together make the table: use `all --update`");
    }
    if !bench.binary.is_file() {
        bail!("there is no daemon at {}; name one with --binary", bench.binary.display());
    }
    // Each reader needs a handle.
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    process::pin_load()?;
    let mut rows = Vec::new();
    for measure in measures {
        for row in measure.run(bench)? {
            println!("{row}");
            rows.push(row);
        }
    }
    let table = table::markdown(&rows);
    println!("\n{table}");
    if *update { readme::update(&table, bench.rounds) } else { Ok(()) }
}

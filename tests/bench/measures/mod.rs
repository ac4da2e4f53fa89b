//! What is measured: one file per subject.

mod answer;
mod bus;
mod compression;
mod dashboard;
mod idle;
mod idle_cpu;
mod ingest;
mod saturated;
mod scale;
mod streams;
mod weight;

use anyhow::Result;
use clap::ValueEnum;

use crate::{Bench, table::Row};

/// The subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// All of them
    All,
    /// A raw stream at a steady rate: its price and its latency
    Streams,
    /// Raw streams, as fast as they go
    Saturated,
    /// Memory of readers that wait
    Idle,
    /// The dashboard, as fast as it goes
    Dashboard,
    /// The dashboard in gzip: its gain in bytes, and its price
    Compression,
    /// Taking events in
    Ingest,
    /// A million events and ten thousand agents
    Scale,
    /// A question's way to a person, and the answer's way back
    Answer,
    /// What a daemon costs that has nothing to do
    IdleCpu,
    /// Daemons on NATS, and NATS without them
    Bus,
    /// Sizes, and the time to start
    Weight,
}

impl Measure {
    /// Measures it.
    pub(crate) fn run(self, bench: &Bench) -> Result<Vec<Row>> {
        match self {
            Self::All => {
                let mut rows = Vec::new();
                for measure in Self::value_variants().iter().filter(|measure| **measure != Self::All) {
                    rows.extend(measure.run(bench)?);
                }
                Ok(rows)
            }
            Self::Streams => streams::measure(bench),
            Self::Saturated => saturated::measure(bench),
            Self::Idle => idle::measure(bench),
            Self::Dashboard => dashboard::measure(bench),
            Self::Compression => compression::measure(bench),
            Self::Ingest => ingest::measure(bench),
            Self::Scale => scale::measure(bench),
            Self::Answer => answer::measure(bench),
            Self::IdleCpu => idle_cpu::measure(bench),
            Self::Bus => bus::measure(bench),
            Self::Weight => weight::measure(bench),
        }
    }
}

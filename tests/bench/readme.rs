//! The table in the README, which only this program writes.

use std::{fs, path::Path};

use anyhow::{Context, Result};

const BEGINS: &str = "<!-- tests/benchmarks all --update -->";
const ENDS: &str = "<!-- end of the table -->";

/// Replaces the table.
pub(crate) fn update(table: &str, rounds: u32) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (before, rest) = readme.split_once(BEGINS).with_context(|| format!("README.md has no line {BEGINS}"))?;
    let (_, after) = rest.split_once(ENDS).with_context(|| format!("README.md has no line {ENDS}"))?;
    let machine = machine()?;
    let section = format!(
        "{before}{BEGINS}\n`tests/benchmarks all --update`, medians of {rounds} rounds, on {machine}.\n\n{table}{ENDS}{after}"
    );
    fs::write(&path, section).with_context(|| format!("cannot write {}", path.display()))
}

/// Cores, processor and kernel, as Linux tells them.
fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, model)| model);
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{cores} cores of {model}, Linux {}", kernel.trim()))
}

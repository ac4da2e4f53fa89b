//! Input that is nearly right: what fuzz targets are fed with. Random bytes would not get past the first brace.

use std::{env, fs};

/// One change of a text: where, what kind, and with what.
pub type Change = (u16, u8, u8);

/// What breaks readers: ends and beginnings of structures, edges of numbers and times, characters with a meaning.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\n",
    "\r\n",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "{\"a\":",
    "\u{2028}",
    "\u{1f980}",
    "9999-12-31T23:59:60Z",
    "%00",
    "\0",
];

/// A text after some changes.
pub fn mutated(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut text = seed.to_vec();
    for (place, kind, with) in changes {
        let at = usize::from(*place) % (text.len() + 1);
        let end = (at + usize::from(*with)).min(text.len());
        match kind % 6 {
            0 if at < text.len() => text[at] = *with,
            1 => text.insert(at, *with),
            2 => drop(text.drain(at..end)),
            3 => drop(text.splice(at..at, text[at..end].to_vec())),
            _ => drop(text.splice(at..at, TOKENS[usize::from(*with) % TOKENS.len()].bytes())),
        }
    }
    text
}

/// A target's own seeds and, line by line, the file that `REMORA_FUZZ_SEEDS` names, such as a recorded log.
///
/// # Panics
/// The file cannot be read.
pub fn seeds(own: &[&str]) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = own.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    if let Some(file) = env::var_os("REMORA_FUZZ_SEEDS") {
        let lines = fs::read(&file).unwrap_or_else(|error| panic!("REMORA_FUZZ_SEEDS, {}: {error}", file.display()));
        seeds.extend(lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    }
    seeds
}

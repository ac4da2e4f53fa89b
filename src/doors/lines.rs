//! The lines of a log, each with an id that comes out the same whenever and however the log is read.
//!
//! The ids form a chain: each is made of the one before and of the line. So equal lines of one log have different ids,
//! and reading a log a second time is recognised as that. Line ends (`\n` or `\r\n`) and blank lines are no part of it.

use std::io::{self, BufRead};

use remora_actors::model::Invalid;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longer lines enter the chain in pieces of this size, so that a line of any length is read in bounded memory. Changing
/// it changes ids.
const PIECE_BYTES: usize = 64 << 10;

/// One line that is not blank.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number in its file, from 1; blank lines count.
    pub number: u64,
    /// The id for its event if it has none of its own: a UUIDv5.
    pub event_id: String,
    /// The line without its end, whatever its encoding; or that it is too long.
    pub text: Result<Vec<u8>, Invalid>,
}

/// What some programs begin a text with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A place in the chain of ids: the id of the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chain(Uuid);

impl Default for Chain {
    /// The beginning of every log.
    fn default() -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, b"remora log"))
    }
}

impl Chain {
    fn next(self, text: &[u8]) -> Self {
        Self(Uuid::new_v5(&self.0, text))
    }
}

impl TryFrom<String> for Chain {
    type Error = uuid::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> Self {
        chain.0.to_string()
    }
}

/// The lines of a whole log; the last one needs no end.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    splitter: Splitter,
}

impl<R: BufRead> Lines<R> {
    /// Lines over `max_bytes` come as a refusal.
    pub fn new(reader: R, max_bytes: usize) -> Self {
        Self { reader, splitter: Splitter::new(Chain::default(), 0, max_bytes) }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok([]) => return self.splitter.finish().map(Ok),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Some(Err(error)),
            };
            let (used, line) = self.splitter.push(bytes);
            self.reader.consume(used);
            if line.is_some() {
                return line.map(Ok);
            }
        }
    }
}

/// Cuts bytes into lines, in whatever portions they arrive. Holds one line, at most `max_bytes` and a piece of it.
#[derive(Debug)]
pub(super) struct Splitter {
    max_bytes: usize,
    number: u64,
    /// After the last line.
    chain: Chain,
    /// Within the line at hand, up to `hashed`.
    running: Chain,
    held: Vec<u8>,
    hashed: usize,
    is_too_long: bool,
    is_blank: bool,
}

impl Splitter {
    /// Begins after the line of the number and the chain.
    pub(super) fn new(chain: Chain, number: u64, max_bytes: usize) -> Self {
        Self {
            max_bytes,
            number,
            chain,
            running: chain,
            held: Vec::new(),
            hashed: 0,
            is_too_long: false,
            is_blank: true,
        }
    }

    /// The chain after the last line.
    pub(super) fn chain(&self) -> Chain {
        self.chain
    }

    /// Takes bytes up to the end of a line, if there is one in them. Tells how many, and the line unless it is blank.
    pub(super) fn push(&mut self, bytes: &[u8]) -> (usize, Option<Line>) {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let text = &bytes[..end.unwrap_or(bytes.len())];
        text.chunks(PIECE_BYTES).for_each(|piece| self.extend(piece));
        match end {
            Some(end) => (end + 1, self.end_line()),
            None => (bytes.len(), None),
        }
    }

    /// Takes bytes for the chain's sake alone.
    pub(super) fn pass_over(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.push(bytes).0..];
        }
    }

    /// The last line, if it has no end and is not blank.
    pub(super) fn finish(&mut self) -> Option<Line> {
        self.end_line()
    }

    fn extend(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
        self.is_blank &= piece.iter().all(u8::is_ascii_whitespace);
        // The last byte may yet turn out to be part of the line's end.
        while self.held.len() - self.hashed > PIECE_BYTES + 1 {
            self.running = self.running.next(&self.held[self.hashed..][..PIECE_BYTES]);
            self.hashed += PIECE_BYTES;
        }
        self.is_too_long |= self.held.len() > self.max_bytes + 1;
        if self.is_too_long {
            self.held.drain(..self.hashed);
            self.hashed = 0;
        }
    }

    fn end_line(&mut self) -> Option<Line> {
        let mut text = std::mem::take(&mut self.held);
        text.pop_if(|last| *last == b'\r');
        let is_too_long = std::mem::take(&mut self.is_too_long) || text.len() > self.max_bytes;
        let hashed = std::mem::take(&mut self.hashed).min(text.len());
        let chain = text[hashed..].chunks(PIECE_BYTES).fold(self.running, Chain::next);
        self.number += 1;
        if self.number == 1 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        let is_blank = std::mem::replace(&mut self.is_blank, true);
        if !is_blank {
            self.chain = chain;
        }
        self.running = self.chain;
        let refusal = Invalid::TooLarge { what: "a line", limit: "event_bytes", max: self.max_bytes };
        (!is_blank).then(|| Line {
            number: self.number,
            event_id: chain.into(),
            text: if is_too_long { Err(refusal) } else { Ok(text) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(log: &[u8], max_bytes: usize) -> Vec<Line> {
        Lines::new(log, max_bytes).collect::<io::Result<_>>().expect("memory is readable")
    }

    fn ids(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.event_id.as_str()).collect()
    }

    fn texts(lines: &[Line]) -> Vec<(u64, &[u8])> {
        lines.iter().map(|line| (line.number, line.text.as_deref().expect("short"))).collect()
    }

    #[test]
    fn line_ends_and_blank_lines_change_no_id() {
        let unix = read(b"{\"a\":1}\nsame\nsame\nlast", 100);
        let other = read(b"\r\n{\"a\":1}\r\n \t\nsame\n\nsame\r\nlast\n\n", 100);
        assert_eq!(ids(&unix), ids(&other));
        assert_eq!(texts(&unix), [(1, &b"{\"a\":1}"[..]), (2, b"same"), (3, b"same"), (4, b"last")]);
        assert_eq!(texts(&other).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 4, 6, 7]);
        assert_ne!(unix[1].event_id, unix[2].event_id, "equal lines are different events");
        assert!(read(b"", 100).is_empty() && read(b"\n \r\n\n", 100).is_empty());
    }

    #[test]
    fn ids_never_change_between_versions() {
        let lines = read(b"{}\n{}\n", 100);
        assert_eq!(ids(&lines), ["701c61c7-6508-5046-b0fd-6a94ccf9d893", "a5b040a9-2ecc-528d-b4d4-1f9d644301dd"]);
    }

    #[test]
    fn what_is_not_text_is_passed_on() {
        assert_eq!(texts(&read(b"\xff\xfe\0\n", 100)), [(1, &b"\xff\xfe\0"[..])]);
    }

    #[test]
    fn a_long_line_is_refused_and_no_other() {
        let log = [b"12345\r\n123456\n".as_slice(), &b"x".repeat(300_000), b"\n1234\n"].concat();
        let lines = read(&log, 5);
        let is_short: Vec<bool> = lines.iter().map(|line| line.text.is_ok()).collect();
        assert_eq!(is_short, [true, false, false, true]);
        assert_eq!(lines[2].number, 3);
        let refusal = lines[2].text.as_ref().expect_err("too long").to_string();
        assert!(refusal.contains("`event_bytes` of 5"), "{refusal}");
        assert_eq!(ids(&lines), ids(&read(&log, 1 << 20)), "the limit changes no id");
    }

    #[test]
    fn holds_no_more_than_the_limit_and_a_piece() {
        let mut splitter = Splitter::new(Chain::default(), 0, 1000);
        for _ in 0..100 {
            splitter.push(&[b'x'; 3 * PIECE_BYTES]);
            assert!(splitter.held.capacity() < 4 * PIECE_BYTES, "{}", splitter.held.capacity());
        }
    }

    /// Lines around the sizes where something happens.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let sizes = prop_oneof![4 => 0..8usize, 1 => PIECE_BYTES - 2..PIECE_BYTES + 3,
                                1 => 2 * PIECE_BYTES - 1..2 * PIECE_BYTES + 3];
        (sizes, any::<u8>()).prop_map(|(size, byte)| vec![if byte == b'\n' { b'\r' } else { byte }; size])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn portions_and_limits_change_nothing(
            lines in prop::collection::vec((line(), any::<bool>()), 0..6),
            cuts in prop::collection::vec(1..100_000usize, 1..8),
            max_bytes in prop_oneof![0..10usize, PIECE_BYTES - 2..PIECE_BYTES + 3],
        ) {
            let mut log = Vec::new();
            for (line, is_windows) in &lines {
                log.extend_from_slice(line);
                log.extend_from_slice(if *is_windows { b"\r\n" } else { b"\n" });
            }
            let whole = read(&log, usize::MAX - 1);
            let mut splitter = Splitter::new(Chain::default(), 0, max_bytes);
            let (mut rest, mut got) = (log.as_slice(), Vec::new());
            for cut in cuts.iter().cycle() {
                let mut portion = &rest[..rest.len().min(*cut)];
                rest = &rest[portion.len()..];
                while !portion.is_empty() {
                    let (used, line) = splitter.push(portion);
                    portion = &portion[used..];
                    got.extend(line);
                }
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(ids(&got), ids(&whole));
            for (got, whole) in got.iter().zip(&whole) {
                let text = whole.text.as_ref().expect("no limit");
                prop_assert_eq!(got.text.as_ref().ok(), (text.len() <= max_bytes).then_some(text));
            }
        }
    }
}

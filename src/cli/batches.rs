//! Splits a log into numbered lines, in batches that are sent as one request each.

use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};

use crate::doors::lines::Lines;

/// Lines of one request: what the daemon writes in one commit without making others wait.
const BATCH_LINES: usize = 1_000;
/// Bytes of one request, and of one read: far below the daemon's default `body_bytes`.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of one line: the daemon's default `body_bytes`. What is longer could not be sent.
const LINE_BYTES: usize = 8 << 20;

/// One line as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number in the log, from 1.
    pub(crate) number: u64,
    /// An event's JSON, or whatever stood there.
    pub(crate) text: Vec<u8>,
}

/// Lines that are sent together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The lines that are not blank.
    pub(crate) lines: Vec<Line>,
    /// Numbers of lines that are too long to be sent.
    pub(crate) too_long: Vec<u64>,
    /// Bytes of the log that the batch stands for.
    pub(crate) bytes: u64,
}

/// Iterates over the batches of a log. A batch ends where the next read could block, so that the lines of a log
/// that is still being written are not held back.
pub(crate) struct Batches<R, P> {
    lines: Lines<Gauge<R>>,
    gauge: Rc<Reading>,
    prepare: P,
}

impl<R: Read, P: FnMut(&str, &[u8]) -> Vec<u8>> Batches<R, P> {
    /// `prepare` makes what is sent of a line and of the id that the line always gets.
    pub(crate) fn new(log: R, prepare: P) -> Self {
        Self::with_line_bytes(log, prepare, LINE_BYTES)
    }

    fn with_line_bytes(log: R, prepare: P, line_bytes: usize) -> Self {
        let gauge = Rc::new(Reading::default());
        let reader = Gauge { inner: BufReader::with_capacity(BATCH_BYTES, log), reading: Rc::clone(&gauge) };
        Self { lines: Lines::new(reader, line_bytes), gauge, prepare }
    }
}

impl<R: Read, P: FnMut(&str, &[u8]) -> Vec<u8>> Iterator for Batches<R, P> {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::default();
        loop {
            let line = match self.lines.next() {
                Some(Ok(line)) => line,
                Some(Err(error)) => return Some(Err(error)),
                None if batch == Batch::default() => return None,
                None => break,
            };
            match line.text {
                Ok(text) => {
                    batch.lines.push(Line { number: line.number, text: (self.prepare)(&line.event_id, &text) });
                }
                Err(_) => batch.too_long.push(line.number),
            }
            let is_full = batch.lines.len() >= BATCH_LINES || self.gauge.bytes.get() >= BATCH_BYTES as u64;
            if is_full || !self.gauge.has_line.get() {
                break;
            }
        }
        batch.bytes = self.gauge.bytes.take();
        Some(Ok(batch))
    }
}

/// How a log's reading stands.
#[derive(Default)]
struct Reading {
    /// Bytes read since the last batch.
    bytes: Cell<u64>,
    /// A whole line that is not blank is in memory.
    has_line: Cell<bool>,
}

/// A reader that tells how its reading stands.
struct Gauge<R> {
    inner: BufReader<R>,
    reading: Rc<Reading>,
}

impl<R: Read> Read for Gauge<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Gauge<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.inner.consume(bytes);
        self.reading.bytes.update(|read| read + bytes as u64);
        self.reading.has_line.set(self.inner.buffer().trim_ascii_start().contains(&b'\n'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece per read, as a pipe does.
    struct Pipe(Vec<&'static str>);

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0).as_bytes();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    /// Sends each line as it is.
    fn as_it_is(_: &str, text: &[u8]) -> Vec<u8> {
        text.to_owned()
    }

    fn numbers(batch: &Batch) -> Vec<u64> {
        batch.lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn lines_keep_their_numbers_across_blanks_and_line_breaks() {
        let log = "a\n\n  \r\nb\r\n\nc";
        let batches: Vec<_> = Batches::new(log.as_bytes(), as_it_is).map(Result::unwrap).collect();
        let lines: Vec<_> = batches.iter().flat_map(|batch| &batch.lines).collect();
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 4, 6]);
        assert_eq!(lines[1].text, b"b");
        assert_eq!(batches.iter().map(|batch| batch.bytes).sum::<u64>(), log.len() as u64);
    }

    #[test]
    fn a_batch_is_bounded_in_lines_and_bytes() {
        let short = "x\n".repeat(2_500);
        let sizes: Vec<_> =
            Batches::new(short.as_bytes(), as_it_is).map(|batch| batch.expect("valid").lines.len()).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
        let long = format!("{}\n", "x".repeat(400 << 10)).repeat(7);
        let sizes: Vec<_> =
            Batches::new(long.as_bytes(), as_it_is).map(|batch| batch.expect("valid").lines.len()).collect();
        assert!(sizes.iter().all(|lines| *lines <= 3) && sizes.iter().sum::<usize>() == 7, "{sizes:?}");
    }

    #[test]
    fn whole_lines_do_not_wait_for_the_rest_of_the_next() {
        let mut batches = Batches::new(Pipe(vec!["a\nb\n\nhalf", " a line\nc\n"]), as_it_is);
        assert_eq!(numbers(&batches.next().expect("valid").expect("valid")), [1, 2]);
        let batch = batches.next().expect("valid").expect("valid");
        assert_eq!((numbers(&batch), batch.lines[0].text.as_slice()), (vec![4, 5], b"half a line".as_slice()));
        assert!(batches.next().is_none());
    }

    #[test]
    fn a_line_that_cannot_be_sent_is_named_and_passed_over() {
        let batches = Batches::with_line_bytes("ok\nmuch too long\nexactly8\nok".as_bytes(), as_it_is, 8);
        let batches: Vec<_> = batches.map(Result::unwrap).collect();
        assert_eq!(batches.iter().flat_map(|batch| batch.too_long.clone()).collect::<Vec<_>>(), [2]);
        assert_eq!(batches.iter().flat_map(numbers).collect::<Vec<_>>(), [1, 3, 4]);
    }
}

//! Splits a log into numbered lines, in batches that are sent as one request each.

use std::io::{self, BufRead, BufReader, Read};

/// Lines of one request: what the daemon writes in one commit without making others wait.
const BATCH_LINES: usize = 1_000;
/// Bytes of one request, and of one read: far below the daemon's default `body_bytes`.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of one line: the daemon's default `body_bytes`. What is longer could not be sent.
const LINE_BYTES: usize = 8 << 20;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number in the log, from 1.
    pub(crate) number: usize,
    /// Its bytes, without the line break.
    pub(crate) text: Vec<u8>,
}

/// Lines that are sent together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The lines that are not blank.
    pub(crate) lines: Vec<Line>,
    /// Numbers of lines that are too long to be sent.
    pub(crate) too_long: Vec<usize>,
    /// Bytes of the log that the batch stands for.
    pub(crate) bytes: usize,
}

/// Iterates over the batches of a log. A batch ends where the next read could block, so that the lines of a log
/// that is still being written are not held back.
pub(crate) struct Batches<R> {
    reader: BufReader<R>,
    number: usize,
    line_bytes: usize,
}

impl<R: Read> Batches<R> {
    pub(crate) fn new(log: R) -> Self {
        Self { reader: BufReader::with_capacity(BATCH_BYTES, log), number: 0, line_bytes: LINE_BYTES }
    }

    /// Reads one line into the batch. `false`: the log has ended.
    fn read_line(&mut self, batch: &mut Batch) -> io::Result<bool> {
        let mut text = Vec::new();
        let most = self.line_bytes as u64 + 1;
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        batch.bytes += read;
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() > self.line_bytes {
            batch.bytes += self.reader.skip_until(b'\n')?;
            batch.too_long.push(self.number);
            return Ok(true);
        }
        if !text.trim_ascii().is_empty() {
            batch.lines.push(Line { number: self.number, text });
        }
        Ok(true)
    }
}

impl<R: Read> Iterator for Batches<R> {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::default();
        loop {
            match self.read_line(&mut batch) {
                Err(error) => return Some(Err(error)),
                Ok(false) if batch.bytes == 0 => return None,
                Ok(false) => return Some(Ok(batch)),
                Ok(true) => {}
            }
            let is_full = batch.lines.len() >= BATCH_LINES || batch.bytes >= BATCH_BYTES;
            if is_full || !self.reader.buffer().contains(&b'\n') {
                return Some(Ok(batch));
            }
        }
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

    fn numbers(batch: &Batch) -> Vec<usize> {
        batch.lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn lines_keep_their_numbers_across_blanks_and_line_breaks() {
        let log = "a\n\n  \r\nb\r\n\nc";
        let batches: Vec<_> = Batches::new(log.as_bytes()).map(Result::unwrap).collect();
        let lines: Vec<_> = batches.iter().flat_map(|batch| &batch.lines).collect();
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 4, 6]);
        assert_eq!(lines[1].text, b"b\r");
        assert_eq!(batches.iter().map(|batch| batch.bytes).sum::<usize>(), log.len());
    }

    #[test]
    fn a_batch_is_bounded_in_lines_and_bytes() {
        let short = "x\n".repeat(2_500);
        let sizes: Vec<_> = Batches::new(short.as_bytes()).map(|batch| batch.expect("valid").lines.len()).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
        let long = format!("{}\n", "x".repeat(400 << 10)).repeat(7);
        let sizes: Vec<_> = Batches::new(long.as_bytes()).map(|batch| batch.expect("valid").lines.len()).collect();
        assert!(sizes.iter().all(|lines| *lines <= 3) && sizes.iter().sum::<usize>() == 7, "{sizes:?}");
    }

    #[test]
    fn whole_lines_do_not_wait_for_the_rest_of_the_next() {
        let mut batches = Batches::new(Pipe(vec!["a\nb\nhalf", " a line\nc\n"]));
        assert_eq!(numbers(&batches.next().expect("valid").expect("valid")), [1, 2]);
        let batch = batches.next().expect("valid").expect("valid");
        assert_eq!((numbers(&batch), batch.lines[0].text.as_slice()), (vec![3, 4], b"half a line".as_slice()));
        assert!(batches.next().is_none());
    }

    #[test]
    fn a_line_that_cannot_be_sent_is_named_and_passed_over() {
        let mut batches = Batches::new("ok\nmuch too long\nexactly8\nok".as_bytes());
        batches.line_bytes = 8;
        let batches: Vec<_> = batches.map(Result::unwrap).collect();
        assert_eq!(batches.iter().flat_map(|batch| batch.too_long.clone()).collect::<Vec<_>>(), [2]);
        assert_eq!(batches.iter().flat_map(numbers).collect::<Vec<_>>(), [1, 3, 4]);
    }
}

//! A stream that comes in gzip, read as a browser reads it: piece by piece, chunk by chunk.

use std::io::Write;

use anyhow::{Context, Result, bail};
use flate2::write::GzDecoder;
use memchr::memmem;

/// What has come of one stream.
#[derive(Debug)]
pub(super) struct Unpack {
    /// The head of the response, until it is there as a whole; then a chunk.
    begun: Vec<u8>,
    is_body: bool,
    gzip: GzDecoder<Vec<u8>>,
}

impl Unpack {
    pub(super) fn new() -> Self {
        Self { begun: Vec::new(), is_body: false, gzip: GzDecoder::new(Vec::new()) }
    }

    /// What these bytes add to the text.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.begun.extend_from_slice(bytes);
        if !self.is_body {
            let Some(head) = memmem::find(&self.begun, b"\r\n\r\n") else { return Ok(Vec::new()) };
            let head = self.begun.drain(..head + 4).collect::<Vec<_>>();
            if memmem::find(&head, b"content-encoding: gzip\r\n").is_none() {
                bail!("a stream is not compressed: {}", String::from_utf8_lossy(&head));
            }
            self.is_body = true;
        }
        let mut from = 0;
        while let Some((size, line)) = chunk(&self.begun[from..])? {
            self.gzip.write_all(&self.begun[from + line..][..size]).context("a stream is not gzip")?;
            from += line + size + 2;
        }
        self.begun.drain(..from);
        self.gzip.flush()?;
        Ok(std::mem::take(self.gzip.get_mut()))
    }
}

/// The size of the chunk that these bytes begin with, and the bytes of the line that says so; `None`: it is not there as a
/// whole.
fn chunk(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = memmem::find(bytes, b"\r\n") else { return Ok(None) };
    let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
    let size = size.context("a chunk has no size")?;
    Ok((bytes.len() >= end + 2 + size + 2).then_some((size, end + 2)))
}

//! Readers of a stream.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
};

use anyhow::{Context, Result, bail};
use memchr::memmem::Finder;
use mio::{Interest, Registry, Token, net::TcpStream};

use super::unpack::Unpack;
use crate::event::{MARK_BEGINS, MARK_BYTES, Mark, now_ns};

/// What the readers of a dashboard look for: the position that ends each frame.
const ID_BEGINS: &[u8] = b"\nid: ";
/// Digits of a position at most.
const ID_DIGITS: usize = 20;
/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// How a reader knows which events it has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Each event comes by itself: its mark is counted.
    EachMark,
    /// The newest mark of all that a page shows.
    LatestMark,
    /// The newest position: several events may come in one frame.
    LatestId,
}

/// How a stream is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Plain,
    /// In gzip, which it must come in then.
    Gzip,
}

#[derive(Debug)]
struct Subscriber {
    stream: TcpStream,
    open: bool,
    unpack: Option<Unpack>,
    /// The end of what was read, where what is looked for may begin.
    tail: Vec<u8>,
    /// The number of events that it has got, or the newest one's number or position.
    position: u64,
}

/// All readers.
#[derive(Debug)]
pub(crate) struct Subscribers {
    reading: Reading,
    coding: Coding,
    finder: Finder<'static>,
    list: Vec<Subscriber>,
    opening: usize,
    piece: Vec<u8>,
    records: bool,
    latencies_ns: Vec<u64>,
    /// When each event was sent, and the position before the first of them: for readers of positions.
    sent_ns: Vec<u64>,
    began_at: u64,
    /// The events that have reached a reader, over all readers.
    pub(super) progress: u64,
    /// The bytes that have.
    pub(super) bytes: u64,
}

impl Subscribers {
    pub(super) fn new(reading: Reading, coding: Coding) -> Self {
        let finder = Finder::new(if reading == Reading::LatestId { ID_BEGINS } else { MARK_BEGINS });
        Self {
            reading,
            coding,
            finder,
            list: Vec::new(),
            opening: 0,
            piece: vec![0; PIECE],
            records: false,
            latencies_ns: Vec::new(),
            sent_ns: Vec::new(),
            began_at: 0,
            progress: 0,
            bytes: 0,
        }
    }

    pub(super) fn connect(&mut self, registry: &Registry, token: Token, address: SocketAddr, path: &str) -> Result<()> {
        let mut stream =
            std::net::TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        let (codings, unpack) = match self.coding {
            Coding::Plain => ("", None),
            Coding::Gzip => ("accept-encoding: gzip\r\n", Some(Unpack::new())),
        };
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n{codings}\r\n")?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        self.list.push(Subscriber { stream, open: false, unpack, tail: Vec::new(), position: 0 });
        self.opening += 1;
        Ok(())
    }

    /// How many have got nothing yet.
    pub(super) fn opening(&self) -> usize {
        self.opening
    }

    /// Counts from here on: what streams begin with is no delivery.
    pub(super) fn begin(&mut self) {
        self.progress = 0;
        self.began_at = self.list.iter().map(|subscriber| subscriber.position).max().unwrap_or(0);
    }

    /// So many events have been sent by now.
    pub(super) fn sent(&mut self, events: u64) {
        self.sent_ns.resize(events as usize, now_ns());
    }

    /// Notes how long deliveries take, or not.
    pub(super) fn record(&mut self, records: bool) {
        self.records = records;
    }

    pub(super) fn latencies_ms(&mut self) -> Vec<f64> {
        self.latencies_ns.drain(..).map(|ns| ns as f64 / 1e6).collect()
    }

    /// Of the events published so many have reached the readers, on average.
    pub(super) fn arrived(&self) -> u64 {
        self.progress / self.list.len().max(1) as u64
    }

    /// How many deliveries are still to come.
    pub(super) fn missing(&self, sent: u64) -> u64 {
        (sent * self.list.len() as u64).saturating_sub(self.progress)
    }

    /// How many deliveries came that nobody sent, where each is counted.
    pub(super) fn surplus(&self, sent: u64) -> u64 {
        let due = sent * self.list.len() as u64;
        if self.reading == Reading::EachMark && due > 0 { self.progress.saturating_sub(due) } else { 0 }
    }

    /// Reads what there is for one reader.
    pub(super) fn read(&mut self, index: usize) -> Result<()> {
        loop {
            let subscriber = &mut self.list[index];
            let kept = subscriber.tail.len();
            self.piece[..kept].copy_from_slice(&subscriber.tail);
            let read = match subscriber.stream.read(&mut self.piece[kept..]) {
                Ok(0) => bail!("the server has ended a stream"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("a stream broke off"),
            };
            if !subscriber.open {
                let said = &self.piece[..kept + read];
                if !said.starts_with(b"HTTP/1.1 200") {
                    bail!("a stream was refused: {}", String::from_utf8_lossy(said));
                }
                subscriber.open = true;
                self.opening -= 1;
            }
            self.bytes += read as u64;
            let is_full = kept + read == self.piece.len();
            let end = kept + self.unpack(index, kept, read)?;
            self.scan(index, end);
            // The socket is empty, or will tell of more.
            if !is_full {
                return Ok(());
            }
        }
    }

    /// Puts the text in the place of the bytes that were read, where these are packed; how many bytes it is.
    fn unpack(&mut self, index: usize, kept: usize, read: usize) -> Result<usize> {
        let Some(unpack) = &mut self.list[index].unpack else { return Ok(read) };
        let text = unpack.feed(&self.piece[kept..kept + read])?;
        self.piece.resize(self.piece.len().max(kept + text.len()), 0);
        self.piece[kept..kept + text.len()].copy_from_slice(&text);
        Ok(text.len())
    }

    /// Looks through the first `end` bytes of the piece.
    fn scan(&mut self, index: usize, end: usize) {
        let (now, bytes, subscriber) = (now_ns(), &self.piece[..end], &mut self.list[index]);
        let before = subscriber.position;
        let (mut from, mut marks) = (0, 0);
        let mut rest = end;
        while let Some(found) = self.finder.find(&bytes[from..]) {
            let start = from + found;
            let next = if self.reading == Reading::LatestId {
                position_at(&bytes[start + ID_BEGINS.len()..]).map(|position| {
                    subscriber.position = subscriber.position.max(position);
                    start + ID_BEGINS.len()
                })
            } else {
                bytes[start..].first_chunk::<MARK_BYTES>().map(|mark| {
                    if let Some(mark) = Mark::read(mark) {
                        marks += 1;
                        if self.reading == Reading::LatestMark {
                            subscriber.position = subscriber.position.max(mark.number.into());
                        }
                        if self.records {
                            self.latencies_ns.push(now.saturating_sub(mark.sent_ns));
                        }
                    }
                    start + MARK_BYTES
                })
            };
            let Some(next) = next else {
                rest = start;
                break;
            };
            from = next;
        }
        if self.reading == Reading::EachMark {
            subscriber.position += marks;
        }
        self.progress += subscriber.position - before;
        if self.records && self.reading == Reading::LatestId {
            let number = |position: u64| position.saturating_sub(self.began_at) as usize;
            let sent = self.sent_ns.get(number(before)..number(subscriber.position)).unwrap_or_default();
            self.latencies_ns.extend(sent.iter().map(|sent_ns| now.saturating_sub(*sent_ns)));
        }
        // Only its beginning may have come.
        let rest = rest.min(end.saturating_sub(self.finder.needle().len() - 1).max(from));
        subscriber.tail.clear();
        subscriber.tail.extend_from_slice(&bytes[rest..]);
    }
}

/// The number that these bytes begin with; `None`: it may go on behind them.
fn position_at(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().take(ID_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == bytes.len() {
        return None;
    }
    Some(std::str::from_utf8(&bytes[..digits]).ok()?.parse().unwrap_or(0))
}

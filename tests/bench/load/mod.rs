//! The load generator: many readers of a stream and a few publishers, on one thread that does next to nothing else.
//!
//! It must never be what is measured. Hence no HTTP client: readers count what they look for in the raw bytes of the
//! stream, over whatever pieces they come in, and publishers send one text with its changing parts written over.

mod publishers;
mod subscribers;
mod unpack;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use mio::{Events, Poll, Token};

pub(crate) use self::subscribers::{Coding, Reading};
use self::{publishers::Publishers, subscribers::Subscribers};
use crate::{process::Server, statistics::percentile};

/// Tokens from here on are publishers.
const FIRST_PUBLISHER: usize = 1 << 24;
/// How long everything that was published may take to arrive once nothing more is published.
const DRAIN: Duration = Duration::from_secs(20);
/// A stream is quiet when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(300);
/// How long streams may take to open, and to become quiet.
const OPEN: Duration = Duration::from_secs(60);

/// When the next event is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many a second, whatever became of those before.
    PerSecond(u32),
    /// As soon as fewer than so many have not reached every reader.
    InFlight(u64),
    /// As soon as a connection has its last reply.
    Acknowledged,
}

/// For how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) warm: Duration,
    pub(crate) measured: Duration,
}

/// What came of it, within the measured time.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    /// Events whose sender was told that they were taken.
    pub(crate) acknowledged: f64,
    /// Events that reached a reader, each reader counted for itself.
    pub(crate) deliveries: f64,
    /// Bytes that did, heads of chunks included.
    pub(crate) bytes: f64,
    /// Processor time of the server.
    pub(crate) cpu: Duration,
    /// From the sending to the receiving of an event; only where events come at a pace of their own.
    latencies_ms: Vec<f64>,
}

impl Outcome {
    /// Processor time of the server per delivery, in microseconds.
    pub(crate) fn cpu_us_per_delivery(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries
    }

    /// Bytes that a reader gets per event.
    pub(crate) fn bytes_per_delivery(&self) -> f64 {
        self.bytes / self.deliveries
    }

    /// Processor time of the server per event, in microseconds.
    pub(crate) fn cpu_us_per_event(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.acknowledged
    }

    /// The time within which that part of the deliveries happened.
    pub(crate) fn latency_ms(&mut self, percent: f64) -> f64 {
        percentile(&mut self.latencies_ms, percent)
    }
}

/// Readers, publishers, and the loop that serves them.
#[derive(Debug)]
pub(crate) struct Load {
    poll: Poll,
    ready: Events,
    subscribers: Subscribers,
    publishers: Publishers,
}

impl Load {
    /// Opens so many streams and reads what each begins with.
    pub(crate) fn subscribe(
        address: SocketAddr,
        path: &str,
        count: usize,
        reading: Reading,
        coding: Coding,
    ) -> Result<Self> {
        /// Streams whose first bytes are waited for at once: browsers do not come all in one moment either.
        const OPENING: usize = 32;
        let mut load = Self::new(reading, coding)?;
        for index in 0..count {
            load.subscribers.connect(load.poll.registry(), Token(index), address, path)?;
            if load.subscribers.opening() >= OPENING {
                load.until_open(OPENING / 2)?;
            }
        }
        load.until_open(0)?;
        load.until_quiet()?;
        load.subscribers.begin();
        Ok(load)
    }

    /// Without readers.
    pub(crate) fn alone() -> Result<Self> {
        Self::new(Reading::EachMark, Coding::Plain)
    }

    fn new(reading: Reading, coding: Coding) -> Result<Self> {
        let poll = Poll::new().context("cannot make a poll")?;
        let (subscribers, publishers) = (Subscribers::new(reading, coding), Publishers::default());
        Ok(Self { poll, ready: Events::with_capacity(1024), subscribers, publishers })
    }

    /// Publishes to that path over so many connections, `batch` events a request, of so many agents in turn.
    pub(crate) fn publish_to(
        &mut self,
        address: SocketAddr,
        path: &str,
        connections: usize,
        batch: u32,
        agents: u32,
    ) -> Result<()> {
        self.publishers = Publishers::new(path, batch, agents);
        for index in 0..connections {
            self.publishers.connect(self.poll.registry(), Token(FIRST_PUBLISHER + index), address)?;
        }
        Ok(())
    }

    /// Publishes at that pace, and waits until everything has arrived everywhere.
    pub(crate) fn run(&mut self, pace: Pace, times: Times, server: &Server) -> Result<Outcome> {
        let mut pacer = Pacer { pace, due: Instant::now() };
        self.publish(&mut pacer, times.warm)?;
        self.subscribers.record(matches!(pace, Pace::PerSecond(_)));
        let (acknowledged, progress, bytes) =
            (self.publishers.acknowledged, self.subscribers.progress, self.subscribers.bytes);
        let (began, before) = (Instant::now(), server.cpu()?);
        self.publish(&mut pacer, times.measured)?;
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), server.cpu()?.since(&before));
        let acknowledged = (self.publishers.acknowledged - acknowledged) as f64;
        let deliveries = (self.subscribers.progress - progress) as f64;
        let bytes = (self.subscribers.bytes - bytes) as f64;
        self.drain()?;
        if let Pace::PerSecond(rate) = pace
            && acknowledged < 0.95 * f64::from(rate) * seconds
        {
            eprintln!("the pace was not held: {:.0} instead of {rate} events/s", acknowledged / seconds);
        }
        let latencies_ms = self.subscribers.latencies_ms();
        Ok(Outcome { seconds, acknowledged, deliveries, bytes, cpu, latencies_ms })
    }

    /// Reads until nothing has come for a moment.
    pub(crate) fn until_quiet(&mut self) -> Result<()> {
        let (limit, mut bytes, mut since) = (Instant::now() + OPEN, self.subscribers.bytes, Instant::now());
        while since.elapsed() < QUIET {
            self.turn(Some(QUIET))?;
            if self.subscribers.bytes != bytes {
                (bytes, since) = (self.subscribers.bytes, Instant::now());
            }
            if Instant::now() > limit {
                bail!("the streams are not quiet after {OPEN:?}, though nothing is published");
            }
        }
        Ok(())
    }

    fn until_open(&mut self, opening: usize) -> Result<()> {
        let limit = Instant::now() + OPEN;
        while self.subscribers.opening() > opening {
            self.turn(Some(QUIET))?;
            if Instant::now() > limit {
                bail!("{} streams sent nothing within {OPEN:?}", self.subscribers.opening());
            }
        }
        Ok(())
    }

    fn publish(&mut self, pacer: &mut Pacer, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        loop {
            while pacer.allows(self.publishers.next(), self.subscribers.arrived()) && self.publishers.send()? {
                pacer.sent();
                self.subscribers.sent(self.publishers.sent);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            let next = if pacer.due > now && matches!(pacer.pace, Pace::PerSecond(_)) { pacer.due } else { until };
            self.turn(Some(next.min(until) - now))?;
        }
    }

    fn drain(&mut self) -> Result<()> {
        let limit = Instant::now() + DRAIN;
        while self.publishers.unacknowledged() > 0 || self.subscribers.missing(self.publishers.sent) > 0 {
            self.turn(Some(QUIET))?;
            if Instant::now() > limit {
                let missing = self.subscribers.missing(self.publishers.sent);
                let open = self.publishers.unacknowledged();
                bail!("after {DRAIN:?}, {missing} deliveries are missing and {open} events unacknowledged");
            }
        }
        match self.subscribers.surplus(self.publishers.sent) {
            0 => Ok(()),
            surplus => bail!("{surplus} deliveries too many: events came twice, or something else carries marks"),
        }
    }

    /// Serves whatever is ready.
    fn turn(&mut self, timeout: Option<Duration>) -> Result<()> {
        match self.poll.poll(&mut self.ready, timeout) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("cannot poll")?,
        }
        for event in &self.ready {
            match event.token().0.checked_sub(FIRST_PUBLISHER) {
                Some(index) => self.publishers.serve(index)?,
                None => self.subscribers.read(event.token().0)?,
            }
        }
        Ok(())
    }
}

/// Says when the next event is due.
#[derive(Debug)]
struct Pacer {
    pace: Pace,
    due: Instant,
}

impl Pacer {
    /// Whether the event of that number may be sent, given how many have arrived.
    fn allows(&self, next: u64, arrived: u64) -> bool {
        match self.pace {
            Pace::PerSecond(_) => Instant::now() >= self.due,
            Pace::InFlight(window) => next <= arrived + window,
            Pace::Acknowledged => true,
        }
    }

    fn sent(&mut self) {
        if let Pace::PerSecond(rate) = self.pace {
            self.due += Duration::from_secs(1) / rate;
        }
    }
}

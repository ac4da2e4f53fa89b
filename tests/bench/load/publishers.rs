//! Connections that publish: each sends its next request once the last one is answered.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
};

use anyhow::{Context, Result, bail};
use mio::{Interest, Registry, Token, net::TcpStream};

use crate::{
    event::Template,
    http::{Head, write_request},
};

#[derive(Debug)]
struct Publisher {
    address: SocketAddr,
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
}

/// All publishers.
#[derive(Debug)]
pub(crate) struct Publishers {
    line: String,
    batch: u32,
    template: Template,
    body: Vec<u8>,
    list: Vec<Publisher>,
    idle: Vec<usize>,
    /// Events that were sent.
    pub(super) sent: u64,
    /// Events whose request was answered.
    pub(super) acknowledged: u64,
}

impl Default for Publishers {
    fn default() -> Self {
        Self::new("/", 1, 1)
    }
}

impl Publishers {
    pub(super) fn new(path: &str, batch: u32, agents: u32) -> Self {
        let (line, template) = (format!("POST {path}"), Template::new(agents));
        let (body, list, idle) = (Vec::new(), Vec::new(), Vec::new());
        Self { line, batch, template, body, list, idle, sent: 0, acknowledged: 0 }
    }

    pub(super) fn connect(&mut self, registry: &Registry, token: Token, address: SocketAddr) -> Result<()> {
        let stream = std::net::TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.idle.push(self.list.len());
        self.list.push(Publisher { address, stream, out: Vec::new(), written: 0, input: Vec::new() });
        Ok(())
    }

    /// The number of the last event that the next request would carry.
    pub(super) fn next(&self) -> u64 {
        self.sent + u64::from(self.batch)
    }

    /// Events that were sent and not answered.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Sends the next request. `false`: every connection waits for a reply.
    pub(super) fn send(&mut self) -> Result<bool> {
        let Some(index) = self.idle.pop() else { return Ok(false) };
        self.body.clear();
        for _ in 0..self.batch {
            if !self.body.is_empty() {
                self.body.push(b'\n');
            }
            self.sent += 1;
            self.template.write(u32::try_from(self.sent).context("too many events for one run")?, &mut self.body);
        }
        let media_type = if self.batch == 1 { "application/json" } else { "application/x-ndjson" };
        let publisher = &mut self.list[index];
        publisher.out.clear();
        publisher.written = 0;
        write_request(&mut publisher.out, publisher.address, &self.line, media_type, &self.body);
        publisher.flush()?;
        Ok(true)
    }

    /// Goes on with one connection.
    pub(super) fn serve(&mut self, index: usize) -> Result<()> {
        let publisher = &mut self.list[index];
        publisher.flush()?;
        if publisher.receive()? {
            self.acknowledged += u64::from(self.batch);
            self.idle.push(index);
        }
        Ok(())
    }
}

impl Publisher {
    fn flush(&mut self) -> Result<()> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot publish"),
            }
        }
        Ok(())
    }

    /// Reads what there is. `true`: the reply is there, and it says that the events were taken.
    fn receive(&mut self) -> Result<bool> {
        let mut piece = [0; 16 << 10];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => bail!("the server has closed a publisher's connection: {}", self.said()),
                Ok(read) => self.input.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("no reply to a publisher"),
            }
        }
        let Some(head) = Head::read(&self.input).filter(|head| self.input.len() >= head.bytes + head.body_bytes) else {
            return Ok(false);
        };
        if !(200..300).contains(&head.status) {
            bail!("an event was not taken: {}", self.said());
        }
        self.input.drain(..head.bytes + head.body_bytes);
        Ok(true)
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.input).into_owned()
    }
}

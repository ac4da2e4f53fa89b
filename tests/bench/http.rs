//! As much of HTTP as a load generator needs: requests written by hand, and replies of a known length.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use memchr::memmem;
use serde_json::Value;

/// How long a reply may take.
const REPLY: Duration = Duration::from_secs(60);

/// Appends a request.
pub(crate) fn write_request(out: &mut Vec<u8>, host: SocketAddr, line: &str, media_type: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

/// The head of a reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the head.
    pub(crate) bytes: usize,
    /// Bytes of the body behind it.
    pub(crate) body_bytes: usize,
}

impl Head {
    /// Reads the head that these bytes begin with; `None`: it is not there as a whole.
    pub(crate) fn read(reply: &[u8]) -> Option<Self> {
        let bytes = memmem::find(reply, b"\r\n\r\n")? + 4;
        let status = std::str::from_utf8(reply.get(9..12)?).ok()?.parse().ok()?;
        let length = reply[..bytes].split(|byte| *byte == b'\n').find_map(|line| {
            let (name, value) = line.split_at_checked("content-length:".len())?;
            name.eq_ignore_ascii_case(b"content-length:")
                .then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
        });
        Some(Self { status, bytes, body_bytes: length.unwrap_or(0) })
    }
}

/// A connection that is kept, for one request after the other.
#[derive(Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl Http {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY))?;
        Ok(Self { address, stream, out: Vec::new(), input: Vec::new() })
    }

    /// Sends a request and does not wait.
    pub(crate) fn send(&mut self, line: &str, media_type: &str, body: &[u8]) -> Result<()> {
        self.out.clear();
        write_request(&mut self.out, self.address, line, media_type, body);
        Ok(self.stream.write_all(&self.out)?)
    }

    /// The status and the body of the next reply.
    pub(crate) fn receive(&mut self) -> Result<(u16, Vec<u8>)> {
        loop {
            if let Some(head) = Head::read(&self.input)
                && self.input.len() >= head.bytes + head.body_bytes
            {
                let rest = self.input.split_off(head.bytes + head.body_bytes);
                let mut reply = std::mem::replace(&mut self.input, rest);
                return Ok((head.status, reply.split_off(head.bytes)));
            }
            let mut piece = [0; 64 << 10];
            match self.stream.read(&mut piece).with_context(|| format!("no reply from {}", self.address))? {
                0 => bail!("{} has closed the connection", self.address),
                read => self.input.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// Sends a request and waits for the reply, whatever its status.
    pub(crate) fn ask(&mut self, line: &str, media_type: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.send(line, media_type, body)?;
        self.receive()
    }

    /// The body of what stands at a path.
    pub(crate) fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let line = format!("GET {path}");
        let reply = self.ask(&line, "application/json", b"")?;
        expect_success(&line, reply)
    }

    /// The body of what stands at a path, in gzip, which it must come in.
    pub(crate) fn get_packed(&mut self, path: &str) -> Result<Vec<u8>> {
        /// What a body in gzip begins with.
        const GZIP: [u8; 2] = [0x1f, 0x8b];
        let (address, line) = (self.address, format!("GET {path}"));
        write!(self.stream, "{line} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\naccept-encoding: gzip\r\n\r\n")?;
        let body = expect_success(&line, self.receive()?)?;
        if body.starts_with(&GZIP) { Ok(body) } else { bail!("{line} was not compressed") }
    }

    /// Sends JSON, which must be taken; what came back.
    pub(crate) fn json(&mut self, line: &str, body: &Value) -> Result<Value> {
        let reply = self.ask(line, "application/json", body.to_string().as_bytes())?;
        let body = expect_success(line, reply)?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
    }

    /// Sends something that must be taken.
    pub(crate) fn post(&mut self, path: &str, media_type: &str, body: &[u8]) -> Result<()> {
        let line = format!("POST {path}");
        let reply = self.ask(&line, media_type, body)?;
        expect_success(&line, reply).map(drop)
    }
}

fn expect_success(line: &str, (status, body): (u16, Vec<u8>)) -> Result<Vec<u8>> {
    if !(200..300).contains(&status) {
        bail!("{line} was answered {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}

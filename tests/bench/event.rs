//! The events that are sent, and what readers find of them in a stream.

use std::{sync::LazyLock, time::Instant};

use jiff::Timestamp;
use uuid::Uuid;

/// Bytes of one event's JSON.
pub(crate) const EVENT_BYTES: usize = 300;

/// A mark is these bytes, the event's number and the moment it was sent, both as hexadecimal digits of fixed length.
pub(crate) const MARK_BEGINS: &[u8] = b"@@";
const NUMBER_DIGITS: usize = 8;
const TIME_DIGITS: usize = 16;
/// Bytes of a whole mark.
pub(crate) const MARK_BYTES: usize = MARK_BEGINS.len() + NUMBER_DIGITS + TIME_DIGITS;

/// Digits of the number in an agent's id.
const AGENT_DIGITS: usize = 5;

/// Nanoseconds since the benchmark began to look at the clock.
pub(crate) fn now_ns() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The id of one of the agents.
pub(crate) fn agent_id(number: u32) -> String {
    format!("bench-{number:0AGENT_DIGITS$}")
}

/// An event of which only the id, the agent and the mark change from one to the next: writing one costs the load
/// generator less than reading it costs anybody else.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    text: Vec<u8>,
    id_at: usize,
    agent_at: usize,
    mark_at: usize,
    agents: u32,
}

impl Template {
    /// Events of so many agents in turn.
    pub(crate) fn new(agents: u32) -> Self {
        let mark = String::from_utf8_lossy(MARK_BEGINS).into_owned() + &"0".repeat(NUMBER_DIGITS + TIME_DIGITS);
        let (id, agent) = (Uuid::nil().to_string(), agent_id(0));
        let timestamp = Timestamp::now();
        let text = |filling: &str| {
            format!(
                r#"{{"id":"{id}","timestamp":"{timestamp:.3}","category":"tool","action":"completed","agent_id":"{agent}","payload":{{"tool":"search","mark":"{mark}","output":"{filling}"}}}}"#
            )
        };
        let text = text(&"x".repeat(EVENT_BYTES - text("").len()));
        let place = |part: &str| text.find(part).unwrap_or_default();
        let (id_at, agent_at, mark_at) = (place(&id), place(&agent), place(&mark));
        Self { id_at, agent_at, mark_at, text: text.into_bytes(), agents: agents.max(1) }
    }

    /// Appends the event of that number, sent now. Numbers begin with 1.
    pub(crate) fn write(&mut self, number: u32, out: &mut Vec<u8>) {
        self.write_of(number % self.agents, number, out);
    }

    /// Appends an event that was there before the benchmark began: it has no number, and the agents in turn.
    pub(crate) fn write_past(&mut self, turn: u32, out: &mut Vec<u8>) {
        self.write_of(turn % self.agents, 0, out);
    }

    fn write_of(&mut self, agent: u32, number: u32, out: &mut Vec<u8>) {
        Uuid::now_v7().hyphenated().encode_lower(&mut self.text[self.id_at..]);
        let agent = agent_id(agent);
        self.text[self.agent_at..self.agent_at + agent.len()].copy_from_slice(agent.as_bytes());
        let digits = &mut self.text[self.mark_at + MARK_BEGINS.len()..];
        write_hex(u64::from(number), &mut digits[..NUMBER_DIGITS]);
        write_hex(now_ns(), &mut digits[NUMBER_DIGITS..NUMBER_DIGITS + TIME_DIGITS]);
        out.extend_from_slice(&self.text);
    }

    /// The id in such a text.
    pub(crate) fn id_of(text: &str) -> &str {
        text.split('"').nth(3).unwrap_or_default()
    }

    /// The text of the event of that number.
    pub(crate) fn text(&mut self, number: u32) -> String {
        let mut out = Vec::with_capacity(EVENT_BYTES);
        self.write(number, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// What a mark says: the event's number and when it was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) number: u32,
    pub(crate) sent_ns: u64,
}

impl Mark {
    /// Reads a whole mark; `None`: these bytes are none.
    pub(crate) fn read(bytes: &[u8; MARK_BYTES]) -> Option<Self> {
        let (number, time) = bytes[MARK_BEGINS.len()..].split_at(NUMBER_DIGITS);
        Some(Self { number: u32::try_from(read_hex(number)?).ok()?, sent_ns: read_hex(time)? })
    }
}

fn write_hex(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value: u64, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

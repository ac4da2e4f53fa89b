//! A token bucket: some notices at once, then one in a while.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// How often a target wants to hear of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Notices at once; at least 1, at most [`Rate::MAX_BURST`].
    pub burst: u32,
    /// Time after which one more may follow; more than zero.
    pub every: SignedDuration,
}

impl Rate {
    /// The largest burst: as many deliveries are remembered.
    pub const MAX_BURST: u32 = 100;

    /// How many notices may go out now, and when the next one may where that is none. `sent`: when the last ones went
    /// out, the oldest first; `underway`: how many are on their way.
    pub(super) fn allows(&self, sent: &VecDeque<Timestamp>, underway: usize, now: Timestamp) -> Result<u32, Timestamp> {
        let (burst, every) = (f64::from(self.burst), self.every.as_secs_f64());
        let mut tokens = burst;
        let mut last = sent.front().copied().unwrap_or(now);
        let refill = |tokens: f64, from: Timestamp, to: Timestamp| {
            (tokens + to.duration_since(from).as_secs_f64().max(0.0) / every).min(burst)
        };
        for at in sent.iter().copied() {
            tokens = (refill(tokens, last, at) - 1.0).max(0.0);
            last = at;
        }
        tokens = refill(tokens, last, now) - underway as f64;
        // A hair below a whole token is rounding, not waiting.
        let whole = (tokens + 1e-6).floor();
        if whole >= 1.0 {
            return Ok(whole as u32);
        }
        let wait = SignedDuration::from_secs_f64((1.0 - tokens) * every);
        Err(now.checked_add(wait).unwrap_or(Timestamp::MAX))
    }
}

//! What a model's answers have cost.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Event;

/// The most that is taken for a price or a sum: more than all that was ever paid. No sum of such becomes infinite, which
/// JSON cannot write.
const MAX_COST_USD: f64 = 1e12;

/// Tokens and money, where the events tell them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from the provider's cache.
    pub cache_read: u64,
    /// Tokens written to the provider's cache.
    pub cache_write: u64,
    /// US dollars.
    pub cost_usd: f64,
}

impl Usage {
    /// What an event tells, in the words of the providers' APIs: in `usage`, or beside it.
    pub fn of(event: &Event) -> Self {
        let nothing = Map::new();
        let places = [event.payload.get("usage").and_then(Value::as_object).unwrap_or(&nothing), &*event.payload];
        let find = |names: &[&str]| places.iter().find_map(|place| names.iter().find_map(|name| place.get(*name)));
        let tokens = |names: &[&str]| find(names).and_then(Value::as_u64).unwrap_or(0);
        let cost = find(&["cost_usd", "total_cost_usd", "cost"]).and_then(Value::as_f64);
        Self {
            input: tokens(&["input_tokens", "prompt_tokens"]),
            output: tokens(&["output_tokens", "completion_tokens"]),
            cache_read: tokens(&["cache_read_input_tokens", "cache_read_tokens", "cached_tokens"]),
            cache_write: tokens(&["cache_creation_input_tokens", "cache_write_tokens"]),
            cost_usd: cost.filter(|cost| (0.0..=MAX_COST_USD).contains(cost)).unwrap_or(0.0),
        }
    }

    /// True where nothing is known.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another one.
    pub fn add(&mut self, more: &Self) {
        let tokens = [
            (&mut self.input, more.input),
            (&mut self.output, more.output),
            (&mut self.cache_read, more.cache_read),
            (&mut self.cache_write, more.cache_write),
        ];
        for (sum, part) in tokens {
            *sum = sum.saturating_add(part);
        }
        self.cost_usd = (self.cost_usd + more.cost_usd).min(MAX_COST_USD);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_agents_claim_a_sum_can_be_written_and_read_back() {
        let mut sum = Usage::default();
        for cost in [json!(0.25), json!(f64::MAX), json!(f64::MAX), json!(-1.0), json!(1e12), json!(1e12)] {
            let payload = json!({"cost_usd": cost, "usage": {"input_tokens": u64::MAX}});
            sum.add(&Usage::of(&Event::of_agent("a", "message", Timestamp::UNIX_EPOCH, &[], payload)));
            let json = serde_json::to_string(&sum).expect("json");
            assert_eq!(serde_json::from_str::<Usage>(&json).expect(&json), sum);
        }
        assert_eq!((sum.cost_usd, sum.input), (MAX_COST_USD, u64::MAX));
    }
}

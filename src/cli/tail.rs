//! `remora tail`: prints events as they come, without a gap across reconnections.

use backon::BackoffBuilder;
use clap::Args;
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use jiff::Timestamp;
use remora_actors::model::Pattern;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Shared,
    client::{Client, PATIENCE, Scope, backoff, politely},
    error::Error,
    terminal::{self, Output, escape, shorten},
};

/// Characters of one payload value that a line shows.
const VALUE_CHARS: usize = 60;
/// Characters of a whole payload that a line shows.
const PAYLOAD_CHARS: usize = 160;

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Which events: `agent:blocked`, `tool:*`, `*:failed` or `*`
    #[arg(default_value = "*")]
    pattern: Pattern,

    /// Begin with the event after this one; 0 begins with the first ever [default: with the next new one]
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

/// What `GET state` tells that matters here.
#[derive(Deserialize)]
struct Position {
    last_seq: u64,
}

/// What a line shows of an event.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Shown {
    timestamp: Timestamp,
    category: String,
    action: String,
    agent_id: Option<String>,
    payload: Map<String, Value>,
}

pub(crate) async fn run(args: &TailArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let mut seq = match args.after {
        Some(seq) => seq,
        // Fixed before the stream begins: what comes while a first connection breaks is not lost either.
        None => {
            client.json_patiently::<Position>(&client.call(Method::GET, &["state"])?, Some(PATIENCE)).await?.last_seq
        }
    };
    let stream = client.call(Method::GET, &["events", "stream"])?.query("pattern", &args.pattern.to_string());
    let out = Output::new();
    let mut told = false;
    let mut delays = backoff().build();
    loop {
        let error = match client.open(&stream.clone().stream_after(seq)).await {
            Ok(response) => {
                let mut events = response.bytes_stream().eventsource();
                while let Some(Ok(event)) = events.next().await {
                    (told, delays) = (false, backoff().build());
                    if event.event == "gap" {
                        tell_gap(&event.data);
                        continue;
                    }
                    seq = event.id.parse().unwrap_or(seq);
                    print(&out, &event.data, seq, shared.json)?;
                }
                None
            }
            Err(error) if client.is_worth_waiting(&error) => Some(error),
            Err(error) => return Err(error),
        };
        let mut delay = delays.next();
        if let Some(error) = &error {
            client.tell_once(error, &mut told);
            delay = politely(error, delay);
        }
        tokio::time::sleep(delay.unwrap_or_default()).await;
    }
}

/// Events that were to come have been deleted meanwhile.
fn tell_gap(data: &str) {
    #[derive(Deserialize)]
    struct Gap {
        after: u64,
        first_seq: u64,
    }
    if let Ok(Gap { after, first_seq }) = serde_json::from_str(data) {
        terminal::note(&format!("events after {after} were deleted by retention; going on with {first_seq}"));
    }
}

fn print(out: &Output, data: &str, seq: u64, json: bool) -> Result<(), Error> {
    if json {
        return out.json(data);
    }
    // Whatever the daemon sends is shown; what cannot be read as an event is shown as it is.
    let Ok(event) = serde_json::from_str::<Shown>(data) else { return out.line(&escape(data)) };
    let style = match event.action.as_str() {
        "blocked" => terminal::WAITING,
        "failed" | "timed_out" | "cancelled" => terminal::BAD,
        "completed" | "resumed" => terminal::GOOD,
        _ => terminal::STRONG,
    };
    let seq = out.paint(terminal::FAINT, &format!("{seq:>6}  {:.3}", event.timestamp));
    let kind = out.paint(style, &format!("{:<24}", escape(&format!("{}:{}", event.category, event.action))));
    let agent = event.agent_id.as_deref().unwrap_or("-");
    let payload = summary(&event.payload, agent);
    out.line(format!("{seq}  {kind}  {:<16}  {payload}", escape(agent)).trim_end())
}

/// The payload on one line, `name=Linter tries=3`, without what says nothing or only the agent's id again.
fn summary(payload: &Map<String, Value>, agent: &str) -> String {
    let mut text = String::new();
    for (key, value) in payload.iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some(agent)) {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let space = if text.is_empty() { "" } else { " " };
        text.push_str(&format!("{space}{}={}", escape(key), shorten(&escape(&value), VALUE_CHARS)));
        if text.len() > 4 * PAYLOAD_CHARS {
            break;
        }
    }
    shorten(&text, PAYLOAD_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_becomes_one_short_harmless_line() {
        let of = |payload: Value| summary(payload.as_object().expect("valid"), "a1");
        assert_eq!(
            of(json!({"name": "Lin\u{1b}[0mter", "none": null, "agent_id": "a1", "n": [1, 2]})),
            "name=Lin\\u001b[0mter n=[1,2]"
        );
        assert_eq!(of(json!({})), "");
        let many: Map<String, Value> = (0..100).map(|n| (format!("k{n}"), "v".repeat(500).into())).collect();
        assert_eq!(summary(&many, "a1").chars().count(), PAYLOAD_CHARS);
    }
}

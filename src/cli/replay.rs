//! `remora replay`: sends a recorded log. Done twice, it adds nothing the second time.

use std::{fs::File, path::PathBuf, process::ExitCode};

use clap::Args;
use remora_actors::model::parse_timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Shared,
    client::{Client, Scope},
    emit::add_missing,
    error::Error,
    terminal,
    upload::send_log,
};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Log of one JSON event per line, in either dialect
    file: PathBuf,
}

pub(crate) async fn run(args: &ReplayArgs, shared: &Shared) -> Result<ExitCode, Error> {
    let unreadable = |source| Error::io(format!("{} cannot be read", args.file.display()), source);
    let file = File::open(&args.file).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let client = Client::new(&shared.connection, Scope::Agent)?;
    let mut lines = Replayed::default();
    send_log(&client, file, move |id, line| lines.prepare(id, line), &terminal::progress(Some(bytes)), shared.json)
        .await
}

/// Gives every line what makes it the same event each time: the line's own id and a time.
#[derive(Default)]
struct Replayed {
    /// Of the nearest earlier line that has one.
    timestamp: Option<Value>,
}

/// What of a line decides about the time.
#[derive(Deserialize)]
struct Timed {
    timestamp: Option<Value>,
}

impl Replayed {
    fn prepare(&mut self, id: &str, line: &[u8]) -> Vec<u8> {
        if let Ok(Timed { timestamp: Some(timestamp) }) = serde_json::from_slice(line)
            && parse_timestamp(&timestamp, "timestamp").is_ok()
        {
            self.timestamp = Some(timestamp);
        }
        add_missing(line, &[("id", Some(&id.into())), ("timestamp", self.timestamp.as_ref())])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::batches::Batches;

    fn replay(log: &[&str]) -> Vec<Value> {
        let log = log.join("\n");
        let mut replayed = Replayed::default();
        Batches::new(log.as_bytes(), |id, line| replayed.prepare(id, line))
            .flat_map(|batch| batch.expect("valid").lines)
            .map(|line| serde_json::from_slice(&line.text).expect("valid"))
            .collect()
    }

    #[test]
    fn a_second_replay_makes_the_same_ids() {
        let log = [r#"{"type":"A"}"#, r#"{"type":"A"}"#, r#"{"type":"B","id":"own"}"#];
        let first = replay(&log);
        assert_eq!(first, replay(&log));
        assert_ne!(first[0]["id"], first[1]["id"]);
        assert_eq!(first[2]["id"], "own");
    }

    #[test]
    fn a_line_without_a_time_takes_the_last_one_seen() {
        let log = [r#"{}"#, r#"{"timestamp":12.5}"#, r#"{}"#, r#"{"timestamp":"never"}"#, r#"{"timestamp":null}"#];
        let times: Vec<_> = replay(&log).iter().map(|event| event["timestamp"].clone()).collect();
        assert_eq!(times, [Value::Null, json!(12.5), json!(12.5), json!("never"), json!(12.5)]);
    }
}

//! `remora search` and `remora export`: what was, for a person and for other programs.

use std::{fs::File, io::Write, path::PathBuf};

use clap::Args;
use futures_util::StreamExt;
use remora_actors::model::Pattern;
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Shared,
    client::{Call, Client, Scope},
    error::Error,
    tail,
    terminal::{self, Output},
};

/// Events asked for at once.
const PAGE_EVENTS: usize = 200;

/// Which events are meant.
#[derive(Debug, Args)]
struct Sought {
    /// Which kinds: `agent:blocked`, `tool:*`, `*:failed` or `*`
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<Pattern>,

    /// Of which agent
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<String>,

    /// Of which graph
    #[arg(long, value_name = "GRAPH_ID")]
    graph: Option<String>,

    /// Of which session
    #[arg(long, value_name = "SESSION_ID")]
    session: Option<String>,

    /// Not before this time, such as 2026-02-24T14:05:00Z or "2026-02-24 14:05" by the daemon's clock
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Not after this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Sought {
    fn add_to(&self, call: Call, words: &[String]) -> Call {
        let fields = [
            ("q", Some(words.join(" ")).filter(|words| !words.is_empty())),
            ("pattern", self.pattern.as_ref().map(Pattern::to_string)),
            ("agent_id", self.agent.clone()),
            ("graph_id", self.graph.clone()),
            ("session_id", self.session.clone()),
            ("from", self.from.clone()),
            ("until", self.until.clone()),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.fold(call, |call, (name, value)| call.query(name, &value))
    }
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Words, found by their beginnings; '"a phrase"'; put `--` before the first -unwanted one
    words: Vec<String>,

    /// At most so many events, the newest ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    #[command(flatten)]
    sought: Sought,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only events with these words; see `remora search`
    words: Vec<String>,

    /// The log of all answers as CSV, instead of events as one JSON object a line
    #[arg(long)]
    pub(super) answers: bool,

    /// Into this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    sought: Sought,
}

#[derive(Deserialize)]
struct Found {
    events: Vec<Box<RawValue>>,
    older: Option<u64>,
}

/// Prints the newest events that match, the oldest of them first, as `remora tail` would have.
pub(crate) async fn search(args: &SearchArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let mut events = Vec::new();
    let mut before = None;
    while events.len() < args.limit {
        let call = args.sought.add_to(client.call(Method::GET, &["events", "search"])?, &args.words);
        let call = call.query("limit", &PAGE_EVENTS.min(args.limit - events.len()).to_string());
        let call = before.map_or(call.clone(), |before: u64| call.query("before", &before.to_string()));
        let found: Found = client.json(&call).await?;
        events.extend(found.events);
        before = found.older;
        if before.is_none() {
            break;
        }
    }
    if events.is_empty() {
        terminal::hint("nothing found");
    }
    let out = Output::new();
    events.iter().rev().try_for_each(|event| tail::print(&out, event.get(), shared.json))
}

pub(crate) async fn export(args: &ExportArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let path: &[&str] = if args.answers { &["answers.csv"] } else { &["events", "export"] };
    let mut body = client.open(&args.sought.add_to(client.call(Method::GET, path)?, &args.words)).await?.bytes_stream();
    let named = |path: &PathBuf| format!("{} cannot be written", path.display());
    let mut file = match &args.output {
        Some(path) => Some(File::create(path).map_err(|source| Error::io(named(path), source))?),
        None => None,
    };
    let out = Output::new();
    while let Some(chunk) = body.next().await {
        let broken = |error| client.stranger(format!("the export broke off: {error}; what was written is not all"));
        let chunk = chunk.map_err(broken)?;
        match (&mut file, &args.output) {
            (Some(file), Some(path)) => {
                file.write_all(&chunk).map_err(|source| Error::io(named(path), source))?;
            }
            _ => out.bytes(&chunk)?,
        }
    }
    Ok(())
}

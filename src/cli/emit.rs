//! `remora emit`: sends one event, or the lines of standard input.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use super::{
    Shared,
    batches::Line,
    client::{Client, Scope},
    error::Error,
    terminal::{self, Output},
    upload::{Report, send, send_log},
};

#[derive(Debug, Args)]
pub(crate) struct EmitArgs {
    /// What happened, such as agent:started; `-` reads one JSON event per line from standard input
    #[arg(value_name = "CATEGORY:ACTION")]
    kind: String,

    /// Payload: KEY=TEXT, or KEY:=JSON for anything but a text
    #[arg(value_name = "KEY=VALUE")]
    payload: Vec<String>,

    /// The agent it is about
    #[arg(long, value_name = "ID", env = "REMORA_AGENT_ID")]
    agent: Option<String>,

    /// The graph the agent belongs to
    #[arg(long, value_name = "ID")]
    graph: Option<String>,

    /// The node of the graph
    #[arg(long, value_name = "ID")]
    node: Option<String>,

    /// The run or conversation
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// Id of the event: the same id again is the same event again [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// When it happened: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
}

pub(crate) async fn run(args: EmitArgs, shared: &Shared) -> Result<ExitCode, Error> {
    let client = Client::new(&shared.connection, Scope::Agent)?;
    if args.kind == "-" {
        if !args.payload.is_empty() {
            return Err(Error::Usage("with `-` the events come from standard input; leave the payload out".to_owned()));
        }
        if io::stdin().is_terminal() {
            terminal::note("reading events from the terminal, one JSON object per line; end with Ctrl-D");
        }
        return send_log(&client, io::stdin(), with_id, &terminal::progress(None), shared.json).await;
    }
    let text = args.event()?.to_string().into_bytes();
    let mut report = Report::default();
    send(&client, &[Line { number: 1, text }], &mut report).await?;
    if let Some(refusal) = report.errors.pop() {
        return Err(Error::EventRefused(refusal.detail));
    }
    if shared.json {
        Output::new().json(&serde_json::json!(report).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

impl EmitArgs {
    fn event(self) -> Result<Value, Error> {
        let Some((category, action)) = self.kind.split_once(':') else {
            let kind = self.kind;
            return Err(Error::Usage(format!("{kind:?} is no kind of event; name it as category:action or give `-`")));
        };
        let timestamp = self.timestamp.map(|text| text.parse::<f64>().map_or(Value::String(text), Value::from));
        let fields = [
            ("id", Some(self.id.unwrap_or_else(|| Uuid::now_v7().to_string()).into())),
            ("timestamp", timestamp),
            ("category", Some(category.into())),
            ("action", Some(action.into())),
            ("agent_id", self.agent.map(Value::from)),
            ("graph_id", self.graph.map(Value::from)),
            ("node_id", self.node.map(Value::from)),
            ("session_id", self.session.map(Value::from)),
            ("payload", Some(payload(&self.payload)?.into())),
        ];
        Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// `KEY=TEXT` and `KEY:=JSON`, by the first `=`.
fn payload(words: &[String]) -> Result<Map<String, Value>, Error> {
    let mut payload = Map::new();
    for word in words {
        let usage = |problem: String| Error::Usage(format!("{word:?} {problem}"));
        let (key, value) = word.split_once('=').ok_or_else(|| usage("is not KEY=TEXT or KEY:=JSON".to_owned()))?;
        let (key, value) = match key.strip_suffix(':') {
            None => (key, value.into()),
            Some(key) => (key, serde_json::from_str(value).map_err(|error| usage(format!("has no JSON: {error}")))?),
        };
        if key.is_empty() {
            return Err(usage("has no key".to_owned()));
        }
        payload.insert(key.to_owned(), value);
    }
    Ok(payload)
}

/// Gives an event an id before it is first sent, so that it may be sent again. What is no object is left to the
/// daemon to refuse.
fn with_id(_: &str, line: &[u8]) -> Vec<u8> {
    add_missing(line, &[("id", Some(&Uuid::now_v7().to_string().into()))])
}

/// Adds fields that an event lacks and leaves the rest as it was written, down to the digits of a number.
pub(crate) fn add_missing(line: &[u8], additions: &[(&str, Option<&Value>)]) -> Vec<u8> {
    let Ok(mut fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(line) else { return line.to_owned() };
    let additions: Vec<_> = additions
        .iter()
        .filter(|(name, _)| fields.get(*name).is_none_or(|value| value.get() == "null"))
        .filter_map(|(name, value)| Some(((*name).to_owned(), serde_json::value::to_raw_value((*value)?).ok()?)))
        .collect();
    for (name, value) in &additions {
        fields.insert(name.clone(), value);
    }
    serde_json::to_vec(&fields).unwrap_or_else(|_| line.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        args: EmitArgs,
    }

    fn event(words: &[&str]) -> Result<Value, Error> {
        Parsed::try_parse_from(["emit"].iter().chain(words)).expect("valid").args.event()
    }

    #[test]
    fn the_words_become_an_event() {
        let words = ["agent:started", "--agent", "a1", "--id", "e1", "--graph", "g", "--timestamp", "12.5"];
        let made =
            event(&[&words[..], &["name=Linter", "tries:=3", "url=http://x/?a:=b", "empty="]].concat()).expect("valid");
        let expected = json!({
            "id": "e1", "timestamp": 12.5, "category": "agent", "action": "started", "agent_id": "a1", "graph_id": "g",
            "payload": {"name": "Linter", "tries": 3, "url": "http://x/?a:=b", "empty": ""}
        });
        assert_eq!(made, expected);
    }

    #[test]
    fn an_event_always_has_an_id() {
        let ids = [0, 1].map(|_| event(&["tool:called"]).expect("valid")["id"].clone());
        assert!(ids[0].is_string() && ids[0] != ids[1]);
    }

    #[test]
    fn wrong_words_are_named() {
        for words in [&["started"][..], &["tool:called", "novalue"], &["tool:called", "n:=nope"], &["a:b", "=x"]] {
            let error = event(words).expect_err("refused").to_string();
            assert!(error.contains(words.last().expect("valid")), "{error}");
        }
    }

    #[test]
    fn a_missing_id_is_added_and_nothing_else_changed() {
        let id = json!("new");
        let added = |line: &str| String::from_utf8(add_missing(line.as_bytes(), &[("id", Some(&id))])).expect("valid");
        let long = "1772166824.46201200000000000001";
        assert_eq!(
            added(&format!(r#" {{"type":"X","n":{long}}} "#)),
            format!(r#"{{"id":"new","n":{long},"type":"X"}}"#)
        );
        assert_eq!(added("{}"), r#"{"id":"new"}"#);
        assert_eq!(added(r#"{"id":null}"#), r#"{"id":"new"}"#);
        assert_eq!(added(r#"{"id":"old"}"#), r#"{"id":"old"}"#);
        assert_eq!(added("[1]"), "[1]");
        assert_eq!(added("{broken"), "{broken");
    }
}

//! `remora ask`: asks a person and waits for the answer, across a restart of the daemon too.

use std::{process::ExitCode, time::Duration};

use clap::{Args, builder::PossibleValuesParser};
use jiff::SignedDuration;
use remora_actors::model::{QuestionRecord, Status};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Shared,
    client::{Client, PATIENCE, Scope},
    default_agent,
    error::Error,
    terminal::{self, Output},
    wait::until_closed,
};

/// Exit code: nobody answered in time.
const EXPIRED: u8 = 3;
/// Exit code: the question was withdrawn, here or elsewhere.
const CANCELLED: u8 = 4;
/// How long the withdrawal of a question may take before the program ends anyway.
const GIVE_UP: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The question
    question: String,

    /// Who asks [default: cli-<user>@<host>]
    #[arg(long, value_name = "ID", env = "REMORA_AGENT_ID")]
    agent: Option<String>,

    /// An answer to choose; none leaves the answer free. Repeatable
    #[arg(long = "option", value_name = "TEXT")]
    options: Vec<String>,

    /// What an option leads to, as OPTION=TEXT. Repeatable
    #[arg(long = "effect", value_name = "OPTION=TEXT", requires = "options", value_parser = effect)]
    effects: Vec<(String, String)>,

    /// Take nothing but the options for an answer
    #[arg(long, requires = "options")]
    no_other: bool,

    /// Let several options be chosen; they are printed one per line
    #[arg(long, requires = "options")]
    multiple: bool,

    /// How long to wait: 30s, 5m, 1h30m, or seconds [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    timeout: Option<f64>,

    /// What helps to decide
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,

    /// Why it is asked
    #[arg(long, value_parser = PossibleValuesParser::new(["input_required", "confirmation", "tool_call"]))]
    reason: Option<String>,

    /// How much it hurts to let it wait
    #[arg(long, value_parser = PossibleValuesParser::new(["low", "normal", "high", "critical"]))]
    urgency: Option<String>,

    /// When the time is over: close the question, keep waiting, take the default, or take it for denied
    #[arg(long, value_parser = PossibleValuesParser::new(["expire", "wait", "default", "deny"]))]
    on_deadline: Option<String>,

    /// The answer that `--on-deadline default` gives; repeatable with --multiple
    #[arg(long, value_name = "TEXT", required_if_eq("on_deadline", "default"))]
    default: Vec<String>,

    /// Id of the question: asking again with the same id waits for the same answer [default: a new one]
    #[arg(long, value_name = "ID")]
    msg_id: Option<String>,
}

pub(crate) async fn run(args: AskArgs, shared: &Shared) -> Result<ExitCode, Error> {
    let client = Client::new(&shared.connection, Scope::Agent)?;
    // Made here, before the first attempt: however often the request has to be repeated, it is one question.
    let msg_id = args.msg_id.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    let question = args.into_question(&msg_id)?;
    let record = tokio::select! {
        record = ask(&client, &msg_id, &question) => record?,
        () = interrupted() => match give_up(&client, &msg_id, &question).await? {
            Some(record) => record,
            None => return Ok(ExitCode::from(CANCELLED)),
        },
    };
    conclude(&client, &record, shared.json)
}

impl AskArgs {
    fn into_question(self, msg_id: &str) -> Result<Value, Error> {
        let default = match (self.multiple, self.default.as_slice()) {
            (_, []) => None,
            (false, [one]) => Some(Value::from(one.as_str())),
            (false, _) => return Err(Error::Usage("several --default need --multiple".to_owned())),
            (true, several) => Some(Value::from(several)),
        };
        let fields = [
            ("msg_id", Some(msg_id.into())),
            ("agent_id", Some(self.agent.filter(|id| !id.is_empty()).unwrap_or_else(|| default_agent("cli")).into())),
            ("question", Some(self.question.into())),
            ("options", (!self.options.is_empty()).then(|| self.options.into())),
            (
                "effects",
                (!self.effects.is_empty())
                    .then(|| self.effects.into_iter().map(|(o, e)| (o, Value::from(e))).collect()),
            ),
            ("allow_other", self.no_other.then_some(Value::Bool(false))),
            ("multiple", self.multiple.then_some(Value::Bool(true))),
            ("timeout", self.timeout.map(Value::from)),
            ("context", self.context.map(Value::from)),
            ("reason", self.reason.map(Value::from)),
            ("urgency", self.urgency.map(Value::from)),
            ("on_deadline", self.on_deadline.map(Value::from)),
            ("default", default),
        ];
        Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// Asks, and waits until the question is no longer open.
async fn ask(client: &Client, msg_id: &str, question: &Value) -> Result<QuestionRecord, Error> {
    let call = client.call(Method::POST, &["questions"])?.body(question);
    let record: QuestionRecord = client.json_patiently(&call, Some(PATIENCE)).await?;
    terminal::hint(&format!("waiting for an answer at {}/ or by: remora answer {msg_id} ANSWER", client.url()));
    until_closed(client, record).await
}

/// Withdraws the question. `None`: it is gone, or had not arrived.
async fn give_up(client: &Client, msg_id: &str, question: &Value) -> Result<Option<QuestionRecord>, Error> {
    terminal::note("withdrawing the question");
    let agent = question["agent_id"].as_str().unwrap_or_default();
    let call = |method| Ok::<_, Error>(client.call(method, &["questions", msg_id])?.query("agent_id", agent));
    let withdraw = call(Method::DELETE)?;
    let attempt = tokio::time::timeout(GIVE_UP, client.json_patiently(&withdraw, Some(GIVE_UP))).await;
    match attempt {
        Ok(Ok(record)) => Ok(Some(record)),
        Ok(Err(error)) if error.refusal(404).is_some() => Ok(None),
        // Somebody was faster: the answer counts.
        Ok(Err(error)) if error.refusal(409).is_some() => {
            client.json(&call(Method::GET)?.query("wait", "1")).await.map(Some)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            terminal::note(&format!("the daemon does not answer; question {msg_id} may still be open"));
            Ok(None)
        }
    }
}

fn conclude(client: &Client, record: &QuestionRecord, json: bool) -> Result<ExitCode, Error> {
    let out = Output::new();
    if json {
        out.json(&serde_json::json!(record).to_string())?;
    }
    let why = record.closed_reason.as_deref();
    match (record.status, &record.answer) {
        (Status::Answered | Status::Delivered, Some(answer)) => {
            if !json {
                let text = plain(&answer.answer);
                out.line(&if out.is_terminal { terminal::escape_lines(&text) } else { text })?;
            }
            Ok(ExitCode::SUCCESS)
        }
        (Status::Expired, _) => {
            terminal::note(why.unwrap_or("nobody answered in time"));
            Ok(ExitCode::from(EXPIRED))
        }
        (Status::Cancelled, _) => {
            terminal::note(why.unwrap_or("the question was cancelled"));
            Ok(ExitCode::from(CANCELLED))
        }
        (status, _) => Err(client.stranger(format!("the question is {} without an answer", status.as_str()))),
    }
}

/// An answer as a script wants it: a text bare, several one per line, anything else as JSON.
fn plain(answer: &Value) -> String {
    match answer {
        Value::String(text) => text.clone(),
        Value::Array(answers) => answers.iter().map(plain).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

fn effect(text: &str) -> Result<(String, String), String> {
    let (option, effect) = text.split_once('=').ok_or("expected OPTION=TEXT")?;
    Ok((option.to_owned(), effect.to_owned()))
}

/// A time as people write it, or a bare number of seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => text.parse::<SignedDuration>().map_err(|_| "expected a time such as 30s, 5m or 1h30m")?.as_secs_f64(),
    };
    if seconds > 0.0 && seconds.is_finite() { Ok(seconds) } else { Err("must be more than nothing".to_owned()) }
}

/// Returns when the person or the system wants the program to end.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Parsed {
        #[command(flatten)]
        args: AskArgs,
    }

    fn parse(words: &[&str]) -> Result<AskArgs, clap::Error> {
        Parsed::try_parse_from(["ask"].iter().chain(words)).map(|parsed| parsed.args)
    }

    #[test]
    fn a_time_is_read_as_people_write_it() {
        for (text, expected) in [("30s", 30.0), ("5m", 300.0), ("1h30m", 5_400.0), ("2 hours", 7_200.0), ("0.5", 0.5)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "soon", "0", "-5m", "0s", "NaN", "inf", "5 parsecs"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_words_become_a_question() {
        let words = ["Deploy?", "--agent", "a1", "--option", "yes", "--option", "no", "--timeout", "5m"];
        let question = parse(&words).expect("valid").into_question("m1").expect("valid");
        let expected = json!({"msg_id": "m1", "agent_id": "a1", "question": "Deploy?", "options": ["yes", "no"],
            "timeout": 300.0});
        assert_eq!(question, expected);
    }

    #[test]
    fn a_default_fits_the_kind_of_answer() {
        let of = |words: &[&str]| {
            parse(words).expect("valid").into_question("m").map(|question| question["default"].clone())
        };
        assert_eq!(of(&["q", "--agent", "a", "--default", "x"]).expect("valid"), json!("x"));
        assert_eq!(
            of(&["q", "--agent", "a", "--option", "x", "--multiple", "--default", "x"]).expect("valid"),
            json!(["x"])
        );
        assert!(of(&["q", "--agent", "a", "--default", "x", "--default", "y"]).is_err());
    }

    #[test]
    fn words_that_make_no_sense_are_refused() {
        for words in [
            &["q", "--multiple"][..],
            &["q", "--on-deadline", "default"],
            &["q", "--urgency", "asap"],
            &["q", "--timeout", "never"],
            &[],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn an_answer_is_printed_bare() {
        assert_eq!(plain(&json!("yes")), "yes");
        assert_eq!(plain(&json!(["a", "b"])), "a\nb");
        assert_eq!(plain(&json!({"n": 1})), r#"{"n":1}"#);
    }
}

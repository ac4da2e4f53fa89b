//! `remora notify`: tries out who is told of questions, as the daemon would, without it.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use remora_actors::{
    model::{Limits, Question, QuestionKey, QuestionRecord, notice::Notice},
    ports::Courier,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Shared,
    error::Error,
    terminal::{self, Output},
};
use crate::{
    config::{Flags, Settings},
    daemon,
    notify::Target,
};

/// Exit code: a target was not reached.
const UNHEARD: u8 = 1;

#[derive(Debug, Args)]
pub(crate) struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// Send a notice about no question, and tell what came of it
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct TestArgs {
    /// Name of the target [default: all of them]
    target: Option<String>,

    /// The daemon's TOML file [default: as the daemon has it]
    #[arg(long, value_name = "FILE", env = "REMORA_CONFIG")]
    config: Option<PathBuf>,
}

pub(crate) async fn run(args: &NotifyArgs, shared: &Shared) -> Result<ExitCode, Error> {
    let NotifyCommand::Test(args) = &args.command;
    let settings = Settings::load(args.config.as_deref(), &Flags::default())?;
    let targets = chosen(settings.targets()?, args.target.as_deref())?;
    let courier = daemon::courier(&settings, targets.clone(), None)
        .map_err(|error| Error::io("this machine's certificates cannot be read", error))?;
    let out = Output::new();
    let mut all_heard = true;
    for target in &targets {
        let notice = Notice::trial(target.name(), trial()?, Timestamp::now());
        let outcome = courier.deliver(&notice).await;
        all_heard &= outcome.is_ok();
        show(&out, target, outcome.err().map(|error| error.reason).as_deref(), shared.json)?;
    }
    Ok(if all_heard { ExitCode::SUCCESS } else { ExitCode::from(UNHEARD) })
}

fn chosen(targets: Vec<Target>, name: Option<&str>) -> Result<Vec<Target>, Error> {
    let names: Vec<_> = targets.iter().map(|target| target.name().to_owned()).collect();
    let chosen: Vec<_> = targets.into_iter().filter(|target| name.is_none_or(|name| target.name() == name)).collect();
    match name {
        _ if !chosen.is_empty() => Ok(chosen),
        Some(name) => {
            Err(Error::Usage(format!("there is no target {name:?}; the configuration names: {}", names.join(", "))))
        }
        None => Err(Error::Usage("nobody is told: add a table [[notify]] to the configuration".to_owned())),
    }
}

/// A question that nobody asks.
fn trial() -> Result<QuestionRecord, Error> {
    let key = QuestionKey { msg_id: Uuid::now_v7().to_string(), workspace_id: "remora".to_owned() };
    let fields = json!({"question": "This is a test: can you hear Remora?", "urgency": "low"});
    let Value::Object(fields) = fields else { unreachable!("written as an object") };
    let question = Question::from_fields(key, "remora", Timestamp::now(), &fields, &Limits::UNBOUNDED);
    question.map(QuestionRecord::new).map_err(|error| Error::Failed(error.to_string()))
}

fn show(out: &Output, target: &Target, trouble: Option<&str>, json: bool) -> Result<(), Error> {
    if json {
        let line = json!({"target": target.name(), "host": target.host(), "ok": trouble.is_none(), "detail": trouble});
        return out.json(&line.to_string());
    }
    let (word, style) = if trouble.is_none() { ("sent", terminal::GOOD) } else { ("failed", terminal::BAD) };
    let detail = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
    let line = format!("{} ({}){detail}", target.name(), target.host());
    out.line(&format!("{}  {}", out.paint(style, &format!("{word:<6}")), terminal::escape(&line)))
}

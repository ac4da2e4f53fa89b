//! `remora dismiss`: closes questions without an answer. Also what it shares with `answer`: one thing done to all
//! questions that are alike.

use clap::Args;
use jiff::Timestamp;
use remora_actors::model::{QuestionRecord, Status};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    client::{Client, Scope},
    error::Error,
    questions::{self, Named, too_late},
    terminal::{self, Output},
    user_name,
};

#[derive(Debug, Args)]
pub(crate) struct DismissArgs {
    #[command(flatten)]
    named: Named,

    /// Why, for the agent and for other people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    alike: Alike,

    /// Who dismisses it [default: the user's name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

/// Whether the questions that are like the named one are meant, too.
#[derive(Debug, Args)]
pub(super) struct Alike {
    /// Every waiting question that is like this one, too: the same words, choices and context
    #[arg(long)]
    pub(super) all_equal: bool,

    /// Do not ask whether so many are meant
    #[arg(long, requires = "all_equal")]
    yes: bool,
}

/// What the daemon reports of several questions.
#[derive(Deserialize)]
struct Report {
    done: usize,
    summary: String,
    /// Until then each answer can be taken back.
    deliver_at: Option<Timestamp>,
}

pub(crate) async fn run(args: DismissArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let record = args.named.find(&client).await?;
    let named = args.alike.names(&client, &record, "dismiss").await?;
    let body = json!({"questions": named, "reason": args.reason, "who": who(args.who)});
    send(&client, "dismissals", &body, shared).await
}

/// Who acts: as told, else the user.
pub(super) fn who(told: Option<String>) -> String {
    told.or_else(user_name).unwrap_or_else(|| "operator".to_owned())
}

impl Alike {
    /// The names of the questions that are meant, once the person has agreed to their number.
    pub(super) async fn names(&self, client: &Client, record: &QuestionRecord, verb: &str) -> Result<Value, Error> {
        let name = |r: &QuestionRecord| json!({"msg_id": r.question.msg_id, "workspace_id": r.question.workspace_id});
        if !self.all_equal {
            return Ok(json!([name(record)]));
        }
        if let Some(too_late) = too_late(record) {
            return Err(too_late);
        }
        let mut questions = questions::list(client, Some(Status::Open), None).await?;
        let likeness = record.question.likeness();
        questions.retain(|other| other.waits() && other.question.likeness() == likeness);
        if questions.is_empty() {
            return Err(Error::TooLate("none of them waits any more".to_owned()));
        }
        if !self.yes {
            let agents: Vec<_> = questions.iter().map(|r| terminal::escape(&r.question.agent_id)).collect();
            let asked = format!("{verb} {} equal questions, of {}?", questions.len(), agents.join(", "));
            terminal::confirm(&asked, &format!("nothing was done; give --yes to {verb} all {}", questions.len()))?;
        }
        Ok(questions.iter().map(name).collect())
    }
}

/// Sends what is meant for several questions, and prints the report.
pub(super) async fn send(client: &Client, path: &str, body: &Value, shared: &Shared) -> Result<(), Error> {
    let call = client.call(Method::POST, &[path])?.body(body);
    let report: Value = client.json(&call).await?;
    let Report { done, summary, deliver_at } = Report::deserialize(&report)
        .map_err(|error| Error::Failed(format!("the daemon's report cannot be read: {error}")))?;
    let out = Output::new();
    if shared.json {
        out.json(&report.to_string())?;
    } else {
        out.line(&terminal::escape(&summary))?;
        if let Some(at) = deliver_at.map(terminal::clock) {
            out.line(&format!("they count at {at}; until then each can be taken back: remora answer --undo MSG_ID"))?;
        }
    }
    if done == 0 { Err(Error::Failed("no question was changed".to_owned())) } else { Ok(()) }
}

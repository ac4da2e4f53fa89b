//! `remora inbox`: the questions that wait for a person, or one of them whole ([`sheet`], with the [`commands`] that
//! decide about it).

mod commands;
pub(super) mod sheet;

use std::cmp::Reverse;

use clap::Args;
use jiff::Timestamp;
use remora_actors::model::{Kind, Question, QuestionRecord, Status, Urgency};
use serde_json::{json, value::RawValue};

use super::{
    Shared,
    client::{Client, Scope},
    error::Error,
    questions,
    terminal::{self, Output, escape, shorten},
};

/// Characters of a question that a row shows.
const QUESTION_CHARS: usize = 80;

#[derive(Debug, Args)]
pub(crate) struct InboxArgs {
    /// Show this question whole, with the commands that answer it [default: list them]
    msg_id: Option<String>,

    /// Closed questions too
    #[arg(long, conflicts_with = "msg_id")]
    all: bool,

    /// Only this agent's questions
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
}

pub(crate) async fn run(args: &InboxArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let (out, agent) = (Output::new(), args.agent.as_deref());
    if let Some(msg_id) = &args.msg_id {
        let record = questions::find(&client, msg_id, agent).await?;
        if shared.json {
            return out.json(&json!(record).to_string());
        }
        return out.line(&sheet::of(&record, agent.is_some(), Timestamp::now(), &out));
    }
    let status = (!args.all).then_some(Status::Open);
    if shared.json {
        let list: Box<RawValue> = client.json(&questions::call(&client, status, agent)?).await?;
        return out.json(list.get());
    }
    let mut questions = questions::list(&client, status, agent).await?;
    if questions.is_empty() {
        terminal::hint("no question is waiting");
        return Ok(());
    }
    questions.sort_by_key(|record| {
        (record.status != Status::Open, Reverse(record.question.urgency), record.question.created_at)
    });
    let now = Timestamp::now();
    let rows: Vec<_> = questions.iter().map(|record| row(record, now)).collect();
    out.table(["MSG_ID", "AGENT", "STATUS", "AGE", "LEFT", "QUESTION"], &rows)?;
    terminal::hint("`remora inbox MSG_ID` shows one of them whole");
    Ok(())
}

fn row(record: &QuestionRecord, now: Timestamp) -> [String; 6] {
    let question = &record.question;
    let urgency = match question.urgency {
        Urgency::High => "high: ",
        Urgency::Critical => "critical: ",
        Urgency::Low | Urgency::Normal => "",
    };
    let mut text = format!("{urgency}{}", shorten(&escape(&question.question), QUESTION_CHARS));
    let offer = offer(question);
    if !offer.is_empty() {
        text.push_str(&format!("  [{}]", shorten(&escape(&offer), QUESTION_CHARS)));
    }
    // What is held can be taken back for as long.
    let held = record.held.as_ref().filter(|_| record.status == Status::Open);
    let deadline = question.expires_at.filter(|_| record.status == Status::Open);
    let left = held.map(|held| held.deliver_at).or(deadline);
    [
        escape(&question.msg_id).into_owned(),
        escape(&question.agent_id).into_owned(),
        held.map_or(record.status.as_str(), |_| "held").to_owned(),
        terminal::span(now.duration_since(question.created_at).as_secs().max(0)),
        left.map_or_else(|| "-".to_owned(), |at| terminal::span(at.duration_since(now).as_secs().max(0))),
        text,
    ]
}

/// What there is to answer, in the words that `remora answer` takes.
fn offer(question: &Question) -> String {
    match question.kind() {
        Kind::Text => String::new(),
        Kind::Choice => {
            let separator = if question.multiple { " + " } else { " | " };
            let other = question.allow_other.then_some("…");
            question.options.iter().map(String::as_str).chain(other).collect::<Vec<_>>().join(separator)
        }
        Kind::Decision => "approve | reject".to_owned(),
        Kind::Form(form) if form.is_bare => "a value".to_owned(),
        Kind::Form(form) => form.fields.iter().map(|field| format!("{}=", field.name)).collect::<Vec<_>>().join(" "),
        Kind::Json => "json".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_one_harmless_line() {
        let record = json!({"msg_id": "m\u{1b}[2J", "agent_id": "a\nb", "workspace_id": "w", "status": "open",
            "question": "Deploy\nnow?", "options": ["yes", "n\u{9b}o"], "urgency": "critical",
            "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T00:05:00Z"});
        let record = serde_json::from_value(record).expect("valid");
        let row = row(&record, "2026-01-01T00:01:00Z".parse().expect("valid"));
        let text = "critical: Deploy\\nnow?  [yes | n\\u009bo | …]";
        assert_eq!(row, ["m\\u001b[2J", "a\\nb", "open", "60s", "4m", text]);
    }
}

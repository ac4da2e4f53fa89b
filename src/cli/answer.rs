//! `remora answer`: answers a question.

use clap::Args;
use remora_actors::model::{AnsweredBy, Decision, Question, QuestionRecord, Verdict};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Shared,
    client::{Client, PATIENCE, Scope},
    dismiss::{Alike, send, who},
    error::{Error, Problem},
    inbox::sheet,
    questions::{Named, first},
    terminal::{self, Output},
    typed_answer,
};

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    named: Named,

    /// The answer: a text; several where several options may be chosen; `approve` or `reject` and a reason, with
    /// NAME=VALUE for each argument to change; NAME=VALUE for each field of a form
    #[arg(required_unless_present_any = ["json_answer", "undo"])]
    answers: Vec<String>,

    /// The answer as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "answers", value_parser = json_value)]
    json_answer: Option<Value>,

    #[command(flatten)]
    alike: Alike,

    /// Take the answer back; possible for as long as the daemon's `undo_s` says
    #[arg(long, conflicts_with_all = ["answers", "json_answer", "all_equal"])]
    undo: bool,

    /// Who answers [default: the user's name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

pub(crate) async fn run(args: AnswerArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let record = args.named.find(&client).await?;
    if args.undo {
        return undo(&client, &record.question, shared).await;
    }
    let answer = match args.json_answer {
        Some(answer) => answer,
        None => typed_answer::read(&args.answers, &record.question)?,
    };
    let who = who(args.who);
    if args.alike.all_equal {
        let names = args.alike.names(&client, &record, "answer").await?;
        return send(&client, "answers", &json!({"questions": names, "answer": answer, "who": who}), shared).await;
    }
    let Question { msg_id, workspace_id, .. } = &record.question;
    let body = json!({"answer": answer, "who": who, "workspace_id": workspace_id});
    let call = client.call(Method::POST, &["questions", msg_id, "answer"])?.body(&body);
    // Sent once: a repeated answer would be told that the first one was faster.
    let record: QuestionRecord = client.json(&call).await.map_err(first_answer)?;
    tell(&record, answered(&record, &body["answer"]), args.named.names_agent(), shared)
}

/// What a person has done by answering: of a decision that is worth a look. What is held is not told before it counts, so
/// that it is known only from what was sent.
fn answered(record: &QuestionRecord, sent: &Value) -> &'static str {
    let answer = record.answer.as_ref().map_or(sent, |answer| &answer.answer);
    let decision = record.question.asks_for_decision().then(|| Decision::read(answer)).flatten();
    match decision.map(|decision| decision.decision) {
        Some(Verdict::Approve) => "approved",
        Some(Verdict::Edit) => "approved with changes",
        Some(Verdict::Reject) => "rejected",
        None => "answered",
    }
}

async fn undo(client: &Client, question: &Question, shared: &Shared) -> Result<(), Error> {
    let call = client.call_about(Method::DELETE, question, &["answer"])?;
    tell(&client.json_patiently(&call, Some(PATIENCE)).await?, "open again", false, shared)
}

fn tell(record: &QuestionRecord, what: &str, names_agent: bool, shared: &Shared) -> Result<(), Error> {
    let out = Output::new();
    if shared.json {
        return out.json(&json!(record).to_string());
    }
    let agent = terminal::escape(&record.question.agent_id).into_owned();
    let question = terminal::escape(&record.question.question);
    out.line(&format!("{}, asked by {agent}: {question}", out.paint(terminal::GOOD, what)))?;
    match &record.held {
        Some(held) => out.line(&format!("it {}", sheet::until_it_counts(record, held, names_agent))),
        None => Ok(()),
    }
}

/// A 409 tells who answered first, and when.
fn first_answer(error: Error) -> Error {
    let told = |problem: &Problem| {
        let by: AnsweredBy = serde_json::from_value(problem.extra.get("answered_by")?.clone()).ok()?;
        let at = problem.extra.get("responded_at").and_then(Value::as_str).unwrap_or("an unknown time");
        Some(first(&by, at))
    };
    match error.refusal(409).and_then(told) {
        Some(text) => Error::TooLate(text),
        None => error,
    }
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_faster_is_told() {
        let refused =
            |json: Value| Error::Refused(Box::new(Problem::read(json.to_string().as_bytes()).expect("valid")));
        let error = first_answer(refused(json!({"status": 409, "title": "already answered",
            "answered_by": {"who": "alice", "door": "browser"}, "responded_at": "2026-01-01T00:00:00Z"})));
        assert_eq!(error.to_string(), "too late: alice answered first (browser) at 2026-01-01T00:00:00Z");
        let error = first_answer(refused(json!({"status": 409, "title": "Conflict", "detail": "expired"})));
        assert_eq!(error.to_string(), "expired");
    }
}

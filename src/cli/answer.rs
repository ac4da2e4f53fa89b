//! `remora answer`: answers a question.

use clap::Args;
use remora_actors::model::{AnsweredBy, Decision, Question, QuestionRecord, Status, Verdict};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    client::{Client, PATIENCE, Scope},
    dismiss::{Alike, Named, send, who},
    error::{Error, Problem},
    terminal::{self, Output},
    typed_answer,
};

/// Typos in an id that are still taken for typos.
const MOST_TYPOS: usize = 4;

#[derive(Deserialize)]
struct Questions {
    questions: Vec<QuestionRecord>,
}

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
    let record = match args.named.find(&client).await {
        Err(error) if error.refusal(404).is_some() => return Err(unknown(&client, &args.named.msg_id, error).await),
        record => record?,
    };
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
    let body = json!({"answer": answer, "who": who, "door": "cli", "workspace_id": workspace_id});
    let call = client.call(Method::POST, &["questions", msg_id, "answer"])?.body(&body);
    // Sent once: a repeated answer would be told that the first one was faster.
    let record: QuestionRecord = client.json(&call).await.map_err(first_answer)?;
    tell(&record, answered(&record), shared)
}

/// What a person has done by answering: of a decision that is worth a look.
fn answered(record: &QuestionRecord) -> &'static str {
    let decision = record.answer.as_ref().filter(|_| record.question.asks_for_decision());
    match decision.and_then(|answer| Decision::read(&answer.answer)).map(|decision| decision.decision) {
        Some(Verdict::Approve) => "approved",
        Some(Verdict::Edit) => "approved with changes",
        Some(Verdict::Reject) => "rejected",
        None => "answered",
    }
}

async fn undo(client: &Client, question: &Question, shared: &Shared) -> Result<(), Error> {
    let call = client.call_about(Method::DELETE, question, &["answer"])?;
    tell(&client.json_patiently(&call, Some(PATIENCE)).await?, "open again", shared)
}

fn tell(record: &QuestionRecord, what: &str, shared: &Shared) -> Result<(), Error> {
    let out = Output::new();
    if shared.json {
        return out.json(&json!(record).to_string());
    }
    let agent = terminal::escape(&record.question.agent_id).into_owned();
    let question = terminal::escape(&record.question.question);
    out.line(&format!("{}, asked by {agent}: {question}", out.paint(terminal::GOOD, what)))
}

/// There is no such question: perhaps the person meant one that is open.
async fn unknown(client: &Client, msg_id: &str, error: Error) -> Error {
    let open = async {
        let call = client.call(Method::GET, &["questions"])?.query("status", Status::Open.as_str());
        client.json::<Questions>(&call).await
    };
    let Ok(Questions { questions }) = open.await else { return error };
    match nearest(msg_id, &questions) {
        Some(Question { msg_id: meant, question, .. }) => {
            Error::Failed(format!("there is no question {msg_id:?}; did you mean {meant:?} ({question})?"))
        }
        None => Error::Failed(format!("there is no question {msg_id:?}; `remora inbox` lists those that are open")),
    }
}

/// The open question whose id is most like the given one: the only one that begins with it, or a typo away.
fn nearest<'a>(msg_id: &str, open: &'a [QuestionRecord]) -> Option<&'a Question> {
    let mut begun = open.iter().filter(|record| !msg_id.is_empty() && record.question.msg_id.starts_with(msg_id));
    if let (Some(only), None) = (begun.next(), begun.next()) {
        return Some(&only.question);
    }
    let away = |record: &QuestionRecord| strsim::osa_distance(&record.question.msg_id, msg_id);
    let nearest = open.iter().min_by_key(|record| away(record))?;
    let typos = (msg_id.chars().count() / 4).clamp(1, MOST_TYPOS);
    (away(nearest) <= typos).then_some(&nearest.question)
}

/// A 409 tells who answered first, and when.
fn first_answer(error: Error) -> Error {
    let first = |problem: &Problem| {
        let by: AnsweredBy = serde_json::from_value(problem.extra.get("answered_by")?.clone()).ok()?;
        let at = problem.extra.get("responded_at").and_then(Value::as_str).unwrap_or("an unknown time");
        Some(format!("{} answered first ({}) at {at}", by.who, by.door.as_str()))
    };
    match error.refusal(409).and_then(first) {
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
    fn a_mistyped_id_finds_the_question_that_was_meant() {
        let open: Vec<QuestionRecord> = ["deploy-1", "deploy-2", "0198c2f0-7a3e", "q"]
            .map(|id| {
                let record = json!({"msg_id": id, "agent_id": "a", "workspace_id": "a", "question": "q",
                    "created_at": "2026-01-01T00:00:00Z", "status": "open"});
                serde_json::from_value(record).expect("valid")
            })
            .into();
        for (typed, meant) in [
            ("0198", Some("0198c2f0-7a3e")),
            ("0198c2f0-7a3f", Some("0198c2f0-7a3e")),
            ("0198c2f07a3e", Some("0198c2f0-7a3e")),
            ("depoly-2", Some("deploy-2")),
            ("something else", None),
            ("zz", None),
        ] {
            assert_eq!(nearest(typed, &open).map(|question| question.msg_id.as_str()), meant, "{typed}");
        }
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn who_was_faster_is_told() {
        let refused = |json: Value| Error::Refused(Box::new(serde_json::from_value(json).expect("valid")));
        let error = first_answer(refused(json!({"status": 409, "title": "already answered",
            "answered_by": {"who": "alice", "door": "browser"}, "responded_at": "2026-01-01T00:00:00Z"})));
        assert_eq!(error.to_string(), "too late: alice answered first (browser) at 2026-01-01T00:00:00Z");
        let error = first_answer(refused(json!({"status": 409, "title": "Conflict", "detail": "expired"})));
        assert_eq!(error.to_string(), "expired");
    }
}

//! `remora answer`: answers a question.

use clap::Args;
use remora_actors::model::{AnsweredBy, QuestionRecord};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Shared,
    client::{Client, PATIENCE, Scope},
    error::{Error, Problem},
    terminal::{self, Output},
    user_name,
};

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// Id of the question, as `remora inbox` shows it
    msg_id: String,

    /// The answer; several where several options may be chosen
    #[arg(required_unless_present = "json_answer")]
    answers: Vec<String>,

    /// The answer as JSON, for a question with a response schema
    #[arg(long, value_name = "JSON", conflicts_with = "answers", value_parser = json_value)]
    json_answer: Option<Value>,

    /// Who answers [default: the user's name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

pub(crate) async fn run(args: AnswerArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let answer = match args.json_answer {
        Some(answer) => answer,
        None => {
            // Whether one answer is a text or a list of one, only the question knows.
            let question = client.call(Method::GET, &["questions", &args.msg_id])?;
            let record: QuestionRecord = client.json_patiently(&question, Some(PATIENCE)).await?;
            fit(args.answers, record.question.multiple)?
        }
    };
    let who = args.who.or_else(user_name).unwrap_or_else(|| "operator".to_owned());
    let body = json!({"answer": answer, "who": who, "door": "cli"});
    let call = client.call(Method::POST, &["questions", &args.msg_id, "answer"])?.body(&body);
    // Sent once: a repeated answer would be told that the first one was faster.
    let record: QuestionRecord = client.json(&call).await.map_err(first_answer)?;
    let out = Output::new();
    if shared.json {
        return out.json(&json!(record).to_string());
    }
    let agent = terminal::escape(&record.question.agent_id).into_owned();
    out.line(&format!(
        "{} by {agent}: {}",
        out.paint(terminal::GOOD, "answered"),
        terminal::escape(&record.question.question)
    ))
}

fn fit(mut answers: Vec<String>, multiple: bool) -> Result<Value, Error> {
    match (multiple, answers.len()) {
        (true, _) => Ok(answers.into()),
        (false, 1) => Ok(answers.remove(0).into()),
        (false, _) => Err(Error::Usage("this question takes one answer; put a text with spaces in quotes".to_owned())),
    }
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
    fn an_answer_has_the_shape_the_question_wants() {
        let given = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(fit(given(&["yes"]), false).expect("valid"), json!("yes"));
        assert_eq!(fit(given(&["yes"]), true).expect("valid"), json!(["yes"]));
        assert_eq!(fit(given(&["a", "b"]), true).expect("valid"), json!(["a", "b"]));
        assert!(fit(given(&["not", "quoted"]), false).is_err());
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

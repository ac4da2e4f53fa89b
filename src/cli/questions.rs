//! The daemon's questions, as the commands find them.

use clap::Args;
use remora_actors::model::{AnsweredBy, QuestionRecord, Status};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    client::{Call, Client, PATIENCE},
    error::Error,
    meant::{did_you_mean, meant},
    terminal::shorten,
};

/// Characters of a question that was perhaps meant.
const QUESTION_CHARS: usize = 60;

/// Which question is meant.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Id of the question, as `remora inbox` shows it
    pub(super) msg_id: String,

    /// Whose question, where several agents have given theirs the same id
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
}

impl Named {
    /// True where the id alone does not name it.
    pub(super) fn names_agent(&self) -> bool {
        self.agent.is_some()
    }

    /// The question as it stands.
    pub(super) async fn find(&self, client: &Client) -> Result<QuestionRecord, Error> {
        find(client, &self.msg_id, self.agent.as_deref()).await
    }
}

/// The question of an id as it stands, of this agent where several have given theirs the same.
pub(super) async fn find(client: &Client, msg_id: &str, agent: Option<&str>) -> Result<QuestionRecord, Error> {
    let mut call = client.call(Method::GET, &["questions", msg_id])?;
    if let Some(agent) = agent {
        call = call.query("agent_id", agent);
    }
    match client.json_patiently(&call, Some(PATIENCE)).await {
        Err(error) if error.refusal(404).is_some() => Err(unknown(client, msg_id, error).await),
        Err(error) => Err(several(msg_id, agent, error)),
        found => found,
    }
}

/// The questions that stand so, or all of them; of one agent, or of all.
pub(super) async fn list(
    client: &Client,
    status: Option<Status>,
    agent: Option<&str>,
) -> Result<Vec<QuestionRecord>, Error> {
    /// Read one by one: what each is allowed to nest leaves no room for the list around it.
    #[derive(Deserialize)]
    struct Questions {
        questions: Vec<Box<RawValue>>,
    }
    let Questions { questions } = client.json_patiently(&call(client, status, agent)?, Some(PATIENCE)).await?;
    let records = questions.iter().map(|record| serde_json::from_str(record.get())).collect::<Result<_, _>>();
    records.map_err(|error| client.stranger(format!("a question cannot be read: {error}")))
}

/// The request for such a list.
pub(super) fn call(client: &Client, status: Option<Status>, agent: Option<&str>) -> Result<Call, Error> {
    let wanted = [("status", status.map(Status::as_str)), ("agent_id", agent)];
    let given = wanted.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Ok(given.fold(client.call(Method::GET, &["questions"])?, |call, (name, value)| call.query(name, value)))
}

/// That a question waits for nobody any more: who was faster, or what closed it.
pub(super) fn too_late(record: &QuestionRecord) -> Option<Error> {
    if record.waits() {
        return None;
    }
    let answered = record.answer.as_ref().map(|answer| (&answer.answered_by, answer.responded_at));
    let given = answered.or(record.held.as_ref().map(|held| (&held.answered_by, held.responded_at)));
    Some(Error::TooLate(match given {
        Some((by, at)) => first(by, &at.to_string()),
        None => {
            let reason = record.closed_reason.as_deref().unwrap_or("it was closed");
            format!("the question is {} already: {reason}", record.status.as_str())
        }
    }))
}

/// Says who answered first.
pub(super) fn first(by: &AnsweredBy, at: &str) -> String {
    format!("{} answered first ({}) at {at}", by.who, by.door.as_str())
}

/// A 409 lists the questions that have the id, as far as they can be read.
fn several(msg_id: &str, agent: Option<&str>, error: Error) -> Error {
    let Some(problem) = error.refusal(409).filter(|_| agent.is_none()) else { return error };
    let listed = problem.extra.get("questions").and_then(|listed| Vec::<QuestionRecord>::deserialize(listed).ok());
    let listed = listed.unwrap_or_default();
    let agents: Vec<_> = listed.iter().map(|record| record.question.agent_id.as_str()).collect();
    let of = if agents.is_empty() { String::new() } else { format!(", of {}", agents.join(", ")) };
    Error::Failed(format!("several questions have the id {msg_id:?}{of}; name one with --agent"))
}

/// There is no such question: perhaps the person meant one that is open.
async fn unknown(client: &Client, msg_id: &str, error: Error) -> Error {
    let Ok(open) = list(client, Some(Status::Open), None).await else { return error };
    let meant = meant(msg_id, open.iter().map(|record| record.question.msg_id.as_str()));
    if meant.is_empty() {
        return Error::Failed(format!("there is no question {msg_id:?}; `remora inbox` lists those that are open"));
    }
    let text = |id: &str| open.iter().find(|record| record.question.msg_id == id).map(|r| &*r.question.question);
    let name = |id: &&str| format!("{id:?} ({})", shorten(text(id).unwrap_or_default(), QUESTION_CHARS));
    let meant: Vec<_> = meant.iter().map(name).collect();
    Error::Failed(format!("there is no question {msg_id:?}{}", did_you_mean(&meant)))
}

//! How names, states and answers are written, and the ids and links made of them.

use std::borrow::Cow;

use remora_actors::{
    model::{AgentSort, Answer, AnsweredBy, Decision, Question, QuestionKey, Reason, Standing, Urgency, Verdict},
    view::{GraphShown, Subject},
};
use serde_json::Value;
use uuid::Uuid;

use crate::address;

/// The path of an agent's page.
pub fn agent_url(agent_id: &str) -> String {
    address::url(&Subject::Agent(agent_id.to_owned()))
}

/// The address of a graph's page.
pub(super) fn graph_url(graph_id: &str) -> String {
    address::url(&Subject::Graph(GraphShown { graph_id: graph_id.to_owned(), ..GraphShown::default() }))
}

/// Where all of a question is read, as JSON.
pub(super) fn question_url(question: &Question) -> String {
    let (msg_id, workspace_id) = (address::segment(&question.msg_id), address::segment(&question.workspace_id));
    format!("/api/v1/questions/{msg_id}?workspace_id={workspace_id}")
}

/// Where the answer to an agent's question goes.
pub(super) fn respond_url(agent_id: &str) -> String {
    format!("/agent/{}/respond", address::segment(agent_id))
}

/// Where the answer to an agent's question is taken back.
pub(super) fn undo_url(agent_id: &str) -> String {
    format!("/agent/{}/undo", address::segment(agent_id))
}

/// The page on which questions that are alike are answered or dismissed together; `question` is the one to begin with.
pub(super) fn alike_url(question: &Question) -> String {
    format!("/alike/{}?from={}", question.likeness(), question_hash(&question.key()))
}

/// Where a message to an agent goes.
pub(super) fn messages_url(agent_id: &str) -> String {
    format!("{}/messages", agent_url(agent_id))
}

/// Where a request to an agent to stop goes.
pub(super) fn stop_url(agent_id: &str) -> String {
    format!("{}/stop", agent_url(agent_id))
}

/// Where what stands in a workspace is read.
pub(super) fn workspace_url(workspace_id: &str) -> String {
    format!("/workspaces/{}", address::segment(workspace_id))
}

/// Where all of it is read, as JSON.
pub(super) fn workspace_values_url(workspace_id: &str) -> String {
    format!("/api/v1/workspaces/{}/kv", address::segment(workspace_id))
}

/// Element ids are hashes: what an agent chose never stands in a selector.
fn hash(parts: &[&str]) -> String {
    // A text may hold any character but this one's place is told by the lengths before it.
    let name: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    let mut hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple().to_string();
    hash.truncate(16);
    hash
}

/// The hash in the ids of a question's elements.
pub fn question_hash(key: &QuestionKey) -> String {
    hash(&[&key.workspace_id, &key.msg_id])
}

/// The id of a question's text, which describes the fields of its answer.
pub(super) fn question_id(key: &QuestionKey) -> String {
    format!("question-{}", question_hash(key))
}

/// The id of a graph's row or of an agent's row.
pub(super) fn row_id(kind: &str, id: &str) -> String {
    format!("{kind}-{}", hash(&[id]))
}

/// The word for where an agent stands.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::TimedOut => "timed out",
        other => other.as_str(),
    }
}

/// The class that gives it its colour on every page.
pub(super) fn standing_class(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "blocked",
        Standing::TimedOut => "failed",
        other => other.as_str(),
    }
}

/// What the word means, where it does not say it by itself.
pub(super) fn standing_meaning(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "waits for a person's answer",
        Standing::Stalled => "should be at work and has been silent for too long",
        Standing::Answered => "has not picked its answer up yet",
        Standing::Running => "is at work",
        Standing::Idle => "is alive and has nothing to do",
        Standing::Failed => "stopped with an error",
        Standing::TimedOut => "ran out of time",
        Standing::Cancelled => "was stopped",
        Standing::Completed => "finished",
    }
}

/// The words for an order of agents.
pub(super) fn sort(sort: AgentSort) -> &'static str {
    match sort {
        AgentSort::Attention => "who needs you first",
        AgentSort::Name => "by name",
        AgentSort::Started => "latest started first",
        AgentSort::Latest => "latest heard of first",
        AgentSort::Waited => "longest waited first",
    }
}

/// Why a question is asked.
pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::InputRequired => "needs input",
        Reason::Confirmation => "needs a confirmation",
        Reason::ToolCall => "wants to use a tool",
    }
}

/// How urgent a question is, where it is unusual.
pub(super) fn urgency(urgency: Urgency) -> Option<&'static str> {
    match urgency {
        Urgency::Low => Some("low urgency"),
        Urgency::Normal => None,
        Urgency::High => Some("high urgency"),
        Urgency::Critical => Some("critical"),
    }
}

/// A value for people: texts as they are, lists of texts with commas, decisions in words, anything else as JSON.
pub(super) fn value(value: &Value) -> Cow<'_, str> {
    if let (Some(decision), true) = (Decision::read(value), value.is_object()) {
        return decided(&decision).into();
    }
    match value {
        Value::String(text) => text.into(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ").into()
        }
        other => other.to_string().into(),
    }
}

/// `rejected: too early`, `approved with changes`.
fn decided(decision: &Decision) -> String {
    let word = match decision.decision {
        Verdict::Approve => "approved",
        Verdict::Edit => "approved with changes",
        Verdict::Reject => "rejected",
    };
    decision.reason.as_ref().map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}"))
}

/// `ann (browser)`.
pub(super) fn who(by: &AnsweredBy) -> String {
    format!("{} ({})", by.who, by.door.as_str())
}

/// `“yes” by ann (browser)`, the answer cut to a line.
pub(super) fn answer(answer: &Answer) -> String {
    format!("“{}” by {}", brief(&value(&answer.answer), 80), who(&answer.answered_by))
}

/// A text's first `max` characters, with an ellipsis where some are missing.
pub(super) fn brief(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// `1 agent`, `2 agents`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

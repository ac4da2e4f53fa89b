//! Anything that takes JSON: a message as <https://www.standardwebhooks.com> describes it, its data the questions' records.

use serde_json::{Value, json};

use super::Letter;

pub(super) fn body(letter: &Letter<'_>) -> Value {
    let notice = letter.notice;
    let kind = match notice.items.as_slice() {
        [item] => format!("question.{}", item.kind.as_str()),
        _ => "questions.summary".to_owned(),
    };
    let questions: Vec<_> =
        notice.items.iter().map(|item| json!({"notice": item.kind, "question": item.record})).collect();
    let answers: Vec<_> =
        letter.buttons().into_iter().map(|button| json!({"answer": button.answer, "url": button.url})).collect();
    let mut data = json!({
        "target": notice.target,
        "agent_id": notice.agent_id,
        "agent_name": notice.agent_name,
        "questions": questions,
    });
    if let Some(page) = letter.page() {
        data["page"] = page.into();
    }
    if !answers.is_empty() {
        data["answers"] = answers.into();
    }
    json!({"type": kind, "timestamp": notice.at, "data": data})
}

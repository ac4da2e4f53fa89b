//! ntfy: its JSON form of publishing, <https://docs.ntfy.sh/publish/#publish-as-json>, which takes any character.

use remora_actors::model::{Urgency, notice::NoticeKind};
use remora_web::http::Uri;
use serde_json::{Value, json};

use super::{Letter, Post, words};

/// The JSON goes to the server itself, and names the topic.
pub(super) fn post(topic: &Uri, letter: &Letter<'_>) -> Post {
    let path = topic.path().trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parts = topic.clone().into_parts();
    parts.path_and_query = format!("{folder}/").parse().ok();
    Post { uri: Uri::from_parts(parts).unwrap_or_else(|_| topic.clone()), body: body(name, letter) }
}

fn body(topic: &str, letter: &Letter<'_>) -> Value {
    let notice = letter.notice;
    let text = words::question(notice);
    let message = match words::deadline(notice) {
        Some(deadline) => format!("{text}\n{deadline}"),
        None => text,
    };
    let tag = match notice.items.as_slice() {
        [item] if item.kind == NoticeKind::Near => "hourglass_flowing_sand",
        [item] if item.kind == NoticeKind::Expired => "no_entry",
        _ => "question",
    };
    let priority = match words::urgency(notice) {
        Urgency::Low => 2,
        Urgency::Normal => 3,
        Urgency::High => 4,
        Urgency::Critical => 5,
    };
    let mut body = json!({
        "topic": topic,
        "title": words::title(notice),
        "message": message,
        "priority": priority,
        "tags": [tag],
    });
    if let Some(page) = letter.page() {
        body["click"] = page.into();
    }
    let action = |button: super::Button| {
        let label = words::one_line(&button.answer, 40);
        json!({"action": "http", "label": label, "url": button.url, "method": "POST", "clear": true})
    };
    let actions: Vec<_> = letter.buttons().into_iter().map(action).collect();
    if !actions.is_empty() {
        body["actions"] = actions.into();
    }
    body
}

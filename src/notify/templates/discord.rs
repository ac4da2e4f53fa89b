//! Discord: a webhook's embed, <https://discord.com/developers/docs/resources/webhook#execute-webhook>. Nobody is
//! mentioned, whatever an agent writes, and its markup is shown as it was typed.

use remora_actors::model::{Urgency, notice::NoticeKind};
use serde_json::{Value, json};

use super::{Letter, words};

/// What begins some markup of Discord's.
const MARKUP: &[char] = &['\\', '*', '_', '~', '`', '|', '>', '<', '#', '[', ']', '(', ')', '@', ':', '-'];

pub(super) fn body(letter: &Letter<'_>) -> Value {
    let notice = letter.notice;
    let expired = notice.items.iter().all(|item| item.kind == NoticeKind::Expired);
    let colour = match words::urgency(notice) {
        _ if expired => 0x56_60_70,
        Urgency::Low | Urgency::Normal => 0x0f_76_6e,
        Urgency::High => 0x9a_4a_00,
        Urgency::Critical => 0xb3_26_1e,
    };
    let mut text = escape(&words::question(notice));
    let buttons = letter.buttons();
    if !buttons.is_empty() {
        // A webhook may not bring buttons of its own; a person who follows the link confirms the answer on its page.
        let link =
            |button: &super::Button| format!("[{}]({})", escape(&words::one_line(&button.answer, 70)), button.url);
        text.push_str("\n\n");
        text.push_str(&buttons.iter().map(link).collect::<Vec<_>>().join(" · "));
    }
    let mut embed = json!({
        "title": escape(&words::title(notice)),
        "description": text,
        "color": colour,
        "timestamp": notice.at,
    });
    if let Some(page) = letter.page() {
        embed["url"] = page.into();
    }
    if let Some(deadline) = words::deadline(notice) {
        embed["footer"] = json!({"text": deadline});
    }
    json!({"username": "Remora", "allowed_mentions": {"parse": []}, "embeds": [embed]})
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if MARKUP.contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

//! Slack: an incoming webhook's blocks, <https://docs.slack.dev/reference/block-kit/blocks>. Agents' texts stand in plain
//! text objects, where no mention and no link means anything.

use serde_json::{Value, json};

use super::{Letter, words};

pub(super) fn body(letter: &Letter<'_>) -> Value {
    let notice = letter.notice;
    let title = words::title(notice);
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&words::brief(&title, 140))}),
        json!({"type": "section", "text": plain(&words::question(notice))}),
    ];
    if let Some(deadline) = words::deadline(notice) {
        blocks.push(json!({"type": "context", "elements": [plain(&deadline)]}));
    }
    let mut buttons: Vec<_> = letter
        .buttons()
        .into_iter()
        // A person who follows the link confirms the answer on its page.
        .map(|button| json!({"type": "button", "text": plain(&words::one_line(&button.answer, 70)), "url": button.url}))
        .collect();
    if let Some(page) = letter.page() {
        buttons.push(json!({"type": "button", "text": plain("Open Remora"), "url": page}));
    }
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    // Shown where the blocks are not, and read as markup there.
    json!({"text": escape(&title), "blocks": blocks})
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// As Slack asks for: `<!channel>` and links begin with a character that is escaped.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

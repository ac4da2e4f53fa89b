//! The words that all templates share, in plain text.

use jiff::Timestamp;
use remora_actors::model::{
    OnDeadline, Question, Urgency,
    notice::{Item, Notice, NoticeKind},
};
use serde_json::Value;

/// Characters of a question's text in a notice: what fits on a phone. The page has all of it.
const QUESTION_CHARS: usize = 500;
/// Characters of each question where several are told at once.
const LINE_CHARS: usize = 120;
/// Questions named where several are told at once.
const LINES: usize = 10;

/// What it is about, on one line.
pub(super) fn title(notice: &Notice) -> String {
    let name = one_line(&notice.agent_name, 60);
    match notice.items.as_slice() {
        [item] => match item.kind {
            NoticeKind::Opened => format!("{name} asks"),
            NoticeKind::Near => format!("{name} still waits, the deadline is near"),
            NoticeKind::Expired => format!("{name} got no answer in time"),
        },
        items => format!("{} more questions of {name}", items.len()),
    }
}

/// What is asked.
pub(super) fn question(notice: &Notice) -> String {
    match notice.items.as_slice() {
        [item] => brief(item.record.question.question.trim(), QUESTION_CHARS),
        items => {
            let mut lines: Vec<_> = items.iter().take(LINES).map(line).collect();
            if items.len() > LINES {
                lines.push(format!("and {} more", items.len() - LINES));
            }
            lines.join("\n")
        }
    }
}

fn line(item: &Item) -> String {
    let mark = match item.kind {
        NoticeKind::Opened => "",
        NoticeKind::Near => "deadline near: ",
        NoticeKind::Expired => "expired: ",
    };
    format!("• {mark}{}", one_line(&item.record.question.question, LINE_CHARS))
}

/// What happens, or happened, at the deadline; nothing where there is none or several questions are told.
pub(super) fn deadline(notice: &Notice) -> Option<String> {
    let [item] = notice.items.as_slice() else { return None };
    let record = &item.record;
    if item.kind == NoticeKind::Expired {
        return Some(match &record.answer {
            Some(answer) => format!("Answered “{}” by the deadline's policy", value(&answer.answer)),
            None => record.closed_reason.clone().unwrap_or_else(|| "Closed unanswered".to_owned()),
        });
    }
    let left = time_left(notice.at, record.question.expires_at?);
    Some(format!("{} {left}", at_deadline(&record.question)))
}

fn at_deadline(question: &Question) -> String {
    match question.on_deadline {
        OnDeadline::Expire => "Expires unanswered".to_owned(),
        OnDeadline::Wait => "An answer is wanted".to_owned(),
        OnDeadline::Default => format!("Answers “{}” automatically", value(&question.default)),
        OnDeadline::Deny => "Is denied automatically".to_owned(),
    }
}

fn time_left(now: Timestamp, deadline: Timestamp) -> String {
    match deadline.duration_since(now).as_secs().max(0) {
        left @ 0..90 => format!("in {left} s"),
        left @ 90..5_400 => format!("in {} min", (left + 30) / 60),
        left @ 5_400..129_600 => format!("in {} h", (left + 1_800) / 3_600),
        left => format!("in {} d", (left + 43_200) / 86_400),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text, 80),
        other => one_line(&other.to_string(), 80),
    }
}

/// How urgent the most urgent of the questions is.
pub(super) fn urgency(notice: &Notice) -> Urgency {
    notice.items.iter().map(|item| item.record.question.urgency).max().unwrap_or_default()
}

/// The first `max` characters on one line.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    brief(&words.join(" "), max)
}

/// The first `max` characters, with an ellipsis where some are missing.
pub(super) fn brief(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

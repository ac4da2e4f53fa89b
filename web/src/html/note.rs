//! What became of a form that was sent: signals, so that nothing depends on whether its place is still on the page.

use horrorshow::{Render, owned_html};
use remora_actors::model::QuestionKey;
use serde_json::{Value, json};

use super::{keeper, words};

/// Characters of an answer that can be taken back: enough to see that it is the wrong one.
const ANSWER_CHARS: usize = 500;

/// The note on a question's card.
pub fn note(key: &QuestionKey, ok: bool, text: &str) -> Value {
    json!({"_notes": {question_note_id(key): {"ok": ok, "text": text}}})
}

/// The note on a question's card that an answer was taken; what it says, where the card itself does not tell it yet.
pub fn sent(key: &QuestionKey, held: Option<&Value>) -> Value {
    let text = held.map(|answer| format!("Your answer: “{}”", words::brief(&words::value(answer), ANSWER_CHARS)));
    note(key, true, text.as_deref().unwrap_or("Sent."))
}

/// The note on a question's card that an answer was not taken: its draft is not sent.
pub fn refusal(key: &QuestionKey, text: &str) -> Value {
    let mut signals = note(key, false, text);
    signals["_refused"] = json!({format!("remora-draft-{}", words::question_hash(key)): true});
    signals
}

/// The note under the form that sends an agent a message.
pub fn message_note(ok: bool, text: &str) -> Value {
    json!({"_notes": {MESSAGE_NOTE: {"ok": ok, "text": text}}})
}

/// The note above the undelivered notices.
pub fn notice_note(ok: bool, text: &str) -> Value {
    json!({"_notes": {NOTICE_NOTE: {"ok": ok, "text": text}}})
}

/// The element id of the note above the undelivered notices.
pub(super) const NOTICE_NOTE: &str = "notice-note";
/// The note under the form that asks an agent to stop.
pub fn stop_note(ok: bool, text: &str) -> Value {
    json!({"_notes": {STOP_NOTE: {"ok": ok, "text": text}}})
}

/// The element id of the note under the form that asks an agent to stop.
pub(super) const STOP_NOTE: &str = "stop-note";

/// The element id of the message form's note.
pub(super) const MESSAGE_NOTE: &str = "message-note";

/// Empties the message's field once it is sent, and forgets the draft.
pub(super) const MESSAGE_SENT: &str = "\
    $_notes['message-note'].ok && $_notes['message-note'].text && (el.value = '', $_store($_place(el)))";

pub(super) fn question_note_id(key: &QuestionKey) -> String {
    format!("note-{}", words::question_hash(key))
}

/// The place of a note.
pub(super) fn empty(id: String) -> impl Render {
    owned_html! {
        p(id = &id, class = "note", role = "status", data-ignore-morph, data-text = keeper::NOTE,
            data-attr:class = keeper::NOTE_LOOK);
    }
}

//! What became of a form that was sent.

use horrorshow::{Render, owned_html};
use remora_actors::model::QuestionKey;

use super::{text_of, words};

/// The note on a question's card: the body, `text/html`, of the response to the answer.
pub fn note(key: &QuestionKey, ok: bool, text: &str) -> String {
    text_of(element(question_note_id(key), ok, text.to_owned()))
}

/// The note under the form that sends an agent a message.
pub fn message_note(ok: bool, text: &str) -> String {
    text_of(element(MESSAGE_NOTE.to_owned(), ok, text.to_owned()))
}

/// The note under the form that asks an agent to stop.
pub fn stop_note(ok: bool, text: &str) -> String {
    text_of(element(STOP_NOTE.to_owned(), ok, text.to_owned()))
}

/// The element id of the note under the form that asks an agent to stop.
pub(super) const STOP_NOTE: &str = "stop-note";

/// The element id of the message form's note.
pub(super) const MESSAGE_NOTE: &str = "message-note";

pub(super) fn question_note_id(key: &QuestionKey) -> String {
    format!("note-{}", words::question_hash(key))
}

/// The place of a note before anything was sent. Patches of the card leave it alone from then on.
pub(super) fn empty(id: String) -> impl Render {
    owned_html! { p(id = &id, class = "note", role = "status", data-ignore, data-ignore-morph); }
}

/// A note gets into its place because it does not ask to be left alone itself; the place goes on asking for it.
fn element(id: String, ok: bool, text: String) -> impl Render {
    let class = if ok { "note ok" } else { "note error" };
    owned_html! {
        p(id = &id, class = class, role = "status", data-ignore, data-preserve-attr = "data-ignore-morph") : &text;
    }
}

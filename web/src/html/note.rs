//! What became of a form that was sent.

use horrorshow::{Render, owned_html};
use remora_actors::model::QuestionKey;

use super::{text_of, words};

/// The response header, name and value, that a note needs: it is put in the old one's place and not merged into it,
/// because later patches of the card must leave it alone.
pub const NOTE_MODE: (&str, &str) = ("datastar-mode", "replace");

/// The note on a question's card: the body, `text/html`, of the response to the answer. Send it with [`NOTE_MODE`].
pub fn note(key: &QuestionKey, ok: bool, text: &str) -> String {
    text_of(element(question_note_id(key), ok, text.to_owned()))
}

/// The note under the form that sends an agent a message. Send it with [`NOTE_MODE`].
pub fn message_note(ok: bool, text: &str) -> String {
    text_of(element(MESSAGE_NOTE.to_owned(), ok, text.to_owned()))
}

/// The element id of the message form's note.
pub(super) const MESSAGE_NOTE: &str = "message-note";

pub(super) fn question_note_id(key: &QuestionKey) -> String {
    format!("note-{}", words::question_hash(key))
}

/// The place of a note before anything was sent.
pub(super) fn empty(id: String) -> impl Render {
    // The outer element was there before the text, so that screen readers announce the text.
    owned_html! {
        div(role = "status", data-ignore) {
            p(id = &id, class = "note", data-ignore-morph);
        }
    }
}

fn element(id: String, ok: bool, text: String) -> impl Render {
    let class = if ok { "note ok" } else { "note error" };
    owned_html! {
        p(id = &id, class = class, role = "status", data-ignore, data-ignore-morph) : &text;
    }
}

//! Frames of the Datastar stream: one or more server-sent events that go out together.

use std::sync::LazyLock;

use bytes::Bytes;
use datastar::prelude::{DatastarEvent, ElementPatchMode, PatchElements, PatchSignals};
use remora_actors::model::Seq;
use serde_json::{Value, json};

/// The signal that tells a page that it lost its stream to newer tabs. The underscore keeps it in the browser.
pub(crate) const PARKED: &str = "_parked";

/// A frame that is being written.
#[derive(Debug, Default)]
pub(crate) struct Frame(String);

impl Frame {
    /// Replaces the elements that have the ids of these ones.
    pub(crate) fn patch(&mut self, elements: String) {
        self.push(PatchElements::new(elements).into());
    }

    /// Puts elements before the children of the one that `selector` finds.
    pub(crate) fn prepend(&mut self, selector: &'static str, elements: String) {
        self.push(PatchElements::new(elements).selector(selector).mode(ElementPatchMode::Prepend).into());
    }

    /// Puts elements behind the one that `selector` finds.
    pub(crate) fn after(&mut self, selector: String, elements: String) {
        self.place(selector, ElementPatchMode::After, elements);
    }

    /// Puts an element before the one that `selector` finds.
    pub(crate) fn before(&mut self, selector: String, element: String) {
        self.place(selector, ElementPatchMode::Before, element);
    }

    /// Puts an element after the children of the one that `selector` finds.
    pub(crate) fn append(&mut self, selector: String, element: String) {
        self.place(selector, ElementPatchMode::Append, element);
    }

    /// Puts an element in the place of the one that `selector` finds, with nothing kept of that.
    pub(crate) fn replace(&mut self, selector: String, element: String) {
        self.place(selector, ElementPatchMode::Replace, element);
    }

    /// Gives the element that `selector` finds other children.
    pub(crate) fn inner(&mut self, selector: String, elements: String) {
        self.place(selector, ElementPatchMode::Inner, elements);
    }

    fn place(&mut self, selector: String, mode: ElementPatchMode, elements: String) {
        self.push(PatchElements::new(elements).selector(selector).mode(mode).into());
    }

    /// Removes what `selector` finds.
    pub(crate) fn remove(&mut self, selector: impl Into<String>) {
        self.push(PatchElements::new_remove(selector).into());
    }

    /// Sets signals. Browsers evaluate what is not JSON as code: hence a value and not a text.
    pub(crate) fn signals(&mut self, signals: &Value) {
        self.push(PatchSignals::new(signals.to_string()).into());
    }

    /// A frame that replaces one element and sets the signals.
    pub(crate) fn of(element: String, signals: &Value, last_seq: Seq) -> Bytes {
        let mut frame = Self::default();
        frame.patch(element);
        frame.signals(signals);
        frame.finish(last_seq)
    }

    /// A bare carriage return ends a line of the stream too, so that agent text could begin events of its own. The
    /// crate does not know that: no line gets past here with one.
    fn push(&mut self, mut event: DatastarEvent) {
        for line in &mut event.data {
            if line.contains('\r') {
                *line = line.replace('\r', "&#13;");
            }
        }
        self.0.push_str(&event.to_string());
    }

    /// The whole frame. The position stands in a block of its own after all events: browsers take it over as soon as
    /// they read the line, and a frame that broke off before must come again.
    pub(crate) fn finish(mut self, last_seq: Seq) -> Bytes {
        self.0.push_str(&format!("id: {last_seq}\n\n"));
        self.0.into()
    }
}

/// Seconds without a frame after which a page gives its stream up and opens another: two heartbeats lost.
pub(crate) const SILENCE_S: u32 = 2 * MAX_HEARTBEAT_S;

/// Longest time between two heartbeats, in seconds, that pages put up with.
pub const MAX_HEARTBEAT_S: u32 = 20;

/// Shows that a stream lives: by a comment to whatever lies between, by an empty patch to the page, which hears of no
/// comment.
pub(crate) fn heartbeat() -> Bytes {
    static HEARTBEAT: LazyLock<Bytes> = LazyLock::new(|| {
        let mut frame = Frame(": alive\n".to_owned());
        frame.signals(&json!({}));
        frame.0.into()
    });
    HEARTBEAT.clone()
}

/// The last frame of a stream that is given up because its browser has too many: the page then waits until it is
/// looked at again. End the body cleanly after it.
pub(crate) fn parked() -> Bytes {
    let mut frame = Frame::default();
    frame.signals(&json!({ PARKED: true }));
    frame.0.into()
}

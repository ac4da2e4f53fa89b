//! The help that `?` opens: which keys do what. It opens by its button too, without a script.

use horrorshow::{Render, owned_html};

/// Opens and closes it. Who speaks to the machine, or whose keys are taken, switches single keys off.
const KEY: &str = "$_keys && evt.key === '?' && !evt.target.closest('input, textarea, select') && el.togglePopover()";

/// Keeps the choice in this browser.
const KEEP: &str = "localStorage.setItem('remora.keys', $_keys ? 'on' : 'off')";

/// Whether single keys do anything: a signal of the page, kept in the browser.
pub(super) const SIGNAL: &str = "_keys: localStorage.getItem('remora.keys') !== 'off'";

const KEYS: [(&str, &str); 7] = [
    ("?", "open and close this help"),
    ("j k", "go to the next or the last question"),
    ("Enter", "go from a question into its answer, Esc back"),
    ("Tab", "go to the next field, button or link"),
    ("Space", "choose an option, open what is folded"),
    ("Ctrl Enter", "send the answer or message that is being written"),
    ("Esc", "close this help"),
];

/// The button in the bar.
pub(super) fn button() -> impl Render {
    owned_html! {
        button(type = "button", class = "round", popovertarget = "help", aria-label = "Help: keys", title = "Keys (?)") : "?";
    }
}

/// The help itself.
pub(super) fn panel() -> impl Render {
    owned_html! {
        aside(id = "help", class = "panel", popover, role = "dialog", aria-labelledby = "help-title", data-on:keydown__window = KEY) {
            h2(id = "help-title") : "Keys";
            dl(class = "facts") {
                @ for (key, what) in KEYS { dt { kbd : key; } dd : what; }
            }
            label(class = "option") {
                input(type = "checkbox", checked, data-bind:_keys, data-on:change = KEEP);
                span : "Single keys do something";
            }
        }
    }
}

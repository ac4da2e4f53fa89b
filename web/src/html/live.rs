//! What keeps the page and its stream together: constant expressions that Datastar runs. They are the only script.

use horrorshow::{Render, owned_html};
use remora_actors::model::Dashboard;
use serde_json::{Value, json};

use super::{alerts, help, inbox, login};
use crate::frame::{PARKED, SILENCE_S};

/// Sends the form it stands on. Datastar drops the reply to a form that its parent loses: on a card, which may be replaced
/// before the reply is there, a form has an element with an id of its own around it, and they go together.
pub(super) const SUBMIT: &str = "@post(el.getAttribute('action'), $_once)";

/// Sends the form it stands on, or in, from within a text field.
pub(super) const SUBMIT_BY_KEY: &str =
    "evt.key === 'Enter' && (evt.ctrlKey || evt.metaKey) && (el.form ?? el).requestSubmit()";

/// Loads what its element asks for.
pub(super) const LOAD: &str = "@get(el.dataset.url, {filterSignals: {include: /^$/}})";

/// Loads it again, from a form.
pub(super) const RELOAD: &str = "@get(el.getAttribute('action'), {filterSignals: {include: /^$/}})";

/// The document's title.
pub(super) const TITLE: &str = "($waiting > 0 ? '(' + $waiting + ') ' : '') + el.dataset.title";

/// The word in `#connection-status`.
pub(super) const STATUS: &str = "$_parked ? 'Paused' : \
    ({connected: 'Connected', lost: 'Disconnected, retrying', out: 'Logged out'})[$_link] ?? 'Connecting'";

/// The look of `#connection-status`.
pub(super) const STATUS_LOOK: &str = "$_parked ? 'parked' : $_link";

/// Opens the stream. No signals travel with it; it is retried for ever, also in a hidden tab, which still has a title.
const OPEN: &str = "@get(el.dataset.stream, {retryInterval: 500, retryScaler: 1.5, retryMaxWaitMs: 4000, \
    retryMaxCount: Infinity, openWhenHidden: true, filterSignals: {include: /^$/}})";

/// The browser reports every request of the page here: only the stream's own say something about the connection. Who is
/// told that a login is needed stays out until there are frames again.
const WATCH: &str = "evt.detail.el === el && (evt.detail.type.startsWith('datastar-patch') \
    ? ($_link = 'connected', $_seen = Date.now()) \
    : evt.detail.argsRaw.status === '401' ? ($_link = 'out') \
    : evt.detail.type === 'started' || $_link === 'out' || ($_link = 'lost'))";

/// A parked page that is looked at again resumes.
const RESUME: &str = "document.hidden || $_parked && ($_link = 'connecting', $_parked = false)";

/// The signals that the server keeps up to date.
pub(super) fn signals(dashboard: &Dashboard) -> Value {
    json!({ "waiting": dashboard.inbox().waiting_count(), "newest": alerts::newest(dashboard) })
}

/// The signals a page starts with: the server's, and those that stay in the browser. They are an expression, so that no
/// agent's text stands among them.
pub(super) fn initial_signals(dashboard: &Dashboard) -> String {
    let mut inbox = inbox::signals(dashboard);
    inbox["newest"] = alerts::position(dashboard);
    format!(
        "Object.assign({{_alike: {{}}, _notes: {{}}, _refused: {{}}, _drafts: 0, _sentLast: ''}}, {inbox}, \
        {{{PARKED}: false, _link: 'connecting', _now: Date.now(), _seen: Date.now(), _who: {}, {}, {}, \
        _relative: {RELATIVE}{WORDS}, _span: {SPAN}{WORDS}}})",
        login::who(),
        help::SIGNAL,
        alerts::SIGNALS
    )
}

/// The same words as the server's clock writes.
const RELATIVE: &str = "(at, now, past) => \
    ((s, words) => Math.abs(s) < 3 ? 'now' : s < 0 ? words(-s) + ' ago' : 'in ' + words(s))\
    (Math.min(past ? 0 : Infinity, Math.round((Date.parse(at) - now) / 1000)), ";
const SPAN: &str = "(at, now) => ((s, words) => words(s))(Math.max(0, Math.round((now - Date.parse(at)) / 1000)), ";
const WORDS: &str = "(s) => s < 90 ? s + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : \
    s < 129600 ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' d')";

/// The element that owns the stream. Each second it opens another where none is open or the open one is silent: a
/// stream that ended cleanly, or whose network vanished, is not retried by itself. So it does where somebody has logged
/// out, in whichever tab: then the new one takes the open one's place and is refused. After that it waits for a login.
pub(super) fn stream(url: &str) -> impl Render {
    let heal = format!(
        "$_now = Date.now(); const left = $_who && !{who}; $_who = {who} || $_who; \
        $_parked || left && $_link === 'out' || !left && $_open && $_now - $_seen < {SILENCE_S}000 || \
        ($_link = $_link === 'connected' ? 'lost' : $_link, $_seen = $_now, {OPEN})",
        who = login::who()
    );
    owned_html! {
        div(id = "stream", hidden, data-stream = url, data-indicator = "_open", data-on:datastar-fetch = WATCH, data-init = OPEN,
            data-on-interval = &heal);
    }
}

/// What a page shows in a browser that is logged out: also where another tab was left.
pub(super) fn logged_out_notice() -> impl Render {
    owned_html! {
        aside(id = "logged-out", class = "notice", hidden, data-attr:hidden = "$_link !== 'out'") {
            p : "This browser is logged out. What this page shows may be out of date.";
            // The page's own address leads on to the login, and back.
            button(type = "button", data-on:click = "location.reload()") : "Log in";
        }
    }
}

/// What a page shows that gave its stream up for newer tabs.
pub(super) fn parked_notice() -> impl Render {
    owned_html! {
        aside(id = "parked", class = "notice", hidden, data-attr:hidden = "!$_parked",
            data-on:focus__window = RESUME, data-on:visibilitychange__window = RESUME) {
            p : "This tab is paused because many tabs are open. What it shows may be out of date.";
            button(type = "button", data-on:click = RESUME) : "Resume here";
        }
    }
}

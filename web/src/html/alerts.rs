//! What this browser does when a question comes while nobody looks: a mark on the icon, and, where the person wants them,
//! a notification and a sound. The question's text travels as a signal; the expressions are constants.

use horrorshow::{Render, owned_html};
use remora_actors::model::Dashboard;
use serde_json::{Value, json};

use super::{markdown, words};
use crate::assets;

/// What the browser keeps to itself: whether to notify, whether to sound, and the last question it has heard of.
pub(super) const SIGNALS: &str = "_notify: localStorage.getItem('remora.notify') === 'on', \
    _sound: localStorage.getItem('remora.sound') === 'on', _heard: -1";

/// A short, soft tone.
const TONE: &str = "((audio) => ((tone, volume) => (volume.gain.setValueAtTime(0.15, audio.currentTime), \
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.5), \
    tone.frequency.setValueAtTime(740, audio.currentTime), tone.frequency.setValueAtTime(988, audio.currentTime + 0.12), \
    tone.connect(volume).connect(audio.destination), tone.start(), tone.stop(audio.currentTime + 0.5), \
    tone.onended = () => audio.close()))(audio.createOscillator(), audio.createGain()))(new AudioContext())";

/// Asks for permission at the click that wants it, and at no other time.
const WANT_NOTICES: &str = "$_notify && 'Notification' in window && Notification.permission !== 'granted' \
    ? Notification.requestPermission().then((answer) => ($_notify = answer === 'granted', \
        localStorage.setItem('remora.notify', $_notify ? 'on' : 'off'))) \
    : localStorage.setItem('remora.notify', $_notify ? 'on' : 'off')";

/// Why there are no notifications although they are wanted.
const HINT: &str = "!('Notification' in window) ? 'This browser shows notifications only over https or on localhost.' \
    : !$_notify && Notification.permission === 'denied' \
    ? 'This browser refuses them: allow notifications for this address in its settings.' : ''";

/// Does something about a question in the first tab that wants to, and in no other: what one tab keeps in the storage the
/// others may read too late. Only pages that come over https or from this machine have locks.
const FIRST: &str = "((tag, act) => 'locks' in navigator \
    ? navigator.locks.request('remora.' + tag, {ifAvailable: true}, \
        (lock) => lock && (act(), new Promise((end) => setTimeout(end, 10000)))) \
    : act())";

/// Tells of a question that is newer than the last one heard of. What was there when the page came is not new. The tab
/// that has the focus needs no alert and tells the others so; of the others the first one alerts, after a second, in which
/// also a slow tab that has the focus has heard of it.
fn ring() -> String {
    let alert = format!(
        "(tag, name, question, notify, sound) => localStorage.getItem('remora.heard') === tag \
        || {FIRST}(tag, () => (localStorage.setItem('remora.heard', tag), sound && {TONE}, \
            notify && 'Notification' in window && Notification.permission === 'granted' \
            && new Notification(name + ' asks', {{body: question, tag}})))"
    );
    let heard = format!("((tag) => {FIRST}(tag, () => localStorage.setItem('remora.heard', tag)))");
    format!(
        "$newest.seq === $_heard || ($_heard >= 0 && $newest.seq > $_heard && $newest.question \
        && (document.hasFocus() && !document.hidden ? {heard}($newest.tag) \
            : setTimeout({alert}, 1000, $newest.tag, $newest.name, $newest.question, $_notify, $_sound)), \
        $_heard = $newest.seq)"
    )
}

/// The newest question, for a stream's signals.
pub(super) fn newest(dashboard: &Dashboard) -> Value {
    let mut newest = position(dashboard);
    let record = dashboard.newest_question().and_then(|(_, key)| dashboard.inbox().get(key));
    if let Some(record) = record.filter(|record| record.waits()) {
        let question = &record.question;
        let name = dashboard.agent(&question.agent_id).map_or(question.agent_id.as_str(), |agent| &*agent.name);
        newest["tag"] = words::question_hash(&question.key()).into();
        newest["name"] = words::brief(name, 80).into();
        newest["question"] = markdown::line(&question.question, 160).into();
    }
    newest
}

/// The same for a document, whose signals are an expression: no text of an agent's may stand there.
pub(super) fn position(dashboard: &Dashboard) -> Value {
    let seq = dashboard.newest_question().map_or(0, |(seq, _)| seq);
    json!({"seq": seq, "tag": "", "name": "", "question": ""})
}

/// The icon, with a mark on it while a question waits.
pub(super) fn icon(live: bool) -> impl Render {
    let (calm, waiting) = (assets::url("remora.svg"), assets::url("remora-waiting.svg"));
    let choice = live.then(|| format!("$waiting > 0 ? '{waiting}' : '{calm}'"));
    owned_html! { link(rel = "icon", type = "image/svg+xml", href = calm, data-attr:href ?= choice.as_deref()); }
}

/// The button in the bar.
pub(super) fn button() -> impl Render {
    owned_html! {
        button(type = "button", class = "round", popovertarget = "alerts", aria-label = "Alerts in this browser", title = "Alerts") {
            svg(viewBox = "0 0 20 20", aria-hidden = "true") {
                path(d = "M10 2a5 5 0 0 0-5 5v3.5L3.5 13v1h13v-1L15 10.5V7a5 5 0 0 0-5-5zM8 15.5a2 2 0 0 0 4 0z",
                    fill = "currentColor");
            }
        }
    }
}

/// The choices, and what listens for new questions.
pub(super) fn panel() -> impl Render {
    let ring = ring();
    owned_html! {
        aside(id = "alerts", class = "panel", popover, role = "dialog", aria-labelledby = "alerts-title", data-effect = &ring) {
            h2(id = "alerts-title") : "Alerts";
            p(class = "more") : "When a question comes while you do not look at Remora:";
            label(class = "option") {
                input(type = "checkbox", data-bind:_notify, data-on:change = WANT_NOTICES);
                span : "Notify me in this browser";
            }
            label(class = "option") {
                input(type = "checkbox", data-bind:_sound,
                    data-on:change = format!("localStorage.setItem('remora.sound', $_sound ? 'on' : 'off'), $_sound && {TONE}"));
                span : "Sound";
            }
            p(class = "note error", role = "status", data-text = HINT);
        }
    }
}

//! The dashboard as it was: the panels of any moment, and the slider that leads through all of them. Nothing on it can be
//! sent, and ages and deadlines are told as of then.

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{Dashboard, Panel},
    view::{Moment, Part},
};
use serde_json::{Value, json};

use super::{clock::Clock, inbox, live, page, panel_html, shell, text_of};
use crate::frame::Frame;

/// Shows the moment that `$_at` names, and puts it into the address. A newer request takes the place of the one before.
macro_rules! go {
    ($before:literal) => {
        concat!(
            $before,
            "@get('/at/' + $_at, {filterSignals: {include: /^$/}}); \
            history.replaceState(null, '', '/at/' + $_at)"
        )
    };
}
const DRAG: &str = go!("$_at = +el.value; ");
const EARLIER: &str = go!("$_at = Math.max(+el.dataset.edge, $_at - 1); ");
const LATER: &str = go!("$_at = Math.min(+el.dataset.edge, $_at + 1); ");

/// The dashboard of a moment, as a document or as a frame.
pub(super) fn render(dashboard: &Dashboard, moment: &Moment, part: Part, clock: &Clock) -> Bytes {
    match part {
        Part::Document => document(dashboard, moment, clock).into(),
        Part::Frame | Part::Since(_) => frame(dashboard, moment, clock),
    }
}

fn frame(dashboard: &Dashboard, moment: &Moment, clock: &Clock) -> Bytes {
    let mut frame = Frame::default();
    frame.patch(text_of(label(moment, clock)));
    // What is wrong now was not wrong then.
    for panel in [Panel::Inbox, Panel::Agents, Panel::Results, Panel::Progress, Panel::Events] {
        frame.patch(panel_html(dashboard, panel, clock));
    }
    frame.signals(&signals(dashboard, moment));
    frame.finish(moment.seq)
}

/// The signals of the inbox as it was, and the moment as the time that counts.
fn signals(dashboard: &Dashboard, moment: &Moment) -> Value {
    let mut signals = inbox::signals(dashboard);
    signals["_now"] = moment.at.as_millisecond().into();
    signals
}

fn document(dashboard: &Dashboard, moment: &Moment, clock: &Clock) -> String {
    let start = json!({"_now": moment.at.as_millisecond(), "_at": moment.seq});
    let signals = format!("Object.assign({}, {start})", live::initial_signals(dashboard));
    let (bar, columns) = (text_of(bar(moment, clock)), text_of(page::columns(dashboard, clock)));
    let body = text_of(owned_html! {
        : Raw(&bar);
        main(id = "dashboard") {
            h1(class = "unseen") : "The dashboard as it was";
            fieldset(class = "frozen", disabled, aria-label = "The dashboard as it was; nothing can be sent from here") { : Raw(&columns); }
        }
    });
    text_of(shell::past("As it was", &signals, &body))
}

fn bar(moment: &Moment, clock: &Clock) -> impl Render {
    let label = text_of(label(moment, clock));
    let (first, last) = (moment.first.to_string(), moment.last.to_string());
    // Written as it is, because the templates take no attribute with a dot.
    let slider = format!(
        "<input type=\"range\" id=\"slider\" name=\"seq\" min=\"{first}\" max=\"{last}\" step=\"1\" value=\"{}\" \
        aria-label=\"Event\" aria-describedby=\"moment-label\" autocomplete=\"off\" data-bind:_at \
        data-on:input__throttle.100ms.trailing=\"{DRAG}\">",
        moment.seq
    );
    let earlier = format!("/at/{}", moment.first.max(moment.seq.saturating_sub(1)));
    let later = format!("/at/{}", moment.last.min(moment.seq + 1));
    owned_html! {
        form(id = "moment", class = "notice", action = "/at", method = "get", aria-label = "The moment shown") {
            : Raw(&label);
            a(class = "now", href = "/") : "Back to now";
            div(class = "slider") {
                a(id = "earlier", class = "step", href = &earlier, role = "button", aria-label = "One event earlier",
                    data-edge = &first, data-on:click__prevent = EARLIER) : "‹";
                : Raw(&slider);
                a(id = "later", class = "step", href = &later, role = "button", aria-label = "One event later",
                    data-edge = &last, data-on:click__prevent = LATER) : "›";
            }
            noscript { button(type = "submit") : "Show"; }
        }
    }
}

fn label(moment: &Moment, clock: &Clock) -> impl Render {
    let (iso, at) = (moment.at.to_string(), clock.long(moment.at));
    owned_html! {
        p(id = "moment-label", role = "status") {
            : "You look at "; time(datetime = &iso) : &at;
            : format!(", event {} of {}", moment.seq, moment.last);
        }
    }
}

//! What is wrong with the daemon itself, above everything else.

use horrorshow::{Render, owned_html};
use remora_actors::model::{Dashboard, PutAside};

use super::{clock::Clock, words};

/// Characters of what an actor died with.
const ERROR_CHARS: usize = 200;

/// The element `troubles`, hidden while there are none.
pub(super) fn panel(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let troubles = dashboard.troubles();
    let none = troubles.journal.is_none() && troubles.put_aside.is_empty();
    owned_html! {
        aside(id = "troubles", role = "status", aria-label = "Troubles of the daemon", hidden ?= none) {
            @ if let Some(error) = &troubles.journal {
                p(class = "trouble", data-ignore) {
                    strong : "Nothing can be stored at present.";
                    : " Events and questions are refused, answers that were given wait. It is tried again each second: ";
                    : error;
                }
            }
            @ if !troubles.put_aside.is_empty() {
                details(class = "trouble", data-preserve-attr = "open") {
                    summary : put_aside_title(troubles.put_aside.len());
                    ul { @ for event in troubles.put_aside.iter().rev() { : row(event, clock); } }
                }
            }
        }
    }
}

fn put_aside_title(count: usize) -> String {
    let events = if count == 1 { "One event was" } else { "Some events were" };
    format!("{events} put aside ({count}): a part of Remora died over it twice and goes on without it")
}

fn row<'a>(event: &'a PutAside, clock: &'a Clock) -> impl Render + use<'a> {
    let url = format!("/api/v1/events?after={}&limit=1", event.seq - 1);
    let error = words::brief(&event.error, ERROR_CHARS);
    owned_html! {
        li(data-ignore) {
            : clock.bare(event.at);
            : " ";
            a(href = &url) : format!("event {}", event.seq);
            : format!(", {}", event.kind);
            @ if let Some(agent_id) = &event.agent_id { : format!(" of {agent_id}"); }
            : format!(", missing in the {}: ", event.actor);
            : error.as_ref();
        }
    }
}

//! All HTML. What an agent wrote stands only in text nodes and in quoted attributes that hold no URL, under
//! `data-ignore`; expressions are constants.
//!
//! - `shell`: what all documents share. `page`, `agents_page`, `agent_page`, `workspace_page`, `inbox_page`, `alike_page`,
//!   `projector`, `notices`, `api_page`, `login`, `link_page`: the documents. `live`: what keeps a page and its stream
//!   together. `help`: the keys. `alerts`: what a browser does when nobody looks. `keeper`: what keeps together a page and
//!   what a person does on it.
//! - `graph`: the page of all graphs, and the page of one. `history`: the search in the journal; `past`: the dashboard
//!   as it was.
//! - `inbox`, `agents`, `results`, `progress`, `events`: one panel each; `card`: one question; `answer_form`: how it
//!   is answered; `settled`: what became of it. `pager`: from page to page of a list.
//! - `timeline`: an agent's story; `markdown`, `pretty`: what agents write; `clock`, `words`: how times, states and
//!   names are written.

mod agent_page;
mod agents;
mod agents_page;
mod alerts;
mod alike_page;
mod answer_form;
mod api_page;
mod card;
mod clock;
mod events;
mod graph;
mod help;
mod history;
mod inbox;
mod inbox_page;
mod keeper;
mod link_page;
mod live;
mod login;
mod markdown;
mod note;
mod notices;
mod page;
mod pager;
mod past;
mod pretty;
mod progress;
mod projector;
mod results;
mod settled;
mod shell;
#[cfg(test)]
mod tests;
mod timeline;
mod troubles;
mod words;
mod workspace_page;

use bytes::Bytes;
use horrorshow::{Render, Template};
use jiff::{Timestamp, tz::TimeZone};
use remora_actors::{
    model::{Dashboard, Listed, Panel, Panels, Question, Seq, Steps},
    view::{Subject, View},
};

use crate::frame::{self, Frame};
pub use alike_page::{alike_page, alike_report};
pub(crate) use answer_form::{Again, refused};
pub use api_page::api_page;
use clock::Clock;
pub use link_page::{link_answered, link_question, link_refused};
pub use login::login;
pub use note::{message_note, note, notice_note, refusal, sent, stop_note};
pub(crate) use shell::problem_page;
pub use words::{agent_url, question_hash};
pub use workspace_page::{workspace_keys, workspace_page};

/// Renders a view: a [`remora_actors::view::Renderer`]. Times are written in the zone of the machine.
///
/// `None`: there is no such page.
pub fn render(dashboard: &Dashboard, view: &View, now: Timestamp) -> Option<Bytes> {
    render_at(dashboard, view, &Clock { now, zone: TimeZone::system() })
}

/// A form that was sent without a script and refused, as a page of its own.
pub(crate) fn refused_page(question: &Question, again: &Again<'_>, zone: &TimeZone) -> String {
    text_of(answer_form::document(question, again, zone))
}

fn render_at(dashboard: &Dashboard, view: &View, clock: &Clock) -> Option<Bytes> {
    match view {
        View::Page => Some(text_of(page::document(dashboard, clock)).into()),
        View::Full => Some(full(dashboard, clock)),
        View::Parked => Some(frame::parked()),
        View::Delta { panels, after, steps, listed } => {
            Some(delta(dashboard, (*panels, *after), steps.as_ref(), listed, clock))
        }
        View::Of { subject, events, part } => match subject {
            Subject::Agents(query) => Some(agents_page::render(dashboard, subject, query, *part, clock)),
            Subject::Agent(agent_id) => agent_page::render(dashboard, subject, (agent_id, None), events, *part, clock),
            Subject::AgentPast(agent_id, before) => {
                agent_page::render(dashboard, subject, (agent_id, Some(*before)), events, *part, clock)
            }
            Subject::Inbox(query) => Some(inbox_page::render(dashboard, query, *part, clock)),
            Subject::Graphs(filter) => graph::render_list(dashboard, subject, filter, *part, clock),
            Subject::Graph(shown) => graph::render(dashboard, subject, shown, *part, clock),
            Subject::Projector => Some(projector::render(dashboard, *part, clock)),
            Subject::Notices => Some(notices::render(dashboard, *part, clock)),
            // The document comes with what was found; what is live on it is its bar.
            Subject::History => Some(history::live_frame(dashboard)),
        },
        View::Past(moment, part) => Some(past::render(dashboard, moment, *part, clock)),
        View::Found { search, found, before, part } => {
            let results = history::Results { search, found: found.as_ref(), before: *before };
            Some(history::render(dashboard, &results, *part, clock))
        }
    }
}

fn full(dashboard: &Dashboard, clock: &Clock) -> Bytes {
    let mut frame = Frame::default();
    for panel in Panel::ALL {
        frame.patch(panel_html(dashboard, panel, clock));
    }
    frame.signals(&inbox::signals(dashboard));
    frame.finish(dashboard.last_seq())
}

fn delta(
    dashboard: &Dashboard,
    (panels, after): (Panels, Seq),
    steps: Option<&Steps>,
    listed: &Listed,
    clock: &Clock,
) -> Bytes {
    let mut frame = Frame::default();
    for panel in Panel::ALL.into_iter().filter(|panel| panels.contains(*panel)) {
        match panel {
            Panel::Inbox => inbox::append(&mut frame, dashboard, after, steps, clock),
            Panel::Events => events::append(&mut frame, dashboard, after, clock),
            Panel::Agents => agents::append(&mut frame, dashboard, after, listed, clock),
            Panel::Progress => progress::append(&mut frame, dashboard, after),
            _ => frame.patch(panel_html(dashboard, panel, clock)),
        }
    }
    if panels.is_empty() {
        // A frame without any patch would not show the page that it is connected.
        frame.signals(&live::signals(dashboard));
    }
    frame.finish(dashboard.last_seq())
}

fn panel_html(dashboard: &Dashboard, panel: Panel, clock: &Clock) -> String {
    match panel {
        Panel::Inbox => text_of(inbox::panel(dashboard, clock)),
        Panel::Agents => text_of(agents::panel(dashboard, clock)),
        Panel::Results => text_of(results::panel(dashboard, clock)),
        Panel::Progress => text_of(progress::panel(dashboard)),
        Panel::Events => text_of(events::panel(dashboard, clock)),
        Panel::Troubles => text_of(troubles::panel(dashboard, clock)),
        Panel::Notices => text_of(notices::panel(dashboard)),
    }
}

fn text_of(template: impl Render) -> String {
    template.into_string().expect("no template fails and memory takes any text")
}

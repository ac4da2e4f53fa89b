//! The agents and what they are doing: the panel of the dashboard, and what it shares with the other pages.

use horrorshow::{Render, owned_html};
use remora_actors::{
    model::{Agent, AgentQuery, Counts, Dashboard, ListStep, Listed, Seq, Standing},
    view::{LISTED_AGENTS, Subject},
};

use super::{
    clock::{Clock, span},
    text_of, words,
};
use crate::{address, frame::Frame};

/// Rows that come or go at once up to which they are patched one by one. With more, the list as a whole is cheaper for
/// the browser.
const STEPS: usize = 30;

/// The panel `agent-status`.
pub(super) fn panel(dashboard: &Dashboard, clock: &Clock) -> impl Render {
    let listed = dashboard.listed(LISTED_AGENTS);
    let rows: Vec<_> = listed.places.iter().filter_map(|place| dashboard.agent(place.agent_id())).collect();
    owned_html! {
        section(id = "agent-status", class = "panel", aria-labelledby = "agent-status-title") {
            h2(id = "agent-status-title") { a(href = "/agents") : "Agents"; }
            @ if rows.is_empty() { : welcome(); }
            : counts(&listed);
            ul(id = "agent-list", class = "rows") { @ for agent in &rows { : row(agent, clock, Row::Short); } }
            : more(&listed);
        }
    }
}

/// Patches only the rows of the agents that did something after `after`, and those that have come, gone or moved since
/// the list was as `before` says. Doing it twice does no harm.
pub(super) fn append(frame: &mut Frame, dashboard: &Dashboard, after: Seq, before: &Listed, clock: &Clock) {
    let listed = dashboard.listed(LISTED_AGENTS);
    let steps: Vec<_> = before.steps_to(&listed).collect();
    if before.places.is_empty() || steps.len() > STEPS {
        return frame.patch(text_of(panel(dashboard, clock)));
    }
    let row_of = |agent_id: &str| dashboard.agent(agent_id).map(|agent| text_of(row(agent, clock, Row::Short)));
    let moved = |agent_id: &str| {
        steps.iter().any(|step| matches!(step, ListStep::Insert { agent_id: moved, .. } if *moved == agent_id))
    };
    let stayed = listed.places.iter().filter_map(|place| dashboard.agent(place.agent_id()));
    let changed: String = stayed
        .filter(|agent| agent.last_seq > after && !moved(&agent.agent_id))
        .map(|agent| text_of(row(agent, clock, Row::Short)))
        .collect();
    if !changed.is_empty() {
        frame.patch(changed);
    }
    // A frame that no event was the cause of may reach a browser that has just got the whole list: its rows are there.
    let again = after == dashboard.last_seq();
    let gone = steps.iter().filter_map(|step| match step {
        ListStep::Remove(agent_id) => Some(*agent_id),
        ListStep::Insert { agent_id, .. } => Some(*agent_id).filter(|_| again),
    });
    let gone: Vec<_> = gone.map(|agent_id| format!("#{}", words::row_id("a", agent_id))).collect();
    if !gone.is_empty() {
        frame.remove(gone.join(","));
    }
    for step in &steps {
        let ListStep::Insert { agent_id, after } = step else { continue };
        let Some(row) = row_of(agent_id) else { continue };
        match after {
            Some(neighbour) => frame.after(format!("#{}", words::row_id("a", neighbour)), row),
            None => frame.prepend("#agent-list", row),
        }
    }
    if listed.counts != before.counts {
        frame.patch(text_of(counts(&listed)) + &text_of(more(&listed)));
    }
}

/// How many agents stand where, with the ways to the lists of them.
fn counts(listed: &Listed) -> impl Render {
    let counts = listed.counts;
    owned_html! {
        p(id = "agent-counts", class = "counts") {
            @ if total(&counts) > 0 { : count_links(&AgentQuery::default(), &counts); }
        }
    }
}

/// One link for each standing that there are agents of, and one for all.
pub(super) fn count_links(query: &AgentQuery, counts: &Counts) -> impl Render {
    let link = |standing: Option<Standing>| {
        let current = (query.standing == standing).then_some("true");
        let url = address::url(&Subject::Agents(AgentQuery { standing, page: 0, ..query.clone() }));
        (url, current.filter(|_| *query != AgentQuery::default()))
    };
    let links: Vec<_> = counts
        .present()
        .map(|(standing, count)| {
            (link(Some(standing)), look(standing), format!("{count} {}", words::standing(standing)))
        })
        .collect();
    let (all, total) = (link(None), format!("{} in all", total(counts)));
    owned_html! {
        @ for ((url, current), look, text) in &links { a(class = look.as_str(), href = url, aria-current ?= *current) : text; }
        a(class = "all", href = &all.0, aria-current ?= all.1) : &total;
    }
}

fn total(counts: &Counts) -> usize {
    counts.present().map(|(_, count)| count).sum()
}

fn more(listed: &Listed) -> impl Render {
    let hidden = total(&listed.counts) - listed.places.len();
    let url = address::url(&Subject::Agents(AgentQuery { page: 1, ..AgentQuery::default() }));
    owned_html! {
        p(id = "more-agents", class = "more", hidden ?= hidden == 0) {
            @ if hidden > 0 { a(href = &url) : format!("and {hidden} more"); }
        }
    }
}

/// How much a row tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// What fits beside the other panels.
    Short,
    /// Also where the agent belongs, and when it was last heard of.
    Long,
}

/// One agent.
pub(super) fn row<'a>(agent: &'a Agent, clock: &'a Clock, length: Row) -> impl Render + use<'a> {
    let id = words::row_id("a", &agent.agent_id);
    let url = words::agent_url(&agent.agent_id);
    let detail = agent.workspace_trouble.as_ref().or(agent.detail.as_ref());
    let graph = agent.graph_id.as_ref().filter(|_| length == Row::Long);
    owned_html! {
        li(id = &id) {
            : standing(agent.standing, length);
            a(href = &url, data-ignore) : words::brief(&agent.name, 80).as_ref();
            @ if agent.name != agent.agent_id { code(data-ignore) : words::brief(&agent.agent_id, 40).as_ref(); }
            @ if let Some(detail) = detail { span(class = "detail", data-ignore) : words::brief(detail, 160).as_ref(); }
            : waited(agent, clock);
            @ if let Some(graph) = graph {
                a(class = "graph", href = &graph_agents_url(graph), data-ignore) : words::brief(graph, 40).as_ref();
            }
            @ if length == Row::Long { : clock.ago(agent.last_event_at); }
        }
    }
}

/// The list of a graph's agents.
pub(super) fn graph_agents_url(graph_id: &str) -> String {
    address::url(&Subject::Agents(AgentQuery { graph: Some(graph_id.to_owned()), ..AgentQuery::default() }))
}

/// The list of a session's agents.
pub(super) fn session_agents_url(session_id: &str) -> String {
    address::url(&Subject::Agents(AgentQuery { session: Some(session_id.to_owned()), ..AgentQuery::default() }))
}

/// How long the agent has waited for people, if it ever did.
pub(super) fn waited<'a>(agent: &'a Agent, clock: &'a Clock) -> impl Render + use<'a> {
    let so_far = agent.blocked_for(clock.now);
    let waits = agent.blocked_since.is_some();
    owned_html! {
        @ if waits {
            span(class = "waited") { : "waits "; : clock.lasting(so_far); }
        } else if so_far.as_secs() > 0 {
            span(class = "waited") { : "waited "; : span(so_far); }
        }
    }
}

/// Where an agent stands, as a word with a coloured dot; with room, also what the word means.
pub(super) fn standing(standing: Standing, length: Row) -> impl Render {
    let meaning = Some(words::standing_meaning(standing)).filter(|_| length == Row::Long);
    let look = look(standing);
    owned_html! { span(class = &look, title ?= meaning) : words::standing(standing); }
}

fn look(standing: Standing) -> String {
    format!("is {}", words::standing_class(standing))
}

const CURL: &str = r#"curl http://127.0.0.1:8000/api/v1/events \
  -H 'Content-Type: application/json' \
  -d '{"category":"agent","action":"started","agent_id":"my-agent"}'"#;
/// The same with the address under which the page was reached.
const CURL_HERE: &str = "el.textContent.replace('http://127.0.0.1:8000', location.origin)";

/// How to connect the first agent.
fn welcome() -> impl Render {
    owned_html! {
        div(id = "welcome", class = "empty") {
            p : "No agent yet. See the whole loop with agents that come along:";
            pre : "remora demo";
            p : "Or connect your own: send an event, and it appears here.";
            pre(data-text = CURL_HERE) : CURL;
        }
    }
}

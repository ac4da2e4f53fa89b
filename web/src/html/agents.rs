//! The agents and what they are doing.

use std::cmp::Reverse;

use horrorshow::{Render, owned_html};
use jiff::Timestamp;
use remora_actors::model::{Agent, AgentState, Dashboard, Seq};

use super::{text_of, words};
use crate::frame::Frame;

/// Agents listed: what a person looks through. The others are counted.
const ROWS: usize = 100;

/// The panel `agent-status`.
pub(super) fn panel(dashboard: &Dashboard) -> impl Render {
    let agents = listed(dashboard);
    let hidden = dashboard.agents().len() - agents.len();
    let tally = dashboard.tally();
    let counts = [
        (tally.blocked, AgentState::Blocked),
        (tally.total - tally.finished() - tally.blocked, AgentState::Started),
        (tally.failed, AgentState::Failed),
        (tally.cancelled, AgentState::Cancelled),
        (tally.completed, AgentState::Completed),
    ];
    owned_html! {
        section(id = "agent-status", class = "panel", aria-labelledby = "agent-status-title") {
            h2(id = "agent-status-title") { : "Agents "; span(class = "badge") : tally.total.to_string(); }
            @ if agents.is_empty() {
                : welcome();
            } else {
                p(class = "counts") {
                    @ for (count, state) in counts.into_iter().filter(|(count, _)| *count > 0) {
                        span(class = look(state)) { : count.to_string(); : " "; : words::state(state); }
                    }
                }
            }
            ul(id = "agent-list", class = "rows") { @ for agent in &agents { : row(agent); } }
            @ if hidden > 0 { p(id = "more-agents", class = "more") : format!("and {hidden} more"); }
        }
    }
}

/// Patches only the rows of the agents that did something after `after`: their states and their order are as before.
pub(super) fn append(frame: &mut Frame, dashboard: &Dashboard, after: Seq) {
    let changed: String = listed(dashboard).into_iter().filter(|a| a.last_seq > after).map(row).map(text_of).collect();
    if !changed.is_empty() {
        frame.patch(changed);
    }
}

/// The first agents in order, without sorting them all.
fn listed(dashboard: &Dashboard) -> Vec<&Agent> {
    let mut agents: Vec<_> = dashboard.agents().collect();
    if agents.len() > ROWS {
        agents.select_nth_unstable_by_key(ROWS, |agent| order(agent));
        agents.truncate(ROWS);
    }
    agents.sort_unstable_by_key(|agent| order(agent));
    agents
}

/// Blocked ones first, then running, failed and finished ones; in each group the newest first. What a running agent
/// does must not move its row.
fn order(agent: &Agent) -> (u8, Reverse<(Timestamp, Seq)>, &str) {
    let (group, newest) = match agent.state {
        AgentState::Blocked => (0, (agent.started_at, 0)),
        AgentState::Started => (1, (agent.started_at, 0)),
        AgentState::Failed | AgentState::TimedOut => (2, (agent.last_event_at, agent.last_seq)),
        AgentState::Cancelled | AgentState::Completed => (3, (agent.last_event_at, agent.last_seq)),
    };
    (group, Reverse(newest), &agent.agent_id)
}

fn row(agent: &Agent) -> impl Render {
    let id = words::row_id("a", &agent.agent_id);
    let url = words::agent_url(&agent.agent_id);
    let detail = agent.workspace_trouble.as_ref().or(agent.detail.as_ref());
    owned_html! {
        li(id = &id, data-ignore) {
            : state(agent.state);
            a(href = &url) : words::brief(&agent.name, 80).as_ref();
            @ if agent.name != agent.agent_id { code : words::brief(&agent.agent_id, 40).as_ref(); }
            @ if let Some(detail) = detail { span(class = "detail") : words::brief(detail, 160).as_ref(); }
        }
    }
}

/// A state as a word with a coloured dot.
pub(super) fn state(state: AgentState) -> impl Render {
    owned_html! { span(class = look(state)) : words::state(state); }
}

fn look(state: AgentState) -> &'static str {
    match state {
        AgentState::Started => "is running",
        AgentState::Blocked => "is blocked",
        AgentState::Completed => "is completed",
        AgentState::Failed | AgentState::TimedOut => "is failed",
        AgentState::Cancelled => "is cancelled",
    }
}

const CURL: &str = r#"curl http://127.0.0.1:8000/api/v1/events \
  -H 'Content-Type: application/json' \
  -d '{"category":"agent","action":"started","agent_id":"my-agent"}'"#;

/// How to connect the first agent.
fn welcome() -> impl Render {
    owned_html! {
        div(id = "welcome", class = "empty") {
            p : "No agent yet. See the whole loop with agents that come along:";
            pre : "remora demo";
            p : "Or connect your own: send an event, and it appears here.";
            pre : CURL;
        }
    }
}

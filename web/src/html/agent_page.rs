//! One agent's page: what it is doing, what people and it say to each other, and its story.

use std::sync::Arc;

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{
        Agent, Category, Dashboard, MessageKind, MessageState, Record, Seq, Standing, Usage, UserMessage, actions,
    },
    view::{Part, Subject},
};

use super::{
    agents,
    card::Place,
    clock::Clock,
    inbox, keeper, live, note,
    shell::{self, Live, Tab},
    text_of, timeline, words, workspace_page,
};
use crate::frame::Frame;

/// The page, or with `before` the older part of its story, as a document or as a frame. `None`: an agent that has
/// neither a state nor events.
pub(super) fn render(
    dashboard: &Dashboard,
    subject: &Subject,
    (agent_id, before): (&str, Option<Seq>),
    events: &[Arc<Record>],
    part: Part,
    clock: &Clock,
) -> Option<Bytes> {
    let agent = dashboard.agent(agent_id);
    if agent.is_none() && events.is_empty() {
        return None;
    }
    let name = agent.map_or(agent_id, |agent| &*agent.name);
    let story = text_of(timeline::section(dashboard, agent_id, before, events, clock));
    let main = match before {
        None => text_of(main(dashboard, agent_id, name, events, &story, clock)),
        Some(_) => text_of(past(agent_id, name, &story)),
    };
    if part != Part::Document {
        return Some(Frame::of(main, &live::signals(dashboard), dashboard.last_seq()));
    }
    let title = format!("{} · {}", words::brief(name, 80), shell::NAME);
    let live = Live { title: &title, tab: Some(Tab::Agents), subject: Some(subject) };
    Some(text_of(shell::live(&live, dashboard, &main)).into())
}

fn past<'a>(agent_id: &'a str, name: &'a str, story: &'a str) -> impl Render + use<'a> {
    let url = words::agent_url(agent_id);
    owned_html! {
        main(id = "agent") {
            h1(data-ignore) { a(href = &url) : name; }
            : Raw(story);
        }
    }
}

fn main<'a>(
    dashboard: &'a Dashboard,
    agent_id: &'a str,
    name: &'a str,
    events: &'a [Arc<Record>],
    story: &'a str,
    clock: &'a Clock,
) -> impl Render + use<'a> {
    let agent = dashboard.agent(agent_id);
    let mut open: Vec<_> = dashboard.inbox().iter().filter(|r| r.question.agent_id == agent_id).collect();
    open.retain(|record| record.waits() || record.is_just_answered(dashboard.now()));
    // A new one comes below the others, which stay where they are.
    open.sort_by_key(|record| record.question.created_at);
    let title = if open.iter().any(|record| record.waits()) { "Waits for you" } else { "Answered" };
    let workspace = agent.and_then(|agent| agent.workspace_id.as_deref()).unwrap_or(agent_id);
    owned_html! {
        main(id = "agent") {
            section(class = "panel", aria-labelledby = "agent-title") {
                h1(id = "agent-title", dir = "auto", data-ignore) : name;
                : facts(agent_id, agent, clock);
                @ if let Some(agent) = agent { : stop(dashboard, agent, clock); }
            }
            @ if !open.is_empty() {
                section(class = "panel", aria-labelledby = "open-title") {
                    h2(id = "open-title") : title;
                    div(class = "cards") {
                        @ for record in &open { : Raw(inbox::card(dashboard, record, clock, Place::AgentPage)); }
                    }
                }
            }
            : messages(dashboard, agent_id, agent, clock);
            : results(events, clock);
            : Raw(story);
            : workspace_page::place(workspace);
        }
    }
}

/// What is known of the agent.
fn facts<'a>(agent_id: &'a str, agent: Option<&'a Agent>, clock: &'a Clock) -> impl Render + use<'a> {
    owned_html! {
        dl(class = "facts") {
            dt : "Id"; dd(data-ignore) { code : agent_id; }
            @ if let Some(agent) = agent {
                dt : "State";
                dd { : agents::standing(agent.standing, agents::Row::Long); : " "; : agents::waited(agent, clock); }
                @ if let Some(detail) = agent.detail.as_deref() { dt : doing(agent); dd(data-ignore) : detail; }
                @ if let Some(graph) = agent.graph_id.as_deref() {
                    dt : "Graph"; dd(data-ignore) { a(href = words::graph_url(graph)) : graph; }
                }
                @ if let Some(session) = agent.session_id.as_deref() {
                    dt : "Session"; dd(data-ignore) { a(href = &agents::session_agents_url(session)) : session; }
                }
                @ if let Some(workspace) = agent.workspace_id.as_deref() {
                    dt : "Workspace"; dd(data-ignore) { code : workspace; }
                }
                @ if let Some(trouble) = agent.workspace_trouble.as_deref() {
                    dt : "Workspace trouble"; dd(class = "trouble", data-ignore) : trouble;
                }
                dt : "Started"; dd { : clock.time(agent.started_at); }
                dt : "Last event";
                dd { : clock.time(agent.last_event_at); : " · "; : clock.ago(agent.last_event_at); }
                dt : "Events"; dd : agent.events.to_string();
                @ if !agent.usage.is_nothing() { dt : "Tokens"; dd : usage(&agent.usage); }
            } else {
                dt : "State"; dd : "no longer followed: only its events are kept";
            }
        }
    }
}

/// What an agent's detail is about: once it rests or has ended it does nothing any more.
fn doing(agent: &Agent) -> &'static str {
    match agent.standing {
        _ if agent.state.is_terminal() => "Why it ended",
        Standing::Idle => "Did last",
        _ => "Doing",
    }
}

/// `1935 in, 70 out, 12 from the cache, $0.25`.
pub(super) fn usage(usage: &Usage) -> String {
    let tokens = [
        (usage.input, "in"),
        (usage.output, "out"),
        (usage.cache_read, "from the cache"),
        (usage.cache_write, "into the cache"),
    ];
    let mut parts: Vec<_> =
        tokens.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if usage.cost_usd > 0.0 {
        let decimals = if usage.cost_usd < 0.1 { 4 } else { 2 };
        parts.push(format!("${:.decimals$}", usage.cost_usd));
    }
    parts.join(", ")
}

/// Asking the agent to stop, in two steps, and what became of it.
fn stop<'a>(dashboard: &'a Dashboard, agent: &'a Agent, clock: &'a Clock) -> impl Render + use<'a> {
    let ours =
        |message: &&UserMessage| *message.agent_id == *agent.agent_id && message.kind == MessageKind::StopRequest;
    let last = dashboard.inbox().messages().rev().find(ours);
    let pending = last.is_some_and(|message| message.delivered_at.is_none());
    let offered = !agent.state.is_terminal() && !pending;
    let action = words::stop_url(&agent.agent_id);
    owned_html! {
        @ if let Some(message) = last {
            p(id = "stop-state", class = if pending { "trouble" } else { "state" }) {
                span(data-ignore) : &stop_state(message);
                : " "; : clock.ago(message.delivered_at.unwrap_or(message.sent_at));
            }
        }
        @ if offered {
            details(id = "stop", class = "stop", data-preserve-attr = "open") {
                summary : "Ask it to stop";
                form(id = "stop-form", class = "answer", action = &action, method = "post", data-ignore-morph,
                    data-on:submit = live::SUBMIT) {
                    p : "It is told when it next looks for messages, and ends by itself.";
                    label(for = "stop-reason") : "Why, if it should know";
                    input(id = "stop-reason", type = "text", name = "content", autocomplete = "off");
                    button(type = "submit", class = "danger") : "Yes, ask it to stop";
                }
            }
        }
        : note::empty(note::STOP_NOTE.to_owned());
    }
}

fn stop_state(message: &UserMessage) -> String {
    let seen = if message.delivered_at.is_some() { "seen" } else { "not seen yet" };
    format!("Stop requested by {}, {seen}", words::who(&message.sent_by))
}

/// What people sent the agent, and the form that sends it more. An agent that has ended reads nothing any more.
fn messages<'a>(
    dashboard: &'a Dashboard,
    agent_id: &'a str,
    agent: Option<&'a Agent>,
    clock: &'a Clock,
) -> impl Render + use<'a> {
    let ours = |message: &&UserMessage| message.agent_id == agent_id && message.kind == MessageKind::Message;
    let sent: Vec<_> = dashboard.inbox().messages().rev().filter(ours).collect();
    let listens = agent.is_some_and(|agent| !agent.state.is_terminal());
    let action = words::messages_url(agent_id);
    owned_html! {
        section(id = "messages", class = "panel", aria-labelledby = "messages-title") {
            h2(id = "messages-title") : "Messages to this agent";
            div(id = words::row_id("m", agent_id), class = "message") {
                @ if listens {
                    form(id = "message-form", class = "answer", action = &action, method = "post", data-ignore-morph,
                        data-init = keeper::RESTORE_MESSAGE, data-on:submit = live::SUBMIT) {
                        label(for = "message-content", class = "unseen") : "Your message";
                        textarea(id = "message-content", name = "content", rows = "2", dir = "auto", required,
                            placeholder = "The agent reads it when it next looks for messages",
                            data-on:keydown = live::SUBMIT_BY_KEY, data-effect = note::MESSAGE_SENT);
                        button(type = "submit") : "Send";
                    }
                    : note::empty(note::MESSAGE_NOTE.to_owned());
                } else {
                    p(class = "empty") : "This agent has ended: it reads no more messages.";
                    : keeper::kept_draft();
                }
            }
            ul(class = "rows") { @ for message in &sent { : message_row(message, clock); } }
        }
    }
}

fn message_row(message: &UserMessage, clock: &Clock) -> impl Render {
    let place = match message.state() {
        MessageState::Delivered => "picked up",
        MessageState::Written => "not picked up yet",
        MessageState::Sent => "not written into the workspace yet",
    };
    let state = format!("from {}, {place}", words::who(&message.sent_by));
    owned_html! {
        li {
            p(class = "question", dir = "auto", data-ignore) : message.content.as_str();
            p(class = "state", data-ignore) : &state;
            : clock.time(message.sent_at);
        }
    }
}

fn results(events: &[Arc<Record>], clock: &Clock) -> impl Render {
    let results: Vec<_> = events
        .iter()
        .rev()
        .filter(|record| record.event.is(Category::Agent, actions::COMPLETED))
        .filter_map(|record| {
            let payload = &record.event.payload;
            let result = payload.get("result").or_else(|| payload.get("summary"))?;
            Some((words::value(result).into_owned(), record.event.timestamp))
        })
        .collect();
    owned_html! {
        @ if !results.is_empty() {
            section(class = "panel", aria-labelledby = "results-title") {
                h2(id = "results-title") : "Results";
                @ for (text, at) in &results { : clock.time(*at); pre(dir = "auto", data-ignore) : text; }
            }
        }
    }
}

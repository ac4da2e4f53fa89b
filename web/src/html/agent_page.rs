//! One agent's page.

use std::sync::Arc;

use bytes::Bytes;
use horrorshow::{Raw, Render, owned_html};
use remora_actors::{
    model::{Agent, Category, Dashboard, MessageState, QuestionRecord, Record, Status, UserMessage, actions},
    view::{Part, Subject},
};

use super::{
    agents,
    card::{self, Place},
    clock::Clock,
    events, live, note,
    shell::{self, Live, Tab},
    text_of, words,
};
use crate::frame::Frame;

/// The page, as a document or as a frame. `None`: an agent that has neither a state nor events.
pub(super) fn render(
    dashboard: &Dashboard,
    subject: &Subject,
    agent_id: &str,
    events: &[Arc<Record>],
    part: Part,
    clock: &Clock,
) -> Option<Bytes> {
    let agent = dashboard.agent(agent_id);
    if agent.is_none() && events.is_empty() {
        return None;
    }
    let main = text_of(main(dashboard, agent_id, events, clock));
    if part == Part::Frame {
        return Some(Frame::of(main, &live::signals(dashboard), dashboard.last_seq()));
    }
    let name = words::brief(agent.map_or(agent_id, |agent| agent.name.as_str()), 80);
    let live = Live { title: &format!("{name} · {}", shell::NAME), tab: Tab::Agents, subject: Some(subject) };
    Some(text_of(shell::live(&live, dashboard, &main)).into())
}

fn main(dashboard: &Dashboard, agent_id: &str, events: &[Arc<Record>], clock: &Clock) -> impl Render {
    let agent = dashboard.agent(agent_id);
    let name = agent.map_or(agent_id, |agent| agent.name.as_str()).to_owned();
    let mut questions: Vec<_> = dashboard.inbox().iter().filter(|r| r.question.agent_id == agent_id).collect();
    questions.sort_by_key(|record| std::cmp::Reverse(record.question.created_at));
    let (open, closed): (Vec<_>, Vec<_>) = questions.into_iter().partition(|record| record.status == Status::Open);
    owned_html! {
        main(id = "agent") {
            section(class = "panel", aria-labelledby = "agent-title") {
                h1(id = "agent-title", data-ignore) : &name;
                : facts(agent_id, agent, clock);
            }
            @ if !open.is_empty() {
                section(class = "panel", aria-labelledby = "open-title") {
                    h2(id = "open-title") : "Waits for you";
                    div(class = "cards") {
                        @ for record in &open { : card::open(dashboard, record, clock, Place::AgentPage); }
                    }
                }
            }
            : messages(dashboard, agent_id, agent, clock);
            @ if !closed.is_empty() { : answers(&closed, clock); }
            : results(events, clock);
            : timeline(events, clock);
        }
    }
}

/// What is known of the agent.
fn facts(agent_id: &str, agent: Option<&Agent>, clock: &Clock) -> impl Render {
    owned_html! {
        dl(class = "facts") {
            dt : "Id"; dd(data-ignore) { code : agent_id; }
            @ if let Some(agent) = agent {
                dt : "State"; dd { : agents::standing(agent.standing); }
                @ if let Some(detail) = &agent.detail { dt : "Doing"; dd(data-ignore) : detail; }
                @ if let Some(graph) = &agent.graph_id { dt : "Graph"; dd(data-ignore) { code : graph; } }
                @ if let Some(workspace) = &agent.workspace_id {
                    dt : "Workspace"; dd(data-ignore) { code : workspace; }
                }
                @ if let Some(trouble) = &agent.workspace_trouble {
                    dt : "Workspace trouble"; dd(class = "trouble", data-ignore) : trouble;
                }
                dt : "Started"; dd { : clock.time(agent.started_at); }
                dt : "Last event";
                dd { : clock.time(agent.last_event_at); : " · "; : clock.ago(agent.last_event_at); }
                dt : "Events"; dd : agent.events.to_string();
            } else {
                dt : "State"; dd : "no longer followed: only its events are kept";
            }
        }
    }
}

/// What people sent the agent, and the form that sends it more. An agent that has ended reads nothing any more.
fn messages(dashboard: &Dashboard, agent_id: &str, agent: Option<&Agent>, clock: &Clock) -> impl Render {
    let sent: Vec<_> = dashboard.inbox().messages().rev().filter(|m| m.agent_id == agent_id).collect();
    let listens = agent.is_some_and(|agent| !agent.state.is_terminal());
    let action = words::messages_url(agent_id);
    owned_html! {
        section(class = "panel", aria-labelledby = "messages-title") {
            h2(id = "messages-title") : "Messages to this agent";
            @ if listens {
                form(id = "message-form", class = "answer", action = &action, method = "post", data-ignore-morph,
                    data-on:submit = live::SUBMIT) {
                    label(for = "message-content", class = "unseen") : "Your message";
                    textarea(id = "message-content", name = "content", rows = "2", required,
                        placeholder = "The agent reads it when it next looks for messages",
                        data-on:keydown = live::SUBMIT_BY_KEY);
                    button(type = "submit") : "Send";
                }
                : note::empty(note::MESSAGE_NOTE.to_owned());
            } else {
                p(class = "empty") : "This agent has ended: it reads no more messages.";
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
            p(class = "question", data-ignore) : message.content.as_str();
            p(class = "state", data-ignore) : &state;
            : clock.time(message.sent_at);
        }
    }
}

/// The questions that are not open any more, with what was answered and by whom.
fn answers(closed: &[&QuestionRecord], clock: &Clock) -> impl Render {
    let rows: String = closed.iter().map(|record| text_of(answered_row(record, clock))).collect();
    owned_html! {
        section(class = "panel", aria-labelledby = "answers-title") {
            h2(id = "answers-title") : "Questions and answers";
            ul(class = "rows") { : Raw(&rows) }
        }
    }
}

fn answered_row(record: &QuestionRecord, clock: &Clock) -> impl Render {
    let waiting = record.status == Status::Answered && record.closed_reason.is_none();
    let state = if waiting { card::sent_note(record) } else { card::closed_note(record) };
    let at = record.answer.as_ref().map_or(record.question.created_at, |answer| answer.responded_at);
    owned_html! {
        li {
            p(class = "question", data-ignore) : record.question.question.as_str();
            p(class = "state", data-ignore) : &state;
            : clock.time(at);
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
                @ for (text, at) in &results { : clock.time(*at); pre(data-ignore) : text; }
            }
        }
    }
}

fn timeline(events: &[Arc<Record>], clock: &Clock) -> impl Render {
    let rows: String = events.iter().rev().map(|record| text_of(timeline_row(record, clock))).collect();
    owned_html! {
        section(class = "panel", aria-labelledby = "timeline-title") {
            h2(id = "timeline-title") : "Timeline, the newest first";
            ol(class = "timeline") { : Raw(&rows) }
        }
    }
}

fn timeline_row(record: &Record, clock: &Clock) -> impl Render {
    let event = &record.event;
    let payload = serde_json::to_string(&event.payload).unwrap_or_default();
    let line = events::line(event);
    owned_html! {
        li(data-ignore) {
            : clock.time(event.timestamp);
            : events::kind(event);
            @ if event.payload.is_empty() {
                span;
            } else {
                details { summary : &line; pre : &payload; }
            }
        }
    }
}

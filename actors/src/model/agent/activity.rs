//! What one event says about its agent.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Agent, AgentState};
use crate::model::{
    Category, Event, Record, Usage, actions,
    call::{self, CallName, Step},
};

/// Tool calls followed per agent: more at once is rather ends that were never told. The oldest is forgotten.
const CALLS: usize = 64;

/// A tool call under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which.
    #[serde(flatten)]
    pub name: CallName,
    /// When it began.
    pub since: Timestamp,
}

impl Agent {
    /// An agent that was never heard of before.
    pub(in crate::model) fn first_seen(agent_id: &str, event: &Event) -> Self {
        let agent_id: Arc<str> = agent_id.into();
        Self {
            name: Arc::clone(&agent_id),
            agent_id,
            state: AgentState::Started,
            graph_id: None,
            session_id: None,
            workspace_id: None,
            started_at: event.timestamp,
            last_event_at: event.timestamp,
            last_seq: 0,
            events: 0,
            detail: None,
            workspace_trouble: None,
            heard_at: event.timestamp,
            working: false,
            calls: Vec::new(),
            blocked_since: None,
            blocked_ms: 0,
            unread_answer: false,
            usage: Usage::default(),
            standing: Default::default(),
        }
    }

    /// Takes an event about the agent into account.
    pub(in crate::model) fn note(&mut self, record: &Record) {
        let event = &record.event;
        self.last_event_at = event.timestamp;
        self.last_seq = record.seq;
        self.events += 1;
        for (mine, told) in [(&mut self.graph_id, &event.graph_id), (&mut self.session_id, &event.session_id)] {
            if told.is_some() && mine.as_deref() != told.as_deref() {
                *mine = told.as_deref().map(Arc::from);
            }
        }
        if !is_bookkeeping(event) {
            self.heard_at = self.heard_at.max(event.timestamp);
        }
        self.note_usage(event);
        match event.category {
            Category::Agent => self.note_life(event),
            Category::Tool | Category::Model => self.note_work(event),
            Category::User | Category::Graph => {}
        }
    }

    /// A run's own sum counts only where its answers were not told one by one.
    fn note_usage(&mut self, event: &Event) {
        let answers = event.category == Category::Model && event.action == "response";
        if answers || event.is(Category::Agent, actions::COMPLETED) && self.usage.is_nothing() {
            self.usage.add(&Usage::of(event));
        }
    }

    fn note_life(&mut self, event: &Event) {
        match event.action.as_str() {
            actions::STARTED => {
                self.enter(AgentState::Started, event.timestamp);
                self.heard_at = event.timestamp;
                self.detail = None;
                self.workspace_trouble = None;
                let name = event.text("name").or_else(|| event.text("node_name")).filter(|name| !name.is_empty());
                self.name = name.map_or_else(|| Arc::clone(&self.agent_id), Arc::from);
                self.workspace_id = event.text("workspace_id").map(Arc::from);
                self.rest();
                // A session that was opened and has not been told what to do.
                self.working = event.payload.get("idle") != Some(&true.into());
            }
            actions::WORKSPACE_TROUBLE => self.workspace_trouble = event.text("detail").map(Arc::from),
            actions::WORKSPACE_RECOVERED => self.workspace_trouble = None,
            actions::PROGRESS => {
                self.working = true;
                self.detail = text_of(event, &["message", "detail", "status"]);
            }
            actions::IDLE => {
                self.rest();
                self.detail = text_of(event, &["message", "detail", "status"]);
            }
            action => {
                let Some(end) = AgentState::terminal(action) else { return };
                self.enter(end, event.timestamp);
                self.rest();
                self.detail = text_of(event, &["error", "reason"]);
            }
        }
    }

    /// Tools and models at work show a turn under way, until something says that it has ended.
    fn note_work(&mut self, event: &Event) {
        match (event.category, event.action.as_str()) {
            (Category::Model, "kernel_ended") => return self.rest(),
            (Category::Model, "turn_completed") if call::ends_turn(event) => return self.rest(),
            (Category::Model, "response") => self.working = !call::ends_turn(event),
            _ => self.working = true,
        }
        if event.category == Category::Tool {
            self.note_call(event);
        }
    }

    fn note_call(&mut self, event: &Event) {
        let name = CallName::of(event);
        let under_way: Vec<_> = self.calls.iter().map(|call| &call.name).collect();
        match call::step_of(event) {
            Some(Step::Begins) => {
                let known = call::begun(&under_way, event, &name).is_some();
                self.detail = name.tool.as_deref().map(Arc::from);
                if known {
                    return;
                }
                if self.calls.len() >= CALLS {
                    self.calls.remove(0);
                }
                self.calls.push(Call { name, since: event.timestamp });
            }
            Some(Step::Ends) => {
                if let Some(index) = call::ended(&under_way, &name) {
                    self.calls.remove(index);
                }
            }
            None => {}
        }
    }

    fn rest(&mut self) {
        self.working = false;
        self.calls.clear();
    }

    /// Changes the state, and counts the time for which it waited for people.
    pub(in crate::model) fn enter(&mut self, state: AgentState, at: Timestamp) {
        if state == AgentState::Blocked {
            self.blocked_since.get_or_insert(at);
        } else if let Some(since) = self.blocked_since.take() {
            self.blocked_ms += u64::try_from(at.duration_since(since).as_millis()).unwrap_or(0);
            self.heard_at = self.heard_at.max(at);
        }
        self.state = state;
    }
}

/// What the daemon did beside the agent is no sign of life.
fn is_bookkeeping(event: &Event) -> bool {
    let own = [
        actions::WORKSPACE_REGISTERED,
        actions::WORKSPACE_UNREGISTERED,
        actions::WORKSPACE_TROUBLE,
        actions::WORKSPACE_RECOVERED,
        actions::ANSWER_WRITTEN,
        actions::MESSAGE_WRITTEN,
    ];
    event.category == Category::Agent && own.contains(&event.action.as_str())
}

fn text_of(event: &Event, fields: &[&str]) -> Option<Arc<str>> {
    fields.iter().find_map(|field| event.text(field)).map(Arc::from)
}

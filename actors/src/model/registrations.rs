//! Which agent works in which workspace, folded from the journal.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{AgentState, Category, Event, Record, Seq, actions};

/// Files of agents that have ended which are remembered: as many as agents are, by default.
const ENDED_KEPT: usize = 10_000;

/// One agent's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The agent.
    pub agent_id: String,
    /// The workspace's id.
    pub workspace_id: String,
    /// The workspace's file; `None` is the embedded workspace of that id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Registration {
    /// The embedded workspace that an agent has without registering one.
    pub fn embedded(agent_id: &str) -> Self {
        Self { agent_id: agent_id.to_owned(), workspace_id: agent_id.to_owned(), path: None }
    }

    fn from_event(agent_id: &str, event: &Event) -> Option<Self> {
        let path = event.text("workspace").filter(|path| !path.is_empty()).map(PathBuf::from);
        let workspace_id = match event.text("workspace_id") {
            Some(id) if !id.is_empty() => id.to_owned(),
            _ if path.is_some() => agent_id.to_owned(),
            _ => return None,
        };
        Some(Self { agent_id: agent_id.to_owned(), workspace_id, path })
    }
}

/// All registrations, by agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrations {
    by_agent: BTreeMap<String, Registration>,
    /// Files of agents that have ended, the longest ended first: an answer may still be on its way into one.
    #[serde(default)]
    ended: VecDeque<Registration>,
    last_seq: Seq,
}

/// What an event changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationChange {
    /// An agent has a workspace now, or another one than before.
    Registered(Registration),
    /// An agent's workspace was forgotten.
    Forgotten(Registration),
}

impl Registrations {
    /// Folds one event.
    pub fn apply(&mut self, record: &Record) -> Option<RegistrationChange> {
        if record.seq <= self.last_seq {
            return None;
        }
        self.last_seq = record.seq;
        let event = &record.event;
        let agent_id = event.agent_id.as_deref().filter(|_| event.category == Category::Agent)?;
        match event.action.as_str() {
            actions::STARTED | actions::WORKSPACE_REGISTERED => {
                let registration = Registration::from_event(agent_id, event)?;
                let before = self.by_agent.insert(agent_id.to_owned(), registration.clone());
                (before.as_ref() != Some(&registration)).then_some(RegistrationChange::Registered(registration))
            }
            actions::WORKSPACE_UNREGISTERED => self.forget(agent_id),
            action if AgentState::terminal(action).is_some() => self.forget(agent_id),
            _ => None,
        }
    }

    /// Passes over an event that cannot be folded.
    pub fn skip(&mut self, seq: Seq) {
        self.last_seq = self.last_seq.max(seq);
    }

    fn forget(&mut self, agent_id: &str) -> Option<RegistrationChange> {
        let forgotten = self.by_agent.remove(agent_id)?;
        if forgotten.path.is_some() {
            self.ended.retain(|ended| ended.workspace_id != forgotten.workspace_id);
            self.ended.push_back(forgotten.clone());
            if self.ended.len() > ENDED_KEPT {
                self.ended.pop_front();
            }
        }
        Some(RegistrationChange::Forgotten(forgotten))
    }

    /// The last event folded.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The workspace an agent registered.
    pub fn get(&self, agent_id: &str) -> Option<&Registration> {
        self.by_agent.get(agent_id)
    }

    /// What a workspace is, or was when its agent ended.
    pub fn of_workspace(&self, workspace_id: &str) -> Option<&Registration> {
        self.by_agent.values().chain(self.ended.iter().rev()).find(|known| known.workspace_id == workspace_id)
    }

    /// All registrations, by agent.
    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.by_agent.values()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_known_after_its_agent_has_ended() {
        let mut registrations = Registrations::default();
        let mut seq = 0;
        let mut tell = |agent: &str, action: &str, file: Option<&str>| {
            seq += 1;
            let payload = json!({"workspace_id": "w", "workspace": file});
            let event = Event::of_agent(agent, action, Timestamp::UNIX_EPOCH, &[&seq.to_string()], payload);
            let json = event.to_json();
            registrations.apply(&Record::new(seq, event, json));
            registrations.of_workspace("w").map(|known| known.path.clone())
        };
        let path = |file: &str| Some(Some(PathBuf::from(file)));
        assert_eq!(tell("a", actions::STARTED, Some("one.db")), path("one.db"));
        assert_eq!(tell("a", actions::FAILED, None), path("one.db"));
        assert_eq!(tell("b", actions::STARTED, Some("two.db")), path("two.db"));
        assert_eq!(tell("b", actions::COMPLETED, None), path("two.db"));
        assert_eq!(tell("a", actions::STARTED, None), Some(None), "whoever works in it says what it is");
    }
}

//! How a picture is stored: what can be derived is left out.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use super::super::{Agent, Event, Graphs, Inbox, QuestionKey, Record, Seq, notice::DeadLetters};
use super::{Dashboard, ResultItem, roster::Roster};

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    agents: Vec<Agent>,
    graphs: Graphs,
    inbox: Inbox,
    log: Vec<(Seq, Arc<Event>)>,
    results: VecDeque<ResultItem>,
    newest: Option<(Seq, QuestionKey)>,
    letters: DeadLetters,
    last_seq: Seq,
    keep_agents: usize,
}

impl From<Dashboard> for Stored {
    fn from(dashboard: Dashboard) -> Self {
        Self {
            agents: dashboard.agents.into_agents(),
            graphs: dashboard.graphs,
            inbox: dashboard.inbox,
            log: dashboard.log.iter().map(|record| (record.seq, Arc::clone(&record.event))).collect(),
            results: dashboard.results,
            newest: dashboard.newest,
            letters: dashboard.letters,
            last_seq: dashboard.last_seq,
            keep_agents: dashboard.keep_agents,
        }
    }
}

impl From<Stored> for Dashboard {
    fn from(stored: Stored) -> Self {
        let mut dashboard = Self {
            agents: Roster::new(),
            tally: Default::default(),
            graphs: stored.graphs,
            inbox: stored.inbox,
            log: stored.log.into_iter().map(restore).collect(),
            results: stored.results,
            newest: stored.newest,
            letters: stored.letters,
            last_seq: stored.last_seq,
            keep_agents: stored.keep_agents,
            troubles: Default::default(),
        };
        for agent in stored.agents {
            dashboard.replace_agent(None, agent);
        }
        dashboard
    }
}

fn restore((seq, event): (Seq, Arc<Event>)) -> Arc<Record> {
    let json = event.to_json();
    Record::new(seq, event, json)
}

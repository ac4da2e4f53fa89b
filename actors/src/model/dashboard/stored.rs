//! How a picture is stored: what can be derived is left out. It is written as it lies there, without a copy, and read
//! as a [`Stored`].

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use super::super::{Event, Graphs, Inbox, QuestionKey, Record, Seq, agent, notice::DeadLetters};
use super::{Dashboard, ResultItem, roster::Roster};

#[derive(Deserialize)]
pub(super) struct Stored {
    agents: Vec<agent::Read>,
    graphs: Graphs,
    inbox: Inbox,
    log: Vec<(Seq, Arc<Event>)>,
    results: VecDeque<ResultItem>,
    newest: Option<(Seq, QuestionKey)>,
    letters: DeadLetters,
    last_seq: Seq,
    keep_agents: usize,
}

impl Serialize for Roster {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(agent::Written))
    }
}

pub(super) fn log<S: Serializer>(log: &VecDeque<Arc<Record>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(log.iter().map(|record| (record.seq, &record.event)))
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
        for agent::Read(agent) in stored.agents {
            dashboard.add_agent(agent);
        }
        dashboard
    }
}

fn restore((seq, event): (Seq, Arc<Event>)) -> Arc<Record> {
    let json = event.to_json();
    Record::new(seq, event, json)
}

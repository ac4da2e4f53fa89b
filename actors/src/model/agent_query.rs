//! Which agents a person wants to see, in which order, and which page of them.

use std::{cmp::Reverse, sync::Arc};

use super::{Agent, Counts, Dashboard, Standing};

/// Agents on one page: what a person looks through.
const PAGE_AGENTS: usize = 100;

/// In which order agents are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AgentSort {
    /// Those that need a person first.
    #[default]
    Attention,
    /// By name.
    Name,
    /// The latest started first.
    Started,
    /// The latest heard of first.
    Latest,
    /// Those that have waited longest for people first.
    Waited,
}

impl AgentSort {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Attention, Self::Name, Self::Started, Self::Latest, Self::Waited];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Name => "name",
            Self::Started => "started",
            Self::Latest => "latest",
            Self::Waited => "waited",
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AgentQuery {
    /// Only agents that stand there.
    pub standing: Option<Standing>,
    /// Only agents with this in their name or id, whatever the case.
    pub text: String,
    /// Only agents of this graph.
    pub graph: Option<String>,
    /// Only agents of this session.
    pub session: Option<String>,
    /// In which order.
    pub sort: AgentSort,
    /// Which page, from 0. Beyond the last one it is the last one.
    pub page: usize,
}

/// What was found.
#[derive(Debug)]
pub struct AgentPage<'a> {
    /// The agents of this page.
    pub agents: Vec<&'a Agent>,
    /// How many agents there are on all pages.
    pub total: usize,
    /// How many agents stand where, when it is not looked at where they stand.
    pub counts: Counts,
    /// Which page it is, from 0.
    pub page: usize,
    /// How many pages there are, at least 1.
    pub pages: usize,
    /// How many agents stand before this page.
    pub before: usize,
}

impl AgentQuery {
    /// Looks through all agents.
    pub fn select<'a>(&self, dashboard: &'a Dashboard) -> AgentPage<'a> {
        let text = self.text.to_lowercase();
        let mut counts = Counts::default();
        let mut found = Vec::new();
        for (_, agent) in dashboard.agents_in_order().filter(|(_, agent)| self.wants(agent, &text)) {
            counts.enter(agent.standing);
            if self.standing.is_none_or(|standing| standing == agent.standing) {
                found.push(agent);
            }
        }
        let total = found.len();
        let pages = total.div_ceil(PAGE_AGENTS).max(1);
        let page = self.page.min(pages - 1);
        let before = page * PAGE_AGENTS;
        // Stable: agents that are alike in this stay in the order of who needs a person first.
        match self.sort {
            AgentSort::Attention => {}
            AgentSort::Name => found.sort_by_cached_key(|agent| agent.name.to_lowercase()),
            AgentSort::Started => found.sort_by_key(|agent| Reverse(agent.started_at)),
            AgentSort::Latest => found.sort_by_key(|agent| Reverse(agent.last_event_at)),
            // At one moment for all: those that wait now have waited until then, too.
            AgentSort::Waited => {
                let now = found.iter().map(|agent| agent.last_event_at).chain(dashboard.now()).max();
                found.sort_by_key(|agent| Reverse(now.map(|now| agent.blocked_for(now))));
            }
        }
        let agents = found.into_iter().skip(before).take(PAGE_AGENTS).collect();
        AgentPage { agents, total, counts, page, pages, before }
    }

    fn wants(&self, agent: &Agent, text: &str) -> bool {
        let of =
            |wanted: &Option<String>, is: &Option<Arc<str>>| wanted.is_none() || wanted.as_deref() == is.as_deref();
        of(&self.graph, &agent.graph_id)
            && of(&self.session, &agent.session_id)
            && (text.is_empty()
                || agent.name.to_lowercase().contains(text)
                || agent.agent_id.to_lowercase().contains(text))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::{Event, Limits, Record};

    fn dashboard() -> Dashboard {
        let mut dashboard = Dashboard::new(&Limits::default());
        let mut seq = 0;
        let mut apply = |agent: &str, action: &str| {
            seq += 1;
            let at = Timestamp::from_second(i64::try_from(seq).expect("small")).expect("in range");
            let payload = json!({"name": agent.to_uppercase(), "msg_id": agent, "question": "?"});
            let graph = agent.starts_with('g').then(|| "graph".to_owned());
            let event = Event { graph_id: graph, ..Event::of_agent(agent, action, at, &[], payload) };
            let record: Arc<Record> = Record::new(seq, event.clone(), event.to_json());
            dashboard.apply(&record);
        };
        for number in 0..250 {
            apply(&format!("a{number:03}"), "started");
        }
        for (agent, action) in [("g1", "started"), ("g2", "blocked"), ("a007", "failed"), ("a008", "blocked")] {
            apply(agent, action);
        }
        dashboard
    }

    fn ids(query: &AgentQuery) -> Vec<String> {
        query.select(&dashboard()).agents.iter().map(|agent| agent.agent_id.to_string()).collect()
    }

    #[test]
    fn who_needs_a_person_comes_first() {
        assert_eq!(ids(&AgentQuery::default())[..4], ["g2", "a008", "a007", "g1"]);
    }

    #[test]
    fn among_those_that_wait_the_longest_wait_comes_first() {
        let mut dashboard = Dashboard::new(&Limits::default());
        for (seq, agent, action) in [(1, "a", "started"), (2, "b", "started"), (3, "a", "blocked"), (4, "b", "blocked")]
        {
            let at = Timestamp::from_second(seq).expect("in range");
            let event = Event::of_agent(agent, action, at, &[], json!({"msg_id": agent, "question": "?"}));
            dashboard.apply(&Record::new(seq.unsigned_abs(), event.clone(), event.to_json()));
        }
        let found = AgentQuery::default().select(&dashboard);
        assert_eq!(found.agents.iter().map(|agent| &*agent.agent_id).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn every_agent_stands_on_one_page() {
        let dashboard = dashboard();
        for sort in AgentSort::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for page in 0..3 {
                let found = AgentQuery { sort, page, ..AgentQuery::default() }.select(&dashboard);
                assert_eq!((found.total, found.pages, found.before), (252, 3, page * 100));
                seen.extend(found.agents.iter().map(|agent| agent.agent_id.clone()));
            }
            assert_eq!(seen.len(), 252, "{sort:?}");
        }
        let beyond = AgentQuery { page: 99, ..AgentQuery::default() }.select(&dashboard);
        assert_eq!((beyond.page, beyond.agents.len()), (2, 52));
    }

    #[test]
    fn filters_narrow_and_the_counts_stay_for_the_other_states() {
        let dashboard = dashboard();
        let waiting = AgentQuery { standing: Some(Standing::Waiting), ..AgentQuery::default() };
        let found = waiting.select(&dashboard);
        assert_eq!((found.total, found.counts.of(Standing::Failed)), (2, 1));
        assert_eq!(ids(&AgentQuery { graph: Some("graph".to_owned()), ..waiting.clone() }), ["g2"]);
        assert_eq!(ids(&AgentQuery { text: "A00".to_owned(), ..waiting }), ["a008"]);
        assert!(ids(&AgentQuery { session: Some("none".to_owned()), ..AgentQuery::default() }).is_empty());
    }

    #[test]
    fn the_longest_waiting_comes_first() {
        assert_eq!(ids(&AgentQuery { sort: AgentSort::Waited, ..AgentQuery::default() })[..2], ["g2", "a008"]);
    }
}

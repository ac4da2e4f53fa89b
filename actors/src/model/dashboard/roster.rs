//! The agents, in the order in which a person should look at them, counted by where they stand, and when the next
//! silent one stalls.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;

use crate::model::{Agent, Counts, Patience, Seq, Standing};

/// Where an agent stands in the list. What a running agent does must not move its row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    standing: Standing,
    newest: Reverse<(Timestamp, Seq)>,
    agent_id: String,
}

impl Place {
    fn of(agent: &Agent) -> Self {
        let (standing, newest) = Self::before_the_id(agent);
        Self { standing, newest, agent_id: agent.agent_id.clone() }
    }

    fn before_the_id(agent: &Agent) -> (Standing, Reverse<(Timestamp, Seq)>) {
        let newest =
            if agent.standing.is_terminal() { (agent.last_event_at, agent.last_seq) } else { (agent.started_at, 0) };
        (agent.standing, Reverse(newest))
    }

    /// Whose place it is.
    pub fn agent_id(&self) -> &str {
        &self.agent_id
    }
}

/// What makes a list of agents of an older one. All removals come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStep<'a> {
    /// The agent's row goes.
    Remove(&'a str),
    /// The agent's row comes behind another agent's; `None`: as the first.
    Insert {
        /// Whose row.
        agent_id: &'a str,
        /// Behind whose.
        after: Option<&'a str>,
    },
}

/// A list of agents as it was shown: the first of them, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The places of the agents shown.
    pub places: Vec<Place>,
    /// How many agents stand where, shown or not.
    pub counts: Counts,
}

impl Listed {
    /// The steps from this list to a newer one.
    pub fn steps_to<'a>(&'a self, newer: &'a Self) -> impl Iterator<Item = ListStep<'a>> {
        // Both are sorted: whoever kept the place has kept the order, too.
        let gone = self.places.iter().filter(|place| newer.places.binary_search(place).is_err());
        let come = newer.places.iter().enumerate().filter(|(_, place)| self.places.binary_search(place).is_err());
        let insert = |(index, place): (usize, &'a Place)| {
            let after = index.checked_sub(1).map(|index| newer.places[index].agent_id());
            ListStep::Insert { agent_id: place.agent_id(), after }
        };
        gone.map(|place| ListStep::Remove(place.agent_id())).chain(come.map(insert))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Roster {
    agents: BTreeMap<String, Agent>,
    places: BTreeSet<Place>,
    counts: Counts,
    /// When to look whether an agent has stalled: never later than it does. One that has been heard of since is given
    /// a later moment only when this one has come, so that an event costs nothing here.
    due: BTreeSet<(Timestamp, String)>,
    /// The moment of each agent in `due`.
    due_of: BTreeMap<String, Timestamp>,
    now: Timestamp,
    patience: Patience,
}

/// Everything else follows from these.
impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        (&self.agents, self.now, self.patience) == (&other.agents, other.now, other.patience)
    }
}

impl Roster {
    pub(super) fn new() -> Self {
        Self {
            agents: BTreeMap::new(),
            places: BTreeSet::new(),
            counts: Counts::default(),
            due: BTreeSet::new(),
            due_of: BTreeMap::new(),
            now: Timestamp::MIN,
            patience: Patience::default(),
        }
    }

    pub(super) fn get(&self, agent_id: &str) -> Option<&Agent> {
        self.agents.get(agent_id)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Agent> {
        self.agents.values()
    }

    pub(super) fn into_agents(self) -> Vec<Agent> {
        self.agents.into_values().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The agents, those that need a person first.
    pub(super) fn in_order(&self) -> impl DoubleEndedIterator<Item = (&Place, &Agent)> {
        self.places.iter().filter_map(|place| Some((place, self.agents.get(&place.agent_id)?)))
    }

    /// Takes an agent in, or its new facts. `true`: it stands elsewhere now.
    pub(super) fn put(&mut self, mut agent: Agent) -> bool {
        agent.standing = agent.standing_at(self.now, self.patience);
        let before = self.agents.get(&agent.agent_id);
        let moved = before.map(Place::before_the_id) != Some(Place::before_the_id(&agent));
        if moved {
            if let Some(before) = before {
                self.places.remove(&Place::of(before));
                self.counts.leave(before.standing);
            }
            self.places.insert(Place::of(&agent));
            self.counts.enter(agent.standing);
        }
        self.watch(&agent);
        self.agents.insert(agent.agent_id.clone(), agent);
        moved
    }

    pub(super) fn remove(&mut self, agent_id: &str) -> Option<Agent> {
        let agent = self.agents.remove(agent_id)?;
        self.places.remove(&Place::of(&agent));
        self.counts.leave(agent.standing);
        Some(agent)
    }

    fn watch(&mut self, agent: &Agent) {
        let Some(at) = agent.stalls_at(self.patience).filter(|_| agent.standing != Standing::Stalled) else { return };
        let known = self.due_of.get(&agent.agent_id).copied();
        if known.is_some_and(|known| known <= at) {
            return;
        }
        if let Some(known) = known {
            self.due.remove(&(known, agent.agent_id.clone()));
        }
        self.due.insert((at, agent.agent_id.clone()));
        self.due_of.insert(agent.agent_id.clone(), at);
    }

    pub(super) fn now(&self) -> Option<Timestamp> {
        Some(self.now).filter(|now| *now > Timestamp::MIN)
    }

    /// When time alone may next change something.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Lets the time pass. `true`: some agent stands elsewhere now.
    pub(super) fn pass_time(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        let mut moved = false;
        while let Some((_, agent_id)) = self.due.first().cloned().filter(|(at, _)| *at <= self.now) {
            self.due.pop_first();
            self.due_of.remove(&agent_id);
            if let Some(agent) = self.agents.get(&agent_id).cloned() {
                moved |= self.put(agent);
            }
        }
        moved
    }

    /// Sets how long agents may be silent. `true`: some agent stands elsewhere now.
    pub(super) fn set_patience(&mut self, patience: Patience) -> bool {
        self.patience = patience;
        self.due.clear();
        self.due_of.clear();
        let agents: Vec<_> = self.agents.values().cloned().collect();
        let mut moved = false;
        for agent in agents {
            moved |= self.put(agent);
        }
        moved
    }
}

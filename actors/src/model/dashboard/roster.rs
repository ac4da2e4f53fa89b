//! The agents, in the order in which a person should look at them, counted by where they stand, and when the next
//! silent one stalls.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::model::{Agent, Counts, Patience, Seq, Standing};

/// Where an agent stands in the list. What a running agent does must not move its row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    standing: Standing,
    order: Order,
    agent_id: Arc<str>,
}

/// The order among those that stand there. No list has both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// Those that wait for a person: the longest wait first.
    Oldest(Timestamp),
    /// All others.
    Newest(Reverse<(Timestamp, Seq)>),
}

impl Place {
    fn of(agent: &Agent) -> Self {
        let (standing, order) = Self::before_the_id(agent);
        Self { standing, order, agent_id: Arc::clone(&agent.agent_id) }
    }

    fn before_the_id(agent: &Agent) -> (Standing, Order) {
        let order = match agent.standing {
            Standing::Waiting => Order::Oldest(agent.blocked_since.unwrap_or(agent.started_at)),
            ended if ended.is_terminal() => Order::Newest(Reverse((agent.last_event_at, agent.last_seq))),
            _ => Order::Newest(Reverse((agent.started_at, 0))),
        };
        (agent.standing, order)
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

/// The agents. A copy shares all of them with the original, until one of the two changes.
#[derive(Debug, Clone)]
pub(super) struct Roster {
    agents: BTreeMap<Arc<str>, Kept>,
    places: BTreeSet<Place>,
    counts: Counts,
    /// When to look whether an agent has stalled.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    now: Timestamp,
    patience: Patience,
}

#[derive(Debug, Clone)]
struct Kept {
    agent: Arc<Agent>,
    /// When to look whether it has stalled: never later than it does. One that has been heard of since is given a later
    /// moment only when this one has come, so that an event costs nothing here.
    due: Option<Timestamp>,
}

/// Everything else follows from these.
impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter()) && (self.now, self.patience) == (other.now, other.patience)
    }
}

impl Roster {
    pub(super) fn new() -> Self {
        Self {
            agents: BTreeMap::new(),
            places: BTreeSet::new(),
            counts: Counts::default(),
            due: BTreeSet::new(),
            now: Timestamp::MIN,
            patience: Patience::default(),
        }
    }

    pub(super) fn get(&self, agent_id: &str) -> Option<&Arc<Agent>> {
        self.agents.get(agent_id).map(|kept| &kept.agent)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Agent> {
        self.agents.values().map(|kept| &*kept.agent)
    }

    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The agents, those that need a person first.
    pub(super) fn in_order(&self) -> impl DoubleEndedIterator<Item = (&Place, &Agent)> {
        self.places.iter().filter_map(|place| Some((place, &**self.get(&place.agent_id)?)))
    }

    /// Takes in an agent that is not known yet.
    pub(super) fn add(&mut self, mut agent: Agent) {
        let id = Arc::clone(&agent.agent_id);
        agent.standing = agent.standing_at(self.now, self.patience);
        self.places.insert(Place::of(&agent));
        self.counts.enter(agent.standing);
        self.agents.insert(Arc::clone(&id), Kept { agent: Arc::new(agent), due: None });
        self.change(&id, |_| ());
    }

    /// Changes an agent, in its place unless a copy shares it. `true`: it stands elsewhere now.
    pub(super) fn change(&mut self, agent_id: &str, change: impl FnOnce(&mut Agent)) -> bool {
        let Some(kept) = self.agents.get_mut(agent_id) else { return false };
        let before = Place::before_the_id(&kept.agent);
        let agent = Arc::make_mut(&mut kept.agent);
        change(agent);
        agent.standing = agent.standing_at(self.now, self.patience);
        let moved = before != Place::before_the_id(agent);
        if moved {
            let ((standing, order), agent_id) = (before, Arc::clone(&agent.agent_id));
            self.places.remove(&Place { standing, order, agent_id });
            self.counts.leave(standing);
            self.places.insert(Place::of(agent));
            self.counts.enter(agent.standing);
        }
        let stalls_at = agent.stalls_at(self.patience).filter(|_| agent.standing != Standing::Stalled);
        let due = match (kept.due, stalls_at) {
            (Some(known), Some(at)) if at < known => {
                self.due.remove(&(known, Arc::clone(&agent.agent_id)));
                Some(at)
            }
            (known, at) => known.or(at),
        };
        if let Some(at) = due.filter(|_| due != kept.due) {
            self.due.insert((at, Arc::clone(&agent.agent_id)));
        }
        kept.due = due;
        moved
    }

    pub(super) fn remove(&mut self, agent_id: &str) -> Option<Arc<Agent>> {
        let Kept { agent, due } = self.agents.remove(agent_id)?;
        self.places.remove(&Place::of(&agent));
        self.counts.leave(agent.standing);
        if let Some(due) = due {
            self.due.remove(&(due, Arc::clone(&agent.agent_id)));
        }
        Some(agent)
    }

    pub(super) fn now(&self) -> Option<Timestamp> {
        Some(self.now).filter(|now| *now > Timestamp::MIN)
    }

    /// When time alone may next change something.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Lets the time pass. Returns the agents that stand elsewhere now.
    pub(super) fn pass_time(&mut self, now: Timestamp) -> Vec<Arc<str>> {
        self.now = self.now.max(now);
        let mut moved = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, agent_id)) = self.due.pop_first() else { break };
            if let Some(kept) = self.agents.get_mut(&agent_id) {
                kept.due = None;
                if self.change(&agent_id, |_| ()) {
                    moved.push(agent_id);
                }
            }
        }
        moved
    }

    /// Sets how long agents may be silent.
    pub(super) fn set_patience(&mut self, patience: Patience) {
        if self.patience == patience {
            return;
        }
        self.patience = patience;
        self.due.clear();
        let forget_due = |kept: &mut Kept| {
            kept.due = None;
            Arc::clone(&kept.agent.agent_id)
        };
        let agents: Vec<_> = self.agents.values_mut().map(forget_due).collect();
        for agent_id in agents {
            self.change(&agent_id, |_| ());
        }
    }
}

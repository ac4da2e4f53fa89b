//! Which notices are due. Pure: the same ledger, policies and time give the same plan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{super::QuestionRecord, Item, Ledger, Notice, NoticeKind, Part, Policy};

/// News older than this are no news: a deadline that passed then is not told any more.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// Notices on their way to one target at once: one that hangs must not hold up the others, nor many flood the target.
const UNDERWAY: usize = 4;
/// Questions told in one notice: as many as an agent may have open by default.
const ITEMS: usize = 100;

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Send these.
    pub notices: Vec<Notice>,
    /// Plan again then, if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |other| other.min(at)));
    }
}

/// What no event tells of yet: the notices on their way, and what waits for another try. Bounded by the open questions.
#[derive(Debug, Default)]
pub struct Underway {
    flights: BTreeMap<String, Flight>,
    waits: BTreeMap<(String, Part), Wait>,
}

#[derive(Debug)]
struct Flight {
    target: String,
    agent_id: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    tries: u32,
    until: Timestamp,
}

impl Underway {
    /// A notice is on its way.
    pub fn start(&mut self, notice: &Notice) {
        let (target, agent_id) = (notice.target.clone(), notice.agent_id.clone());
        self.flights.insert(notice.id.clone(), Flight { target, agent_id, parts: notice.parts() });
    }

    /// How often a notice, or a part of it, was tried before.
    pub fn tries(&self, notice: &Notice) -> u32 {
        let wait_of = |part: Part| self.waits.get(&(notice.target.clone(), part));
        notice.parts().into_iter().filter_map(wait_of).map(|wait| wait.tries).max().unwrap_or(0)
    }

    /// A try has failed: none before `until`.
    pub fn put_off(&mut self, notice: &Notice, tries: u32, until: Timestamp) {
        self.flights.remove(&notice.id);
        for part in notice.parts() {
            self.waits.insert((notice.target.clone(), part), Wait { tries, until });
        }
    }

    /// The ledger knows what became of the notice.
    pub fn finish(&mut self, notice: &Notice) {
        self.flights.remove(&notice.id);
        for part in notice.parts() {
            self.waits.remove(&(notice.target.clone(), part));
        }
    }

    fn carries(&self, target: &str, part: &Part) -> bool {
        self.flights.values().any(|flight| flight.target == target && flight.parts.contains(part))
    }

    fn count(&self, target: &str) -> usize {
        self.flights.values().filter(|flight| flight.target == target).count()
    }

    fn count_about(&self, target: &str, agent_id: &str) -> usize {
        self.flights.values().filter(|flight| flight.target == target && flight.agent_id == agent_id).count()
    }
}

impl Ledger {
    /// What is due now, and when to look again. What waits for another try although there is nothing to tell any more
    /// is forgotten.
    pub fn plan(&self, policies: &[Policy], underway: &mut Underway, now: Timestamp) -> Plan {
        let mut plan = Plan::default();
        let mut wanted = BTreeSet::new();
        for policy in policies {
            let mut planner = Planner { ledger: self, policy, underway, now, plan: &mut plan };
            let due = planner.due();
            if !underway.waits.is_empty() {
                wanted.extend(due.iter().map(|due| (policy.target.clone(), due.part())));
            }
            planner.send_all(due);
        }
        underway.waits.retain(|wait, _| wanted.contains(wait));
        plan
    }
}

/// What a target has not been told yet. Thousands may be for hours: each plan looks at all of them, and copies only what
/// it sends.
struct Due<'a> {
    kind: NoticeKind,
    record: &'a QuestionRecord,
}

impl Due<'_> {
    fn part(&self) -> Part {
        Part::of(self.kind, self.record)
    }
}

/// Plans for one target.
struct Planner<'a> {
    ledger: &'a Ledger,
    policy: &'a Policy,
    underway: &'a Underway,
    now: Timestamp,
    plan: &'a mut Plan,
}

impl<'a> Planner<'a> {
    fn told(&self, record: &QuestionRecord, kind: NoticeKind) -> Option<Timestamp> {
        self.ledger.told_at(&self.policy.target, &record.question.key(), kind)
    }

    fn is_new(&self, record: &QuestionRecord, kind: NoticeKind) -> bool {
        self.policy.kinds.contains(&kind) && self.told(record, kind).is_none()
    }

    /// What the target has not been told yet.
    fn due(&mut self) -> Vec<Due<'a>> {
        let (ledger, policy) = (self.ledger, self.policy);
        let mut due = Vec::new();
        let wants = |record: &&QuestionRecord| policy.wants(&record.question);
        for record in ledger.waiting().filter(wants) {
            let kind = match self.near(record) {
                _ if self.is_new(record, NoticeKind::Opened) => NoticeKind::Opened,
                Some(near) if near <= self.now => NoticeKind::Near,
                Some(near) => {
                    self.plan.wake(near);
                    continue;
                }
                None => continue,
            };
            due.push(Due { kind, record });
        }
        let since = self.now.checked_sub(STALE).unwrap_or(Timestamp::MIN);
        let kind = NoticeKind::Expired;
        let expired = ledger.expired_after(since).filter(wants).filter(|record| self.is_new(record, kind));
        due.extend(expired.map(|record| Due { kind, record }));
        due
    }

    /// When the target is to be told that the deadline is near.
    fn near(&self, record: &QuestionRecord) -> Option<Timestamp> {
        let is_ahead = record.question.expires_at > Some(self.now) && self.is_new(record, NoticeKind::Near);
        let near = self.policy.near.of(&record.question).filter(|_| is_ahead)?;
        // Who heard of the question only then knew of the deadline as well.
        let unaware = self.told(record, NoticeKind::Opened).is_none_or(|opened| opened < near);
        unaware.then_some(near)
    }

    /// Sends what may be told now, agent by agent.
    fn send_all(&mut self, all: Vec<Due<'a>>) {
        let mut by_agent: BTreeMap<&str, VecDeque<Due<'_>>> = BTreeMap::new();
        for due in all {
            if let Some(until) = self.quiet_until(due.record) {
                self.plan.wake(until);
                continue;
            }
            let part = due.part();
            if self.underway.carries(&self.policy.target, &part) {
                continue;
            }
            match self.waits_until(part) {
                Some(until) => self.plan.wake(until),
                None => by_agent.entry(&due.record.question.agent_id).or_default().push_back(due),
            }
        }
        let mut room = UNDERWAY.saturating_sub(self.underway.count(&self.policy.target));
        for (agent_id, due) in by_agent {
            self.send(agent_id, due, &mut room);
        }
    }

    fn quiet_until(&self, record: &QuestionRecord) -> Option<Timestamp> {
        self.policy.quiet_until(record.question.urgency, self.now).filter(|until| *until > self.now)
    }

    /// Until when there is a pause after a try that failed.
    fn waits_until(&self, part: Part) -> Option<Timestamp> {
        let wait = self.underway.waits.get(&(self.policy.target.clone(), part))?;
        Some(wait.until).filter(|until| *until > self.now)
    }

    /// Sends one by one as long as the target wants to hear of the agent, and the rest together with the last one.
    fn send(&mut self, agent_id: &str, mut due: VecDeque<Due<'_>>, room: &mut usize) {
        let target = &self.policy.target;
        let nothing = VecDeque::new();
        let sent = self.ledger.sent_to(target, agent_id).unwrap_or(&nothing);
        let mut allowed = match self.policy.rate.allows(sent, self.underway.count_about(target, agent_id), self.now) {
            Ok(allowed) => allowed,
            Err(later) => return self.plan.wake(later),
        };
        let name = self.ledger.name_of(agent_id);
        // Whatever does not get in is planned again once something on its way has arrived.
        while *room > 0 && allowed > 0 && !due.is_empty() {
            let together = if allowed == 1 { due.len().min(ITEMS) } else { 1 };
            let items =
                due.drain(..together).map(|Due { kind, record }| Item { kind, record: record.clone() }).collect();
            self.plan.notices.push(Notice::new(target, self.now, agent_id, name, items));
            *room -= 1;
            allowed -= 1;
        }
    }
}

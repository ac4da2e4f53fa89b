//! What there is to tell and what was told, folded from the journal.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{
    super::{Category, Door, Event, Inbox, Limits, QuestionKey, QuestionRecord, Record, Seq, Status, actions},
    DeadLetter, DeadLetters, NoticeKind, Part, Rate, Told,
};

/// Pairs of target and agent whose last deliveries are remembered: beyond it the longest silent pair goes, whose
/// bucket is full by then.
const PAIRS: usize = 1_000;

/// Every question with what was told of it, to whom, and what could not be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Ledger {
    inbox: Inbox,
    /// What agents call themselves.
    names: BTreeMap<String, String>,
    /// When a deadline passed without a person's answer.
    #[serde(serialize_with = "pairs")]
    expired: BTreeMap<QuestionKey, Timestamp>,
    /// What each target was told, and when; what was given up counts as told.
    #[serde(serialize_with = "told")]
    told: BTreeMap<QuestionKey, BTreeMap<(String, NoticeKind), Timestamp>>,
    /// When the last notices about an agent went to a target.
    #[serde(serialize_with = "pairs")]
    sent: BTreeMap<(String, String), VecDeque<Timestamp>>,
    letters: DeadLetters,
    last_seq: Seq,
    keep_closed: usize,
    keep_names: usize,
}

/// What a target was told of a question, and when.
type Heard = ((String, NoticeKind), Timestamp);

/// How a ledger is stored: JSON objects have only texts as keys.
#[derive(Deserialize)]
struct Stored {
    inbox: Inbox,
    names: BTreeMap<String, String>,
    expired: Vec<(QuestionKey, Timestamp)>,
    told: Vec<(QuestionKey, Vec<Heard>)>,
    sent: Vec<((String, String), VecDeque<Timestamp>)>,
    letters: DeadLetters,
    last_seq: Seq,
    keep_closed: usize,
    keep_names: usize,
}

impl From<Stored> for Ledger {
    fn from(stored: Stored) -> Self {
        let Stored { inbox, names, expired, told, sent, letters, last_seq, keep_closed, keep_names } = stored;
        Self {
            inbox,
            names,
            expired: expired.into_iter().collect(),
            told: told.into_iter().map(|(key, told)| (key, told.into_iter().collect())).collect(),
            sent: sent.into_iter().collect(),
            letters,
            last_seq,
            keep_closed,
            keep_names,
        }
    }
}

fn pairs<S: Serializer, K: Serialize, V: Serialize>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map)
}

fn told<S: Serializer>(
    told: &BTreeMap<QuestionKey, BTreeMap<(String, NoticeKind), Timestamp>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(told.iter().map(|(key, told)| (key, told.iter().collect::<Vec<_>>())))
}

impl Ledger {
    /// An empty ledger.
    pub fn new(limits: &Limits) -> Self {
        Self {
            inbox: Inbox::new(limits),
            names: BTreeMap::new(),
            expired: BTreeMap::new(),
            told: BTreeMap::new(),
            sent: BTreeMap::new(),
            letters: DeadLetters::default(),
            last_seq: 0,
            keep_closed: limits.closed_questions,
            keep_names: limits.agents,
        }
    }

    /// Keeps what these limits allow, from the next event on.
    pub fn limit(&mut self, limits: &Limits) {
        self.inbox.limit(limits);
        (self.keep_closed, self.keep_names) = (limits.closed_questions, limits.agents);
    }

    /// Folds one event. True where something else may be due now. An event folded already changes nothing.
    pub fn apply(&mut self, record: &Record) -> bool {
        if record.seq <= self.last_seq {
            return false;
        }
        self.last_seq = record.seq;
        let event = &record.event;
        let changed = self.inbox.apply(record);
        for key in &changed {
            self.note_expiry(key, event.timestamp);
        }
        if event.is(Category::Agent, actions::STARTED) {
            self.note_name(event);
        }
        let about_notice = event.category == Category::User && self.apply_notice(event);
        self.forget();
        about_notice || !changed.is_empty()
    }

    fn note_expiry(&mut self, key: &QuestionKey, at: Timestamp) {
        if self.inbox.get(key).is_some_and(has_expired) {
            self.expired.entry(key.clone()).or_insert(at);
        }
    }

    fn note_name(&mut self, event: &Event) {
        let (Some(agent_id), Some(name)) = (&event.agent_id, event.text("name").or_else(|| event.text("node_name")))
        else {
            return;
        };
        self.names.insert(agent_id.clone(), name.to_owned());
        while self.names.len() > self.keep_names {
            self.names.pop_first();
        }
    }

    fn apply_notice(&mut self, event: &Event) -> bool {
        let (gone, changed) = self.letters.apply(event);
        match event.action.as_str() {
            actions::NOTIFIED | actions::NOTICE_FAILED => self.settle(event),
            actions::NOTICE_RETRIED => {
                if let Some(letter) = gone {
                    self.reopen(&letter);
                }
                changed
            }
            _ => changed,
        }
    }

    fn settle(&mut self, event: &Event) -> bool {
        let Some(Told { target, parts, .. }) = Told::of(event) else { return false };
        for Part { kind, key } in parts {
            if self.inbox.get(&key).is_some() {
                self.told.entry(key).or_default().entry((target.clone(), kind)).or_insert(event.timestamp);
            }
        }
        if event.action == actions::NOTIFIED {
            let pair = (target, event.agent_id.clone().unwrap_or_default());
            let sent = self.sent.entry(pair).or_default();
            sent.push_back(event.timestamp);
            if sent.len() > Rate::MAX_BURST as usize {
                sent.pop_front();
            }
        }
        true
    }

    fn reopen(&mut self, letter: &DeadLetter) {
        for part in &letter.parts {
            if let Some(told) = self.told.get_mut(&part.key) {
                told.remove(&(letter.target.clone(), part.kind));
            }
        }
    }

    /// What the inbox has forgotten is forgotten here too, from time to time.
    fn forget(&mut self) {
        if self.told.len().max(self.expired.len()) > 2 * self.keep_closed + self.inbox.open_count() {
            let inbox = &self.inbox;
            self.told.retain(|key, _| inbox.get(key).is_some());
            self.expired.retain(|key, _| inbox.get(key).is_some());
        }
        if self.sent.len() > PAIRS {
            let silent = self.sent.iter().min_by_key(|(_, sent)| sent.back().copied());
            if let Some(pair) = silent.map(|(pair, _)| pair.clone()) {
                self.sent.remove(&pair);
            }
        }
    }

    /// When a target was told something of a question, or it was given up.
    pub(super) fn told_at(&self, target: &str, key: &QuestionKey, kind: NoticeKind) -> Option<Timestamp> {
        self.told.get(key)?.get(&(target.to_owned(), kind)).copied()
    }

    /// When the last notices about an agent went to a target, the oldest first.
    pub(super) fn sent_to(&self, target: &str, agent_id: &str) -> Option<&VecDeque<Timestamp>> {
        self.sent.get(&(target.to_owned(), agent_id.to_owned()))
    }

    /// The questions that wait, the most pressing first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.inbox.waiting()
    }

    /// The questions whose deadline passed without a person's answer after `since`.
    pub(super) fn expired_after(&self, since: Timestamp) -> impl Iterator<Item = &QuestionRecord> {
        let recent = self.expired.iter().filter(move |(_, at)| **at > since);
        // Somebody may have answered after all, in the workspace.
        recent.filter_map(|(key, _)| self.inbox.get(key)).filter(|record| has_expired(record))
    }

    /// What an agent calls itself.
    pub(super) fn name_of<'a>(&'a self, agent_id: &'a str) -> &'a str {
        self.names.get(agent_id).map_or(agent_id, String::as_str)
    }

    /// What could not be delivered.
    pub fn letters(&self) -> &DeadLetters {
        &self.letters
    }

    /// True where a dead letter still has something to tell: a question of it waits, or has expired not long ago.
    pub fn still_matters(&self, letter: &DeadLetter) -> bool {
        letter.parts.iter().any(|part| match part.kind {
            NoticeKind::Opened | NoticeKind::Near => self.inbox.get(&part.key).is_some_and(QuestionRecord::waits),
            NoticeKind::Expired => self.inbox.get(&part.key).is_some_and(has_expired),
        })
    }

    /// Passes over an event that cannot be folded.
    pub fn skip(&mut self, seq: Seq) {
        self.last_seq = self.last_seq.max(seq);
        self.inbox.skip(seq);
    }

    /// The last event folded.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }
}

/// True where the deadline has passed without a person's answer.
fn has_expired(record: &QuestionRecord) -> bool {
    let by_policy = record.answer.as_ref().is_some_and(|answer| answer.answered_by.door == Door::Policy);
    record.status == Status::Expired || by_policy
}

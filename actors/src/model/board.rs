//! What the dashboard shows of the inbox, and by which steps a page that shows one state of it comes to the next.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{Dashboard, QuestionKey, QuestionRecord, Status};

/// Answers listed that no agent has picked up yet and that have no card any more.
const SENT_ROWS: usize = 20;
/// Closed questions listed.
const CLOSED_ROWS: usize = 5;
/// Steps up to which they cost less than the inbox as a whole.
const MOST_STEPS: usize = 30;

/// The lists of the inbox, and what the looks of their entries depend on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Board {
    cards: Vec<Entry>,
    sent: Vec<Entry>,
    closed: Vec<Entry>,
    /// How many questions are like the ones that have cards.
    alike: BTreeMap<String, usize>,
    waiting: usize,
}

/// One card or row.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    key: QuestionKey,
    /// True for a card with a form.
    waits: bool,
    look: Look,
}

#[derive(Debug, Clone, PartialEq)]
struct Look {
    status: Status,
    held_until: Option<Timestamp>,
    unwritten: bool,
    closed_reason: Option<String>,
    asker: Option<Arc<str>>,
    trouble: Option<Arc<str>>,
}

/// One step of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It enters before another; `None`: at the end.
    Insert(QuestionKey, Option<QuestionKey>),
    /// Its look changes, what a person does in it stays.
    Update(QuestionKey),
    /// It becomes another kind of entry.
    Replace(QuestionKey),
    /// It is not in the list any more.
    Remove(QuestionKey),
}

/// From one state of the inbox to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Of the cards.
    pub cards: Vec<Step>,
    /// Of the answers on their way.
    pub sent: Vec<Step>,
    /// Of the questions closed last.
    pub closed: Vec<Step>,
    /// How many questions are alike now, by their likeness.
    pub alike: Vec<(String, usize)>,
}

impl Board {
    /// The inbox as it is.
    pub fn of(dashboard: &Dashboard) -> Self {
        let entry = |record: &QuestionRecord| Entry::of(dashboard, record);
        let inbox = dashboard.inbox();
        let cards = inbox.cards();
        let alike = |record: &&QuestionRecord| {
            let likeness = record.question.likeness();
            let count = inbox.alike_count(&likeness);
            (count > 1).then_some((likeness, count))
        };
        Self {
            alike: cards.iter().filter_map(alike).collect(),
            cards: cards.into_iter().map(entry).collect(),
            sent: Self::sent(dashboard).map(entry).collect(),
            closed: Self::closed(dashboard).map(entry).collect(),
            waiting: inbox.waiting_count(),
        }
    }

    /// The answers listed that are on their way, the latest first.
    pub fn sent(dashboard: &Dashboard) -> impl Iterator<Item = &QuestionRecord> {
        dashboard.inbox().waiting_for_pickup().into_iter().take(SENT_ROWS)
    }

    /// The closed questions listed, the one closed last first.
    pub fn closed(dashboard: &Dashboard) -> impl Iterator<Item = &QuestionRecord> {
        dashboard.inbox().recently_closed().take(CLOSED_ROWS)
    }

    /// How many questions are like the ones that have cards, where there are several.
    pub fn alike(&self) -> &BTreeMap<String, usize> {
        &self.alike
    }

    /// The steps from `self` to `next`; `None`: the whole inbox is the shorter way.
    pub fn steps_to(&self, next: &Self) -> Option<Steps> {
        let gone = self.alike.keys().filter(|likeness| !next.alike.contains_key(*likeness));
        let changed = next.alike.iter().filter(|(likeness, count)| self.alike.get(*likeness) != Some(*count));
        let steps = Steps {
            cards: steps(&self.cards, &next.cards)?,
            sent: steps(&self.sent, &next.sent)?,
            closed: steps(&self.closed, &next.closed)?,
            alike: gone.map(|gone| (gone.clone(), 0)).chain(changed.map(|(l, count)| (l.clone(), *count))).collect(),
        };
        let count = steps.cards.len() + steps.sent.len() + steps.closed.len() + steps.alike.len();
        (count <= MOST_STEPS).then_some(steps)
    }
}

impl Entry {
    fn of(dashboard: &Dashboard, record: &QuestionRecord) -> Self {
        let agent = dashboard.agent(&record.question.agent_id);
        Self {
            key: record.question.key(),
            waits: record.waits(),
            look: Look {
                status: record.status,
                held_until: record.held.as_ref().map(|held| held.deliver_at),
                unwritten: record.is_unwritten(),
                closed_reason: record.closed_reason.clone(),
                asker: agent.map(|agent| agent.name.clone()),
                trouble: agent.and_then(|agent| agent.workspace_trouble.clone()),
            },
        }
    }
}

/// The steps of one list. Entries that stay keep their order: where they do not, there are none.
fn steps(old: &[Entry], new: &[Entry]) -> Option<Vec<Step>> {
    let before: BTreeMap<_, _> = old.iter().map(|entry| (&entry.key, entry)).collect();
    let after: BTreeMap<_, _> = new.iter().map(|entry| (&entry.key, entry)).collect();
    let stay = old.iter().map(|entry| &entry.key).filter(|key| after.contains_key(key));
    if !stay.eq(new.iter().map(|entry| &entry.key).filter(|key| before.contains_key(key))) {
        return None;
    }
    let gone = old.iter().filter(|entry| !after.contains_key(&entry.key));
    let mut steps: Vec<_> = gone.map(|entry| Step::Remove(entry.key.clone())).collect();
    // From the end, so that the entry before which another enters is always there already.
    for (index, entry) in new.iter().enumerate().rev() {
        let key = entry.key.clone();
        match before.get(&key) {
            None => steps.push(Step::Insert(key, new.get(index + 1).map(|next| next.key.clone()))),
            Some(old) if *old == entry => {}
            Some(old) if old.waits == entry.waits => steps.push(Step::Update(key)),
            Some(_) => steps.push(Step::Replace(key)),
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{
        super::{Event, Limits, Record, Seq},
        *,
    };

    /// A list as a page shows it, changed by the steps alone.
    fn walk(list: &[Entry], steps: &[Step], next: &[Entry]) -> Vec<Entry> {
        let now = |key: &QuestionKey| next.iter().find(|entry| entry.key == *key).expect("it is in the list").clone();
        let mut list = list.to_vec();
        let at = |list: &[Entry], key: &QuestionKey| {
            let found: Vec<_> = list.iter().enumerate().filter(|(_, entry)| entry.key == *key).collect();
            assert_eq!(found.len(), 1, "{key:?} is there once");
            found[0].0
        };
        for step in steps {
            match step {
                Step::Insert(key, None) => list.push(now(key)),
                Step::Insert(key, Some(before)) => list.insert(at(&list, before), now(key)),
                Step::Update(key) | Step::Replace(key) => {
                    let place = at(&list, key);
                    list[place] = now(key);
                }
                Step::Remove(key) => {
                    list.remove(at(&list, key));
                }
            }
        }
        list
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let action = prop::sample::select(vec![
            "blocked",
            "blocked",
            "blocked",
            "resumed",
            "answer_held",
            "answer_undone",
            "answer_written",
            "answer_delivered",
            "question_expired",
            "question_cancelled",
            "completed",
            "started",
            "workspace_trouble",
        ]);
        let urgency = prop::sample::select(vec!["low", "normal", "high", "critical"]);
        (action, 0..8u8, 0..90u8, urgency, 0..100i64, 0..4u8).prop_map(|(action, agent, msg, urgency, second, text)| {
            let by = json!({"who": "ann", "door": "browser"});
            let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(second);
            let payload = json!({
                "msg_id": format!("m{msg}"), "workspace_id": "w", "question": format!("Sure {text}?"),
                "urgency": urgency, "answer": "yes", "answered_by": by, "name": format!("name {second}"),
                "detail": "locked",
                "held": {"answered_by": by, "responded_at": at, "deliver_at": at},
            });
            Event::of_agent(&format!("a{agent}"), action, at, &[], payload)
        })
    }

    proptest! {
        /// However events come, and wherever frames are cut: the steps lead to what the whole inbox shows.
        #[test]
        fn steps_lead_where_the_whole_inbox_is(
            events in prop::collection::vec(any_event(), 0..400), cuts in prop::collection::vec(1..9usize, 400),
        ) {
            let mut dashboard = Dashboard::new(&Limits { closed_questions: 20, ..Limits::default() });
            let mut shown = Board::default();
            let mut cuts = cuts.into_iter();
            let mut left = 0;
            for (index, event) in events.into_iter().enumerate() {
                let json = event.to_json();
                dashboard.apply(&Record::new(index as Seq + 1, event, json));
                left = if left == 0 { cuts.next().unwrap_or(1) } else { left } - 1;
                if left > 0 {
                    continue;
                }
                let next = Board::of(&dashboard);
                if let Some(steps) = shown.steps_to(&next) {
                    prop_assert_eq!(&walk(&shown.cards, &steps.cards, &next.cards), &next.cards);
                    prop_assert_eq!(&walk(&shown.sent, &steps.sent, &next.sent), &next.sent);
                    prop_assert_eq!(&walk(&shown.closed, &steps.closed, &next.closed), &next.closed);
                    let mut alike = shown.alike.clone();
                    alike.extend(steps.alike);
                    alike.retain(|_, count| *count > 0);
                    prop_assert_eq!(&alike, &next.alike);
                }
                shown = next;
            }
            let waiting: Vec<_> = dashboard.inbox().waiting().map(|record| record.question.key()).collect();
            let cards: Vec<_> = shown.cards.iter().filter(|entry| entry.waits).map(|entry| entry.key.clone()).collect();
            if left == 0 && !waiting.is_empty() {
                prop_assert!(cards.len() >= waiting.len().min(12) && waiting.starts_with(&cards), "the most pressing");
            }
        }
    }
}

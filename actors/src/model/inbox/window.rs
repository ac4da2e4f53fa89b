//! The questions that stand on the dashboard as cards: the most pressing ones that wait and, for a moment in the same
//! place, those that were just answered.

use std::{cmp::Reverse, collections::BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Question, QuestionKey, Urgency, question::SENT_FOR};

/// Cards of waiting questions that are always shown, if there are as many: what a person answers in one go.
const CARDS: usize = 12;
/// Cards up to which a more pressing question pushes no other out, so that nobody loses the card they type in.
const MOST_CARDS: usize = 22;
/// Answered cards kept in their place. The others are listed below the cards.
const SENT: usize = 10;

/// The order of the questions: by urgency, then deadline, then age. It never changes in a question's life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Rank {
    urgency: Reverse<Urgency>,
    expires_at: Timestamp,
    created_at: Timestamp,
    pub(super) key: QuestionKey,
}

impl Rank {
    pub(super) fn of(question: &Question) -> Self {
        Self {
            urgency: Reverse(question.urgency),
            expires_at: question.expires_at.unwrap_or(Timestamp::MAX),
            created_at: question.created_at,
            key: question.key(),
        }
    }
}

/// Which questions have a card. It follows from the events alone, so that every frame agrees with every other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    /// Every question that waits for a person. Derived: whoever reads a stored window fills it again.
    #[serde(skip)]
    pub(super) waiting: BTreeSet<Rank>,
    /// How many of them have a card: the first ones.
    shown: usize,
    /// The cards of answered questions, the oldest answer first, and when they were answered.
    sent: Vec<(Timestamp, Rank)>,
}

impl Window {
    /// A question waits for a person.
    pub(super) fn enter(&mut self, rank: Rank) {
        self.sent.retain(|(_, sent)| *sent != rank);
        let last_shown = self.shown.checked_sub(1).and_then(|last| self.waiting.iter().nth(last));
        let pressing = last_shown.is_some_and(|last_shown| rank < *last_shown);
        if self.waiting.insert(rank) && (self.shown < CARDS || pressing) {
            self.shown = (self.shown + 1).min(MOST_CARDS);
        }
    }

    /// A question does not wait for a person any more. `sent`: because it was answered then, and its agent has yet to
    /// hear of it.
    pub(super) fn leave(&mut self, rank: &Rank, sent: Option<Timestamp>) {
        let has_card = self.waiting.iter().take(self.shown).any(|shown| shown == rank);
        if self.waiting.remove(rank) && has_card {
            self.shown = (self.shown - 1).max(CARDS.min(self.waiting.len()));
        }
        match sent {
            Some(at) if has_card => self.sent.push((at, rank.clone())),
            Some(_) => {}
            None => self.sent.retain(|(_, sent)| sent != rank),
        }
    }

    /// Lets the answered cards go that have stood there for long enough.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        let surplus = self.sent.len().saturating_sub(SENT);
        self.sent.drain(..surplus);
        self.sent.retain(|(at, _)| now.duration_since(*at) <= SENT_FOR);
    }

    /// How many questions wait for a person.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many of them have no card.
    pub(super) fn hidden(&self) -> usize {
        self.waiting.len() - self.shown
    }

    /// The questions that wait for a person, the most pressing first.
    pub(super) fn ranks(&self) -> impl Iterator<Item = &Rank> {
        self.waiting.iter()
    }

    /// The cards, in their order.
    pub(super) fn cards(&self) -> Vec<&Rank> {
        let mut cards: Vec<_> = self.waiting.iter().take(self.shown).chain(self.sent.iter().map(|(_, r)| r)).collect();
        cards.sort();
        cards
    }

    /// True for an answered question that still has its card.
    pub(super) fn is_sent(&self, key: &QuestionKey) -> bool {
        self.sent.iter().any(|(_, rank)| rank.key == *key)
    }
}

//! What a target wants to hear.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{Question, Urgency},
    NoticeKind, QuietHours, Rate,
};

/// What one target wants to hear, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The target's name.
    pub target: String,
    /// The kinds it wants to hear of.
    pub kinds: BTreeSet<NoticeKind>,
    /// Less urgent questions are not told.
    pub min_urgency: Urgency,
    /// The agents it wants to hear of; empty: all.
    pub agents: Vec<AgentPattern>,
    /// When a deadline is near.
    pub near: Near,
    /// When it wants to be left alone.
    pub quiet: Option<QuietHours>,
    /// How often it wants to hear of one agent.
    pub rate: Rate,
}

impl Policy {
    /// True for a question that the target wants to hear of.
    pub(super) fn wants(&self, question: &Question) -> bool {
        question.urgency >= self.min_urgency
            && (self.agents.is_empty() || self.agents.iter().any(|pattern| pattern.matches(&question.agent_id)))
    }

    /// Until when a question of this urgency is not told; `None`: it may be told now.
    pub(super) fn quiet_until(&self, urgency: Urgency, now: Timestamp) -> Option<Timestamp> {
        let quiet = self.quiet.as_ref()?;
        if quiet.unless.is_some_and(|loud| urgency >= loud) { None } else { quiet.until(now) }
    }
}

/// When a deadline is near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Near {
    /// When this share of the question's time is left, between 0 and 1.
    Share(f64),
    /// When this much time is left.
    Left(SignedDuration),
}

impl Near {
    /// When a question's deadline gets near; `None`: it has none, or was near from the beginning.
    pub(super) fn of(self, question: &Question) -> Option<Timestamp> {
        let (asked, deadline) = (question.created_at, question.expires_at?);
        let left = match self {
            Self::Share(share) => deadline.duration_since(asked).mul_f64(share),
            Self::Left(left) => left,
        };
        deadline.checked_sub(left).ok().filter(|near| *near > asked)
    }
}

/// Agents by their ids, `*` standing for any characters: `deploy-*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPattern(String);

impl AgentPattern {
    /// A pattern.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// True for an id that the pattern describes.
    pub fn matches(&self, agent_id: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == agent_id };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(inner) = agent_id.strip_prefix(first).and_then(|id| id.strip_suffix(last)) else { return false };
        let mut left = inner;
        middle.split('*').all(|word| match left.find(word) {
            Some(at) => {
                left = &left[at + word.len()..];
                true
            }
            None => false,
        })
    }
}

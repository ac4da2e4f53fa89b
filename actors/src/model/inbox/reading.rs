//! What can be asked of the inbox.

use std::collections::BTreeSet;

use super::{
    super::{QuestionKey, QuestionRecord, Seq},
    Inbox, MessageKind, UserMessage, is_settled,
    window::Rank,
};

impl Inbox {
    /// One question.
    pub fn get(&self, key: &QuestionKey) -> Option<&QuestionRecord> {
        self.questions.get(key)
    }

    /// The questions of a `msg_id`: one, unless two workspaces chose the same id.
    pub fn by_msg_id(&self, msg_id: &str) -> impl Iterator<Item = &QuestionRecord> {
        let from = QuestionKey { msg_id: msg_id.to_owned(), workspace_id: String::new() };
        self.questions.range(from..).map(|(_, record)| record).take_while(move |r| r.question.msg_id == msg_id)
    }

    /// The open questions of an agent.
    pub fn open_of(&self, agent_id: &str) -> Vec<QuestionKey> {
        of_agent(&self.open, agent_id).cloned().collect()
    }

    /// True while a question of the agent is open.
    pub fn asks(&self, agent_id: &str) -> bool {
        of_agent(&self.open, agent_id).next().is_some()
    }

    /// True while an answer to the agent has not been picked up.
    pub fn has_unread_answer(&self, agent_id: &str) -> bool {
        of_agent(&self.unread, agent_id).next().is_some()
    }

    /// How many questions are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The open questions, the most pressing first: by urgency, then deadline, then age.
    pub fn open(&self) -> Vec<&QuestionRecord> {
        let mut open: Vec<_> = self.open.iter().filter_map(|(_, key)| self.questions.get(key)).collect();
        open.sort_by_cached_key(|record| Rank::of(&record.question));
        open
    }

    /// The questions that wait for a person, in the same order. Those whose answer may still be taken back do not.
    pub fn waiting(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.window.ranks().filter_map(|rank| self.questions.get(&rank.key))
    }

    /// How many questions wait for a person.
    pub fn waiting_count(&self) -> usize {
        self.window.waiting()
    }

    /// The questions that the dashboard shows as cards, in their order: the most pressing ones that wait and, for a
    /// moment, those just answered.
    pub fn cards(&self) -> Vec<&QuestionRecord> {
        self.window.cards().into_iter().filter_map(|rank| self.questions.get(&rank.key)).collect()
    }

    /// How many waiting questions have no card.
    pub fn hidden_count(&self) -> usize {
        self.window.hidden()
    }

    /// How many questions wait that are alike.
    pub fn alike_count(&self, likeness: &str) -> usize {
        self.alike.get(likeness).copied().unwrap_or_default()
    }

    /// Every question kept, open or not.
    pub fn iter(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.questions.values()
    }

    /// Answered questions without a card whose agents have not picked the answer up yet, the latest answer first.
    pub fn waiting_for_pickup(&self) -> Vec<&QuestionRecord> {
        let waits =
            |record: &&QuestionRecord| record.on_its_way().is_some() && !self.window.is_sent(&record.question.key());
        let mut sent: Vec<_> = self.questions.values().filter(waits).collect();
        sent.sort_by_key(|record| std::cmp::Reverse(record.on_its_way()));
        sent
    }

    /// The most recently closed questions, newest first.
    pub fn recently_closed(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.closed.iter().rev().filter_map(|key| self.questions.get(key))
    }

    /// The messages kept, oldest first.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &UserMessage> {
        self.messages.iter()
    }

    /// The ids of all questions that are open, or whose answers have not been picked up, and of all messages on their
    /// way: what a retention must not touch.
    pub fn unfinished(&self) -> BTreeSet<String> {
        let questions = self.questions.values().filter(|record| !is_settled(record) || record.is_unwritten());
        let messages = self.messages.iter().filter(|message| message.delivered_at.is_none());
        questions
            .map(|record| record.question.msg_id.clone())
            .chain(messages.map(|message| message.message_id.clone()))
            .collect()
    }

    /// How many messages an agent has not taken yet.
    pub fn untaken(&self, agent_id: &str) -> usize {
        self.messages.iter().filter(|message| message.agent_id == agent_id && message.delivered_at.is_none()).count()
    }

    /// The request to stop that an agent has not seen yet.
    pub fn stop_requested(&self, agent_id: &str) -> Option<&UserMessage> {
        self.messages.iter().rev().find(|message| {
            message.kind == MessageKind::StopRequest && message.agent_id == agent_id && message.delivered_at.is_none()
        })
    }

    /// What keeps a workspace from being used, if anything does.
    pub fn trouble_of(&self, workspace_id: &str) -> Option<&str> {
        self.troubles.get(workspace_id).map(String::as_str)
    }

    /// The last event folded.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }
}

/// One agent's part of an index.
pub(super) fn of_agent<'a>(
    index: &'a BTreeSet<(String, QuestionKey)>,
    agent_id: &'a str,
) -> impl Iterator<Item = &'a QuestionKey> {
    let nothing = QuestionKey { msg_id: String::new(), workspace_id: String::new() };
    let from = (agent_id.to_owned(), nothing);
    index.range(from..).take_while(move |(agent, _)| agent == agent_id).map(|(_, key)| key)
}

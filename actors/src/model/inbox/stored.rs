//! How an inbox is stored: JSON objects have only texts as keys, and what can be derived is left out. It is written as it
//! lies there, without a copy, and read as a [`Stored`].

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serializer};

use super::{
    super::{QuestionKey, QuestionRecord, Seq, Status},
    Inbox, UserMessage, is_unread,
    window::{Rank, Window},
};

#[derive(Deserialize)]
pub(super) struct Stored {
    questions: Vec<QuestionRecord>,
    window: Window,
    closed: VecDeque<QuestionKey>,
    messages: VecDeque<UserMessage>,
    troubles: BTreeMap<String, String>,
    last_seq: Seq,
    keep_closed: usize,
}

impl From<Stored> for Inbox {
    fn from(stored: Stored) -> Self {
        let Stored { questions, mut window, closed, messages, troubles, last_seq, keep_closed } = stored;
        let questions: BTreeMap<_, _> = questions.into_iter().map(|r| (r.question.key(), r)).collect();
        let by_agent = |wanted: fn(&QuestionRecord) -> bool| {
            let found = questions.iter().filter(|(_, record)| wanted(record));
            found.map(|(key, record)| (record.question.agent_id.clone(), key.clone())).collect()
        };
        let (open, unread) = (by_agent(|record| record.status == Status::Open), by_agent(is_unread));
        let mut alike = BTreeMap::new();
        for record in questions.values().filter(|record| record.waits()) {
            window.waiting.insert(Rank::of(&record.question));
            *alike.entry(record.question.likeness()).or_default() += 1;
        }
        Self { questions, open, unread, window, alike, closed, messages, troubles, last_seq, keep_closed }
    }
}

pub(super) fn questions<S: Serializer>(
    questions: &BTreeMap<QuestionKey, QuestionRecord>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(questions.values())
}

//! Every answer that was ever given, with what became of it: the story that the journal tells about people.

use std::collections::{HashMap, VecDeque};

use super::{Inbox, Limits, QuestionKey, QuestionRecord, Record, actions};

/// Answers held back, as they may still be written and picked up. An answer is handed out as it stands once so many
/// came after it.
const HELD_BACK: usize = 10_000;

/// Hands the answers out in the order in which they were given, as events are folded. Its size is bounded by the
/// questions that are open and `HELD_BACK` more.
#[derive(Debug)]
pub struct AnswerLog {
    inbox: Inbox,
    order: VecDeque<QuestionKey>,
    answered: HashMap<QuestionKey, QuestionRecord>,
}

impl Default for AnswerLog {
    fn default() -> Self {
        let limits = Limits { closed_questions: HELD_BACK, ..Limits::UNBOUNDED };
        Self { inbox: Inbox::new(&limits), order: VecDeque::new(), answered: HashMap::new() }
    }
}

impl AnswerLog {
    /// Folds one event. Now and then an answer is ready.
    pub fn apply(&mut self, record: &Record) -> Option<QuestionRecord> {
        for key in self.inbox.apply(record) {
            let Some(question) = self.inbox.get(&key).filter(|question| question.answer.is_some()) else {
                if self.answered.remove(&key).is_some() {
                    self.order.retain(|other| *other != key);
                }
                continue;
            };
            if let Some(answered) = self.answered.get_mut(&key) {
                answered.clone_from(question);
            } else if record.event.action == actions::RESUMED {
                self.answered.insert(key.clone(), question.clone());
                self.order.push_back(key);
            }
        }
        if self.order.len() > HELD_BACK { self.next() } else { None }
    }

    /// The answers that are left, once the last event is folded.
    pub fn finish(mut self) -> impl Iterator<Item = QuestionRecord> {
        std::iter::from_fn(move || self.next())
    }

    fn next(&mut self) -> Option<QuestionRecord> {
        let key = self.order.pop_front()?;
        self.answered.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::{Event, Status};
    use super::*;

    fn fold(log: &mut AnswerLog, seq: &mut u64, action: &str, msg_id: &str) -> Option<QuestionRecord> {
        *seq += 1;
        let payload = json!({"msg_id": msg_id, "question": "Go on?", "answer": "yes",
            "answered_by": {"who": "ann", "door": "browser"}});
        let event = Event::of_agent("a", action, Timestamp::UNIX_EPOCH, &[], payload);
        let json = event.to_json();
        log.apply(&Record::new(*seq, event, json))
    }

    #[test]
    fn tells_each_answer_once_in_order_with_what_became_of_it() {
        let (mut log, mut seq) = (AnswerLog::default(), 0);
        for (action, msg_id) in [
            ("blocked", "m1"),
            ("blocked", "m2"),
            ("blocked", "m3"),
            ("resumed", "m2"),
            ("resumed", "m1"),
            ("answer_written", "m2"),
            ("answer_delivered", "m2"),
            ("resumed", "m2"),
        ] {
            assert_eq!(fold(&mut log, &mut seq, action, msg_id), None);
        }
        let answers: Vec<_> = log.finish().map(|record| (record.question.msg_id, record.status)).collect();
        assert_eq!(answers, [("m2".to_owned(), Status::Delivered), ("m1".to_owned(), Status::Answered)]);
    }

    #[test]
    fn an_answer_that_is_picked_up_late_is_told_once() {
        let (mut log, mut seq, mut told) = (AnswerLog::default(), 0, Vec::new());
        let events = (0..=HELD_BACK).flat_map(|number| ["blocked", "resumed"].map(|action| (action, number)));
        for (action, number) in events.chain([("answer_written", 0), ("answer_delivered", 0)]) {
            told.extend(fold(&mut log, &mut seq, action, &number.to_string()));
        }
        assert_eq!(told.len(), 1);
        told.extend(log.finish());
        assert_eq!(told.iter().filter(|record| record.question.msg_id == "0").count(), 1);
        assert_eq!(told.len(), HELD_BACK + 1);
    }

    #[test]
    fn no_answer_is_lost_however_many_there_are() {
        let (mut log, mut seq, mut told) = (AnswerLog::default(), 0, 0);
        for number in 0..HELD_BACK + 500 {
            for action in ["blocked", "resumed", "answer_written", "answer_delivered"] {
                told += usize::from(fold(&mut log, &mut seq, action, &number.to_string()).is_some());
            }
            assert!(log.answered.len() <= HELD_BACK + 1);
        }
        assert_eq!(told + log.finish().count(), HELD_BACK + 500);
    }
}

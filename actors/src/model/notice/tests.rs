//! The policy, played through with times of the tests' own.

use std::collections::BTreeSet;

use jiff::{SignedDuration, civil::time, tz::TimeZone};
use proptest::prelude::*;
use serde_json::json;

use super::{
    super::{Limits, Record, Urgency},
    *,
};

fn at(second: i64) -> Timestamp {
    "2026-02-24T09:00:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_secs(second)
}

fn policy() -> Policy {
    Policy {
        target: "phone".to_owned(),
        kinds: BTreeSet::from([NoticeKind::Opened, NoticeKind::Near, NoticeKind::Expired]),
        min_urgency: Urgency::Low,
        agents: Vec::new(),
        near: Near::Share(0.2),
        quiet: None,
        rate: Rate { burst: 3, every: SignedDuration::from_secs(60) },
    }
}

/// A ledger, its policies, and a target that takes everything at once.
struct Play {
    ledger: Ledger,
    policies: Vec<Policy>,
    underway: Underway,
    now: i64,
    seq: u64,
}

impl Play {
    fn new(policies: &[Policy]) -> Self {
        let ledger = Ledger::new(&Limits::default());
        Self { ledger, policies: policies.to_vec(), underway: Underway::default(), now: 0, seq: 0 }
    }

    fn fold(&mut self, event: Event) {
        self.seq += 1;
        let event = Event { id: self.seq.to_string(), ..event };
        let json = event.to_json();
        self.ledger.apply(&Record::new(self.seq, event, json));
    }

    fn agent(&mut self, agent_id: &str, action: &str, payload: Value) {
        self.fold(Event::of_agent(agent_id, action, at(self.now), &[], payload));
    }

    fn ask(&mut self, agent_id: &str, msg_id: &str, mut fields: Value) {
        fields["msg_id"] = msg_id.into();
        fields["question"] = "Go on?".into();
        self.agent(agent_id, "blocked", fields);
    }

    fn answer(&mut self, agent_id: &str, msg_id: &str, door: &str) {
        let by = json!({"who": "ann", "door": door});
        self.agent(agent_id, "resumed", json!({"msg_id": msg_id, "answer": "yes", "answered_by": by}));
    }

    fn plan(&mut self) -> Plan {
        self.ledger.plan(&self.policies, &mut self.underway, at(self.now))
    }

    /// What is due now, short: `opened q1`, `opened q1+q2`.
    fn due(&mut self) -> Vec<String> {
        let items = |notice: &Notice| {
            let ids: Vec<_> = notice.items.iter().map(|item| item.record.question.msg_id.clone()).collect();
            format!("{} {}", notice.items[0].kind.as_str(), ids.join("+"))
        };
        self.plan().notices.iter().map(items).collect()
    }

    /// Delivers what is due now; the same words.
    fn deliver(&mut self) -> Vec<String> {
        let due = self.due();
        for notice in self.plan().notices {
            self.fold(notice.delivered(String::new(), at(self.now)));
        }
        due
    }

    fn at(&mut self, second: i64) -> &mut Self {
        self.now = second;
        self
    }
}

#[test]
fn each_thing_is_told_once() {
    let mut play = Play::new(&[policy()]);
    play.agent("a", "started", json!({"name": "Linter"}));
    play.ask("a", "q", json!({"timeout": 1000}));
    assert_eq!(play.plan().notices[0].agent_name, "Linter");
    assert_eq!(play.deliver(), ["opened q"]);
    assert_eq!(play.plan(), Plan { notices: vec![], wake_at: Some(at(800)) }, "when a fifth of the time is left");
    assert_eq!(play.at(799).deliver(), Vec::<String>::new());
    assert_eq!(play.at(800).deliver(), ["near q"]);
    assert_eq!(play.plan(), Plan::default());
    play.at(1000).agent("a", "question_expired", json!({"msg_id": "q"}));
    assert_eq!(play.deliver(), ["expired q"]);
    assert_eq!(play.at(1001).deliver(), Vec::<String>::new());
}

#[test]
fn what_was_answered_is_not_told() {
    let mut play = Play::new(&[policy()]);
    play.ask("a", "q", json!({"timeout": 100}));
    play.answer("a", "q", "browser");
    assert_eq!(play.plan(), Plan::default());
    assert_eq!(play.at(99).plan(), Plan::default());
}

#[test]
fn an_answer_by_policy_is_an_expiry_and_a_persons_is_none() {
    let mut play = Play::new(&[policy()]);
    for (msg_id, door, told) in [("q1", "policy", true), ("q2", "browser", false), ("q3", "link", false)] {
        play.ask("a", msg_id, json!({"timeout": 100, "on_deadline": "deny"}));
        play.answer("a", msg_id, door);
        assert_eq!(play.deliver(), if told { vec![format!("expired {msg_id}")] } else { vec![] }, "{door}");
    }
}

#[test]
fn who_hears_late_hears_once() {
    let mut play = Play::new(&[policy()]);
    play.ask("a", "q", json!({"timeout": 100}));
    // The daemon was down meanwhile.
    assert_eq!(play.at(90).deliver(), ["opened q"]);
    assert_eq!(play.at(95).deliver(), Vec::<String>::new());
    // Nobody was told of the question itself: the deadline is told as before.
    let near_only = Policy { kinds: BTreeSet::from([NoticeKind::Near]), ..policy() };
    let mut play = Play::new(&[near_only]);
    play.ask("a", "q", json!({"timeout": 100}));
    assert_eq!(play.deliver(), Vec::<String>::new());
    assert_eq!(play.at(90).deliver(), ["near q"]);
}

#[test]
fn old_expiries_are_no_news() {
    let mut play = Play::new(&[policy()]);
    play.ask("a", "q", json!({}));
    play.agent("a", "question_expired", json!({"msg_id": "q"}));
    assert_eq!(play.at(23 * 3600).due(), ["expired q"]);
    assert_eq!(play.at(25 * 3600).due(), Vec::<String>::new());
}

#[test]
fn a_target_hears_what_it_wants() {
    let urgent = Policy { target: "pager".to_owned(), min_urgency: Urgency::High, ..policy() };
    let patterns = vec![AgentPattern::new("deploy-*")];
    let deploys = Policy { target: "deploys".to_owned(), agents: patterns, ..policy() };
    let mut play = Play::new(&[urgent, deploys]);
    play.ask("deploy-1", "q1", json!({}));
    play.ask("lint", "q2", json!({"urgency": "critical"}));
    let heard: Vec<_> =
        play.plan().notices.iter().map(|n| (n.target.clone(), n.items[0].record.question.msg_id.clone())).collect();
    assert_eq!(heard, [("pager".to_owned(), "q2".to_owned()), ("deploys".to_owned(), "q1".to_owned())]);
}

#[test]
fn a_hasty_agent_is_summed_up() {
    let mut play = Play::new(&[policy()]);
    for n in 1..=2 {
        play.ask("a", &format!("q{n}"), json!({}));
        assert_eq!(play.deliver(), [format!("opened q{n}")]);
    }
    for n in 3..=9 {
        play.ask("a", &format!("q{n}"), json!({}));
    }
    play.ask("b", "other", json!({}));
    assert_eq!(
        play.deliver(),
        ["opened q3+q4+q5+q6+q7+q8+q9", "opened other"],
        "another agent has a bucket of its own"
    );
    play.ask("a", "q10", json!({}));
    assert_eq!(play.plan(), Plan { notices: vec![], wake_at: Some(at(60)) });
    play.ask("a", "q11", json!({}));
    play.ask("a", "q12", json!({}));
    play.answer("a", "q11", "browser");
    assert_eq!(play.at(60).deliver(), ["opened q10+q12"]);
    assert_eq!(play.at(3600).deliver(), Vec::<String>::new());
}

#[test]
fn the_bucket_outlives_a_restart() {
    let mut play = Play::new(&[policy()]);
    for n in 1..=3 {
        play.ask("a", &format!("q{n}"), json!({}));
        play.deliver();
    }
    let stored = serde_json::to_string(&play.ledger).expect("json");
    play.ledger = serde_json::from_str(&stored).expect("the same");
    play.ask("a", "q4", json!({}));
    assert_eq!(play.due(), Vec::<String>::new());
    assert_eq!(play.at(60).deliver(), ["opened q4"]);
}

#[test]
fn few_are_underway_to_one_target_at_once() {
    let mut play = Play::new(&[policy()]);
    for n in 0..10 {
        play.ask(&format!("a{n}"), &format!("q{n}"), json!({}));
    }
    let first = play.plan().notices;
    assert_eq!(first.len(), 4);
    first.iter().for_each(|notice| play.underway.start(notice));
    assert_eq!(play.plan().notices, vec![]);
    play.underway.put_off(&first[0], 1, at(30));
    let next = play.plan();
    assert_eq!((next.notices.len(), next.wake_at), (1, Some(at(30))), "one that failed makes room");
    assert_ne!(next.notices[0].id, first[0].id);
}

#[test]
fn a_failed_try_is_repeated_as_the_same_notice_until_it_is_given_up() {
    let mut play = Play::new(&[policy()]);
    play.ask("a", "q", json!({}));
    let first = play.plan().notices.remove(0);
    play.underway.start(&first);
    assert_eq!(play.underway.tries(&first), 0);
    play.underway.put_off(&first, 1, at(5));
    assert_eq!(play.plan(), Plan { notices: vec![], wake_at: Some(at(5)) });
    let second = play.at(5).plan().notices.remove(0);
    assert_eq!((&second.id, play.underway.tries(&second)), (&first.id, 1));
    play.fold(second.given_up(String::new(), at(5), "503", 2));
    play.underway.finish(&second);
    assert_eq!(play.due(), Vec::<String>::new());
    let letter = play.ledger.letters().get(&first.id).expect("a dead letter").clone();
    assert_eq!((letter.reason.as_str(), letter.tries, letter.agent_id.as_str()), ("503", 2, "a"));
    assert!(play.ledger.still_matters(&letter));

    let retried = Event::of_agent("a", "notice_retried", at(6), &[], json!({"notice": first.id}));
    play.fold(Event { category: Category::User, ..retried });
    assert!(play.ledger.letters().is_empty());
    assert_eq!(play.deliver(), ["opened q"]);
}

#[test]
fn a_dismissed_letter_is_not_sent_again() {
    let mut play = Play::new(&[policy()]);
    play.ask("a", "q", json!({}));
    let notice = play.plan().notices.remove(0);
    play.fold(notice.given_up(String::new(), at(0), "404", 1));
    let dismissed = Event::of_agent("a", "notice_dismissed", at(1), &[], json!({"notice": notice.id}));
    // An agent cannot do it: the category is a person's.
    play.fold(dismissed.clone());
    assert_eq!(play.ledger.letters().len(), 1);
    play.fold(Event { category: Category::User, ..dismissed });
    assert!(play.ledger.letters().is_empty());
    assert_eq!(play.due(), Vec::<String>::new());
    play.answer("a", "q", "cli");
    assert_eq!(play.at(10).plan(), Plan::default());
}

#[test]
fn a_pause_ends_with_the_question() {
    let mut play = Play::new(&[policy()]);
    play.ask("a", "q", json!({}));
    let notice = play.plan().notices.remove(0);
    play.underway.put_off(&notice, 1, at(500));
    play.answer("a", "q", "cli");
    assert_eq!(play.plan(), Plan::default());
    assert_eq!(play.underway.tries(&notice), 0, "nothing is kept");
}

#[test]
fn dead_letters_are_bounded() {
    let mut letters = DeadLetters::default();
    for n in 0..150 {
        let payload = json!({"notice": n.to_string(), "target": "t", "parts": [], "reason": "r", "tries": 1});
        let event = Event::of_agent("a", "notice_failed", at(0), &[], payload);
        letters.apply(&Event { category: Category::User, ..event });
    }
    assert_eq!((letters.len(), letters.iter().next().map(|letter| letter.id.as_str())), (100, Some("149")));
}

#[test]
fn quiet_hours_hold_back_what_can_wait() {
    let quiet = QuietHours {
        from: time(9, 0, 0, 0),
        to: time(9, 30, 0, 0),
        zone: TimeZone::UTC,
        unless: Some(Urgency::Critical),
    };
    let mut play = Play::new(&[Policy { quiet: Some(quiet), ..policy() }]);
    play.ask("a", "calm", json!({}));
    play.ask("b", "answered", json!({}));
    play.ask("c", "urgent", json!({"urgency": "critical"}));
    assert_eq!(play.deliver(), ["opened urgent"]);
    assert_eq!(play.plan().wake_at, Some(at(1800)));
    play.answer("b", "answered", "browser");
    assert_eq!(play.at(1800).deliver(), ["opened calm"]);
}

fn berlin(from: (i8, i8), to: (i8, i8)) -> QuietHours {
    // The rule of the European Union, written out: the model reads no files.
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule");
    QuietHours { from: time(from.0, from.1, 0, 0), to: time(to.0, to.1, 0, 0), zone, unless: None }
}

#[test]
fn quiet_hours_go_by_the_clock_on_the_wall() {
    let until = |quiet: &QuietHours, now: &str| quiet.until(now.parse().expect("a time")).map(|end| end.to_string());
    let night = berlin((22, 0), (7, 0));
    for (now, end) in [
        ("2026-01-10T20:59:59Z", None),
        ("2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00Z")),
        ("2026-01-11T05:59:59Z", Some("2026-01-11T06:00:00Z")),
        ("2026-01-11T06:00:00Z", None),
        ("2026-07-10T20:00:00Z", Some("2026-07-11T05:00:00Z")),
        // The nights in which the clocks are changed are an hour shorter and longer.
        ("2026-03-28T22:00:00Z", Some("2026-03-29T05:00:00Z")),
        ("2026-10-24T22:00:00Z", Some("2026-10-25T06:00:00Z")),
    ] {
        assert_eq!(until(&night, now), end.map(str::to_owned), "{now}");
    }
    // An end that does not exist is where the clock jumps to; one that comes twice is over twice.
    assert_eq!(until(&berlin((1, 0), (2, 30)), "2026-03-29T00:30:00Z"), Some("2026-03-29T01:00:00Z".to_owned()));
    assert_eq!(until(&berlin((1, 0), (2, 30)), "2026-10-25T00:10:00Z"), Some("2026-10-25T00:30:00Z".to_owned()));
    assert_eq!(until(&berlin((1, 0), (2, 30)), "2026-10-25T01:10:00Z"), Some("2026-10-25T01:30:00Z".to_owned()));
}

#[test]
fn patterns_name_agents() {
    for (pattern, id, fits) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*b", "ab", true),
        ("ab*ba", "aba", false),
        ("a*c*e", "abcde", true),
        ("a*d*c*e", "abcde", false),
        ("**", "x", true),
    ] {
        assert_eq!(AgentPattern::new(pattern).matches(id), fits, "{pattern} {id}");
    }
}

proptest! {
    #[test]
    fn quiet_hours_end(hours in any::<(u8, u8, u8, u8)>(), second in 0i64..40_000_000) {
        let [from, to] = [(hours.0 % 24, hours.1 % 60), (hours.2 % 24, hours.3 % 60)].map(|(h, m)| (h as i8, m as i8));
        let quiet = berlin(from, to);
        if let Some(end) = quiet.until(at(second)) {
            prop_assert!(end > at(second));
            prop_assert_eq!(quiet.until(end), None);
            prop_assert!(quiet.until(end - SignedDuration::from_secs(1)).is_some());
        }
    }

    /// Whatever the order of asking, answering and the passing of time: nobody hears anything twice, nobody hears of a
    /// question that was answered, and more than the burst never goes out at once.
    #[test]
    fn nobody_hears_anything_twice(steps in prop::collection::vec((0..4u8, 0..6u8, 0..90i64), 1..80)) {
        let mut play = Play::new(&[policy()]);
        let mut heard = BTreeSet::new();
        for (what, which, later) in steps {
            let msg_id = format!("q{which}");
            match what {
                0 => play.ask("a", &msg_id, json!({"timeout": 300})),
                1 => play.answer("a", &msg_id, "browser"),
                2 => play.agent("a", "question_expired", json!({"msg_id": msg_id})),
                _ => play.now += later,
            }
            let notices = play.plan().notices;
            prop_assert!(notices.len() <= 3);
            for notice in notices {
                for (part, item) in notice.parts().into_iter().zip(&notice.items) {
                    prop_assert!(item.record.answer.is_none());
                    prop_assert!(heard.insert(part));
                }
                play.fold(notice.delivered(String::new(), at(play.now)));
            }
        }
    }
}

use serde_json::json;

use super::*;

/// Folds `(action, agent, payload)` events of the category agent.
fn fold(events: &[(&str, &str, Value)]) -> Inbox {
    let mut inbox = Inbox::new(&Limits::default());
    for (index, (action, agent, payload)) in events.iter().enumerate() {
        let event = Event::of_agent(agent, action, Timestamp::UNIX_EPOCH, &[&index.to_string()], payload.clone());
        let json = event.to_json();
        inbox.apply(&Record::new(index as Seq + 1, event, json));
    }
    inbox
}

fn status(inbox: &Inbox, msg_id: &str) -> Option<Status> {
    inbox.by_msg_id(msg_id).next().map(|record| record.status)
}

#[test]
fn equal_questions_do_not_collide() {
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "Sure?"})),
        ("blocked", "a", json!({"msg_id": "2", "question": "Sure?"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes"})),
    ]);
    assert_eq!((status(&inbox, "1"), status(&inbox, "2")), (Some(Status::Delivered), Some(Status::Open)));
}

#[test]
fn a_question_is_asked_once() {
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "Sure?"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes"})),
        ("blocked", "a", json!({"msg_id": "1", "question": "Sure?"})),
    ]);
    assert_eq!(status(&inbox, "1"), Some(Status::Delivered));
}

#[test]
fn the_first_answer_stays() {
    let by = |who: &str| json!({"who": who, "door": "browser"});
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "Sure?"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes", "answered_by": by("ann")})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "no", "answered_by": by("bob")})),
        ("answer_written", "a", json!({"msg_id": "1"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "no"})),
    ]);
    let record = inbox.by_msg_id("1").next().expect("kept");
    assert_eq!(record.answer.as_ref().map(|a| (&a.answer, a.answered_by.who.as_str())), Some((&json!("yes"), "ann")));
}

#[test]
fn every_end_of_an_agent_closes_its_questions_and_says_why() {
    for (action, status_after) in [
        ("completed", Status::Cancelled),
        ("failed", Status::Cancelled),
        ("cancelled", Status::Cancelled),
        ("timed_out", Status::Expired),
    ] {
        let inbox = fold(&[
            ("blocked", "a", json!({"msg_id": "1", "question": "Sure?"})),
            ("blocked", "b", json!({"msg_id": "2", "question": "Sure?"})),
            (action, "a", json!({})),
        ]);
        assert_eq!((status(&inbox, "1"), status(&inbox, "2")), (Some(status_after), Some(Status::Open)));
        assert!(inbox.by_msg_id("1").next().expect("kept").closed_reason.is_some());
    }
}

#[test]
fn an_answer_without_msg_id_needs_a_single_open_question() {
    let one = fold(&[("blocked", "a", json!({"msg_id": "1", "question": "?"})), ("resumed", "a", json!({}))]);
    assert_eq!(status(&one, "1"), Some(Status::Delivered));
    let two = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "?"})),
        ("blocked", "a", json!({"msg_id": "2", "question": "?"})),
        ("resumed", "a", json!({})),
    ]);
    assert_eq!(two.open_count(), 2);
}

#[test]
fn an_acknowledged_answer_survives_the_agents_end() {
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "?"})),
        ("completed", "a", json!({})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes", "answered_by": {"who": "ann", "door": "cli"}})),
    ]);
    assert!(inbox.by_msg_id("1").next().expect("kept").is_unwritten());
}

#[test]
fn an_answer_that_nobody_will_pick_up_is_done_with_once_it_is_written() {
    let asked = ("blocked", "a", json!({"msg_id": "1", "question": "?"}));
    let by_ann = json!({"msg_id": "1", "answer": "yes", "answered_by": {"who": "ann", "door": "browser"}});
    let mut events = vec![asked, ("resumed", "a", by_ann), ("completed", "a", json!({}))];
    assert!(!fold(&events).unfinished().is_empty(), "it is not written yet");
    events.push(("answer_written", "a", json!({"msg_id": "1"})));
    let inbox = fold(&events);
    assert!(inbox.unfinished().is_empty() && !inbox.has_unread_answer("a"));
    assert_eq!(status(&inbox, "1"), Some(Status::Answered));
    // It comes back and reads it after all.
    events.push(("answer_delivered", "a", json!({"msg_id": "1"})));
    assert_eq!(status(&fold(&events), "1"), Some(Status::Delivered));
}

#[test]
fn a_message_is_kept_until_its_agent_has_taken_it() {
    let mut inbox = Inbox::new(&Limits { closed_questions: 2, ..Limits::default() });
    let mut seq = 0;
    let mut tell = |inbox: &mut Inbox, category, action: &str, message_id: &str| {
        seq += 1;
        let payload = json!({"message_id": message_id, "content": "?"});
        let event = Event::of_agent("a", action, Timestamp::UNIX_EPOCH, &[&seq.to_string()], payload);
        let event = Event { category, ..event };
        let json = event.to_json();
        inbox.apply(&Record::new(seq, event, json));
    };
    for message_id in ["1", "2", "3", "4"] {
        tell(&mut inbox, Category::User, actions::MESSAGED, message_id);
    }
    let kept = |inbox: &Inbox| inbox.messages().map(|message| message.message_id.clone()).collect::<Vec<_>>();
    assert_eq!((kept(&inbox).as_slice(), inbox.untaken("a")), (["1", "2", "3", "4"].map(str::to_owned).as_slice(), 4));
    tell(&mut inbox, Category::Agent, actions::MESSAGE_DELIVERED, "2");
    tell(&mut inbox, Category::User, actions::MESSAGED, "5");
    assert_eq!((kept(&inbox).as_slice(), inbox.untaken("a")), (["1", "3", "4", "5"].map(str::to_owned).as_slice(), 4));
}

#[test]
fn what_the_workspace_holds_outweighs_an_unwritten_answer() {
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "?"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes", "answered_by": {"who": "ann", "door": "cli"}})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "no", "picked_up": false})),
    ]);
    let record = inbox.by_msg_id("1").next().expect("kept");
    assert_eq!((record.status, record.is_unwritten()), (Status::Answered, false));
    assert_eq!(record.answer.as_ref().map(|a| &a.answer), Some(&json!("no")));
}

#[test]
fn an_answer_that_was_picked_up_by_another_way_is_still_written() {
    let mut events = vec![
        ("blocked", "a", json!({"msg_id": "1", "question": "?"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes", "answered_by": {"who": "ann", "door": "cli"}})),
        ("answer_delivered", "a", json!({"msg_id": "1"})),
    ];
    assert!(fold(&events).by_msg_id("1").next().expect("kept").is_unwritten());
    events.push(("answer_written", "a", json!({"msg_id": "1"})));
    let record = fold(&events).by_msg_id("1").next().expect("kept").clone();
    assert_eq!((record.status, record.is_unwritten()), (Status::Delivered, false));
}

#[test]
fn it_survives_storing() {
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "?"})),
        ("blocked", "a", json!({"msg_id": "2", "question": "?"})),
        ("resumed", "a", json!({"msg_id": "1", "answer": "yes"})),
    ]);
    let text = serde_json::to_string(&inbox).expect("storable");
    assert_eq!(serde_json::from_str::<Inbox>(&text).expect("readable"), inbox);
}

fn held() -> Value {
    let by = json!({"who": "ann", "door": "browser"});
    json!({"msg_id": "1", "held": {"answered_by": by, "responded_at": "1970-01-01T00:00:00Z", "deliver_at": "1970-01-01T00:00:09Z"}})
}

#[test]
fn an_answer_that_can_be_taken_back_leaves_its_question_open_and_nobody_waiting() {
    let mut events = vec![("blocked", "a", json!({"msg_id": "1", "question": "?"})), ("answer_held", "a", held())];
    let inbox = fold(&events);
    assert_eq!((status(&inbox, "1"), inbox.waiting_count(), inbox.cards().len()), (Some(Status::Open), 0, 1));
    events.push(("answer_undone", "a", json!({"msg_id": "1"})));
    let inbox = fold(&events);
    assert_eq!((status(&inbox, "1"), inbox.waiting_count(), inbox.cards().len()), (Some(Status::Open), 1, 1));
}

#[test]
fn the_agents_end_does_not_lose_an_answer_that_can_be_taken_back_and_its_asker_does() {
    let asked = vec![("blocked", "a", json!({"msg_id": "1", "question": "?"})), ("answer_held", "a", held())];
    let is_held = |inbox: &Inbox| inbox.by_msg_id("1").next().expect("kept").held.is_some();
    let ended = fold(&[asked.clone(), vec![("completed", "a", json!({}))]].concat());
    assert_eq!((status(&ended, "1"), is_held(&ended)), (Some(Status::Cancelled), true));
    let withdrawn = fold(&[asked, vec![("question_cancelled", "a", json!({"msg_id": "1"}))]].concat());
    assert_eq!((status(&withdrawn, "1"), is_held(&withdrawn)), (Some(Status::Cancelled), false));
}

#[test]
fn no_card_is_pushed_out_by_a_few_more_pressing_questions() {
    let ask = |n: usize, urgency: &str| {
        ("blocked", "a", json!({"msg_id": format!("{n:03}"), "question": "?", "urgency": urgency}))
    };
    let mut events: Vec<_> = (0..40).map(|n| ask(n, "normal")).collect();
    let cards = |events: &[(&str, &str, Value)]| -> Vec<String> {
        fold(events).cards().iter().map(|record| record.question.msg_id.clone()).collect()
    };
    let before = cards(&events);
    assert_eq!(before.len(), 12);
    events.extend((100..110).map(|n| ask(n, "critical")));
    let after = cards(&events);
    assert!(before.iter().all(|card| after.contains(card)), "{after:?}");
    events.extend((200..210).map(|n| ask(n, "critical")));
    assert_eq!(cards(&events).len(), 22, "not without bounds");
}

#[test]
fn questions_are_alike_that_a_person_would_answer_for_the_same_reasons() {
    let inbox = fold(&[
        ("blocked", "a", json!({"msg_id": "1", "question": "Sure?", "context": "x", "timeout": 5})),
        ("blocked", "b", json!({"msg_id": "2", "question": "Sure?", "context": "x", "urgency": "high"})),
        ("blocked", "b", json!({"msg_id": "3", "question": "Sure?", "context": "y"})),
        ("resumed", "b", json!({"msg_id": "2", "answer": "yes"})),
    ]);
    let likeness = |msg_id: &str| inbox.by_msg_id(msg_id).next().expect("kept").question.likeness();
    assert_eq!(likeness("1"), likeness("2"));
    assert_ne!(likeness("1"), likeness("3"));
    assert_eq!((inbox.alike_count(&likeness("1")), inbox.alike_count(&likeness("3"))), (1, 1));
}

use serde_json::json;

use super::*;
use crate::model::{Event, Record};

const PATIENCE: fn() -> Patience = Patience::default;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn event(second: i64, kind: &str, payload: serde_json::Value) -> Event {
    let (category, action) = kind.split_once(':').expect("category:action");
    Event { category: category.parse().expect("a category"), ..Event::of_agent("a", action, at(second), &[], payload) }
}

/// An agent after these events, each a second, a kind and a payload.
fn agent(events: &[(i64, &str, serde_json::Value)]) -> Agent {
    let event = |(second, kind, payload): &(i64, &str, serde_json::Value)| event(*second, kind, payload.clone());
    let mut agent = Agent::first_seen("a", &event(&events[0]));
    for (index, told) in events.iter().enumerate() {
        let event = event(told);
        let json = event.to_json();
        agent.note(&Record::new(index as Seq + 1, event, json));
    }
    agent
}

fn standing(events: &[(i64, &str, serde_json::Value)], second: i64) -> Standing {
    agent(events).standing_at(at(second), PATIENCE())
}

#[test]
fn silence_stalls_an_agent_at_work() {
    let started = (0, "agent:started", json!({}));
    assert_eq!(standing(std::slice::from_ref(&started), 119), Standing::Running);
    assert_eq!(standing(std::slice::from_ref(&started), 120), Standing::Stalled);
    let progress = (100, "agent:progress", json!({"message": "half"}));
    assert_eq!(standing(&[started.clone(), progress.clone()], 219), Standing::Running);
    let bookkeeping = (200, "agent:workspace_trouble", json!({"detail": "locked"}));
    assert_eq!(standing(&[started, progress, bookkeeping], 220), Standing::Stalled, "no word of its own");
}

#[test]
fn a_tool_call_may_take_longer() {
    let called = |id: &str| (0, "tool:called", json!({"tool_name": "cargo", "call_id": id}));
    let completed = |id: &str| (10, "tool:completed", json!({"tool_name": "cargo", "call_id": id}));
    assert_eq!(standing(&[called("1")], 1_799), Standing::Running);
    assert_eq!(standing(&[called("1")], 1_800), Standing::Stalled);
    assert_eq!(standing(&[called("1"), completed("1")], 130), Standing::Stalled);
    assert_eq!(standing(&[called("1"), called("2"), completed("1")], 130), Standing::Running, "one is under way");
}

#[test]
fn calls_are_paired_by_id_else_by_tool() {
    let left = |events: &[(i64, &str, serde_json::Value)]| agent(events).calls.len();
    let called = (0, "tool:called", json!({"tool_name": "x"}));
    let started = (1, "tool:started", json!({"tool_name": "x"}));
    let ended = (2, "tool:completed", json!({"tool_name": "x"}));
    assert_eq!(left(&[called.clone(), started.clone()]), 1, "called and started are one");
    assert_eq!(left(&[called.clone(), called.clone(), ended.clone()]), 1, "two calls, one ended");
    assert_eq!(left(&[called.clone(), (2, "tool:failed", json!({"tool_name": "y"}))]), 1, "another tool's end");
    assert_eq!(left(&[called.clone(), (2, "tool:failed", json!({}))]), 0);
    assert_eq!(left(&[called.clone(), (3, "agent:completed", json!({}))]), 0);
    let with_id = (0, "tool:called", json!({"tool_name": "x", "call_id": "1"}));
    assert_eq!(left(&[with_id.clone(), with_id.clone()]), 1, "told twice");
    assert_eq!(left(&[with_id, (2, "tool:completed", json!({"tool_name": "x", "call_id": "2"}))]), 1);
}

#[test]
fn an_agent_whose_turn_has_ended_is_idle_for_ever() {
    let started = (0, "agent:started", json!({}));
    for last in [
        (1, "model:turn_completed", json!({"tool_calls_count": 0})),
        (1, "model:kernel_ended", json!({})),
        (1, "model:response", json!({"content": "done"})),
        (1, "model:response", json!({"finish_reasons": ["stop"]})),
        (1, "agent:idle", json!({})),
        (1, "agent:started", json!({"idle": true})),
    ] {
        assert_eq!(standing(&[started.clone(), last.clone()], 1_000_000), Standing::Idle, "{last:?}");
    }
    for last in [
        (1, "model:turn_completed", json!({"tool_calls_count": 2})),
        (1, "model:response", json!({"tool_calls": [{}]})),
        (1, "model:response", json!({"stop_reason": "tool_use"})),
        (1, "model:request", json!({})),
        (1, "agent:progress", json!({})),
    ] {
        assert_eq!(standing(&[started.clone(), last.clone()], 121), Standing::Stalled, "{last:?}");
    }
    assert_eq!(standing(&[(0, "agent:message", json!({}))], 1_000), Standing::Idle, "it never told of any work");
}

#[test]
fn an_ended_agent_stays_so() {
    for (end, expected) in [
        ("agent:completed", Standing::Completed),
        ("agent:failed", Standing::Failed),
        ("agent:cancelled", Standing::Cancelled),
        ("agent:timed_out", Standing::TimedOut),
    ] {
        assert_eq!(standing(&[(0, "agent:started", json!({})), (1, end, json!({}))], 1_000_000), expected);
    }
}

#[test]
fn waits_add_up_and_are_no_silence() {
    let mut agent = agent(&[(0, "agent:started", json!({}))]);
    agent.enter(AgentState::Blocked, at(10));
    agent.enter(AgentState::Blocked, at(20));
    assert_eq!(agent.standing_at(at(100_000), PATIENCE()), Standing::Waiting);
    assert_eq!(agent.blocked_for(at(25)).as_secs(), 15);
    agent.enter(AgentState::Started, at(500));
    assert_eq!(agent.blocked_for(at(9_999)).as_secs(), 490);
    assert_eq!(agent.standing_at(at(619), PATIENCE()), Standing::Running);
    agent.enter(AgentState::Blocked, at(600));
    agent.enter(AgentState::Failed, at(610));
    assert_eq!(agent.blocked_for(at(9_999)).as_secs(), 500);
}

#[test]
fn an_answer_that_nobody_comes_for_is_a_stall() {
    let mut agent = agent(&[(0, "agent:message", json!({}))]);
    agent.unread_answer = true;
    assert_eq!(agent.standing_at(at(119), PATIENCE()), Standing::Answered);
    assert_eq!(agent.standing_at(at(120), PATIENCE()), Standing::Stalled);
}

#[test]
fn a_clock_that_is_ahead_or_behind_breaks_nothing() {
    let mut agent = agent(&[(1_000, "agent:started", json!({})), (900, "agent:progress", json!({}))]);
    assert_eq!(agent.heard_at, at(1_000), "an older event is no later sign of life");
    agent.enter(AgentState::Blocked, at(2_000));
    agent.enter(AgentState::Started, at(1_500));
    assert_eq!(agent.blocked_ms, 0);
    assert_eq!(agent.standing_at(Timestamp::MIN, Patience::from_secs(u64::MAX, u64::MAX)), Standing::Running);
}

#[test]
fn every_standing_has_its_word() {
    for standing in Standing::ALL {
        assert_eq!(Standing::from_word(standing.as_str()), Some(standing));
        assert_eq!(json!(standing), standing.as_str());
    }
    assert_eq!(Standing::from_word("dead"), None);
}

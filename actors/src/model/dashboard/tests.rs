use proptest::prelude::*;

use super::{
    super::{Draft, Event, Standing},
    *,
};

/// A small world, so that ids and messages collide often.
fn any_event() -> impl Strategy<Value = Event> {
    let action = prop_oneof![
        Just((Category::Agent, "started")),
        Just((Category::Agent, "blocked")),
        Just((Category::Agent, "resumed")),
        Just((Category::Agent, "answer_written")),
        Just((Category::Agent, "answer_delivered")),
        Just((Category::Agent, "question_expired")),
        Just((Category::Agent, "completed")),
        Just((Category::Agent, "failed")),
        Just((Category::Agent, "cancelled")),
        Just((Category::Agent, "timed_out")),
        Just((Category::Agent, "idle")),
        Just((Category::Tool, "called")),
        Just((Category::Tool, "completed")),
        Just((Category::Graph, "started")),
        Just((Category::User, "messaged")),
    ];
    (action, 0..6u8, 0..4u8, proptest::option::of(0..3u8)).prop_map(|((category, action), agent, msg, graph)| {
        let payload = json!({"msg_id": format!("m{msg}"), "question": "Sure?", "answer": "yes", "content": "hello"});
        Event {
            category,
            graph_id: graph.map(|g| format!("g{g}")),
            ..Event::of_agent(&format!("a{agent}"), action, Timestamp::UNIX_EPOCH, &[], payload)
        }
    })
}

fn records(events: Vec<Event>) -> Vec<Arc<Record>> {
    let number = |(index, event): (usize, Event)| {
        let json = event.to_json();
        Record::new(index as Seq + 1, event, json)
    };
    events.into_iter().enumerate().map(number).collect()
}

fn limits() -> Limits {
    Limits { agents: 4, closed_questions: 5, ..Limits::default() }
}

fn fold<'a>(records: impl IntoIterator<Item = &'a Arc<Record>>) -> Dashboard {
    let mut dashboard = Dashboard::new(&limits());
    for record in records {
        dashboard.apply(record);
    }
    dashboard
}

fn started(agent: &str) -> Event {
    Event::of_agent(agent, "started", Timestamp::UNIX_EPOCH, &[], json!({"name": agent}))
}

fn of(agent: &str, action: &str) -> Event {
    Event::of_agent(agent, action, Timestamp::UNIX_EPOCH, &[], json!({"msg_id": "m", "question": "?"}))
}

proptest! {
    #[test]
    fn the_same_events_make_the_same_picture(events in prop::collection::vec(any_event(), 0..80), cut in 0..80usize) {
        let records = records(events);
        let whole = fold(&records);
        let cut = cut.min(records.len());
        prop_assert_eq!(&fold(records.iter().chain(&records)), &whole, "replayed twice");
        prop_assert_eq!(&fold(records[..cut].iter().chain(&records)), &whole, "a prefix first");
        prop_assert_eq!(&fold(records.iter().flat_map(|r| [r, r])), &whole, "each one twice");
    }

    #[test]
    fn a_stored_picture_goes_on_as_if_it_had_not_been_stored(
        events in prop::collection::vec(any_event(), 0..80), cut in 0..80usize,
    ) {
        let records = records(events);
        let (head, tail) = records.split_at(cut.min(records.len()));
        let stored = serde_json::to_vec(&fold(head)).expect("storable");
        let mut restored: Dashboard = serde_json::from_slice(&stored).expect("readable");
        for record in tail {
            restored.apply(record);
        }
        prop_assert_eq!(restored, fold(&records));
    }

    #[test]
    fn progress_is_the_set_of_agents(events in prop::collection::vec(any_event(), 0..80)) {
        let dashboard = fold(&records(events));
        let mut derived = Tally::default();
        for agent in dashboard.agents() {
            derived.count(agent.state, true);
        }
        prop_assert_eq!(dashboard.tally(), derived);
        prop_assert!(derived.percent() <= 100 && derived.finished() <= derived.total);
    }

    #[test]
    fn an_agent_is_blocked_exactly_while_a_question_of_its_is_open(
        events in prop::collection::vec(any_event(), 0..80),
    ) {
        let dashboard = fold(&records(events));
        for agent in dashboard.agents() {
            let asks = !dashboard.inbox().open_of(&agent.agent_id).is_empty();
            prop_assert_eq!(agent.state == AgentState::Blocked, asks, "{}", agent.agent_id);
        }
    }

    #[test]
    fn it_stays_bounded(events in prop::collection::vec(any_event(), 0..300)) {
        let dashboard = fold(&records(events));
        prop_assert!(dashboard.log().len() <= LOG_EVENTS);
        prop_assert!(dashboard.results().count() <= RESULTS);
        prop_assert!(dashboard.inbox().recently_closed().count() <= limits().closed_questions);
    }
}

#[test]
fn repeated_starts_and_ends_leave_progress_right() {
    let dashboard = fold(&records(vec![
        started("a"),
        started("a"),
        started("b"),
        of("a", "completed"),
        of("a", "completed"),
        of("a", "failed"),
    ]));
    let tally = dashboard.tally();
    assert_eq!((tally.total, tally.completed, tally.failed, tally.percent()), (2, 0, 1, 50));
}

#[test]
fn a_late_tool_event_does_not_wake_a_finished_agent() {
    let late = Event { category: Category::Tool, ..of("a", "called") };
    let dashboard = fold(&records(vec![started("a"), of("a", "completed"), late]));
    assert_eq!(dashboard.agent("a").map(|agent| agent.state), Some(AgentState::Completed));
}

#[test]
fn signals_have_the_shapes_that_others_rely_on() {
    let dashboard = fold(&records(vec![started("a"), of("a", "blocked"), started("b"), of("b", "completed")]));
    let signals = json!(dashboard.signals());
    assert_eq!(signals["agentStates"]["a"]["state"], "blocked");
    assert_eq!(signals["agentStates"]["b"]["name"], "b");
    assert_eq!(signals["blocked"][0]["msg_id"], "m");
    assert_eq!(signals["progress"], json!({"total": 2, "completed": 1, "failed": 0, "cancelled": 0}));
    assert_eq!(signals["events"][3]["seq"], 4);
    assert_eq!(signals["last_seq"], 4);
}

#[test]
fn signals_hold_an_event_that_is_nested_as_deep_as_can_be() {
    let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
    let text = format!(r#"{{"category":"tool","action":"called","payload":{{"deep":{deep}}}}}"#);
    let draft = Draft::parse(text.as_bytes(), &limits()).expect("valid");
    let event = draft.complete(Timestamp::UNIX_EPOCH, || "1".to_owned());
    let signals = serde_json::to_string(&fold(&records(vec![event])).signals()).expect("json");
    assert!(signals.contains(&deep), "{signals}");
}

/// The same events, some seconds apart.
fn spread(events: Vec<Event>) -> Vec<Arc<Record>> {
    let later = |(index, event): (usize, Event)| Event {
        timestamp: Timestamp::from_second(index as i64 * 7).expect("in range"),
        ..event
    };
    records(events.into_iter().enumerate().map(later).collect())
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

proptest! {
    #[test]
    fn the_list_is_in_order_and_the_counts_are_right_at_any_time(
        events in prop::collection::vec(any_event(), 0..80), ticks in prop::collection::vec((0..80usize, 0..900i64), 0..8),
    ) {
        let patience = Patience::from_secs(30, 90);
        let mut dashboard = Dashboard::new(&limits());
        dashboard.set_patience(patience);
        let mut now = Timestamp::MIN;
        for (index, record) in spread(events).iter().enumerate() {
            dashboard.apply(record);
            for (_, at) in ticks.iter().filter(|(when, _)| *when == index) {
                now = now.max(second(*at));
                dashboard.pass_time(now);
                prop_assert!(dashboard.next_change().is_none_or(|next| next > now));
            }
        }
        for agent in dashboard.agents() {
            prop_assert_eq!(agent.standing, agent.standing_at(now, patience), "{}", agent.agent_id);
            if let Some(stalls) = agent.stalls_at(patience).filter(|stalls| *stalls > now) {
                prop_assert!(dashboard.next_change().is_some_and(|next| next <= stalls), "a stall is not missed");
            }
        }
        let listed: Vec<_> = dashboard.agents_in_order().map(|(place, _)| place.clone()).collect();
        prop_assert!(listed.is_sorted());
        prop_assert_eq!(listed.len(), dashboard.agents().len());
        let counted: usize = dashboard.counts().present().map(|(_, count)| count).sum();
        prop_assert_eq!(counted, listed.len());
        for (standing, count) in dashboard.counts().present() {
            prop_assert_eq!(dashboard.agents().filter(|agent| agent.standing == standing).count(), count);
        }
    }

    #[test]
    fn what_changed_makes_the_new_list_of_the_old_one(
        events in prop::collection::vec(any_event(), 0..80), cut in 0..80usize, tick in 0..900i64,
    ) {
        let mut dashboard = Dashboard::new(&Limits { agents: 100, ..limits() });
        let records = spread(events);
        let (head, tail) = records.split_at(cut.min(records.len()));
        for record in head {
            dashboard.apply(record);
        }
        let before = dashboard.listed(4);
        for record in tail {
            dashboard.apply(record);
        }
        dashboard.pass_time(second(tick));
        let after = dashboard.listed(4);
        let mut list: Vec<_> = before.places.iter().map(|place| place.agent_id().to_owned()).collect();
        for step in before.steps_to(&after) {
            match step {
                ListStep::Remove(agent_id) => {
                    prop_assert!(list.contains(&agent_id.to_owned()));
                    list.retain(|id| id != agent_id);
                }
                ListStep::Insert { agent_id, after } => {
                    prop_assert!(!list.contains(&agent_id.to_owned()));
                    let index = after.map_or(0, |after| 1 + list.iter().position(|id| id == after).expect("there"));
                    list.insert(index, agent_id.to_owned());
                }
            }
        }
        let whole: Vec<_> = after.places.iter().map(|place| place.agent_id().to_owned()).collect();
        prop_assert_eq!(list, whole);
    }
}

#[test]
fn where_more_wait_than_are_kept_the_others_are_searched_through_a_tenth_at_a_time() {
    let mut dashboard = Dashboard::new(&Limits { agents: 100, ..limits() });
    let kind = |number: u64| if number <= 120 { "blocked" } else { "started" };
    let tell = |number: u64| {
        let event = Event::of_agent(&format!("a{number}"), kind(number), second(0), &[], json!({"question": "?"}));
        let json = event.to_json();
        Record::new(number, event, json)
    };
    let (mut before, mut searches) = (0, 0);
    for number in 1..=200 {
        dashboard.apply(&tell(number));
        let others = dashboard.agents().len() - dashboard.tally().blocked;
        assert!(others <= 10, "{others} others after {number} agents");
        searches += usize::from(others < before);
        before = others;
    }
    assert_eq!((dashboard.tally().blocked, searches), (120, 8), "of 80 others ten go at a time");
}

#[test]
fn patience_is_not_stored() {
    let mut dashboard = fold(&spread(vec![started("a")]));
    dashboard.set_patience(Patience::from_secs(5, 5));
    dashboard.pass_time(second(6));
    assert_eq!(dashboard.agent("a").map(|agent| agent.standing), Some(Standing::Stalled));
    let stored = serde_json::to_vec(&dashboard).expect("storable");
    let restored: Dashboard = serde_json::from_slice(&stored).expect("readable");
    assert_eq!(restored.agent("a").map(|agent| agent.standing), Some(Standing::Running), "no time has passed yet");
}

#[test]
fn a_move_in_a_long_list_is_two_steps() {
    let mut dashboard = Dashboard::new(&Limits::default());
    let mut events: Vec<_> = (0..500).map(|number| started(&format!("a{number}"))).collect();
    events.push(of("a7", "blocked"));
    let records = spread(events);
    let (last, head) = records.split_last().expect("events");
    for record in head {
        dashboard.apply(record);
    }
    let before = dashboard.listed(100);
    assert!(dashboard.apply(last).contains(Panel::Agents));
    let after = dashboard.listed(100);
    let steps: Vec<_> = before.steps_to(&after).collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert_eq!(steps[1], ListStep::Insert { agent_id: "a7", after: None });
}

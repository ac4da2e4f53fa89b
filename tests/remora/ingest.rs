//! Taking events in: both dialects, every shape of a body, every bad input, and the limits.

use serde_json::{Value, json};

use crate::support::{
    Daemon, Reply,
    http::{event, rows},
};

const EVENTS: &str = "/api/v1/events";
const NDJSON: &str = "application/x-ndjson";

/// The numbers of the lines that a problem document complains about.
#[track_caller]
fn bad_lines(problem: &Value) -> Vec<u64> {
    let lines = problem["errors"].as_array().unwrap_or_else(|| panic!("no list of errors: {problem}"));
    for line in lines {
        assert!(!line["detail"].as_str().unwrap_or_default().is_empty(), "no reason: {problem}");
    }
    lines.iter().filter_map(|line| line["line"].as_u64()).collect()
}

/// A refusal of the whole body: nothing was taken, the reason is named, and the daemon goes on.
async fn refuses(daemon: &Daemon, reply: Reply, needles: &[&str]) {
    let status = reply.status;
    assert!([400, 413, 422].contains(&status), "{status}: {}", reply.body);
    reply.problem(status, needles);
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_event_is_numbered_and_read_back() {
    let daemon = Daemon::start().await;
    let sent = json!({"id": "e1", "timestamp": "2026-02-24T09:37:15.120Z", "category": "agent", "action": "started",
        "agent_id": "lint-7", "graph_id": "g1", "node_id": null, "session_id": "s1", "payload": {"name": "Linter"}});
    assert_eq!(daemon.api.emit(&sent).await, json!({"accepted": 1, "duplicates": 0, "last_seq": 1}));

    let journal = daemon.api.journal("*").await;
    let [read] = &journal[..] else { panic!("one event: {journal:?}") };
    for field in ["id", "category", "action", "agent_id", "graph_id", "node_id", "session_id", "payload"] {
        assert_eq!(read[field], sent[field], "{field}");
    }
    assert_eq!(read["seq"], 1);
    let state = daemon.api.state_at(1).await;
    assert_eq!(state["last_seq"], 1);
    assert_eq!(state["agentStates"]["lint-7"]["name"], "Linter");
    assert_eq!(state["agentStates"]["lint-7"]["state"], "started");
}

#[tokio::test]
async fn an_id_and_a_time_are_given_to_whoever_brings_none() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&event("tool", "called", "a", &json!({}))).await;
    let read = daemon.api.journal("*").await.remove(0);
    assert_eq!(read["id"].as_str().map(str::len), Some(36), "{read}");
    assert!(read["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{read}");
}

#[tokio::test]
async fn a_body_may_be_an_array_or_lines() {
    let daemon = Daemon::start().await;
    let one = |id: &str| json!({"id": id, "category": "tool", "action": "called", "agent_id": "a"});
    let ack = daemon.api.emit(&json!([one("1"), one("2")])).await;
    assert_eq!(ack, json!({"accepted": 2, "duplicates": 0, "last_seq": 2}));

    let lines = format!("{}\r\n\n{}\n{}", one("3"), one("1"), one("4"));
    for content_type in [NDJSON, "application/json"] {
        let ack = daemon.api.post_raw(EVENTS, content_type, lines.clone()).await.expect(200).json();
        let expected = if content_type == NDJSON { (2, 1) } else { (0, 3) };
        assert_eq!((ack["accepted"].as_u64(), ack["duplicates"].as_u64()), (Some(expected.0), Some(expected.1)));
        assert_eq!(ack["last_seq"], 4);
    }
    let seqs: Vec<_> = daemon.api.journal("*").await.iter().map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3), Some(4)]);
}

#[tokio::test]
async fn the_same_event_again_changes_nothing() {
    let daemon = Daemon::start().await;
    let started = json!({"id": "e1", "category": "agent", "action": "started", "agent_id": "a"});
    daemon.api.emit(&started).await;
    let before = daemon.api.state_at(1).await;
    assert_eq!(daemon.api.emit(&started).await, json!({"accepted": 0, "duplicates": 1, "last_seq": 1}));
    assert_eq!(daemon.api.emit(&json!([started, started])).await["duplicates"], 2);
    // What comes after shows that the state had its chance to change.
    daemon.api.emit(&json!({"id": "e2", "category": "tool", "action": "called"})).await;
    let after = daemon.api.state_at(2).await;
    assert_eq!((&after["agentStates"], &after["progress"]), (&before["agentStates"], &before["progress"]));
    assert_eq!(after["last_seq"], 2);
}

#[tokio::test]
async fn the_later_dialect_is_read_too() {
    let daemon = Daemon::start().await;
    let lines = [
        json!({"type": "GraphStartEvent", "graph_id": "g", "timestamp": 1_772_166_824.4}),
        json!({"type": "AgentStartEvent", "graph_id": "g", "agent_id": "a", "node_name": "Lint", "timestamp": 1.5}),
        json!({"type": "KernelStartEvent", "max_turns": 8}),
        json!({"type": "ModelRequestEvent", "turn": 1}),
        json!({"type": "ModelResponseEvent", "turn": 1}),
        json!({"type": "ToolCallEvent", "tool_name": "run"}),
        json!({"type": "ToolResultEvent", "is_error": true}),
        json!({"type": "ToolResultEvent", "is_error": false}),
        json!({"type": "TurnCompleteEvent", "turn": 1}),
        json!({"type": "KernelEndEvent"}),
        json!({"type": "HumanInputRequestEvent", "request_id": "q1", "agent_id": "a", "question": "Sure?"}),
        json!({"type": "HumanInputResponseEvent", "request_id": "q1", "agent_id": "a", "response": "yes"}),
        json!({"type": "AgentCompleteEvent", "agent_id": "a", "result_summary": "all clean"}),
        json!({"type": "AgentErrorEvent", "agent_id": "b", "error": "no disk"}),
        json!({"type": "GraphErrorEvent", "graph_id": "g"}),
    ];
    daemon.api.emit(&json!(lines)).await;
    let journal = daemon.api.journal("*").await;
    let kinds: Vec<_> = journal
        .iter()
        .map(|event| format!("{}:{}", event["category"].as_str().unwrap(), event["action"].as_str().unwrap()))
        .collect();
    let expected = "graph:started agent:started model:kernel_started model:request model:response tool:called \
         tool:failed tool:completed model:turn_completed model:kernel_ended agent:blocked agent:resumed \
         agent:completed agent:failed graph:failed";
    assert_eq!(kinds[..15].join(" "), expected);
    let state = daemon.api.state_at(15).await;
    assert_eq!(state["agentStates"]["a"]["name"], "Lint");
    assert_eq!(state["results"][0]["agent_id"], "a", "{}", state["results"]);
    assert!(state["results"][0].to_string().contains("all clean"));
    assert_eq!(daemon.api.question_is("q1", "delivered").await["answer"], "yes");
}

#[tokio::test]
async fn unknown_fields_are_kept() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&json!({"category": "tool", "action": "called", "colour": "red", "payload": {"n": 1}})).await;
    assert_eq!(daemon.api.journal("*").await[0]["payload"], json!({"n": 1, "extra": {"colour": "red"}}));
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let daemon = Daemon::start().await;
    let deep = format!(r#"{{"category":"tool","action":"called","payload":{{"a":{}"#, "[".repeat(100_000));
    for (body, needle) in [
        (&b""[..], "empty"),
        (b"{", "json"),
        (b"nonsense", "json"),
        (b"[{\"category\":\"tool\"", "json"),
        (b"{\"category\":\"tool\",\"action\":\"\xff\xfe\"}", "json"),
        (deep.as_bytes(), "json"),
        (b"5", "object"),
        (b"\"agent\"", "object"),
        (b"null", "object"),
    ] {
        let reply = daemon.api.post_raw(EVENTS, "application/json", body.to_vec()).await;
        refuses(&daemon, reply, &[needle]).await;
    }
}

#[tokio::test]
async fn wrong_fields_are_refused_by_name() {
    let daemon = Daemon::start().await;
    let tool = |field: &str, value: Value| {
        let mut event = json!({"category": "tool", "action": "called"});
        event[field] = value;
        event
    };
    for (body, field) in [
        (json!({}), "category"),
        (tool("category", json!("robot")), "category"),
        (tool("category", json!(7)), "category"),
        (tool("action", json!("Called!")), "action"),
        (tool("action", json!("a".repeat(65))), "action"),
        (tool("action", Value::Null), "action"),
        (tool("id", json!(5)), "id"),
        (tool("id", json!("")), "id"),
        (tool("id", json!("x".repeat(10_000))), "id"),
        (tool("agent_id", json!(["a"])), "agent_id"),
        (tool("agent_id", json!("a\u{0}b")), "agent_id"),
        (tool("graph_id", json!("g".repeat(10_000))), "graph_id"),
        (tool("payload", json!([1])), "payload"),
        (tool("timestamp", json!("yesterday")), "timestamp"),
        (tool("timestamp", json!(1e20)), "timestamp"),
        (tool("timestamp", json!(-5)), "timestamp"),
        (tool("timestamp", json!("1969-12-31T23:59:59Z")), "timestamp"),
        (tool("timestamp", json!("+12345-01-01T00:00:00Z")), "timestamp"),
        (json!({"category": "agent", "action": "started"}), "agent_id"),
        (json!({"category": "agent", "action": "blocked", "agent_id": "a"}), "question"),
        (json!({"type": "robot"}), "type"),
    ] {
        refuses(&daemon, daemon.api.post(EVENTS, &body).await, &[field]).await;
    }
}

#[tokio::test]
async fn a_bad_line_harms_no_other() {
    let daemon = Daemon::start().await;
    let good = |id: &str| json!({"id": id, "category": "tool", "action": "called"}).to_string();
    let mut body = Vec::new();
    for line in [
        good("1").as_bytes(),
        b"{broken",
        b"",
        good("2").as_bytes(),
        br#"{"category":"robot","action":"called"}"#,
        b"{\"category\":\"tool\",\"action\":\"\xff\"}",
        good("3").as_bytes(),
        br#"{"category":"tool","action":"ca"#,
    ] {
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    let problem = daemon.api.post_raw(EVENTS, NDJSON, body).await.problem(422, &["category"]);
    assert_eq!(bad_lines(&problem), [2, 5, 6, 8]);
    assert_eq!((&problem["accepted"], &problem["last_seq"]), (&json!(3), &json!(3)), "{problem}");
    assert_eq!(daemon.api.journal("*").await.len(), 3);

    let array = json!([{"category": "tool", "action": "called"}, {"category": "tool"}, 5]);
    let problem = daemon.api.post(EVENTS, &array).await.problem(422, &["action"]);
    assert_eq!(bad_lines(&problem), [2, 3]);
    assert_eq!(daemon.api.journal("*").await.len(), 4);
}

#[tokio::test]
async fn every_limit_is_named() {
    let daemon = Daemon::start().await;
    let large = json!({"category": "tool", "action": "called", "payload": {"text": "x".repeat(257 << 10)}});
    refuses(&daemon, daemon.api.post(EVENTS, &large).await, &["event_bytes", "262144"]).await;

    let body = vec![b' '; (8 << 20) + 1];
    daemon.api.post_raw(EVENTS, "application/json", body).await.problem(413, &["body_bytes", "8388608"]);

    let batch = "{\"category\":\"tool\",\"action\":\"called\"}\n".repeat(10_001);
    refuses(&daemon, daemon.api.post_raw(EVENTS, NDJSON, batch).await, &["batch_events", "10000"]).await;

    let blocked = |payload: Value| event("agent", "blocked", "a", &payload);
    let long = blocked(json!({"question": "x".repeat((16 << 10) + 1)}));
    refuses(&daemon, daemon.api.post(EVENTS, &long).await, &["question_bytes", "16384"]).await;
    let many = blocked(json!({"question": "Which?", "options": vec!["x"; 101]}));
    refuses(&daemon, daemon.api.post(EVENTS, &many).await, &["options", "100"]).await;
}

#[tokio::test]
async fn what_is_just_within_the_limits_is_taken() {
    let daemon = Daemon::start().await;
    let batch = "{\"category\":\"tool\",\"action\":\"called\"}\n".repeat(10_000);
    let ack = daemon.api.post_raw(EVENTS, NDJSON, batch).await.expect(200).json();
    assert_eq!(ack, json!({"accepted": 10_000, "duplicates": 0, "last_seq": 10_000}));
    daemon.api.emit(&event("tool", "called", "a", &json!({"text": "x".repeat(255 << 10)}))).await;
    let asked = json!({"question": "x".repeat(16 << 10), "options": (0..100).collect::<Vec<_>>()
        .iter().map(ToString::to_string).collect::<Vec<_>>()});
    daemon.api.emit(&event("agent", "blocked", "a", &asked)).await;
}

#[tokio::test]
async fn a_full_daemon_says_so_and_loses_nothing() {
    // One event may wait at a time, so that of many at once some must hear "busy".
    let daemon = Daemon::setup().args(["--limit", "batch_events=1", "--limit", "publishing_events=1"]).start().await;
    let posts = (0..200).map(|n| {
        let api = daemon.api.clone();
        async move { api.post(EVENTS, &json!({"id": n.to_string(), "category": "tool", "action": "called"})).await }
    });
    let replies = futures_util::future::join_all(posts).await;
    let (taken, busy): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!(!busy.is_empty(), "two hundred at once, and room for one: some must wait");
    for reply in busy {
        assert!(reply.header("retry-after").parse::<u64>().is_ok(), "{:?}", reply.headers);
        reply.problem(503, &["busy", "try again"]);
    }
    assert_eq!(daemon.api.journal("*").await.len(), taken.len());
    daemon.api.emit(&event("tool", "called", "a", &json!({}))).await;
}

#[tokio::test]
async fn the_journal_is_read_by_position_pattern_and_agent() {
    let daemon = Daemon::start().await;
    let events: Vec<_> =
        (0..30).map(|n| event(["tool", "model"][n % 2], "called", ["a", "b", "c"][n % 3], &json!({"n": n}))).collect();
    daemon.api.emit(&json!(events)).await;
    let read = async |query: &str| {
        let list = daemon.api.get(&format!("{EVENTS}?{query}")).await.expect(200).json();
        rows(list, "events").iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read("after=0&limit=3").await, [1, 2, 3]);
    assert_eq!(read("after=28").await, [29, 30]);
    assert_eq!(read("after=30").await, [0; 0]);
    assert_eq!(read("pattern=tool:*&limit=3").await, [1, 3, 5]);
    assert_eq!(read("pattern=*:called&agent_id=a&limit=2").await, [1, 4]);
    assert_eq!(read("pattern=model:failed").await, [0; 0]);
    assert_eq!(read("after=18446744073709551615").await, [0; 0]);
    for bad in ["after=x", "limit=-1", "pattern=robot:*", "after=1&after=&limit=x"] {
        let reply = daemon.api.get(&format!("{EVENTS}?{bad}")).await;
        let status = reply.status;
        assert!([400, 422].contains(&status), "{bad}: {reply:?}");
        reply.problem(status, &[]);
    }
}

#[tokio::test]
async fn a_page_of_large_events_ends_early_and_the_next_one_goes_on() {
    const EVENTS_SENT: u64 = 120;
    let daemon = Daemon::start().await;
    let text = "x".repeat(100_000);
    for _ in 0..EVENTS_SENT / 20 {
        let some: Vec<_> = (0..20).map(|_| event("tool", "called", "a", &json!({"text": text}))).collect();
        daemon.api.emit(&json!(some)).await;
    }
    let page = async |query: &str| {
        let body = daemon.api.get(&format!("{EVENTS}?{query}")).await.expect(200).body;
        assert!(body.len() < 5 << 20, "{query}: {} bytes", body.len());
        let page: Value = serde_json::from_str(&body).unwrap();
        let last = page["last_seq"].as_u64().unwrap();
        (rows(page, "events").iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>(), last)
    };
    let (mut read, mut last, mut pages) = (Vec::new(), 0, 0);
    while last < EVENTS_SENT {
        let (some, upto) = page(&format!("limit=10000&after={last}")).await;
        assert_eq!(some.last(), Some(&upto));
        read.extend(some);
        (last, pages) = (upto, pages + 1);
    }
    assert_eq!(read, (1..=EVENTS_SENT).collect::<Vec<_>>());
    assert!(pages > 2, "{pages}");
    let (newest, last) = page("newest=10000").await;
    assert_eq!((newest.last(), last), (Some(&EVENTS_SENT), EVENTS_SENT));
    assert!(newest.is_sorted() && newest.len() > 20, "{newest:?}");
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_get_a_problem_document() {
    let daemon = Daemon::start().await;
    daemon.api.get("/api/v1/nothing").await.problem(404, &[]);
    daemon.api.delete(EVENTS).await.problem(405, &[]);
    daemon.api.post_raw(EVENTS, "text/csv", "a,b").await.problem(400, &["json"]);
}

//! A mistyped name is said, with what was perhaps meant, and nothing is done by halves.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Daemon, http::rows};

#[tokio::test]
async fn who_writes_to_an_agent_that_nobody_knows_hears_whom_he_may_have_meant() {
    let daemon = Daemon::start().await;
    for agent in ["lint-7", "lint-8", "deploy"] {
        daemon.api.start_agent(agent).await;
    }
    daemon.api.state_with("all are there", |state| state["agentStates"]["deploy"].is_object()).await;
    for args in [&["message", "lnit-7", "hello"][..], &["stop", "lnit-7"], &["message", "lnit-7"]] {
        let refused = daemon.remora(args).wait().await.expect(1);
        refused.complains(&["\"lnit-7\"", "did you mean", "\"lint-7\"", "--allow-unknown"]);
    }
    daemon.remora(["stop", "lint"]).wait().await.expect(1).complains(&["\"lint-7\"", "\"lint-8\""]);
    let refused = daemon.remora(["stop", "somebody-else"]).wait().await.expect(1);
    assert!(!refused.stderr.contains("did you mean"), "{}", refused.stderr);
    assert!(daemon.api.journal("user:*").await.is_empty(), "nothing was sent");

    daemon.remora(["stop", "lint-7"]).wait().await.expect(0);
    daemon.remora(["message", "to-come", "read this first", "--allow-unknown"]).wait().await.expect(0);
    let agent = daemon.api.get("/api/v1/agents/lint-7").await.expect(200).json();
    assert_eq!((&agent["agent_id"], &agent["state"]), (&json!("lint-7"), &json!("started")));
    daemon.api.get("/api/v1/agents/lnit-7").await.problem(404, &["no agent"]);
    assert_eq!(daemon.remora(["messages", "--agent", "to-come"]).wait().await.expect(0).stdout, "read this first\n");
    // Who has a workspace is known, even if it has not been heard of since.
    daemon.api.put("/api/v1/workspaces/w", &json!({"agent_id": "registered"})).await.expect(200);
    daemon.remora(["message", "registered", "hello"]).wait().await.expect(0);
}

#[tokio::test]
async fn a_mistyped_field_of_a_body_is_named_and_nothing_is_done() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Deploy?").await;
    let answer = format!("/api/v1/questions/{msg_id}/answer");
    let named = json!([{"msg_id": msg_id}]);
    for (method, path, body, typo, meant) in [
        (
            Method::POST,
            "/api/v1/questions",
            json!({"agent_id": "a", "question": "?", "time_out": 5}),
            "time_out",
            "timeout",
        ),
        (Method::POST, &*answer, json!({"answer": "yes", "workspace": "a"}), "workspace", "workspace_id"),
        (Method::POST, &*answer, json!({"anwser": "yes"}), "anwser", "answer"),
        (Method::POST, "/api/v1/answers", json!({"questions": named, "answer": "yes", "why": "x"}), "why", "who"),
        (Method::POST, "/api/v1/answers", json!({"questions": [{"id": msg_id}], "answer": "yes"}), "id", "msg_id"),
        (Method::POST, "/api/v1/dismissals", json!({"questions": named, "reson": "x"}), "reson", "reason"),
        (Method::POST, "/api/v1/agents/a/messages", json!({"content": "x", "from": "me"}), "from", "who"),
        (Method::POST, "/api/v1/agents/a/stop", json!({"why": "x"}), "why", "reason"),
        (Method::PUT, "/api/v1/workspaces/w", json!({"agent_id": "a", "file": "x"}), "file", "path"),
        (Method::POST, "/agent/a/respond", json!({"answer": "yes", "msgid": msg_id}), "msgid", "msg_id"),
    ] {
        let reply = Api::send(daemon.api.request(method.clone(), path).json(&body)).await;
        reply.problem(400, &[&format!("`{typo}`"), &format!("`{meant}`")]);
    }
    let form = format!("answer=yes&msgid={msg_id}");
    let sent = daemon.api.post_raw("/agent/a/respond", "application/x-www-form-urlencoded", form).await;
    sent.problem(400, &["`msgid`", "`msg_id`"]);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "open");
    assert_eq!(daemon.api.journal("*").await.len(), 1, "nothing but the question");
    assert!(rows(daemon.api.get("/api/v1/workspaces").await.json(), "workspaces").is_empty());
}

#[tokio::test]
async fn an_event_may_have_any_field() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&json!({"category": "agent", "action": "started", "agent_id": "a", "colour": "red"})).await;
    let blocked = json!({"question": "?", "msg_id": "m", "colour": "red"});
    daemon.api.emit(&json!({"category": "agent", "action": "blocked", "agent_id": "a", "payload": blocked})).await;
    daemon.api.question_is("m", "open").await;
    let outbox = json!({"question": "And?", "status": "pending", "colour": "red"});
    daemon.api.put("/api/v1/workspaces/a/kv/outbox:question:n", &outbox).await.expect(204);
    daemon.api.question_is("n", "open").await;
    // What agents write into their outbox may be sent as it is.
    daemon
        .api
        .ask(&json!({"agent_id": "a", "question": "?", "status": "pending", "created_at": "2026-01-01T00:00:00Z"}))
        .await;
}

#[tokio::test]
async fn a_mistyped_parameter_is_named_beside_those_that_there_are() {
    let daemon = Daemon::start().await;
    for (path, typo, known) in [
        ("/api/v1/events?limt=5", "limt", "`limit`"),
        ("/api/v1/events/search?query=x", "query", "`q`"),
        ("/api/v1/events/stream?patern=tool:*", "patern", "`pattern`"),
        ("/api/v1/events/export?agent=a", "agent", "`agent_id`"),
        ("/api/v1/answers.csv?agent=a", "agent", "`agent_id`"),
        ("/api/v1/questions?state=open", "state", "`status`"),
        ("/api/v1/questions/m?wiat=1", "wiat", "`wait`"),
        ("/api/v1/workspaces?agent=a", "agent", "`agent_id`"),
        ("/api/v1/workspaces/w/kv?prefx=a", "prefx", "`prefix`"),
        ("/api/v1/state?limit=5", "limit", "none"),
        ("/api/v1/graphs?limit=5", "limit", "none"),
    ] {
        daemon.api.get(path).await.problem(400, &[&format!("`{typo}`"), known]);
    }
    daemon.api.delete("/api/v1/questions/m/answer?agnet_id=a").await.problem(400, &["`agnet_id`", "`agent_id`"]);
    daemon.api.get("/api/v1/events?limit=5&after=0").await.expect(200);
    daemon.api.get("/api/v1/events/search?q=a%20b&limit=5&before=9").await.expect(200);
    daemon.api.get("/api/v1/questions?status=&agent_id=").await.expect(200);
    // Who calls a webhook may have its own parameters in the address, and pages are people's.
    let event = json!({"category": "tool", "action": "called"});
    daemon.api.post("/api/v1/events?source=ci", &event).await.expect(200);
    for page in ["/?utm=1", "/history?x=1", "/agents?x=1"] {
        daemon.api.get(page).await.expect(200);
    }
}

#[tokio::test]
async fn the_description_says_which_bodies_are_closed() {
    let daemon = Daemon::start().await;
    let document: Value = daemon.api.get("/api/v1/openapi.json").await.expect(200).json();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in ["NewQuestion", "Answering", "Answers", "QuestionName", "Dismissals", "Message", "StopRequest"] {
        assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
    }
    assert_eq!(schemas["Registering"]["additionalProperties"], false);
    assert_ne!(schemas["NewEvent"]["additionalProperties"], false, "events are open");
}

//! How questions end without a person's answer: by a deadline, by the asker, by the agent's end.

use serde_json::json;

use crate::support::{
    Daemon,
    http::{event, text},
};

#[tokio::test]
async fn what_is_unknown_or_closed_says_so() {
    let daemon = Daemon::start().await;
    daemon.api.answer("nobody", &json!("x")).await.problem(404, &["nobody"]);
    daemon.api.get("/api/v1/questions/nobody").await.problem(404, &["nobody"]);
    daemon.api.delete("/api/v1/questions/nobody").await.problem(404, &["nobody"]);

    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.delete(&format!("/api/v1/questions/{msg_id}")).await.expect(200);
    daemon.api.question_is(&msg_id, "cancelled").await;
    daemon.api.answer(&msg_id, &json!("x")).await.problem(409, &["cancelled"]);
    daemon.api.state_with("nothing is open", |state| state["blocked"] == json!([])).await;
    // Giving up twice is giving up.
    let again = daemon.api.delete(&format!("/api/v1/questions/{msg_id}")).await;
    assert!([200, 204, 409].contains(&again.status), "{again:?}");
}

#[tokio::test]
async fn a_deadline_without_policy_expires_the_question() {
    let daemon = Daemon::start().await;
    let asked = json!({"agent_id": "a", "question": "Quick?", "timeout": 0.2});
    let msg_id = text(&daemon.api.ask(&asked).await, "msg_id");
    daemon.api.question_is(&msg_id, "expired").await;
    daemon.api.answer(&msg_id, &json!("late")).await.problem(409, &["expired"]);
    let record = daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=30")).await.expect(200).json();
    assert_eq!(record["status"], "expired");
    daemon.api.state_with("nothing is open", |state| state["blocked"] == json!([])).await;
}

#[tokio::test]
async fn a_deadline_with_policy_answers_by_policy() {
    let daemon = Daemon::start().await;
    for (policy, expected) in [("default", "no"), ("deny", "deny")] {
        let asked = json!({"agent_id": policy, "question": "Delete it?", "options": ["yes", "no"], "timeout": 0.2,
            "on_deadline": policy, "default": "no"});
        let msg_id = text(&daemon.api.ask(&asked).await, "msg_id");
        let record = daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=50")).await.expect(200).json();
        assert_eq!((&record["answer"], &record["answered_by"]["door"]), (&json!(expected), &json!("policy")));
        let written = daemon.api.value_of(policy, &format!("inbox:response:{msg_id}")).await;
        assert_eq!(written["answer"], expected);
    }
}

#[tokio::test]
async fn a_deadline_that_passed_while_the_daemon_was_down_counts() {
    let mut daemon = Daemon::start().await;
    let asked = json!({"agent_id": "a", "question": "Quick?", "timeout": 1});
    let msg_id = text(&daemon.api.ask(&asked).await, "msg_id");
    let waiting = text(
        &daemon
            .api
            .ask(&json!({"agent_id": "a", "question": "Slow?", "timeout": 1,
        "on_deadline": "wait"}))
            .await,
        "msg_id",
    );
    daemon.crash().await;
    daemon.api.question_is(&msg_id, "expired").await;
    assert_eq!(daemon.api.question(&waiting).await["status"], "open");
}

#[tokio::test]
async fn a_policy_is_enforced_after_a_downtime_and_is_nobodys_word() {
    let mut daemon = Daemon::start().await;
    let mut asked = Vec::new();
    for (policy, expected) in [("default", "no"), ("deny", "deny")] {
        let body = json!({"agent_id": policy, "question": "Delete it?", "options": ["yes", "no"], "timeout": 1,
            "on_deadline": policy, "default": "no"});
        asked.push((policy, expected, text(&daemon.api.ask(&body).await, "msg_id")));
    }
    daemon.kill().await;
    daemon.start_again().await;
    for (agent, expected, msg_id) in asked {
        let record = daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=50")).await.expect(200).json();
        assert_eq!(
            (&record["answer"], &record["answered_by"]),
            (&json!(expected), &json!({"who": "deadline", "door": "policy"}))
        );
        let written = daemon.api.value_of(agent, &format!("inbox:response:{msg_id}")).await;
        assert_eq!(written["answered_by"], json!({"who": "deadline", "door": "policy"}));
        let page = daemon.api.get(&format!("/agents/{agent}")).await.expect(200).body;
        assert!(page.contains("automatically, nobody answered in time"), "{page}");
    }
    for event in daemon.api.journal("agent:resumed").await {
        assert_eq!(event["payload"]["answered_by"]["door"], "policy", "{event}");
    }
}

#[tokio::test]
async fn the_end_of_an_agent_closes_its_questions_with_the_reason() {
    let daemon = Daemon::start().await;
    for action in ["completed", "failed", "cancelled", "timed_out"] {
        daemon.api.start_agent(action).await;
        let msg_id = daemon.api.ask_text(action, "Still there?").await;
        daemon.api.emit(&event("agent", action, action, &json!({"error": "no disk"}))).await;
        let status = if action == "timed_out" { "expired" } else { "cancelled" };
        let record = daemon.api.question_is(&msg_id, status).await;
        let reason = text(&record, "closed_reason");
        assert!(reason.contains(action.split('_').next().unwrap()), "{reason}");
        daemon.api.answer(&msg_id, &json!("x")).await.problem(409, &["agent"]);
    }
    daemon.api.state_with("nothing is open", |state| state["blocked"] == json!([])).await;
}

#[tokio::test]
async fn a_question_is_no_larger_than_an_event() {
    let daemon = Daemon::start().await;
    let asked = json!({"agent_id": "a", "question": "Which?", "context": "x".repeat(300 << 10)});
    daemon.api.post("/api/v1/questions", &asked).await.problem(413, &["event_bytes"]);
    daemon.api.get("/readyz").await.expect(200);
    daemon.api.ask_text("a", "Which?").await;
}

#[tokio::test]
async fn one_agent_cannot_bury_the_others() {
    let daemon = Daemon::start().await;
    for n in 0..100 {
        daemon.api.ask_text("greedy", &format!("Question {n}?")).await;
    }
    let more = json!({"agent_id": "greedy", "question": "One more?"});
    let reply = daemon.api.post("/api/v1/questions", &more).await;
    let status = reply.status;
    assert!([413, 422, 429].contains(&status), "{reply:?}");
    reply.problem(status, &["open_questions_per_agent"]);
    daemon.api.ask_text("modest", "Me?").await;
}

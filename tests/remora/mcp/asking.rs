//! Questions, answers, and giving up.

use serde_json::{Value, json};

use super::{WAYS, open_question};
use crate::support::{
    Daemon,
    http::text,
    mcp::{McpClient, Way, structured},
};

#[tokio::test]
async fn a_person_answers_while_the_client_hears_that_it_waits() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let args = json!({"question": "Deploy?", "options": ["yes", "no"], "context": "All tests pass.",
            "urgency": "high", "reason": "confirmation", "timeout": 600, "on_deadline": "deny"});
        let asked = client.begin("ask_user", &args).await;
        let msg_id = open_question(&daemon).await;
        let first = client.line_about(asked, "progress").await.as_f64().unwrap();
        let second = client.line_about(asked, "progress").await.as_f64().unwrap();
        assert!(second > first, "{way:?}: {first} {second}");

        let record = daemon.api.question(&msg_id).await;
        for (field, value) in args.as_object().unwrap() {
            if field != "timeout" {
                assert_eq!(record[field], *value, "{record}");
            }
        }
        assert_eq!(record["agent_id"], "a1");
        assert!(record["expires_at"].is_string(), "{record}");

        daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
        let outcome = structured(&client.end(asked).await);
        assert_eq!((&outcome["status"], &outcome["answer"]), (&json!("answered"), &json!("yes")), "{outcome}");
        assert_eq!((&outcome["msg_id"], &outcome["door"]), (&json!(msg_id), &json!("http")), "{outcome}");
        daemon.api.question_is(&msg_id, "delivered").await;
        client.close().await;
    }
}

#[tokio::test]
async fn several_options_and_forms_come_back_as_they_are() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        for (args, answer) in [
            (json!({"question": "Which?", "options": ["a", "b", "c"], "multiple": true}), json!(["a", "c"])),
            (json!({"question": "How many?", "response_schema": schema}), json!({"n": 3})),
            (json!({"question": "Name?"}), json!("Ünïcödé „zitiert“")),
        ] {
            let asked = client.begin("ask_user", &args).await;
            daemon.api.answer(&open_question(&daemon).await, &answer).await.expect(200);
            assert_eq!(structured(&client.end(asked).await)["answer"], answer, "{way:?}");
        }
        client.close().await;
    }
}

#[tokio::test]
async fn another_agents_question_may_have_the_same_id() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        daemon.api.ask(&json!({"agent_id": "another", "msg_id": "q1", "question": "Deploy?"})).await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let args = json!({"question": "Merge?", "msg_id": "q1"});
        client.call("ask_user_async", &args).await;
        assert_eq!(client.call("check_answer", &json!({"msg_id": "q1"})).await["status"], "open", "{way:?}");
        let asked = client.begin("ask_user", &args).await;
        client.line_about(asked, "progress").await;
        client.cancel(asked).await;
        let state = daemon.api.state_with("its own is withdrawn", |state| state["blocked"][1].is_null()).await;
        assert_eq!(state["blocked"][0]["agent_id"], "another", "{way:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_cancelled_call_withdraws_its_question() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let asked = client.begin("ask_user", &json!({"question": "Deploy?"})).await;
        let msg_id = open_question(&daemon).await;
        client.cancel(asked).await;
        daemon.api.question_is(&msg_id, "cancelled").await;
        // The connection is as good as before.
        let outcome = client.call("check_answer", &json!({"msg_id": msg_id})).await;
        assert_eq!(outcome["status"], "cancelled", "{way:?}: {outcome}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_withdraws_its_question() {
    // With a session over HTTP a lost connection means nothing: the client may come back to its session.
    for (way, mode) in [(Way::Stdio, "auto"), (Way::Stdio, "legacy"), (Way::Http, "auto")] {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        client.begin("ask_user", &json!({"question": "Deploy?"})).await;
        let msg_id = open_question(&daemon).await;
        client.kill().await;
        daemon.api.question_is(&msg_id, "cancelled").await;
    }
}

#[tokio::test]
async fn a_question_is_asked_now_and_looked_after_later() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let asked = client.call("ask_user_async", &json!({"question": "Deploy?", "options": ["yes", "no"]})).await;
        let check = json!({"msg_id": asked["msg_id"], "wait": 0.1});
        let outcome = client.call("check_answer", &check).await;
        assert_eq!((&outcome["status"], &outcome["answer"]), (&json!("open"), &Value::Null), "{way:?}: {outcome}");

        let waiting = client.begin("check_answer", &json!({"msg_id": asked["msg_id"], "wait": 50})).await;
        daemon.api.answer(&text(&asked, "msg_id"), &json!("no")).await.expect(200);
        assert_eq!(structured(&client.end(waiting).await)["answer"], "no");
        let again = client.call("check_answer", &check).await;
        assert_eq!((&again["status"], &again["answer"]), (&json!("answered"), &json!("no")), "{again}");
        client.close().await;
    }
}

#[tokio::test]
async fn what_became_of_a_question_is_told_apart() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let expired = client.call("ask_user", &json!({"question": "Quick?", "timeout": 0.1})).await;
        assert_eq!((&expired["status"], &expired["answer"]), (&json!("expired"), &Value::Null), "{expired}");
        let by_policy = json!({"question": "Quick?", "timeout": 0.1, "on_deadline": "default", "default": "yes"});
        let decided = client.call("ask_user", &by_policy).await;
        assert_eq!((&decided["answer"], &decided["door"]), (&json!("yes"), &json!("policy")), "{decided}");

        let asked = client.begin("ask_user", &json!({"question": "Deploy?", "msg_id": "m1"})).await;
        assert_eq!(open_question(&daemon).await, "m1");
        daemon.api.delete("/api/v1/questions/m1").await.expect(200);
        let cancelled = structured(&client.end(asked).await);
        assert_eq!((&cancelled["status"], &cancelled["answer"]), (&json!("cancelled"), &Value::Null), "{cancelled}");
        let unknown = client.call("check_answer", &json!({"msg_id": "nobody-asked"})).await;
        assert_eq!(unknown["status"], "unknown", "{unknown}");
        client.close().await;
    }
}

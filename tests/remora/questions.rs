//! The life of a question over HTTP: asked, answered once, picked up, or closed with a reason.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{
    Daemon,
    http::{event, rows, text},
    wait_until,
};

#[tokio::test]
async fn a_question_is_asked_answered_and_picked_up() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let asked = json!({"agent_id": "a", "question": "Deploy?", "options": ["yes", "no"], "context": {"branch": "x"},
        "reason": "confirmation", "urgency": "high", "timeout": 300});
    let record = daemon.api.ask(&asked).await;
    for field in ["agent_id", "question", "options", "context", "reason", "urgency"] {
        assert_eq!(record[field], asked[field], "{field}");
    }
    assert_eq!(record["status"], "open");
    assert!(record["expires_at"].is_string(), "{record}");
    let msg_id = text(&record, "msg_id");

    let state = daemon.api.state_with("the agent waits", |state| state["agentStates"]["a"]["state"] == "blocked").await;
    assert_eq!(state["blocked"][0]["msg_id"], msg_id);

    let reply = daemon.api.answer(&msg_id, &json!("yes")).await.expect(200).json();
    assert_eq!(reply["answer"], "yes");
    assert_eq!(reply["answered_by"]["door"], "http");
    // The asker polls: it gets the answer, and only this makes it delivered.
    assert_eq!(daemon.api.question(&msg_id).await["status"], "answered");
    let path = format!("/api/v1/questions/{msg_id}?wait=30");
    assert_eq!(daemon.api.get(&path).await.expect(200).json()["answer"], "yes");
    assert_eq!(daemon.api.question_is(&msg_id, "delivered").await["answer"], "yes");
    assert_eq!(daemon.api.get(&path).await.expect(200).json()["answer"], "yes", "asking again gives it again");

    let goes_on = |state: &Value| state["agentStates"]["a"]["state"] == "started" && state["blocked"] == json!([]);
    daemon.api.state_with("the agent goes on", goes_on).await;
    let resumed = daemon.api.journal("agent:resumed").await;
    assert_eq!(resumed.len(), 1);
    let payload = &resumed[0]["payload"];
    assert_eq!((&payload["msg_id"], &payload["question"]), (&json!(msg_id), &json!("Deploy?")));
    assert_eq!((&payload["answer"], &payload["answered_by"]["door"]), (&json!("yes"), &json!("http")));
}

#[tokio::test]
async fn an_asker_may_say_where_it_stands() {
    let daemon = Daemon::start().await;
    let asked = json!({"agent_id": "a", "question": "Deploy?", "graph_id": "release", "node_id": "deploy"});
    daemon.api.ask(&asked).await;
    let event = daemon.api.journal("agent:blocked").await.remove(0);
    assert_eq!((&event["graph_id"], &event["node_id"]), (&json!("release"), &json!("deploy")));
    let graph = daemon.api.get("/api/v1/graphs/release").await.expect(200).json();
    assert_eq!(graph["nodes"][0]["agent_id"], "a", "{graph}");
    let refused = daemon.api.post("/api/v1/questions", &json!({"agent_id": "a", "question": "?", "graph_id": 7})).await;
    refused.problem(422, &["graph_id"]);
}

#[tokio::test]
async fn a_waiting_asker_hears_the_answer_at_once() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Name?").await;
    let (api, path) = (daemon.api.clone(), format!("/api/v1/questions/{msg_id}?wait=50"));
    let waiting = tokio::spawn(async move { api.get(&path).await });
    daemon.api.answer(&msg_id, &json!("Ada")).await.expect(200);
    let record = waiting.await.unwrap().expect(200).json();
    assert_eq!(record["answer"], "Ada");
    daemon.api.question_is(&msg_id, "delivered").await;
}

#[tokio::test]
async fn an_asker_that_waited_in_vain_sees_it_open() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Name?").await;
    let record = daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=1")).await.expect(200).json();
    assert_eq!(record["status"], "open");
}

#[tokio::test]
async fn of_many_answers_at_once_the_first_wins() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Which?").await;
    let answers = (0..20).map(|n| {
        let (api, msg_id) = (daemon.api.clone(), msg_id.clone());
        async move { (n, api.answer(&msg_id, &json!(format!("answer {n}"))).await) }
    });
    let replies = futures_util::future::join_all(answers).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|(_, reply)| reply.status == 200);
    assert_eq!(won.len(), 1);
    let answer = json!(format!("answer {}", won[0].0));
    for (_, reply) in lost {
        // Who and when.
        let problem = reply.problem(409, &["http"]);
        assert!(problem["responded_at"].is_string() && problem["answered_by"].is_object(), "{problem}");
    }
    assert_eq!(daemon.api.question(&msg_id).await["answer"], answer);
    assert_eq!(daemon.api.journal("agent:resumed").await.len(), 1);
    let record = daemon.api.value_of("a", &format!("inbox:response:{msg_id}")).await;
    assert_eq!(record["answer"], answer);
}

#[tokio::test]
async fn respond_without_msg_id_needs_a_single_open_question() {
    let daemon = Daemon::start().await;
    let respond = async |body: Value| daemon.api.post("/agent/a/respond", &body).await;
    respond(json!({"answer": "x"})).await.problem(404, &["a"]);

    let first = daemon.api.ask_text("a", "One?").await;
    let done = respond(json!({"answer": "x"})).await.expect(200).json();
    assert_eq!(done, json!({"status": "ok", "agent_id": "a", "msg_id": first}));

    let (second, third) = (daemon.api.ask_text("a", "Two?").await, daemon.api.ask_text("a", "Three?").await);
    // The list of what is open.
    respond(json!({"answer": "x"})).await.problem(409, &[&second, &third]);
    let done = respond(json!({"answer": "x", "msg_id": third})).await.expect(200).json();
    assert_eq!(done["msg_id"], json!(third));
    assert_eq!(daemon.api.question(&second).await["status"], "open");
}

#[tokio::test]
async fn respond_takes_a_plain_form() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a b/c", "Sure?").await;
    let body = format!("msg_id={msg_id}&answer=yes%2C+please");
    let reply = daemon.api.post_raw("/agent/a%20b%2Fc/respond", "application/x-www-form-urlencoded", body).await;
    // A browser without scripts is led back to the page; a program gets what it asked for.
    assert!([200, 303].contains(&reply.status), "{reply:?}");
    assert_eq!(daemon.api.question(&msg_id).await["answer"], "yes, please");
}

#[tokio::test]
async fn a_question_of_another_agent_cannot_be_answered_through_this_one() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.post("/agent/b/respond", &json!({"msg_id": msg_id, "answer": "x"})).await.problem(404, &[&msg_id]);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "open");
}

#[tokio::test]
async fn answers_that_do_not_fit_are_refused_and_the_question_stays_open() {
    let daemon = Daemon::start().await;
    let one = json!({"agent_id": "a", "question": "?", "options": ["yes", "no"], "allow_other": false});
    let one = text(&daemon.api.ask(&one).await, "msg_id");
    let many = json!({"agent_id": "a", "question": "?", "options": ["x", "y"], "multiple": true, "allow_other": false});
    let many = text(&daemon.api.ask(&many).await, "msg_id");
    let form = json!({"agent_id": "a", "question": "?", "response_schema":
        {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}});
    let form = text(&daemon.api.ask(&form).await, "msg_id");
    let free = daemon.api.ask_text("a", "?").await;
    for (msg_id, answer, needle) in [
        (&one, json!("maybe"), "yes"),
        (&one, json!(["yes"]), "text"),
        (&many, json!("x"), "array"),
        (&many, json!(["x", "z"]), "one of"),
        (&many, json!([]), "at least"),
        (&form, json!({"count": "three"}), "response_schema"),
        (&form, json!({}), "count"),
        (&free, json!("  "), "empty"),
        (&free, json!(5), "text"),
        (&free, json!("x".repeat((64 << 10) + 1)), "answer_bytes"),
    ] {
        let reply = daemon.api.answer(msg_id, &answer).await;
        let status = reply.status;
        assert!([413, 422].contains(&status), "{answer}: {reply:?}");
        reply.problem(status, &[needle]);
        assert_eq!(daemon.api.question(msg_id).await["status"], "open");
    }
    daemon.api.answer(&one, &json!("no")).await.expect(200);
    daemon.api.answer(&many, &json!(["y", "x"])).await.expect(200);
    daemon.api.answer(&form, &json!({"count": 3})).await.expect(200);
    assert_eq!(daemon.api.question(&form).await["answer"], json!({"count": 3}));
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let daemon = Daemon::start().await;
    for (body, needle) in [
        (json!({"question": "?"}), "agent_id"),
        (json!({"agent_id": "a"}), "question"),
        (json!({"agent_id": "a", "question": " "}), "question"),
        (json!({"agent_id": "a", "question": "?", "options": "yes"}), "options"),
        (json!({"agent_id": "a", "question": "?", "options": [1]}), "options"),
        (json!({"agent_id": "a", "question": "?", "timeout": -1}), "timeout"),
        (json!({"agent_id": "a", "question": "?", "timeout": 1e300}), "timeout"),
        (json!({"agent_id": "a", "question": "?", "expires_at": "soon"}), "expires_at"),
        (json!({"agent_id": "a", "question": "?", "urgency": "very"}), "urgency"),
        (json!({"agent_id": "a", "question": "?", "on_deadline": "guess"}), "on_deadline"),
        (json!({"agent_id": "a", "question": "?", "on_deadline": "default"}), "default"),
        (json!({"agent_id": "a", "question": "?", "response_schema": 5}), "response_schema"),
        (json!({"agent_id": "a", "question": "?", "msg_id": "x\ny"}), "msg_id"),
        (json!({"agent_id": "", "question": "?"}), "agent_id"),
        (json!([]), "object"),
    ] {
        let reply = daemon.api.post("/api/v1/questions", &body).await;
        let status = reply.status;
        assert!([400, 422].contains(&status), "{body}: {reply:?}");
        reply.problem(status, &[needle]);
    }
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
}

#[tokio::test]
async fn questions_are_listed_by_status() {
    let daemon = Daemon::start().await;
    let (open, answered) = (daemon.api.ask_text("a", "One?").await, daemon.api.ask_text("b", "Two?").await);
    daemon.api.answer(&answered, &json!("x")).await.expect(200);
    let list = async |query: &str| {
        let list = daemon.api.get(&format!("/api/v1/questions{query}")).await.expect(200).json();
        rows(list, "questions").iter().map(|record| text(record, "msg_id")).collect::<HashSet<_>>()
    };
    assert_eq!(list("?status=open").await, HashSet::from([open.clone()]));
    assert_eq!(list("?status=answered").await, HashSet::from([answered.clone()]));
    assert_eq!(list("").await, HashSet::from([open, answered]));
    daemon.api.get("/api/v1/questions?status=lost").await.problem(400, &["status"]);
}

#[tokio::test]
async fn asking_the_same_question_again_is_the_same_question() {
    let daemon = Daemon::start().await;
    let asked = json!({"agent_id": "a", "question": "Sure?", "msg_id": "m1"});
    daemon.api.ask(&asked).await;
    let again = daemon.api.post("/api/v1/questions", &asked).await;
    assert!([200, 201].contains(&again.status), "{again:?}");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
    // Two agents may choose the same id; then only the agent's own route tells them apart.
    daemon.api.ask(&json!({"agent_id": "b", "question": "Sure?", "msg_id": "m1"})).await;
    daemon.api.post("/agent/b/respond", &json!({"msg_id": "m1", "answer": "x"})).await.expect(200);
    let open = rows(daemon.api.get("/api/v1/questions?status=open").await.expect(200).json(), "questions");
    assert_eq!(open.iter().map(|record| text(record, "agent_id")).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_person_can_write_to_an_agent() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let sent = daemon.api.post("/api/v1/agents/a/messages", &json!({"content": "look at the tests first"})).await;
    assert!([200, 201, 202].contains(&sent.status), "{sent:?}");
    wait_until("the message is in the inbox", async || {
        let values = daemon.api.get("/api/v1/workspaces/a/kv?prefix=inbox:user_message:").await.expect(200);
        values.body.contains("look at the tests first").then_some(())
    })
    .await;
    assert_eq!(daemon.api.journal("user:messaged").await.len(), 1);
    let empty = daemon.api.post("/api/v1/agents/a/messages", &json!({"content": ""})).await;
    assert!([400, 422].contains(&empty.status), "{empty:?}");
}

#[tokio::test]
async fn a_blocked_event_opens_a_question_and_a_resumed_event_closes_it() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&event("agent", "blocked", "a", &json!({"msg_id": "m1", "question": "Sure?"}))).await;
    daemon.api.question_is("m1", "open").await;
    daemon.api.emit(&event("agent", "resumed", "a", &json!({"msg_id": "m1", "answer": "yes"}))).await;
    let record = daemon.api.question_is("m1", "delivered").await;
    assert_eq!((&record["answer"], &record["answered_by"]["door"]), (&json!("yes"), &json!("external")));
    daemon.api.answer("m1", &json!("no")).await.problem(409, &[]);
}

//! Requests to the daemon, as a program makes them.

use std::time::Duration;

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};

use super::wait_until;

/// One door to the daemon's HTTP side.
#[derive(Clone)]
pub(crate) struct Api {
    base: String,
    token: Option<String>,
    client: Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Api {
    /// A door to `base`, showing no token.
    pub(crate) fn new(base: &str) -> Self {
        // Longer than any long poll, so that a lost reply fails the test instead of hanging it.
        let client = Client::builder().timeout(Duration::from_secs(120)).build().expect("a client");
        Self { base: base.to_owned(), token: None, client }
    }

    /// The same door, showing another token or none.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    pub(super) fn move_to(&mut self, base: &str) {
        base.clone_into(&mut self.base);
    }

    /// A request still to be sent, for what the shorter ways do not offer.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `None`: there was no reply, for instance because the daemon is down.
    pub(crate) async fn try_send(request: reqwest::RequestBuilder) -> Option<Reply> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Reply { status, headers, body: response.text().await.ok()? })
    }

    pub(crate) async fn send(request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.expect("the daemon replies");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.text().await.expect("the whole reply") }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Self::send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        Self::send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        Self::send(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        Self::send(self.request(Method::DELETE, path)).await
    }

    /// A body of any kind.
    pub(crate) async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
        Self::send(self.request(Method::POST, path).header("content-type", content_type).body(body)).await
    }
}

/// What the routes mean, in the words of the tests.
impl Api {
    /// Posts one event or an array of them, which must be taken.
    pub(crate) async fn emit(&self, events: &Value) -> Value {
        self.post("/api/v1/events", events).await.expect(200).json()
    }

    /// An agent that has started.
    pub(crate) async fn start_agent(&self, agent_id: &str) {
        self.emit(&event("agent", "started", agent_id, &json!({"name": agent_id}))).await;
    }

    /// Asks a question over HTTP; the record.
    pub(crate) async fn ask(&self, question: &Value) -> Value {
        self.post("/api/v1/questions", question).await.expect(201).json()
    }

    /// Asks an agent's question in words; its `msg_id`.
    pub(crate) async fn ask_text(&self, agent_id: &str, question: &str) -> String {
        let record = self.ask(&json!({"agent_id": agent_id, "question": question})).await;
        text(&record, "msg_id")
    }

    /// One question's record.
    pub(crate) async fn question(&self, msg_id: &str) -> Value {
        self.get(&format!("/api/v1/questions/{msg_id}")).await.expect(200).json()
    }

    /// Answers a question, whatever comes of it.
    pub(crate) async fn answer(&self, msg_id: &str, answer: &Value) -> Reply {
        self.post(&format!("/api/v1/questions/{msg_id}/answer"), &json!({"answer": answer})).await
    }

    /// Answers every open question with something that fits; their records.
    pub(crate) async fn answer_all(&self) -> Vec<Value> {
        let open = rows(self.get("/api/v1/questions?status=open").await.expect(200).json(), "questions");
        for record in &open {
            let answer = match (&record["options"][0], &record["multiple"]) {
                (Value::Null, _) => json!("go on"),
                (option, Value::Bool(true)) => json!([option]),
                (option, _) => option.clone(),
            };
            // Its own deadline or agent may be faster.
            self.answer(&text(record, "msg_id"), &answer).await;
        }
        open
    }

    /// Waits until a question has a status.
    pub(crate) async fn question_is(&self, msg_id: &str, status: &str) -> Value {
        wait_until(&format!("question {msg_id} is {status}"), async || {
            let reply = self.get(&format!("/api/v1/questions/{msg_id}")).await;
            if reply.status == 404 {
                return None;
            }
            let record = reply.expect(200).json();
            (record["status"] == status).then_some(record)
        })
        .await
    }

    /// The live picture, which follows the journal by a moment.
    pub(crate) async fn state(&self) -> Value {
        self.get("/api/v1/state").await.expect(200).json()
    }

    /// Waits until the live picture satisfies the condition; that picture.
    pub(crate) async fn state_with(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, async || {
            let state = self.state().await;
            condition(&state).then_some(state)
        })
        .await
    }

    /// The live picture once it shows everything up to that position.
    pub(crate) async fn state_at(&self, seq: u64) -> Value {
        self.state_with(&format!("the state has event {seq}"), |state| state["last_seq"].as_u64() >= Some(seq)).await
    }

    /// The journal from the beginning, by pattern.
    pub(crate) async fn journal(&self, pattern: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let path = format!("/api/v1/events?after={after}&limit=1000&pattern={pattern}");
            let page = rows(self.get(&path).await.expect(200).json(), "events");
            let Some(last) = page.last() else { return events };
            after = last["seq"].as_u64().expect("every event has its seq");
            events.extend(page);
        }
    }

    /// Waits until a workspace has a value, and gives it.
    pub(crate) async fn value_of(&self, workspace: &str, key: &str) -> Value {
        wait_until(&format!("{workspace} has {key}"), async || self.value(workspace, key).await).await
    }

    /// A workspace's value; `None` where there is none.
    pub(crate) async fn value(&self, workspace: &str, key: &str) -> Option<Value> {
        let reply = self.get(&format!("/api/v1/workspaces/{workspace}/kv/{key}")).await;
        match reply.status {
            404 => None,
            _ => Some(reply.expect(200).json()),
        }
    }
}

impl Reply {
    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not json: {error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A problem document of this status whose text has each of the needles.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, needles: &[&str]) -> Value {
        let reply = self.expect(status);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{}", reply.body);
        let problem = reply.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(!problem["title"].as_str().unwrap_or_default().is_empty(), "no title: {problem}");
        for needle in needles {
            let found = reply.body.to_lowercase().contains(&needle.to_lowercase());
            assert!(found, "the problem does not say {needle:?}: {problem}");
        }
        problem
    }
}

/// An event as an agent sends it.
pub(crate) fn event(category: &str, action: &str, agent_id: &str, payload: &Value) -> Value {
    json!({"category": category, "action": action, "agent_id": agent_id, "payload": payload})
}

/// A text field that must be there.
#[track_caller]
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}")).to_owned()
}

/// The rows of a list that is sent bare or under a name.
#[track_caller]
pub(crate) fn rows(list: Value, name: &str) -> Vec<Value> {
    match list {
        Value::Array(rows) => rows,
        Value::Object(mut object) => match object.remove(name) {
            Some(Value::Array(rows)) => rows,
            other => panic!("no list `{name}`: {other:?}"),
        },
        other => panic!("not a list: {other}"),
    }
}

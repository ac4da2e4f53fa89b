//! An agent in Rust, over plain HTTP: migrates a table, and asks before it does.
//!
//! ```text
//! remora serve
//! cargo run --example agent
//! ```
//!
//! then answer its questions at `http://127.0.0.1:8000/`.

use std::{cell::Cell, env, error::Error, process::ExitCode, time::Duration};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Attempts of a call while the daemon restarts, two a second.
const ATTEMPTS: u32 = 120;

/// One agent's line to the daemon.
struct Agent {
    http: Client,
    api: String,
    id: String,
    token: Option<String>,
    /// The daemon has answered once: from then on it is away rather than absent.
    met: Cell<bool>,
}

impl Agent {
    fn new(url: &str, id: String, token: Option<String>) -> Self {
        let api = format!("{}/api/v1", url.trim_end_matches('/'));
        Self { http: Client::new(), api, id, token, met: Cell::new(false) }
    }

    /// Records an event such as `tool`, `called`. The id makes it safe to send again.
    async fn emit(&self, category: &str, action: &str, payload: Value) -> Outcome<()> {
        let id = Uuid::now_v7().to_string();
        let event = json!({"id": id, "category": category, "action": action, "agent_id": self.id, "payload": payload});
        self.call(|| self.http.post(format!("{}/events", self.api)).json(&event)).await?;
        Ok(())
    }

    /// Asks a person and waits for the answer; `None`: nobody answered in time.
    async fn ask(&self, question: &str, options: &[&str], timeout: Duration) -> Outcome<Option<String>> {
        // Made here, so that asking again after a broken connection asks once.
        let msg_id = Uuid::now_v7().to_string();
        let asked = json!({"msg_id": msg_id, "agent_id": self.id, "question": question, "options": options,
            "timeout": timeout.as_secs()});
        self.call(|| self.http.post(format!("{}/questions", self.api)).json(&asked)).await?;
        loop {
            let record = self.call(|| self.http.get(format!("{}/questions/{msg_id}?wait=30", self.api))).await?;
            match record["status"].as_str() {
                Some("open") => {}
                Some("answered" | "delivered") => return Ok(record["answer"].as_str().map(str::to_owned)),
                Some("expired") => return Ok(None),
                status => return Err(format!("the question was closed: {status:?}").into()),
            }
        }
    }

    /// Calls until the daemon answers. Every call made here may safely arrive twice.
    async fn call(&self, request: impl Fn() -> RequestBuilder) -> Outcome<Value> {
        let mut attempt = 1;
        loop {
            let mut request = request();
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let last = attempt == ATTEMPTS;
            match request.send().await {
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE && !last => {}
                Ok(response) if response.status().is_success() => {
                    self.met.set(true);
                    return Ok(response.json().await?);
                }
                Ok(response) => return Err(response.text().await?.into()),
                Err(_) if self.met.get() && !last => {}
                Err(error) => {
                    let url = self.api.trim_end_matches("/api/v1");
                    return Err(format!("no daemon at {url} ({error}); start one with: remora serve").into());
                }
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The job: everything is ready; the step that cannot be undone is a person's to allow.
async fn migrate(agent: &Agent) -> Outcome<()> {
    agent.emit("agent", "started", json!({"name": "Table migration"})).await?;
    for step in ["copy the rows", "compare the sums"] {
        agent.emit("tool", "called", json!({"name": step})).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        agent.emit("tool", "completed", json!({"name": step})).await?;
    }
    let minutes = Duration::from_secs(300);
    let choice = agent.ask("The copy is complete. Drop the old table?", &["drop", "keep"], minutes).await?;
    println!("choice: {}", choice.as_deref().unwrap_or("none, so the table is kept"));
    let mut result = "migrated; the old table is kept".to_owned();
    if choice.as_deref() == Some("drop") {
        let reason = agent.ask("Who has to know?", &[], minutes).await?.unwrap_or_else(|| "nobody".to_owned());
        println!("to be told: {reason}");
        result = format!("migrated; the old table is dropped; to be told: {reason}");
    }
    agent.emit("agent", "completed", json!({"result": result})).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let variable = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let url = variable("REMORA_URL", "http://127.0.0.1:8000");
    let agent = Agent::new(&url, variable("REMORA_AGENT_ID", "migration-1"), env::var("REMORA_TOKEN").ok());
    match migrate(&agent).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", agent.id);
            ExitCode::FAILURE
        }
    }
}

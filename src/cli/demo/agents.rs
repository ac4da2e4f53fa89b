//! The demo's agents: they start, use tools, ask, go on when they are answered, finish or fail. Then again.

use std::{sync::Arc, time::Duration};

use remora_actors::model::{QuestionRecord, Status};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cli::{
    Connection,
    client::{Client, PATIENCE, Scope},
    error::Error,
};

/// How long a step of work seems to take: slow enough to watch, quick enough not to bore.
const STEP: Duration = Duration::from_millis(700);
/// Pause between two rounds.
const BREAK: Duration = Duration::from_secs(8);

/// Rounds of work, one after the other, until the daemon stops.
pub(super) async fn work(connection: Connection) {
    let Ok(client) = Client::new(&connection, Scope::Agent) else { return };
    let client = Arc::new(client);
    for round in 1.. {
        let agent = |name: &'static str| Agent {
            client: Arc::clone(&client),
            name,
            id: format!("{name}-{round}"),
            graph_id: format!("release-{round}"),
        };
        let mut agents = JoinSet::new();
        agents.spawn(lint(agent("lint")));
        agents.spawn(document(agent("document")));
        agents.spawn(name_release(agent("name-release")));
        agents.spawn(migrate(agent("migrate")));
        agents.spawn(deploy(agent("deploy")));
        let outcomes = agents.join_all().await;
        if let Some(error) = outcomes.into_iter().find_map(Result::err) {
            tracing::debug!(%error, "demo ends");
            return;
        }
        tokio::time::sleep(BREAK).await;
    }
}

async fn lint(agent: Agent) -> Result<(), Error> {
    agent.emit("agent", "started", json!({"name": "Linter"})).await?;
    for file in ["exporter.py", "loader.py", "pricing.py"] {
        agent.use_tool("run_linter", json!({"file": file})).await?;
    }
    agent.emit("agent", "completed", json!({"result": "3 files checked, 2 warnings mended, none left."})).await
}

async fn document(agent: Agent) -> Result<(), Error> {
    agent.emit("agent", "started", json!({"name": "Docstring writer"})).await?;
    agent.use_tool("read_file", json!({"path": "src/exporter.py"})).await?;
    let question = json!({
        "question": "Which docstring style does this project use?",
        "options": ["google", "numpy", "sphinx"],
        "context": "14 public functions in src/exporter.py have no docstring.",
    });
    let Some(style) = agent.ask(question).await? else { return Ok(()) };
    agent.use_tool("write_file", json!({"path": "src/exporter.py", "style": style})).await?;
    agent.emit("agent", "completed", json!({"result": format!("14 docstrings written in {style} style.")})).await
}

async fn name_release(agent: Agent) -> Result<(), Error> {
    agent.emit("agent", "started", json!({"name": "Release notes"})).await?;
    agent.use_tool("git_log", json!({"since": "v1.4.0"})).await?;
    agent.emit("agent", "progress", json!({"message": "37 commits summarised"})).await?;
    let question = json!({"question": "What shall this release be called?", "timeout": 900});
    let Some(name) = agent.ask(question).await? else { return Ok(()) };
    agent.emit("agent", "completed", json!({"result": format!("Release notes for “{name}” are ready.")})).await
}

async fn migrate(agent: Agent) -> Result<(), Error> {
    agent.emit("agent", "started", json!({"name": "Migration check"})).await?;
    agent.use_tool("run_migrations", json!({"database": "staging"})).await?;
    agent.emit("agent", "failed", json!({"error": "migration 0042 needs a column that staging does not have"})).await
}

async fn deploy(agent: Agent) -> Result<(), Error> {
    agent.emit("agent", "started", json!({"name": "Deployer"})).await?;
    agent.use_tool("build_image", json!({"tag": "1.5.0"})).await?;
    let question = json!({
        "question": "Deploy 1.5.0 to production?",
        "options": ["approve", "reject"],
        "reason": "confirmation",
        "urgency": "high",
        "context": {"image": "shop:1.5.0", "replicas": 6, "last_deploy": "9 days ago"},
        "timeout": 600,
        "on_deadline": "deny",
    });
    let Some(answer) = agent.ask(question).await? else { return Ok(()) };
    if answer != "approve" {
        return agent.emit("agent", "cancelled", json!({"reason": "the deployment was not approved"})).await;
    }
    agent.use_tool("deploy", json!({"tag": "1.5.0"})).await?;
    agent.emit("agent", "completed", json!({"result": "1.5.0 runs in production, 6 of 6 replicas are healthy."})).await
}

/// One agent of a round.
struct Agent {
    client: Arc<Client>,
    name: &'static str,
    id: String,
    graph_id: String,
}

impl Agent {
    async fn emit(&self, category: &str, action: &str, payload: Value) -> Result<(), Error> {
        let event = json!({
            "id": Uuid::now_v7().to_string(),
            "category": category,
            "action": action,
            "agent_id": self.id,
            "graph_id": self.graph_id,
            "node_id": self.name,
            "payload": payload,
        });
        let call = self.client.call(Method::POST, &["events"])?.body(&event);
        self.client.json_patiently::<Value>(&call, Some(PATIENCE)).await?;
        tokio::time::sleep(STEP).await;
        Ok(())
    }

    async fn use_tool(&self, tool: &str, arguments: Value) -> Result<(), Error> {
        self.emit("tool", "called", json!({"tool_name": tool, "arguments": arguments})).await?;
        self.emit("tool", "completed", json!({"tool_name": tool})).await
    }

    /// Asks and waits. `None`: the question was closed without an answer.
    async fn ask(&self, mut question: Value) -> Result<Option<String>, Error> {
        let msg_id = Uuid::now_v7().to_string();
        question["msg_id"] = json!(msg_id);
        question["agent_id"] = json!(self.id);
        let ask = self.client.call(Method::POST, &["questions"])?.body(&question);
        self.client.json_patiently::<Value>(&ask, Some(PATIENCE)).await?;
        let wait = self.client.call(Method::GET, &["questions", &msg_id])?.query("wait", "30");
        loop {
            let record: QuestionRecord = self.client.json_patiently(&wait, Some(PATIENCE)).await?;
            match (record.status, record.answer) {
                (Status::Open, _) => {}
                (_, Some(answer)) => return Ok(answer.answer.as_str().map(str::to_owned)),
                (status, None) => {
                    let payload = json!({"reason": format!("its question was {}", status.as_str())});
                    self.emit("agent", "cancelled", payload).await?;
                    return Ok(None);
                }
            }
        }
    }
}

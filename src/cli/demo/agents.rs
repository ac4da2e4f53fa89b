//! The demo's agents: they start, use tools, ask, go on when they are answered, finish or fail. Then again.

use std::{sync::Arc, time::Duration};

use remora_actors::model::{QuestionRecord, Status};
use reqwest::Method;
use serde_json::{Value, json};
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

/// The agents of a round: their names, what they are called, and whose work each needs before it begins.
const PLAN: [(&str, &str, &[&str]); 7] = [
    ("checkout", "Checkout", &[]),
    ("lint", "Linter", &["checkout"]),
    ("document", "Docstring writer", &["checkout"]),
    ("name-release", "Release notes", &["checkout"]),
    ("migrate", "Migration check", &["checkout"]),
    ("deploy", "Deployer", &["lint"]),
    ("publish", "Publisher", &["deploy", "name-release"]),
];

/// Rounds of work, one after the other, until the daemon stops.
pub(super) async fn work(connection: Connection) {
    let Ok(client) = Client::new(&connection, Scope::Agent) else { return };
    let client = Arc::new(client);
    for round in 1.. {
        if let Err(error) = release(&client, round).await {
            tracing::debug!(%error, "demo ends");
            return;
        }
        tokio::time::sleep(BREAK).await;
    }
}

/// One round: a graph whose nodes are the agents of the plan.
async fn release(client: &Arc<Client>, round: u32) -> Result<(), Error> {
    let agent = |name: &'static str| Agent {
        client: Arc::clone(client),
        name,
        id: format!("{name}-{round}"),
        graph_id: format!("release-{round}"),
    };
    let nodes = PLAN.map(|(name, title, after)| json!({"node_id": name, "name": title, "depends_on": after}));
    agent("checkout").tell_graph("started", json!({"name": format!("Release {round}"), "nodes": nodes})).await?;
    check_out(agent("checkout")).await?;
    let deployment = async {
        lint(agent("lint")).await?;
        deploy(agent("deploy")).await
    };
    let (deployed, _, named, _) = tokio::try_join!(
        deployment,
        document(agent("document")),
        name_release(agent("name-release")),
        migrate(agent("migrate")),
    )?;
    if deployed && named {
        publish(agent("publish")).await?;
    }
    agent("checkout").tell_graph("completed", json!({})).await
}

async fn check_out(agent: Agent) -> Result<(), Error> {
    agent.start().await?;
    agent.emit("agent", "completed", json!({"result": "shop at 4f1c2d7, 212 files"})).await
}

async fn lint(agent: Agent) -> Result<(), Error> {
    agent.start().await?;
    for file in ["exporter.py", "loader.py", "pricing.py"] {
        agent.use_tool("run_linter", json!({"file": file})).await?;
    }
    agent.emit("agent", "completed", json!({"result": "3 files checked, 2 warnings mended, none left."})).await
}

async fn publish(agent: Agent) -> Result<(), Error> {
    agent.start().await?;
    agent.use_tool("publish_notes", json!({"channel": "stable"})).await?;
    agent.emit("agent", "completed", json!({"result": "The release is announced."})).await
}

async fn document(agent: Agent) -> Result<(), Error> {
    agent.start().await?;
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

/// True: the notes are ready.
async fn name_release(agent: Agent) -> Result<bool, Error> {
    agent.start().await?;
    agent.use_tool("git_log", json!({"since": "v1.4.0"})).await?;
    agent.emit("agent", "progress", json!({"message": "37 commits summarised"})).await?;
    let question = json!({"question": "What shall this release be called?", "timeout": 900});
    let Some(name) = agent.ask(question).await? else { return Ok(false) };
    agent.emit("agent", "completed", json!({"result": format!("Release notes for “{name}” are ready.")})).await?;
    Ok(true)
}

async fn migrate(agent: Agent) -> Result<(), Error> {
    agent.start().await?;
    agent.use_tool("run_migrations", json!({"database": "staging"})).await?;
    agent.emit("agent", "failed", json!({"error": "migration 0042 needs a column that staging does not have"})).await
}

/// True: it is deployed.
async fn deploy(agent: Agent) -> Result<bool, Error> {
    agent.start().await?;
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
    let Some(answer) = agent.ask(question).await? else { return Ok(false) };
    if answer != "approve" {
        agent.emit("agent", "cancelled", json!({"reason": "the deployment was not approved"})).await?;
        return Ok(false);
    }
    agent.use_tool("deploy", json!({"tag": "1.5.0"})).await?;
    agent
        .emit("agent", "completed", json!({"result": "1.5.0 runs in production, 6 of 6 replicas are healthy."}))
        .await?;
    Ok(true)
}

/// One agent of a round.
struct Agent {
    client: Arc<Client>,
    name: &'static str,
    id: String,
    graph_id: String,
}

impl Agent {
    /// Says what it is called, and whose work it needed.
    async fn start(&self) -> Result<(), Error> {
        let planned = PLAN.into_iter().find(|(name, _, _)| *name == self.name);
        let (_, title, after) = planned.unwrap_or((self.name, self.name, &[]));
        self.emit("agent", "started", json!({"name": title, "depends_on": after})).await
    }

    /// Says something of the graph as a whole.
    async fn tell_graph(&self, action: &str, payload: Value) -> Result<(), Error> {
        self.send(json!({"category": "graph", "action": action, "graph_id": self.graph_id, "payload": payload})).await
    }

    async fn emit(&self, category: &str, action: &str, payload: Value) -> Result<(), Error> {
        self.send(json!({
            "category": category,
            "action": action,
            "agent_id": self.id,
            "graph_id": self.graph_id,
            "node_id": self.name,
            "payload": payload,
        }))
        .await?;
        tokio::time::sleep(STEP).await;
        Ok(())
    }

    async fn send(&self, mut event: Value) -> Result<(), Error> {
        event["id"] = json!(Uuid::now_v7().to_string());
        let call = self.client.call(Method::POST, &["events"])?.body(&event);
        self.client.json_patiently::<Value>(&call, Some(PATIENCE)).await?;
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

//! Everything that a daemon does, in steps that together pass every kind of message of every actor. Each step insists
//! until it is served: an actor may die over any of it.

use std::{fs, path::PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::point;
use crate::support::{
    Api, Daemon, Process, Reply, Stream,
    disk::{WITH_WRITE_ERRORS, limit_files},
    fixture,
    http::event,
    wait_until,
};

/// How many steps there are.
pub(super) const STEPS: usize = 10;
/// Streams that one browser may have.
const STREAMS: usize = 2;

/// A daemon and an agent with a workspace file.
pub(super) struct World {
    pub(super) daemon: Daemon,
    root: TempDir,
    file: PathBuf,
    /// Keeps the ids of the rounds apart.
    round: usize,
}

/// Sends until there is a reply that is not "busy".
async fn insist(api: &Api, method: Method, path: &str, body: &Value) -> Reply {
    wait_until(&format!("{path} is served"), async || {
        Api::try_send(api.request(method.clone(), path).json(body)).await.filter(|reply| reply.status != 503)
    })
    .await
}

impl World {
    pub(super) async fn start() -> Self {
        let root = TempDir::new().unwrap();
        let file = root.path().join("agent.db");
        let streams = format!("sessions_per_browser={STREAMS}");
        // Nobody listens there: each notice is tried in vain and given up.
        let config = root.path().join("remora.toml");
        fs::write(&config, "[[notify]]\nkind = \"json\"\nurl = \"http://127.0.0.1:1/\"\n").unwrap();
        let daemon = Daemon::setup()
            .under(WITH_WRITE_ERRORS)
            .args(["--workspace-root", root.path().to_str().unwrap(), "--limit", &streams])
            .args(["--config", config.to_str().unwrap(), "--notify-tries", "2", "--notify-pause-ms", "10"])
            .args(["--stalled-after-s", "1", "--snapshot-events", "20"])
            .start()
            .await;
        let world = Self { daemon, root, file, round: 0 };
        world.python(&["keys", ""]).await;
        world.put("/api/v1/workspaces/filer", &json!({"agent_id": "filer", "path": world.file})).await;
        world
    }

    fn api(&self) -> &Api {
        &self.daemon.api
    }

    async fn get(&self, path: &str) -> Reply {
        insist(self.api(), Method::GET, path, &Value::Null).await.expect(200)
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        insist(self.api(), Method::POST, path, body).await
    }

    async fn put(&self, path: &str, body: &Value) {
        let reply = insist(self.api(), Method::PUT, path, body).await;
        assert!(reply.status < 300, "{reply:?}");
    }

    async fn python(&self, args: &[&str]) -> String {
        let args = [&[self.file.to_str().unwrap()], args].concat();
        Process::python(&fixture("workspace.py"), &args).wait().await.expect(0).stdout
    }

    async fn journal_has(&self, pattern: &str, field: &str, value: &str) {
        wait_until(&format!("the journal has {pattern} of {value}"), async || {
            let found = self.get(&format!("/api/v1/events?limit=10000&pattern={pattern}")).await.json();
            let events = found["events"].as_array().unwrap();
            events.iter().any(|event| event["payload"][field] == value).then_some(())
        })
        .await;
    }

    pub(super) async fn ready(&self) {
        wait_until("every actor answers", async || {
            Api::try_send(self.api().request(Method::GET, "/readyz")).await.filter(|reply| reply.status == 200)
        })
        .await;
    }

    /// The next step; they come round and round.
    pub(super) async fn step(&mut self, step: usize) {
        self.round += 1;
        let id = format!("r{}", self.round);
        match step % STEPS {
            0 => self.events(&id).await,
            1 => self.question(&id).await,
            2 => self.withdrawal(&id).await,
            3 => self.deadline(&id).await,
            4 => self.questions_in_the_file(&id).await,
            5 => self.message(&id).await,
            6 => self.registration(&id).await,
            7 => self.pages(&id).await,
            8 => self.locked_file(&id).await,
            _ => self.write_errors(&id).await,
        }
    }

    /// Everything once: nothing is left of whatever has happened.
    pub(super) async fn all_steps(&mut self) {
        for step in 0..STEPS {
            self.step(step).await;
        }
    }

    async fn events(&self, id: &str) {
        let mut started = event("agent", "started", id, &json!({"name": id}));
        started["id"] = json!(format!("started-{id}"));
        self.post("/api/v1/events", &started).await.expect(200);
        wait_until("the picture has it", async || {
            let state = self.get("/api/v1/state").await.json();
            state["agentStates"][id].is_object().then_some(())
        })
        .await;
        let path = format!("/api/v1/agents/{id}");
        wait_until("the agent can be read", async || {
            let reply = insist(self.api(), Method::GET, &path, &Value::Null).await;
            (reply.status == 200).then(|| assert_eq!(reply.json()["name"], id))
        })
        .await;
    }

    async fn ask(&self, id: &str, more: &Value) {
        let mut question = json!({"agent_id": format!("agent-{id}"), "msg_id": id, "question": "Go on?"});
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = self.post("/api/v1/questions", &question).await;
        assert!([200, 201].contains(&reply.status), "{reply:?}");
    }

    /// The answer, unless an earlier attempt was taken and nobody heard of it.
    async fn answer(&self, id: &str) {
        let reply = self.post(&format!("/api/v1/questions/{id}/answer"), &json!({"answer": "yes"})).await;
        assert!([200, 409].contains(&reply.status), "{reply:?}");
    }

    async fn question(&self, id: &str) {
        self.ask(id, &json!({})).await;
        self.get("/api/v1/questions?status=open").await;
        let path = format!("/api/v1/questions/{id}?wait=20");
        let waits = async || point(&self.daemon, "inbox-coordinator", "Wait", "passed").await;
        let before = waits().await;
        let answer = async {
            wait_until("somebody waits", async || (waits().await > before).then_some(())).await;
            self.answer(id).await;
        };
        let (waited, ()) = tokio::join!(self.get(&path), answer);
        // The wait itself may have been cut short by a death.
        let delivered = if waited.json()["status"] == "open" { self.get(&path).await } else { waited };
        assert_eq!(delivered.json()["answer"], "yes");
        self.journal_has("agent:answer_written", "msg_id", id).await;
    }

    async fn withdrawal(&self, id: &str) {
        self.ask(id, &json!({})).await;
        // There is no answer to take back.
        let undone = insist(self.api(), Method::DELETE, &format!("/api/v1/questions/{id}/answer"), &Value::Null).await;
        assert!((400..500).contains(&undone.status), "{undone:?}");
        insist(self.api(), Method::DELETE, &format!("/api/v1/questions/{id}"), &Value::Null).await.expect(200);
        let decide = || self.api().request(Method::POST, "/notices/unknown").body("fate=dismiss");
        wait_until("somebody decides on a notice", async || {
            Api::try_send(decide()).await.filter(|reply| (400..500).contains(&reply.status))
        })
        .await;
    }

    async fn deadline(&self, id: &str) {
        self.ask(id, &json!({"timeout": 0.2})).await;
        self.journal_has("agent:question_expired", "msg_id", id).await;
    }

    /// One is answered here, one by somebody else, one is given up by its agent, one by a person.
    async fn questions_in_the_file(&self, id: &str) {
        let entry = |status: &str| json!({"question": "Go on?", "status": status}).to_string();
        let [here, there, nowhere, dropped] = ["here", "there", "nowhere", "dropped"].map(|end| format!("{id}-{end}"));
        for msg_id in [&here, &there, &nowhere, &dropped] {
            self.python(&["put", &format!("outbox:question:{msg_id}"), &entry("pending")]).await;
            self.journal_has("agent:blocked", "msg_id", msg_id).await;
        }
        self.answer(&here).await;
        insist(self.api(), Method::DELETE, &format!("/api/v1/questions/{dropped}"), &Value::Null).await.expect(200);
        wait_until("its agent hears that nobody will answer", async || {
            let entry = self.python(&["get", &format!("outbox:question:{dropped}")]).await;
            entry.contains("cancelled").then_some(())
        })
        .await;
        self.python(&["put", &format!("inbox:response:{there}"), &json!({"answer": "no"}).to_string()]).await;
        self.python(&["put", &format!("outbox:question:{nowhere}"), &entry("timeout")]).await;
        self.journal_has("agent:answer_written", "msg_id", &here).await;
        self.journal_has("agent:resumed", "msg_id", &there).await;
        self.journal_has("agent:question_expired", "msg_id", &nowhere).await;
        assert!(self.python(&["get", &format!("inbox:response:{here}")]).await.contains("yes"));
        self.python(&["put", &format!("outbox:question:{here}"), &entry("answered")]).await;
        self.journal_has("agent:answer_delivered", "msg_id", &here).await;
    }

    async fn message(&self, id: &str) {
        self.post("/api/v1/agents/filer/messages", &json!({"content": format!("message {id}")})).await.expect(201);
        let mut received = String::new();
        wait_until("the agent has the message", async || {
            received += &self.python(&["drain"]).await;
            received.contains(id).then_some(())
        })
        .await;
        assert_eq!(received.lines().count(), 1, "the message came once: {received}");
        wait_until("the message is known as taken", async || {
            let sent = self.get("/api/v1/agents/filer/messages").await.json();
            let sent = sent["messages"].as_array().unwrap();
            sent.iter().all(|message| message["delivered_at"].is_string()).then_some(())
        })
        .await;
    }

    async fn registration(&self, id: &str) {
        let path = format!("/api/v1/workspaces/{id}");
        self.put(&path, &json!({"agent_id": id, "path": self.root.path().join(format!("{id}.db"))})).await;
        self.get("/api/v1/workspaces").await;
        let reply = insist(self.api(), Method::DELETE, &path, &Value::Null).await;
        assert!([200, 204, 404].contains(&reply.status), "{reply:?}");
    }

    /// The dashboard, a page beside it, and more streams than one browser may have.
    async fn pages(&self, id: &str) {
        for path in ["/", "/at/1", "/api/v1/graphs"] {
            self.get(path).await;
        }
        let open = async |path: &str| {
            wait_until(&format!("{path} streams"), async || {
                let request = self.api().request(Method::GET, path).header("cookie", "remora_browser=one");
                request.send().await.ok().filter(|response| response.status() == 200)
            })
            .await
        };
        self.events(id).await;
        let mut streams = Vec::new();
        for path in ["/events", "/events?of=%2Fprojector", "/events", "/events?of=%2Fprojector"] {
            let mut response = open(path).await;
            let _ = response.chunk().await;
            streams.push(response);
        }
        let changed = format!("{id}-changed");
        let mut page = Stream::open(self.api(), "/events?of=%2Fprojector").await;
        page.next().await;
        let draws = async || point(&self.daemon, "view-watcher", "Draw", "passed").await;
        let before = draws().await;
        self.events(&changed).await;
        // Until the page was drawn anew, or its stream ended with whoever died.
        while draws().await == before && page.next().await.is_some() {}
        self.ready().await;
    }

    async fn locked_file(&self, id: &str) {
        let file = self.root.path().join(format!("{id}.db"));
        let mut locked = Process::python(&fixture("workspace.py"), &[file.to_str().unwrap(), "hold"]);
        locked.line_with("locked").await;
        self.put(&format!("/api/v1/workspaces/{id}"), &json!({"agent_id": id, "path": file})).await;
        self.journal_has("agent:workspace_trouble", "workspace_id", id).await;
        locked.wait().await.expect(0);
        self.journal_has("agent:workspace_recovered", "workspace_id", id).await;
    }

    /// For a while nothing can be stored, and meanwhile an agent asks over its file.
    async fn write_errors(&self, id: &str) {
        limit_files(self.daemon.pid(), Some(1));
        let refused = Api::try_send(self.api().request(Method::POST, "/api/v1/events").json(&event(
            "tool",
            "called",
            id,
            &json!({}),
        )));
        let refused = refused.await.expect("a reply");
        assert_eq!(refused.status, 503, "{refused:?}");
        let entry = json!({"question": "Go on?", "status": "pending"}).to_string();
        self.python(&["put", &format!("outbox:question:{id}"), &entry]).await;
        let flushes = async || point(&self.daemon, "inbox-coordinator", "Flush", "passed").await;
        let before = flushes().await;
        wait_until("the question waits for the journal", async || (flushes().await > before).then_some(())).await;
        limit_files(self.daemon.pid(), None);
        self.ready().await;
        self.journal_has("agent:blocked", "msg_id", id).await;
        self.answer(id).await;
        self.journal_has("agent:answer_written", "msg_id", id).await;
    }
}

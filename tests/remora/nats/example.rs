//! The example does what it says, on a server with the configuration that stands beside it.

use std::fs;

use crate::support::{DEADLINE, Daemon, NatsServer, Packages, Process, http::text, repository, wait_until};
use serde_json::json;

static NATS: Packages = Packages::new(&["nats-py==2.16.0"]);

const DAEMONS: &str = "a-password-of-daemons";
const AGENTS: &str = "a-password-of-agents";

/// The example's server, with passwords, and elsewhere than the example says.
async fn server() -> NatsServer {
    NatsServer::with(|folder| {
        let config = fs::read_to_string(repository().join("examples/nats/server.conf")).unwrap();
        assert!(!config.contains("$REMORA_"), "a daemon with the same environment takes it for a setting");
        let config = config.replace("listen: 127.0.0.1:4222", "");
        let config = config.replace("./jetstream", &folder.join("jetstream").display().to_string());
        config.replace("$DAEMONS_PASSWORD", DAEMONS).replace("$AGENT_PASSWORD", AGENTS)
    })
    .await
}

async fn daemon(server: &NatsServer) -> Daemon {
    let folder = tempfile::tempdir().unwrap().keep();
    let file = folder.join("password");
    super::login::write_private(&file, DAEMONS);
    let file = file.display().to_string();
    let daemon = super::on(server).args(["--bus-user", "remora", "--bus-password-file", &file]).start().await;
    fs::remove_dir_all(folder).unwrap();
    daemon
}

#[tokio::test]
async fn the_example_asks_and_goes_on_with_the_answers() {
    let server = server().await;
    let daemon = daemon(&server).await;
    let mut example = NATS.python();
    example.arg(repository().join("examples/nats/agent.py")).args(["--bus", &server.url(), "--user", "release-1"]);
    example.env("NATS_PASSWORD", AGENTS);
    let mut example = Process::spawn(example);
    daemon.api.post("/api/v1/agents/release-1/messages", &json!({"content": "mind the tone"})).await;
    wait_until("the example ends", async || {
        daemon.api.answer_all().await;
        (!example.is_running()).then_some(())
    })
    .await;
    let ran = example.wait().await.expect(0);
    assert!(ran.stdout.contains("decision: publish") && ran.stdout.contains("message: mind the tone"), "{ran:?}");
    let state = daemon.api.state_with("its result is shown", |state| state["results"][0].is_object()).await;
    assert!(text(&state["results"][0], "content").contains("publish – go on"), "{state}");
    assert_eq!(daemon.api.journal("tool:*").await.len(), 6);
}

#[tokio::test]
async fn its_server_lets_an_agent_speak_only_for_itself_and_never_for_a_person() {
    let server = server().await;
    let daemon = daemon(&server).await;
    let (refused, mut refusals) = tokio::sync::mpsc::channel(1);
    let options = async_nats::ConnectOptions::with_user_and_password("release-1".to_owned(), AGENTS.to_owned());
    let options = options.event_callback(move |event| {
        let refused = refused.clone();
        async move {
            if let async_nats::Event::ServerError(error) = event {
                refused.send(error.to_string()).await.unwrap();
            }
        }
    });
    let client = server.client_with(options).await;
    for subject in [
        "remora.journal.agent.resumed",
        "remora.events.release-2.agent.started",
        "remora.ask",
        "remora.ask.release-2",
        "remora.messages.release-2",
        "$KV.remora-workspaces.=01claims.m",
        "$KV.remora-workspaces.release-2.inbox.response.m",
        "$JS.API.STREAM.PURGE.remora-events",
        "$JS.API.STREAM.DELETE.remora-inbox",
    ] {
        client.publish(subject, "{}".into()).await.unwrap();
        let refusal = tokio::time::timeout(DEADLINE, refusals.recv()).await.expect("it is refused").unwrap();
        assert!(refusal.to_lowercase().contains(&format!("publish to \"{}\"", subject.to_lowercase())), "{refusal}");
    }
    client.publish("remora.events.release-1.agent.started", "{}".into()).await.unwrap();
    client.flush().await.unwrap();
    let journal = wait_until("its own event is there", async || {
        let journal = daemon.api.journal("*").await;
        (!journal.is_empty()).then_some(journal)
    })
    .await;
    assert_eq!((journal.len(), text(&journal[0], "action").as_str()), (1, "started"));
}

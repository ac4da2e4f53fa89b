//! A person writes to an agent that did not ask, from the command line, and sees what became of it.

use serde_json::{Value, json};

use crate::support::{
    Daemon,
    http::{rows, text},
    wait_until,
};

async fn state_of(daemon: &Daemon, agent: &str, state: &str) -> Value {
    wait_until(&format!("the message is {state}"), async || {
        let reply = daemon.api.get(&format!("/api/v1/agents/{agent}/messages")).await.expect(200);
        rows(reply.json(), "messages").into_iter().find(|message| message["state"] == state)
    })
    .await
}

async fn all_are(daemon: &Daemon, agent: &str, state: &str, count: usize) {
    wait_until(&format!("all {count} messages are {state}"), async || {
        let reply = daemon.api.get(&format!("/api/v1/agents/{agent}/messages")).await.expect(200);
        let messages = rows(reply.json(), "messages");
        (messages.len() == count && messages.iter().all(|message| message["state"] == state)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_is_printed_once_and_shown_as_delivered() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    assert!(
        daemon
            .remora(["message", "a", "mind the changelog", "--who", "alice"])
            .wait()
            .await
            .expect(0)
            .stdout
            .contains("sent to a")
    );
    let written = state_of(&daemon, "a", "written").await;
    assert_eq!(
        (&written["content"], &written["sent_by"]),
        (&json!("mind the changelog"), &json!({"who": "alice", "door": "cli"}))
    );
    daemon.remora(["message", "a", "and\nthe tests"]).wait().await.expect(0);
    wait_until("both are there", async || {
        let reply = daemon.api.get("/api/v1/workspaces/a/kv?prefix=inbox:user_message:").await.expect(200);
        (rows(reply.json(), "entries").len() == 2).then_some(())
    })
    .await;

    assert_eq!(
        daemon.remora(["messages", "--agent", "a"]).wait().await.expect(0).stdout,
        "mind the changelog\nand\nthe tests\n"
    );
    assert_eq!(daemon.remora(["messages", "--agent", "a"]).wait().await.expect(0).stdout, "");
    let delivered = state_of(&daemon, "a", "delivered").await;
    assert!(delivered["delivered_at"].is_string(), "{delivered}");
    wait_until("the list shows it", async || {
        let list = daemon.remora(["message", "a"]).wait().await.expect(0).stdout;
        (list.matches("delivered").count() == 2 && list.contains("alice")).then_some(())
    })
    .await;
    let page = daemon.api.get("/agents/a").await.expect(200).body;
    assert!(page.contains("picked up") && !page.contains("not picked up"), "{page}");
}

#[tokio::test]
async fn two_readers_do_not_print_the_same_message() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    for number in 0..20 {
        daemon.api.post("/api/v1/agents/a/messages", &json!({"content": number.to_string()})).await.expect(201);
    }
    wait_until("all are there", async || {
        let reply = daemon.api.get("/api/v1/workspaces/a/kv?prefix=inbox:user_message:").await.expect(200);
        (rows(reply.json(), "entries").len() == 20).then_some(())
    })
    .await;
    let readers = [0, 1].map(|_| daemon.remora(["messages", "--agent", "a", "--json"]));
    let mut read = Vec::new();
    for reader in readers {
        let stdout = reader.wait().await.expect(0).stdout;
        read.extend(
            stdout.lines().map(|line| text(&serde_json::from_str(line).unwrap(), "content").parse::<u32>().unwrap()),
        );
    }
    read.sort_unstable();
    assert_eq!(read, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_script_finds_its_messages_in_the_workspace_that_its_agent_has_registered() {
    let daemon = Daemon::start().await;
    daemon.api.put("/api/v1/workspaces/w1", &json!({"agent_id": "a"})).await.expect(200);
    daemon.remora(["message", "a", "mind the changelog"]).wait().await.expect(0);
    let inbox = "/api/v1/workspaces/w1/kv?prefix=inbox:user_message:";
    wait_until("the message is written", async || {
        let reply = daemon.api.get(inbox).await.expect(200);
        (reply.json()["entries"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    assert_eq!(daemon.remora(["messages", "--agent", "a"]).wait().await.expect(0).stdout, "mind the changelog\n");
}

#[tokio::test]
async fn what_nobody_reads_is_not_taken_in_for_ever() {
    let daemon = Daemon::setup().args(["--limit", "messages_per_agent=2"]).start().await;
    let send = async |agent: &str| {
        daemon.api.post(&format!("/api/v1/agents/{agent}/messages"), &json!({"content": "mind the gap"})).await
    };
    for _ in 0..2 {
        send("deaf").await.expect(201);
    }
    send("deaf").await.problem(429, &["messages_per_agent"]);
    send("other").await.expect(201);
    daemon.api.post("/api/v1/agents/deaf/stop", &json!({})).await.expect(201);
    // What is not written yet is not taken, either.
    all_are(&daemon, "deaf", "written", 3).await;
    daemon.remora(["messages", "--agent", "deaf"]).wait().await.expect(0);
    all_are(&daemon, "deaf", "delivered", 3).await;
    send("deaf").await.expect(201);
}

#[tokio::test]
async fn a_message_that_cannot_be_printed_is_not_lost() {
    let daemon = Daemon::start().await;
    daemon.remora(["message", "a", "mind the gap", "--allow-unknown"]).wait().await.expect(0);
    let mut command = daemon.command(["messages", "--agent", "a"]);
    command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    assert!(!command.status().await.unwrap().success());
    let printed = daemon.remora(["messages", "--agent", "a"]).wait().await.expect(0);
    assert_eq!(printed.stdout, "mind the gap\n");
}

#[tokio::test]
async fn in_a_workspace_that_two_agents_share_each_takes_its_own() {
    let daemon = Daemon::start().await;
    for agent in ["a", "b"] {
        daemon.api.put("/api/v1/workspaces/shared", &json!({"agent_id": agent})).await.expect(200);
        daemon.remora(["message", agent, "mind the changelog"]).wait().await.expect(0);
    }
    let inbox = "/api/v1/workspaces/shared/kv?prefix=inbox:user_message:";
    let keys = wait_until("the messages are written", async || {
        let entries = rows(daemon.api.get(inbox).await.expect(200).json(), "entries");
        (entries.len() == 2).then(|| entries.iter().map(|entry| text(entry, "key").to_owned()).collect::<Vec<_>>())
    })
    .await;
    for key in keys {
        daemon.api.delete(&format!("/api/v1/workspaces/shared/kv/{key}")).await.expect(204);
    }
    let told = async |kind: &str| {
        let events = daemon.api.journal(kind).await;
        let told = events.iter().map(|event| (event["payload"]["message_id"].clone(), event["agent_id"].clone()));
        told.collect::<Vec<_>>()
    };
    let written = told("agent:message_written").await;
    let taken = wait_until("both were seen", async || {
        let taken = told("agent:message_delivered").await;
        written.iter().all(|(id, _)| taken.iter().any(|(other, _)| other == id)).then_some(taken)
    })
    .await;
    assert!(taken.iter().all(|one| written.contains(one)), "{taken:?}, and written were {written:?}");
}

//! The other tools, and what can be read.

use serde_json::{Value, json};

use super::WAYS;
use crate::support::{
    Daemon,
    http::{rows, text},
    mcp::{McpClient, structured},
    wait_until,
};

#[tokio::test]
async fn bad_arguments_are_explained() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        for (tool, args, needle) in [
            ("ask_user", json!({}), "question"),
            ("ask_user", json!({"question": " "}), "question"),
            ("ask_user", json!({"question": "q", "optoins": ["a"]}), "optoins"),
            ("ask_user", json!({"question": "q", "urgency": "now"}), "urgency"),
            ("ask_user", json!({"question": "q", "on_deadline": "default"}), "default"),
            ("ask_user", json!({"question": "q", "multiple": true}), "options"),
            ("report_event", json!({"category": "weather", "action": "changed"}), "category"),
            ("report_event", json!({"category": "tool", "action": "Not A Word"}), "action"),
            ("notify_user", json!({}), "message"),
        ] {
            let error = client.refusal(tool, &args).await;
            assert!(error.contains(needle), "{way:?}: {tool} {args}: {error}");
        }
        assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
        client.close().await;
    }
}

#[tokio::test]
async fn events_and_notices_are_recorded() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let started = json!({"category": "agent", "action": "started", "payload": {"name": "Linter"}});
        assert_eq!(client.call("report_event", &started).await["seq"], 1);
        assert_eq!(client.call("notify_user", &json!({"message": "half way"})).await["seq"], 2);
        let journal = daemon.api.journal("*").await;
        let told: Vec<_> = journal.iter().map(|e| (text(e, "action"), text(e, "agent_id"))).collect();
        assert_eq!(told, [("started".into(), "a1".into()), ("message".into(), "a1".into())]);
        assert_eq!(journal[1]["payload"]["message"], "half way");
        let state = daemon.api.state_at(2).await;
        assert_eq!(state["agentStates"]["a1"]["name"], "Linter", "{state}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_message_is_given_out_once() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        assert_eq!(client.call("get_user_messages", &json!({})).await, json!({"messages": []}));
        // Where the agent has registered a workspace, its messages lie there.
        daemon.api.put("/api/v1/workspaces/w1", &json!({"agent_id": "a1"})).await.expect(200);
        for content in ["first", "second"] {
            let body = json!({"content": content, "who": "alice"});
            daemon.api.post("/api/v1/agents/a1/messages", &body).await.expect(201);
        }
        let written = "/api/v1/workspaces/w1/kv?prefix=inbox:user_message:";
        wait_until("both are written", async || {
            let entries = rows(daemon.api.get(written).await.expect(200).json(), "entries");
            (entries.len() == 2).then_some(())
        })
        .await;
        // Two calls at a time, and each message in one of them.
        let calls =
            [client.begin("get_user_messages", &json!({})).await, client.begin("get_user_messages", &json!({})).await];
        let mut taken = Vec::new();
        for call in calls {
            taken.extend(rows(structured(&client.end(call).await), "messages"));
        }
        let mut contents: Vec<_> = taken.iter().map(|message| text(message, "content")).collect();
        contents.sort();
        assert_eq!(contents, ["first", "second"], "{way:?}");
        assert!(taken.iter().all(|message| message["sent_by"] == "alice"), "{taken:?}");
        assert_eq!(client.call("get_user_messages", &json!({})).await, json!({"messages": []}));
        client.close().await;
    }
}

#[tokio::test]
async fn the_inbox_and_a_history_can_be_read() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "team/a 1").await;
        client.call("notify_user", &json!({"message": "hello"})).await;
        client.call("ask_user_async", &json!({"question": "Deploy?", "msg_id": "m1"})).await;
        daemon.api.ask_text("somebody-else", "Me too?").await;

        let inbox = client.read("remora://inbox").await;
        assert_eq!(inbox["questions"].as_array().map(Vec::len), Some(2), "{way:?}: {inbox}");
        let id = client.order(json!({"list": "resources"})).await;
        let resources = client.end(id).await;
        let history = resources["resources"].as_array().unwrap().iter().find(|r| r["name"] == "history").unwrap();
        let events = rows(client.read(&text(history, "uri")).await, "events");
        let actions: Vec<_> = events.iter().map(|event| text(event, "action")).collect();
        assert_eq!(actions, ["message", "blocked"], "its own, oldest first");
        let id = client.order(json!({"read": "remora://weather"})).await;
        assert!(client.line_about(id, "error").await.as_str().unwrap().contains("remora://weather"));
        client.close().await;
    }
}

#[tokio::test]
async fn every_tool_is_described() {
    for (way, mode) in WAYS {
        let daemon = Daemon::start().await;
        let mut client = McpClient::of(&daemon, way, mode, "a1").await;
        let id = client.order(json!({"list": "tools"})).await;
        let listed = client.end(id).await;
        let mut names = Vec::new();
        for tool in listed["tools"].as_array().unwrap() {
            names.push(text(tool, "name"));
            assert!(text(tool, "description").len() > 40, "{tool}");
            assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
            assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
            for (name, field) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
                assert!(field["description"].is_string(), "{name} of {tool}");
            }
        }
        names.sort();
        let expected =
            ["ask_user", "ask_user_async", "check_answer", "get_user_messages", "notify_user", "report_event"];
        assert_eq!(names, expected);
        assert_eq!(client.version == "2026-07-28", mode == "auto", "{way:?} {mode} speaks {}", client.version);
        client.close().await;
    }
}

//! Pictures of every page with a believable busy day on it, for the README and for a person's eye.

use serde_json::{Value, json};

use crate::support::{Browser, Daemon, http::event};

/// A team of agents at work: running, waiting, finished, failed.
pub(crate) async fn busy(daemon: &Daemon) {
    let tell = async |category: &str, action: &str, agent: &str, payload: Value| {
        let mut event = event(category, action, agent, &payload);
        event["graph_id"] = json!("release-2.4");
        daemon.api.emit(&event).await;
    };
    let agents = [
        ("planner", "Planner"),
        ("linter", "Linter"),
        ("test-runner", "Test runner"),
        ("migrator", "Schema migrator"),
        ("deployer", "Deployer"),
        ("doc-writer", "Documentation writer"),
        ("translator", "Translator"),
    ];
    daemon.api.emit(&json!({"category": "graph", "action": "started", "graph_id": "release-2.4"})).await;
    for (agent, name) in agents {
        tell("agent", "started", agent, json!({"name": name})).await;
        tell("model", "request", agent, json!({"model": "local-32b", "messages_count": 4})).await;
        tell("tool", "called", agent, json!({"name": "read_file", "arguments": {"path": format!("src/{agent}.rs")}}))
            .await;
        tell("tool", "completed", agent, json!({"name": "read_file", "duration_ms": 12})).await;
    }
    tell("agent", "progress", "test-runner", json!({"message": "412 of 530 tests"})).await;
    tell("tool", "failed", "translator", json!({"name": "fetch_glossary", "error": "connection refused"})).await;
    tell("agent", "failed", "translator", json!({"error": "the glossary server did not answer: connection refused"}))
        .await;
    tell("agent", "completed", "planner", json!({"result": "7 steps, the riskiest is the change of the orders table"}))
        .await;
    tell("agent", "completed", "linter", json!({"result": "no findings in 214 files"})).await;
    for question in [
        json!({"agent_id": "deployer", "question": "Deploy version 2.4.0 to production now?", "urgency": "high",
            "reason": "confirmation", "options": ["yes, now", "tonight at 22:00", "no"], "timeout": 900,
            "context": "Staging has been green for 3 hours. 2 migrations are pending; the second locks `orders` for about 40 s."}),
        json!({"agent_id": "migrator", "question": "Which default shall the new column `currency` get for old orders?",
            "context": {"rows": 1_204_331, "countries": ["DE", "FR", "CH"]}}),
        json!({"agent_id": "doc-writer", "question": "Which chapters shall be rewritten?", "multiple": true,
            "options": ["Installation", "Configuration", "Upgrading", "Troubleshooting"]}),
    ] {
        daemon.api.ask(&question).await;
    }
    let answered = daemon.api.ask_text("test-runner", "May I skip the two flaky browser tests?").await;
    daemon.api.answer(&answered, &json!("No, rerun them")).await.expect(200);
}

#[tokio::test]
async fn every_page_in_light_and_dark_wide_and_narrow() {
    let daemon = Daemon::start().await;
    busy(&daemon).await;
    let browser = Browser::of(&daemon).await;
    for (page, path, ready, shown) in [
        ("dashboard", "/", ".blocked-agent", "Deploy version 2.4.0"),
        ("agent", "/agents/deployer", "#workspace-keys button", "Deploy version 2.4.0"),
        ("agents", "/agents", "#agent-list li", "Deployer"),
        ("projector", "/projector", ".figure", "Deploy version 2.4.0"),
    ] {
        for (mode, dark) in [("light", false), ("dark", true)] {
            for (width, height) in [(1280, 800), (360, 780)] {
                browser.prefer_dark(dark).await;
                browser.size(width, height).await;
                browser.goto(&daemon.url(path)).await;
                browser.find(ready).await;
                browser.text_has("body", shown).await;
                browser.connected().await;
                let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
                assert_eq!(browser.eval(overflow, &[]).await, 0, "{page} is wider than {width} px");
                let file = browser.screenshot(&format!("{page}-{mode}-{width}"), width, height).await;
                assert!(file.is_file());
            }
        }
    }
    browser.has_no_complaint().await;
}

//! A mistyped name is said, with what was perhaps meant, and nothing is done by halves.

use serde_json::json;

use crate::support::Daemon;

#[tokio::test]
async fn who_writes_to_an_agent_that_nobody_knows_hears_whom_he_may_have_meant() {
    let daemon = Daemon::start().await;
    for agent in ["lint-7", "lint-8", "deploy"] {
        daemon.api.start_agent(agent).await;
    }
    daemon.api.state_with("all are there", |state| state["agentStates"]["deploy"].is_object()).await;
    for args in [&["message", "lnit-7", "hello"][..], &["stop", "lnit-7"], &["message", "lnit-7"]] {
        let refused = daemon.remora(args).wait().await.expect(1);
        refused.complains(&["\"lnit-7\"", "did you mean", "\"lint-7\"", "--allow-unknown"]);
    }
    daemon.remora(["stop", "lint"]).wait().await.expect(1).complains(&["\"lint-7\"", "\"lint-8\""]);
    let refused = daemon.remora(["stop", "somebody-else"]).wait().await.expect(1);
    assert!(!refused.stderr.contains("did you mean"), "{}", refused.stderr);
    assert!(daemon.api.journal("user:*").await.is_empty(), "nothing was sent");

    daemon.remora(["stop", "lint-7"]).wait().await.expect(0);
    daemon.remora(["message", "to-come", "read this first", "--allow-unknown"]).wait().await.expect(0);
    assert_eq!(daemon.remora(["messages", "--agent", "to-come"]).wait().await.expect(0).stdout, "read this first\n");
    // Who has a workspace is known, even if it has not been heard of since.
    daemon.api.put("/api/v1/workspaces/w", &json!({"agent_id": "registered"})).await.expect(200);
    daemon.remora(["message", "registered", "hello"]).wait().await.expect(0);
}

//! `remora demo`: a newcomer sees the whole loop within moments.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Browser, Daemon, http::text, wait_until};

#[tokio::test]
async fn the_demo_shows_the_whole_loop() {
    let daemon = Daemon::setup().demo().start().await;
    let browser = Browser::of(&daemon).await;
    let mut kinds_of_question = BTreeSet::new();
    let needed = ["agent:started", "tool:called", "agent:blocked", "agent:resumed", "agent:completed", "agent:failed"];
    wait_until("everything a newcomer shall see has happened", async || {
        for record in daemon.api.answer_all().await {
            kinds_of_question.insert(if record["options"] == json!([]) { "text" } else { "options" });
        }
        let journal = daemon.api.journal("*").await;
        let seen = |kind: &&str| {
            journal.iter().any(|event| format!("{}:{}", text(event, "category"), text(event, "action")) == **kind)
        };
        (needed.iter().all(seen) && kinds_of_question.len() == 2).then_some(())
    })
    .await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn the_demo_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::setup().demo().var("TMPDIR", folder.path().to_str().unwrap()).start().await;
    wait_until("it has begun", async || (!daemon.api.journal("agent:started").await.is_empty()).then_some(())).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let own: BTreeSet<_> =
        std::fs::read_dir(daemon.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(own, BTreeSet::from(["log".into(), "stdout".into()]));
}

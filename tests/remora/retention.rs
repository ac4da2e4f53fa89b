//! Old events go, what is not done with stays, and nobody is left in the dark about it.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{Api, Daemon, Stream, http::event, wait_until};

/// A daemon that keeps house as often as it can.
fn keeping(policy: &[&str]) -> crate::support::daemon::Setup {
    Daemon::setup().args(["--housekeeping-s", "1", "--retain-at-least-s", "1"]).args(policy)
}

fn tool_calls(from: usize, to: usize, text: &str) -> Value {
    (from..to).map(|n| event("tool", "called", "busy", &json!({"n": n, "text": text}))).collect()
}

async fn page(api: &Api, path: &str) -> (Vec<u64>, u64) {
    let page = api.get(path).await.expect(200).json();
    let seqs = page["events"].as_array().unwrap().iter().filter_map(|event| event["seq"].as_u64()).collect();
    (seqs, page["first_seq"].as_u64().unwrap())
}

/// Waits until everything before a position has gone, but for what is kept.
pub(crate) async fn first_seq_is(api: &Api, first: u64) -> Vec<u64> {
    let read = async || page(api, "/api/v1/events?after=0&limit=10000").await;
    wait_until(&format!("the journal begins at {first}"), async || (read().await.1 == first).then_some(())).await;
    // The events of a page are read before its beginning is: those of that one may be older.
    read().await.0
}

/// Changes the database while no daemon uses it.
fn sql(data: &Path, statements: &str) {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.close()";
    let done = Command::new("python3").args(["-c", script]).arg(data.join("remora.db")).arg(statements).status();
    assert!(done.unwrap().success());
}

#[tokio::test]
async fn an_open_question_and_an_answer_on_its_way_outlive_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = keeping(&["--retain-events", "100"]).data(folder.path()).start().await;
    let api = daemon.api.clone();
    api.start_agent("asker").await; // 1
    let open = api.ask_text("asker", "Still there?").await; // 2
    let answered = api.ask_text("asker", "And now?").await; // 3
    api.answer(&answered, &json!("yes")).await.expect(200); // 4 and 5: answered, written
    api.value_of("asker", &format!("inbox:response:{answered}")).await;
    api.state_at(5).await;
    api.emit(&tool_calls(0, 995, "")).await;
    let kept = first_seq_is(&api, 901).await;
    assert_eq!(kept[..5], [2, 3, 4, 5, 901], "the rest of what the questions are about");
    assert_eq!(kept.len(), 104);

    // A picture whose snapshots are lost is folded from what was kept.
    for lost in [false, true] {
        assert!(daemon.terminate().await.success());
        if lost {
            sql(folder.path(), "DELETE FROM snapshots");
        }
        daemon.start_again().await;
        let api = &daemon.api;
        assert_eq!(api.question(&open).await["status"], "open");
        let record = api.question(&answered).await;
        assert_eq!((&record["status"], &record["answer"]), (&json!("answered"), &json!("yes")));
        assert_eq!(api.state().await["last_seq"], 1_000);
    }
    daemon.api.answer(&open, &json!("here")).await.expect(200);
    for msg_id in [&open, &answered] {
        let record = daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=1")).await.expect(200).json();
        assert!(record["answer"].is_string(), "{record}");
        daemon.api.question_is(msg_id, "delivered").await;
    }
    // Done with: now they go like everything else.
    daemon.api.emit(&tool_calls(1_000, 1_200, "")).await;
    wait_until("the questions' events are gone", async || {
        let (seqs, first) = page(&daemon.api, "/api/v1/events?after=0&limit=10000").await;
        (seqs.first() == Some(&first) && seqs.len() == 100).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_past_is_shown_from_where_nothing_is_missing() {
    let daemon = keeping(&["--retain-events", "100"]).start().await;
    let api = &daemon.api;
    api.start_agent("asker").await; // 1
    api.ask_text("asker", "Still there?").await; // 2: outlives all that was before and after it
    let started = |numbers: std::ops::Range<u64>| -> Value {
        numbers.map(|n| event("agent", "started", &format!("agent-{n}"), &json!({}))).collect()
    };
    for (numbers, first) in [(3..203, 103), (203..603, 503), (603..613, 513)] {
        api.emit(&started(numbers)).await;
        first_seq_is(api, first).await;
        for wanted in [2, 250, 560, 612] {
            let page = api.get(&format!("/at/{wanted}")).await.expect(200).body;
            let between =
                |before, after| page.split_once(before).unwrap().1.split_once(after).unwrap().0.parse::<u64>();
            let (shown, agents) = (between(", event ", " of").unwrap(), between(">0/", " agents").unwrap());
            assert!(shown >= first && agents == shown - 1, "{agents} agents after event {shown}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_was_away_too_long_is_told() {
    let daemon = keeping(&["--retain-events", "50"]).start().await;
    let api = &daemon.api;
    api.emit(&tool_calls(0, 200, "")).await;
    first_seq_is(api, 151).await;
    let reply = api.get("/api/v1/events?after=20&limit=3").await.expect(200);
    assert_eq!((reply.header("remora-first-seq"), reply.json()["events"][0]["seq"].as_u64()), ("151", Some(151)));
    assert_eq!(api.get("/api/v1/events?after=150").await.expect(200).header("remora-first-seq"), "");
    let mut stream = Stream::resume(api, "/api/v1/events/stream", Some("20")).await;
    let gap = stream.next().await.unwrap();
    assert_eq!((gap.event.as_str(), gap.data.as_str()), ("gap", r#"{"after":20,"first_seq":151}"#));
    assert_eq!(stream.next().await.unwrap().id, "151");
    let mut tail = daemon.remora(["tail", "--after", "20", "--json"]);
    assert!(tail.line().await.contains(r#""seq":151"#));
    tail.interrupt().await.complains(&["20", "151", "deleted"]);
}

#[tokio::test]
async fn no_position_is_given_twice_and_ids_are_known_for_a_while() {
    let mut daemon = keeping(&["--retain-age-s", "1"]).start().await;
    let mut named = event("tool", "called", "a", &json!({}));
    named["id"] = json!("again");
    assert_eq!(daemon.api.emit(&named).await["last_seq"], 1);
    assert_eq!(daemon.api.emit(&named).await["duplicates"], 1);
    daemon.api.emit(&tool_calls(0, 9, "")).await;
    // The newest stays, whatever its age.
    assert_eq!(first_seq_is(&daemon.api, 10).await, [10]);
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    assert_eq!(daemon.api.emit(&named).await, json!({"accepted": 1, "duplicates": 0, "last_seq": 11}));
}

#[tokio::test]
async fn the_file_stays_as_small_as_it_shall_be() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = keeping(&["--retain-bytes", "2000000"]).data(folder.path()).start().await;
    let text = "x".repeat(1_000);
    for n in 0..8 {
        daemon.api.emit(&tool_calls(n * 1_000, (n + 1) * 1_000, &text)).await;
    }
    let database = folder.path().join("remora.db");
    wait_until("old events are gone", async || {
        let (_, first) = page(&daemon.api, "/api/v1/events?limit=1").await;
        (first > 5_000).then_some(())
    })
    .await;
    // What is in the write-ahead log goes into the file with further commits.
    wait_until("the file is small", async || {
        daemon.api.emit(&tool_calls(0, 50, &text)).await;
        let size = fs::metadata(&database).unwrap().len();
        (size < 4_000_000).then_some(())
    })
    .await;
    daemon.api.state_with("the picture goes on", |state| state["agentStates"]["busy"].is_object()).await;
}

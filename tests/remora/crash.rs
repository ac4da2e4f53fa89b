//! The daemon is killed, again and again, in the middle of everything: nothing acknowledged is lost or doubled.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Daemon, Process, fixture, http::text, wait_until};

const EVENTS: usize = 10_000;
const QUESTIONS: usize = 50;
/// Of the questions, how many are asked over a workspace file.
const IN_FILES: usize = 10;
/// How often the daemon is killed.
const KILLS: usize = 5;

/// Sends until there is a reply that is not "busy": what a careful client does.
async fn insist(api: &Api, path: &str, body: &Value) -> crate::support::Reply {
    wait_until(&format!("{path} is answered"), async || {
        Api::try_send(api.request(Method::POST, path).json(body)).await.filter(|reply| reply.status != 503)
    })
    .await
}

fn event_id(n: usize) -> String {
    format!("event-{n}")
}

/// Posts all the events, in batches of changing size, and counts what was acknowledged.
async fn post_events(api: Api, acknowledged: &Cell<usize>) {
    let mut from = 0;
    while from < EVENTS {
        let to = (from + 1 + from % 37).min(EVENTS);
        let one = |n| json!({"id": event_id(n), "category": "tool", "action": "called", "agent_id": "busy"});
        let batch: Value = (from..to).map(one).collect();
        insist(&api, "/api/v1/events", &batch).await.expect(200);
        acknowledged.set(to);
        from = to;
    }
}

/// Answers all the questions; who was told "taken" must find the answer.
async fn answer_questions(api: Api, acknowledged: &Cell<usize>) -> HashMap<String, bool> {
    let mut taken = HashMap::new();
    for n in 0..QUESTIONS {
        // Spread over the whole stream of events.
        wait_until("more events are in", async || (acknowledged.get() >= n * EVENTS / QUESTIONS).then_some(())).await;
        let path = format!("/api/v1/questions/q{n}/answer");
        let reply = insist(&api, &path, &json!({"answer": format!("answer {n}")})).await;
        // 409: an earlier attempt had been decided, and the daemon died before it could say so.
        assert!([200, 409].contains(&reply.status), "{reply:?}");
        taken.insert(format!("q{n}"), reply.status == 200);
    }
    taken
}

/// Asks all the questions, some over files; the files by question.
async fn ask_questions(daemon: &Daemon, root: &Path) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for n in 0..QUESTIONS {
        let (agent, msg_id) = (format!("agent-{n}"), format!("q{n}"));
        if n % (QUESTIONS / IN_FILES) != 0 {
            daemon.api.ask(&json!({"agent_id": agent, "msg_id": msg_id, "question": format!("Question {n}?")})).await;
            continue;
        }
        let file = root.join(format!("{agent}.db"));
        let key = format!("outbox:question:{msg_id}");
        let entry = json!({"question": format!("Question {n}?"), "status": "pending"}).to_string();
        Process::python(&fixture("workspace.py"), &[file.to_str().unwrap(), "put", &key, &entry])
            .wait()
            .await
            .expect(0);
        daemon.api.put(&format!("/api/v1/workspaces/{agent}"), &json!({"agent_id": agent, "path": file})).await;
        daemon.api.question_is(&msg_id, "open").await;
        files.insert(msg_id, file);
    }
    files
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_doubled() {
    let root = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::setup().args(["--workspace-root", root.path().to_str().unwrap()]).start().await;
    let files = ask_questions(&daemon, root.path()).await;
    let acknowledged = Cell::new(0);
    let api = daemon.api.clone();
    let kills = async {
        for kill in 1..=KILLS {
            wait_until("the stream is in its middle", async || {
                (acknowledged.get() >= kill * EVENTS / (KILLS + 1)).then_some(())
            })
            .await;
            daemon.crash().await;
        }
    };
    let (taken, (), ()) =
        tokio::join!(answer_questions(api.clone(), &acknowledged), post_events(api, &acknowledged), kills);
    // Once more after the last acknowledgement, when everything of it must be durable.
    daemon.crash().await;
    check_events(&daemon).await;
    check_answers(&daemon, &taken, &files).await;
}

async fn check_events(daemon: &Daemon) {
    let journal = daemon.api.journal("*").await;
    let seqs: Vec<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=journal.len() as u64).collect::<Vec<_>>(), "no gap, no repeat");
    let mut times: HashMap<String, usize> = HashMap::new();
    for event in &journal {
        *times.entry(text(event, "id")).or_default() += 1;
    }
    assert_eq!(times.len(), journal.len(), "no id stands twice");
    let missing: Vec<_> = (0..EVENTS).map(event_id).filter(|id| !times.contains_key(id)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

async fn check_answers(daemon: &Daemon, taken: &HashMap<String, bool>, files: &BTreeMap<String, PathBuf>) {
    let resumed = daemon.api.journal("agent:resumed").await;
    for n in 0..QUESTIONS {
        let (agent, msg_id, answer) = (format!("agent-{n}"), format!("q{n}"), json!(format!("answer {n}")));
        let record = daemon.api.question(&msg_id).await;
        assert_eq!(record["answer"], answer, "taken: {:?}: {record}", taken[&msg_id]);
        let times = resumed.iter().filter(|event| event["payload"]["msg_id"] == json!(msg_id)).count();
        assert_eq!(times, 1, "{msg_id} was resumed {times} times");
        let key = format!("inbox:response:{msg_id}");
        let written = match files.get(&msg_id) {
            None => daemon.api.value_of(&agent, &key).await,
            Some(file) => {
                wait_until(&format!("{key} is in its file"), async || {
                    let args = [file.to_str().unwrap(), "get", &key];
                    let found = Process::python(&fixture("workspace.py"), &args).wait().await.expect(0);
                    serde_json::from_str::<Value>(&found.stdout).ok()
                })
                .await
            }
        };
        assert_eq!(written["answer"], answer);
        wait_until(&format!("{msg_id} is known as written"), async || {
            daemon.api.question(&msg_id).await["written_at"].as_str().map(|_| ())
        })
        .await;
    }
    let written = daemon.api.journal("agent:answer_written").await;
    assert_eq!(written.len(), QUESTIONS, "each answer was written once");
}

#[tokio::test]
async fn a_restart_shows_the_same_picture() {
    let mut daemon = Daemon::setup().args(["--snapshot-events", "50"]).start().await;
    for n in 0..30 {
        let agent = format!("agent-{n}");
        daemon.api.start_agent(&agent).await;
        let event = |action: &str| {
            json!({"category": "agent", "action": action, "agent_id": agent,
            "payload": {"result": format!("result {n}"), "error": "no disk"}})
        };
        match n % 4 {
            0 => drop(daemon.api.emit(&event("completed")).await),
            1 => drop(daemon.api.emit(&event("failed")).await),
            2 => drop(daemon.api.ask_text(&agent, "Sure?").await),
            _ => drop(daemon.api.emit(&event("progress")).await),
        }
    }
    let last = daemon.api.journal("*").await.len() as u64;
    let before = daemon.api.state_at(last).await;
    daemon.crash().await;
    assert_eq!(daemon.api.state_at(last).await, before);
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    assert_eq!(daemon.api.state_at(last).await, before);
}

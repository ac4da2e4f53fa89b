//! Notices: a real receiver hears of questions, once each, over crashes and failures.

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Api, Browser, Daemon, Process,
    daemon::Setup,
    receiver::{Receiver, TOPIC},
    wait_until,
};

/// Quick tries, so that failures are over within the test.
const QUICK: [&str; 4] = ["--notify-pause-ms", "50", "--notify-tries", "4"];

/// A daemon with one target, `hook`, and more keys of its table.
fn told(receiver: &Receiver, folder: &tempfile::TempDir, keys: &str) -> Setup {
    Daemon::setup().args(["--config", &config(receiver, folder, keys)]).args(QUICK)
}

fn config(receiver: &Receiver, folder: &tempfile::TempDir, keys: &str) -> String {
    let file = folder.path().join("remora.toml");
    let kind = if keys.contains("kind =") { "" } else { "kind = 'json'\n" };
    fs::write(&file, format!("[[notify]]\nname = 'hook'\nurl = '{}'\n{kind}{keys}\n", receiver.url())).unwrap();
    file.display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// What a request of a JSON target tells: its type and the questions' ids.
fn tells(request: &Value) -> (String, Vec<String>) {
    let body = &request["body"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let questions = body["data"]["questions"].as_array().unwrap();
    (text(&body["type"]), questions.iter().map(|item| text(&item["question"]["msg_id"])).collect())
}

fn one(kind: &str, msg_id: &str) -> (String, Vec<String>) {
    (kind.to_owned(), vec![msg_id.to_owned()])
}

async fn notified(api: &Api, times: usize) -> Vec<Value> {
    wait_until(&format!("{times} notices are journaled"), async || {
        let journal = api.journal("user:notified").await;
        (journal.len() >= times).then_some(journal)
    })
    .await
}

async fn metric(api: &Api, name: &str) -> Option<f64> {
    let text = api.get("/metrics").await.expect(200).body;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn an_opened_question_is_told_once_also_over_a_crash() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let mut daemon = told(&receiver, &folder, "").start().await;
    daemon.api.get("/readyz").await.expect(200);
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q1", "question": "Deploy?", "options": ["yes"]})).await;
    let request = receiver.next().await;
    assert_eq!(tells(&request), one("question.opened", "q1"));
    assert_eq!(request["body"]["data"]["questions"][0]["question"]["options"], json!(["yes"]));
    assert_eq!(request["headers"]["webhook-id"], request["headers"]["idempotency-key"]);
    let journal = notified(&daemon.api, 1).await;
    assert_eq!(journal[0]["payload"]["target"], "hook");
    daemon.crash().await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q2", "question": "Really?"})).await;
    assert_eq!(tells(&receiver.next().await), one("question.opened", "q2"), "the first is not told again");
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q3", "question": "Now?"})).await;
    assert_eq!(tells(&receiver.next().await), one("question.opened", "q3"));
    assert_eq!(notified(&daemon.api, 3).await.len(), 3);
    assert!(!daemon.log().contains(TOPIC), "the address is a secret");
}

#[tokio::test]
async fn a_deadline_is_told_when_it_is_near_and_when_it_has_passed() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let daemon = told(&receiver, &folder, "near = '7s'").start().await;
    let asked = json!({"agent_id": "a", "msg_id": "q", "question": "Quick?", "timeout": 8, "on_deadline": "deny"});
    daemon.api.ask(&asked).await;
    for kind in ["question.opened", "question.near", "question.expired"] {
        assert_eq!(tells(&receiver.next().await), one(kind, "q"));
    }
    let record = daemon.api.question("q").await;
    assert_eq!((&record["answer"], &record["answered_by"]["door"]), (&json!("deny"), &json!("policy")));
    assert_eq!(notified(&daemon.api, 3).await.len(), 3);
}

#[tokio::test]
async fn a_target_that_fails_hangs_or_asks_for_silence_is_tried_again() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let daemon = told(&receiver, &folder, "").args(["--notify-timeout-ms", "500"]).start().await;
    receiver.tell("hang 1").await;
    receiver.tell("503 1").await;
    receiver.tell("429 1 0.1").await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q", "question": "Go on?"})).await;
    let first = receiver.next().await;
    for _ in 0..3 {
        let again = receiver.next().await;
        assert_eq!(again["headers"]["webhook-id"], first["headers"]["webhook-id"], "it is the same notice");
    }
    assert_eq!(notified(&daemon.api, 1).await.len(), 1);
    assert_eq!(daemon.api.journal("user:notice_failed").await, Vec::<Value>::new());
    assert_eq!(metric(&daemon.api, "remora_notice_failures_total{target=\"hook\"}").await, Some(3.0));
    assert_eq!(metric(&daemon.api, "remora_notices_sent_total{target=\"hook\"}").await, Some(1.0));
}

#[tokio::test]
async fn a_target_that_drips_its_answer_holds_nobody_up_and_has_heard_once_its_head_is_there() {
    let (mut slow, mut other, folder) = (Receiver::start().await, Receiver::start().await, folder());
    let another = format!("kind = 'json'\n[[notify]]\nname = 'other'\nurl = '{}'\nkind = 'json'", other.url());
    let daemon = told(&slow, &folder, &another).args(["--notify-timeout-ms", "500"]).start().await;
    slow.tell("drip-body").await;
    slow.tell("drip-head 1").await;
    for msg_id in ["q1", "q2"] {
        daemon.api.ask(&json!({"agent_id": "a", "msg_id": msg_id, "question": format!("Go on with {msg_id}?")})).await;
        assert_eq!(tells(&other.next().await), one("question.opened", msg_id));
    }
    let mut heard = vec![tells(&slow.next().await), tells(&slow.next().await), tells(&slow.next().await)];
    heard.sort();
    assert_eq!(heard.iter().filter(|told| **told == one("question.opened", "q1")).count(), 2, "{heard:?}");
    let journal = notified(&daemon.api, 4).await;
    assert_eq!(journal.iter().filter(|event| event["payload"]["target"] == "hook").count(), 2, "{journal:#?}");
    assert_eq!(metric(&daemon.api, "remora_notice_failures_total{target=\"hook\"}").await, Some(1.0));
}

#[tokio::test]
async fn what_is_given_up_is_listed_and_sent_again_by_a_click() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let daemon = told(&receiver, &folder, "").start().await;
    let browser = Browser::of(&daemon).await;
    receiver.tell("404").await;
    for msg_id in ["q1", "q2"] {
        let question = format!("Go on with {msg_id}?");
        daemon.api.ask(&json!({"agent_id": "a", "msg_id": msg_id, "question": question})).await;
        receiver.next().await;
    }
    browser.text_has("#undelivered", "2 notices could not be delivered").await;
    browser.click("#undelivered a").await;
    browser.connected().await;
    browser.count_is(".letter", 2).await;
    browser.text_has("#letters", "404").await;
    browser.text_has("#letters", "told to").await;
    let page = daemon.api.get("/notices").await.expect(200).body;
    assert!(page.contains("Go on with q1?") && !page.contains(TOPIC));
    wait_until("the metric tells of both", async || {
        (metric(&daemon.api, "remora_dead_letters").await == Some(2.0)).then_some(())
    })
    .await;

    receiver.tell("200").await;
    // The newest stands first.
    browser.click(".letter [value=retry]").await;
    assert_eq!(tells(&receiver.next().await), one("question.opened", "q2"));
    browser.count_is(".letter", 1).await;
    browser.text_has("#notice-note", "tried again").await;
    browser.click(".letter [value=dismiss]").await;
    browser.count_is(".letter", 0).await;
    browser.text_has("#notices", "has been delivered").await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q3", "question": "Last?"})).await;
    assert_eq!(tells(&receiver.next().await), one("question.opened", "q3"), "what was dismissed is not sent");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn dead_letters_outlive_the_daemon_and_end_with_their_questions() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let mut daemon = told(&receiver, &folder, "").start().await;
    receiver.tell("410").await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q", "question": "Go on?"})).await;
    receiver.next().await;
    let id = wait_until("the notice is given up", async || {
        let failed = daemon.api.journal("user:notice_failed").await;
        failed.first().map(|event| event["payload"]["notice"].as_str().unwrap().to_owned())
    })
    .await;
    daemon.crash().await;
    let listed = format!("/notices/{id}");
    assert!(daemon.api.get("/notices").await.expect(200).body.contains(&listed));
    daemon.api.answer("q", &json!("yes")).await.expect(200);
    let decide = async |fate: &str| {
        let form = "application/x-www-form-urlencoded";
        daemon
            .api
            .request(Method::POST, &listed)
            .header("content-type", form)
            .header("datastar-request", "true")
            .body(fate.to_owned())
    };
    let reply = Api::send(decide("fate=retry").await).await.expect(200);
    assert!(reply.body.contains("Nothing is left to tell"), "{}", reply.body);
    let reply = Api::send(decide("fate=retry").await).await.expect(200);
    assert!(reply.body.contains("no such notice"), "{}", reply.body);
    Api::send(decide("fate=eat").await).await.problem(400, &["fate"]);
}

#[tokio::test]
async fn quiet_hours_hold_back_and_what_is_answered_meanwhile_is_never_told() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let quiet = "quiet = { from = '00:00', to = '23:59:59.999', zone = 'UTC', unless = 'critical' }";
    let daemon = told(&receiver, &folder, quiet).start().await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "calm", "question": "Whenever?"})).await;
    daemon.api.answer("calm", &json!("now")).await.expect(200);
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "held", "question": "Whenever?"})).await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "fire", "question": "Now?", "urgency": "critical"})).await;
    assert_eq!(tells(&receiver.next().await), one("question.opened", "fire"));
    assert_eq!(notified(&daemon.api, 1).await.len(), 1);
}

#[tokio::test]
async fn a_hasty_agent_is_summed_up() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let daemon = told(&receiver, &folder, "burst = 2\nevery_s = 3600").start().await;
    let ask = |n: usize| {
        let payload = json!({"msg_id": format!("q{n}"), "question": format!("Question {n}?")});
        json!({"category": "agent", "action": "blocked", "agent_id": "hasty", "payload": payload})
    };
    daemon.api.emit(&(1..=6).map(ask).collect()).await;
    // Both are on their way at once.
    let mut told = [tells(&receiver.next().await), tells(&receiver.next().await)];
    told.sort();
    let rest = (2..=6).map(|n| format!("q{n}")).collect();
    assert_eq!(told, [one("question.opened", "q1"), ("questions.summary".to_owned(), rest)]);
    notified(&daemon.api, 2).await;
    daemon.api.emit(&ask(7)).await;
    daemon.api.ask(&json!({"agent_id": "calm", "msg_id": "other", "question": "Me?"})).await;
    assert_eq!(tells(&receiver.next().await), one("question.opened", "other"), "the bucket of the hasty one is empty");
}

#[tokio::test]
async fn json_is_signed_as_the_specification_says() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("whsec_{}", BASE64_STANDARD.encode([7; 32]))).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = told(&receiver, &folder, &format!("secret_file = '{}'", secret.display())).start().await;
    daemon.api.ask(&json!({"agent_id": "a", "msg_id": "q", "question": "Go on?"})).await;
    let request = receiver.next().await;
    let header = |name: &str| request["headers"][name].as_str().unwrap().to_owned();
    let signed =
        format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), request["text"].as_str().unwrap());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 32]);
    let signature = header("webhook-signature");
    let signature = BASE64_STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    ring::hmac::verify(&key, signed.as_bytes(), &signature).expect("the signature of this body");
}

#[tokio::test]
async fn targets_can_be_tried_out_without_a_question() {
    let (mut receiver, folder) = (Receiver::start().await, folder());
    let config = config(&receiver, &folder, "kind = 'ntfy'");
    let remora = async |args: &[&str]| {
        let mut command = Daemon::program(folder.path());
        command.args(args).args(["--config", &config]);
        Process::spawn(command).wait().await
    };
    let told = remora(&["notify", "test"]).await.expect(0);
    assert!(told.stdout.contains("sent") && told.stdout.contains("hook (127.0.0.1)"), "{}", told.stdout);
    let request = receiver.next().await;
    assert_eq!((&request["path"], &request["body"]["topic"]), (&json!("/"), &json!(TOPIC)));
    receiver.tell("403").await;
    let refused = remora(&["notify", "test", "hook", "--json"]).await.expect(1);
    let report: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert!(report["ok"] == false && report["detail"].as_str().unwrap().contains("403"), "{report}");
    assert!(!refused.stdout.contains(TOPIC));
    remora(&["notify", "test", "nobody"]).await.expect(2).complains(&["nobody", "hook"]);
    let doctor = remora(&["doctor", "--url", "http://127.0.0.1:1"]).await.expect(5);
    assert!(doctor.stdout.contains("hook (127.0.0.1)") && !doctor.stdout.contains(TOPIC), "{}", doctor.stdout);
    fs::write(&config, "[[notify]]\nkind = 'slack'\nurl = 'nowhere/s3cret'").unwrap();
    let serve = remora(&["serve"]).await.expect(2).complains(&["notify[0]", "`url`"]);
    assert!(!serve.stderr.contains("s3cret"), "{}", serve.stderr);
}

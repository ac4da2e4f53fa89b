//! Signed links: one tap answers one question, once, for whoever holds the link.

use std::{fs, os::unix::fs::PermissionsExt};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Api, Browser, Daemon, Process, Reply, daemon::Setup, fixture, http::text, receiver::Receiver, wait_until,
};

/// Where people reach the daemon, as its settings have it.
const PUBLIC: &str = "https://remora.example";

/// A daemon that tells a phone.
pub(crate) fn told(receiver: &Receiver, folder: &tempfile::TempDir) -> Setup {
    let file = folder.path().join("remora.toml");
    let phone = format!("[[notify]]\nname = 'phone'\nkind = 'ntfy'\nurl = '{}'\nevents = ['opened']\n", receiver.url());
    fs::write(&file, format!("public_url = '{PUBLIC}'\n{phone}")).unwrap();
    Daemon::setup().args(["--config", file.to_str().unwrap()])
}

/// The path of the button with that label.
pub(crate) fn button(notice: &Value, label: &str) -> String {
    let actions = notice["body"]["actions"].as_array().unwrap();
    let action = actions.iter().find(|action| action["label"] == label).unwrap();
    assert_eq!((&action["action"], &action["method"]), (&json!("http"), &json!("POST")));
    text(action, "url").strip_prefix(PUBLIC).unwrap().to_owned()
}

/// A request as a proxy passes it on that serves the public address.
async fn through_proxy(daemon: &Daemon, method: Method, path: &str) -> Reply {
    Api::send(daemon.api.request(method, path).header("host", "remora.example")).await
}

pub(crate) async fn tap(daemon: &Daemon, path: &str) -> Reply {
    through_proxy(daemon, Method::POST, path).await
}

async fn ask(daemon: &Daemon, receiver: &mut Receiver, msg_id: &str, more: Value) -> Value {
    let mut asked = json!({"agent_id": "a", "msg_id": msg_id, "question": "Deploy?", "options": ["yes", "no"]});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    daemon.api.ask(&asked).await;
    receiver.next().await
}

#[tokio::test]
async fn a_tap_on_a_notice_lets_the_agent_go_on() {
    let (mut receiver, folder) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let daemon = told(&receiver, &folder).start().await;
    let agent = Process::python(&fixture("http_agent.py"), &[&daemon.url(""), "deployer", "Deploy?", "yes", "no"]);
    let notice = receiver.next().await;
    assert_eq!(notice["body"]["title"], "deployer asks");
    assert_eq!(notice["body"]["click"], format!("{PUBLIC}/agents/deployer"));
    let (yes, no) = (button(&notice, "yes"), button(&notice, "no"));
    let reply = tap(&daemon, &yes).await.expect(200);
    assert_eq!(reply.json()["answer"], "yes");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    let finished = agent.wait().await.expect(0);
    assert!(finished.stdout.contains("yes"), "{}", finished.stdout);
    let record = daemon.api.question("deployer-question").await;
    assert_eq!(record["answered_by"], json!({"who": "phone", "door": "link"}));
    // The same link again, and the other one: both say who was first, and change nothing.
    tap(&daemon, &yes).await.problem(409, &["phone", "link"]);
    tap(&daemon, &no).await.problem(409, &["phone"]);
    assert_eq!(daemon.api.question("deployer-question").await["answer"], "yes");
    assert_eq!(daemon.api.journal("agent:resumed").await.len(), 1);
    let token = yes.strip_prefix("/a/").unwrap();
    assert!(!daemon.log().contains(token), "a link is a secret");
}

#[tokio::test]
async fn looking_at_a_link_answers_nothing() {
    let (mut receiver, folder) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let daemon = told(&receiver, &folder).start().await;
    let notice = ask(&daemon, &mut receiver, "q", json!({"question": "Deploy <b>now</b>?"})).await;
    let path = button(&notice, "no");
    for _ in 0..2 {
        through_proxy(&daemon, Method::GET, &path).await.expect(200);
    }
    assert_eq!(daemon.api.question("q").await["status"], "open");
    let browser = Browser::open(&daemon.url(&path)).await;
    browser.text_has("#link", "Deploy <b>now</b>?").await;
    browser.click("#link button").await;
    browser.text_has("#link", "Answered").await;
    browser.text_has("#link", "goes on with it").await;
    assert_eq!(daemon.api.question("q").await["answered_by"], json!({"who": "phone", "door": "link"}));
    browser.goto(&daemon.url(&path)).await;
    browser.text_has("#link", "phone answered first").await;
    browser.text_has("#link", "Nothing was changed").await;
}

#[tokio::test]
async fn links_that_are_forged_late_or_moot_are_refused() {
    let (mut receiver, folder) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let daemon = told(&receiver, &folder).start().await;
    let open = ask(&daemon, &mut receiver, "open", json!({})).await;
    let path = button(&open, "yes");
    let (text, signature) = path.rsplit_once('.').unwrap();
    let other = button(&open, "no");
    let other = other.rsplit_once('.').unwrap().1;
    let unsigned = format!("{text}.");
    for forged in [&format!("{text}.{other}"), &unsigned, &format!("/a/x.{signature}"), "/a/x"] {
        tap(&daemon, forged).await.problem(403, &["link"]);
        through_proxy(&daemon, Method::GET, forged).await.problem(403, &["link"]);
    }
    let late = ask(&daemon, &mut receiver, "late", json!({"timeout": 2})).await;
    daemon.api.question_is("late", "expired").await;
    tap(&daemon, &button(&late, "yes")).await.problem(410, &["expired"]);
    let moot = ask(&daemon, &mut receiver, "moot", json!({})).await;
    daemon.api.delete("/api/v1/questions/moot").await.expect(200);
    tap(&daemon, &button(&moot, "yes")).await.problem(409, &["cancelled"]);
    assert_eq!(daemon.api.question("open").await["status"], "open");
    assert_eq!(daemon.api.journal("agent:resumed").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_link_needs_no_login_and_opens_nothing_else() {
    let (mut receiver, folder) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "operator operator-9b1e7f04c6d84a2f ann\n").unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = told(&receiver, &folder).args(["--token-file", tokens.to_str().unwrap()]).start().await;
    let operator = daemon.api.with_token(Some("operator-9b1e7f04c6d84a2f"));
    operator.ask(&json!({"agent_id": "a", "msg_id": "q", "question": "Sure?", "reason": "confirmation"})).await;
    let path = button(&receiver.next().await, "reject");
    daemon.api.get("/api/v1/state").await.expect(401);
    // A service's own page may press the button: the link is all that it takes.
    let request = daemon.api.request(Method::POST, &path).header("origin", "https://ntfy.example");
    Api::send(request.header("sec-fetch-site", "cross-site")).await.expect(200);
    assert_eq!(operator.question("q").await["answer"]["decision"], "reject");
}

#[tokio::test]
async fn the_public_name_is_a_host_for_links_only() {
    let (mut receiver, folder) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let mut daemon = told(&receiver, &folder).start().await;
    let notice = ask(&daemon, &mut receiver, "q", json!({})).await;
    let path = button(&notice, "yes");
    for page in ["/", "/api/v1/state"] {
        through_proxy(&daemon, Method::GET, page).await.expect(403);
    }
    let elsewhere = daemon.api.request(Method::POST, &path).header("host", "evil.example");
    Api::send(elsewhere).await.expect(403);
    // The key outlives the daemon.
    daemon.crash().await;
    let reply =
        wait_until("the daemon is back", async || Some(tap(&daemon, &path).await).filter(|r| r.status != 503)).await;
    reply.expect(200);
    let key = daemon.folder().join("data/link.key");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

//! Who may do what: names, origins, addresses and tokens.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Browser, Daemon, Process, Reply, daemon::Setup, http::event, wait_until};

pub(crate) const AGENT: &str = "agent-3f9c2b7e5d1a4c80";
pub(crate) const OPERATOR: &str = "operator-9b1e7f04c6d84a2f";

async fn with_headers(daemon: &Daemon, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = daemon.api.request(method.clone(), path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if method == Method::POST {
        request = request.json(&event("tool", "called", "a", &json!({})));
    }
    Api::send(request).await
}

#[tokio::test]
async fn a_foreign_name_for_this_machine_is_refused() {
    let daemon = Daemon::start().await;
    let port = daemon.port();
    for host in
        ["evil.example", &format!("evil.example:{port}"), "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"]
    {
        for path in ["/", "/events", "/api/v1/state", "/api/v1/events", "/metrics"] {
            let reply = with_headers(&daemon, Method::GET, path, &[("host", host)]).await;
            assert!([403, 421].contains(&reply.status), "{host}{path}: {}", reply.status);
        }
        let reply = with_headers(&daemon, Method::POST, "/api/v1/events", &[("host", host)]).await;
        assert!([403, 421].contains(&reply.status), "{host}: {}", reply.status);
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}"), "localhost".into()]
    {
        with_headers(&daemon, Method::GET, "/api/v1/state", &[("host", &host)]).await.expect(200);
    }
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
}

#[tokio::test]
async fn another_sites_writes_are_refused() {
    let daemon = Daemon::start().await;
    let own = daemon.url("");
    let neighbour = format!("http://127.0.0.1:{}", daemon.port() ^ 1);
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "null")],
        &[("origin", &neighbour)],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
    ] {
        let reply = with_headers(&daemon, Method::POST, "/api/v1/events", headers).await;
        assert_eq!(reply.status, 403, "{headers:?}: {}", reply.body);
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
    assert_eq!(daemon.api.journal("*").await, Vec::<Value>::new());
    for headers in [
        &[][..],
        &[("origin", &*own)],
        &[("origin", &own), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
    ] {
        with_headers(&daemon, Method::POST, "/api/v1/events", headers).await.expect(200);
    }
}

#[tokio::test]
async fn another_site_leads_to_pages_and_reads_nothing() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    let wait = format!("/api/v1/questions/{msg_id}?wait=1");
    let get = async |path: &str, headers| with_headers(&daemon, Method::GET, path, headers).await;
    for headers in [&[("sec-fetch-site", "cross-site")], &[("origin", "http://evil.example")]] {
        for path in [&wait, "/api/v1/state", "/api/v1/workspaces/b/kv?prefix=", "/api/v1/events/stream"] {
            assert_eq!(get(path, headers).await.status, 403, "{path} {headers:?}");
        }
        for path in ["/", "/agents/a", "/history", "/at"] {
            get(path, headers).await.expect(200);
        }
    }
    assert_eq!(daemon.api.question(&msg_id).await["status"], "answered");
    get(&wait, &[("sec-fetch-site", "same-origin")]).await.expect(200);
    daemon.api.question_is(&msg_id, "delivered").await;
}

#[tokio::test]
async fn another_sites_form_cannot_answer() {
    let daemon = Daemon::start().await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    let request = daemon.api.request(Method::POST, "/agent/a/respond").header("origin", "http://evil.example");
    let form =
        request.header("content-type", "application/x-www-form-urlencoded").body(format!("msg_id={msg_id}&answer=x"));
    assert_eq!(Api::send(form).await.status, 403);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "open");
}

#[tokio::test]
async fn the_page_is_served_with_a_tight_policy() {
    let daemon = Daemon::start().await;
    for path in ["/", "/api/v1/state"] {
        let reply = daemon.api.get(path).await.expect(200);
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        let policy = reply.header("content-security-policy");
        for needed in ["frame-ancestors 'none'", "default-src 'none'"] {
            assert!(policy.contains(needed), "{path}: {policy}");
        }
        for never in ["unsafe-inline", "http:", "https:", "*", "data:"] {
            assert!(!policy.contains(never), "{path}: {policy}");
        }
    }
}

#[tokio::test]
async fn an_open_address_needs_tokens() {
    let home = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let mut command = Daemon::program(home.path());
        command.args(["serve", "--listen", address, "--data"]).arg(home.path().join("data"));
        let finished = Process::spawn(command).wait().await;
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        finished.complains(&["token", "127.0.0.1"]);
    }
    assert!(!home.path().join("data").exists(), "nothing was begun");
}

/// A daemon with one token of each kind.
pub(crate) async fn guarded(setup: Setup) -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(&folder.path().join("tokens"), &format!("agent {AGENT}\noperator {OPERATOR} alice\n"), 0o600);
    let daemon = setup.args(["--token-file", file.to_str().unwrap()]).start().await;
    (daemon, folder)
}

pub(crate) fn token_file(path: &std::path::Path, text: &str, mode: u32) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_owned()
}

#[tokio::test]
async fn without_a_token_nothing_is_told_or_taken() {
    let (daemon, _folder) = guarded(Daemon::setup()).await;
    for token in [None, Some("wrong-token-of-some-length"), Some(""), Some(&AGENT[..AGENT.len() - 1])] {
        let api = daemon.api.with_token(token);
        for path in
            ["/api/v1/state", "/api/v1/events", "/api/v1/questions", "/events", "/api/v1/workspaces/a/kv?prefix="]
        {
            let reply = api.get(path).await;
            assert_eq!(reply.status, 401, "{path}: {}", reply.body);
            assert!(reply.header("www-authenticate").contains("Bearer"), "{:?}", reply.headers);
        }
        api.post("/api/v1/events", &event("tool", "called", "a", &json!({}))).await.problem(401, &["token"]);
    }
    let addressed = daemon.api.get(&format!("/api/v1/state?token={OPERATOR}")).await;
    assert_eq!(addressed.status, 401, "a token has no place in an address");
    daemon.api.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn an_agent_asks_and_only_an_operator_answers() {
    let (daemon, _folder) = guarded(Daemon::setup()).await;
    let (agent, operator) = (daemon.api.with_token(Some(AGENT)), daemon.api.with_token(Some(OPERATOR)));
    agent.start_agent("a").await;
    let msg_id = agent.ask_text("a", "May I?").await;
    agent.answer(&msg_id, &json!("yes")).await.problem(403, &["operator"]);
    agent.post("/agent/a/respond", &json!({"msg_id": msg_id, "answer": "yes"})).await.problem(403, &["operator"]);
    // Nor by the back doors: an event that says so, or a value in its own inbox.
    let resumed = event(
        "agent",
        "resumed",
        "a",
        &json!({"msg_id": msg_id, "answer": "yes",
        "answered_by": {"who": "alice", "door": "browser"}}),
    );
    let told = agent.post("/api/v1/events", &resumed).await;
    let key = format!("/api/v1/workspaces/a/kv/inbox:response:{msg_id}");
    let put = agent.put(&key, &json!({"answer": "yes", "responded_at": "2026-01-01T00:00:00Z"})).await;
    for reply in [told, put] {
        let status = reply.status;
        assert!([403, 422].contains(&status), "{reply:?}");
        reply.problem(status, &[]);
    }
    assert_eq!(agent.question(&msg_id).await["status"], "open");

    let record = operator.answer(&msg_id, &json!("no")).await.expect(200).json();
    assert_eq!(record["answered_by"]["who"], "alice", "{record}");
    let heard = agent.get(&format!("/api/v1/questions/{msg_id}?wait=30")).await.expect(200).json();
    assert_eq!(heard["answer"], "no");
    let log = daemon.log();
    assert!(!log.contains(AGENT) && !log.contains(OPERATOR), "a token is in the log");
}

#[tokio::test]
async fn an_operator_logs_in_and_answers_by_name() {
    let (daemon, _folder) = guarded(Daemon::setup()).await;
    let browser = Browser::open(&daemon.url("/")).await;
    browser.type_into("[name=token]", AGENT).await;
    browser.click("[type=submit]").await;
    browser.text_has("body", "no operator's token").await;
    browser.find("[name=token]").await.clear().await.unwrap();
    browser.type_into("[name=token]", OPERATOR).await;
    browser.click("[type=submit]").await;
    browser.connected().await;
    let msg_id = daemon.api.with_token(Some(AGENT)).ask_text("a", "Sure?").await;
    browser.fill(&msg_id, "yes").await;
    browser.submit(&msg_id).await;
    let operator = daemon.api.with_token(Some(OPERATOR));
    let record = operator.question_is(&msg_id, "answered").await;
    assert_eq!(record["answered_by"], json!({"who": "alice", "door": "browser"}));
    // The token is out of a script's reach.
    assert_eq!(browser.eval("return document.cookie", &[]).await, "remora_name=alice");
    browser.text_has(".foot", "Logged in as alice").await;
    browser.click(".logged-in button").await;
    browser.find("#token").await;
    browser.goto(&daemon.url("/")).await;
    browser.find("#token").await;
    assert_eq!(browser.eval("return document.cookie", &[]).await, "");
}

#[tokio::test]
async fn whoever_logs_out_does_so_in_every_tab() {
    let (daemon, _folder) = guarded(Daemon::setup()).await;
    let api = daemon.api.with_token(Some(OPERATOR));
    let log_in = async |browser: &Browser| {
        browser.type_into("[name=token]", OPERATOR).await;
        browser.click("[type=submit]").await;
        browser.connected().await;
    };
    let browser = Browser::open(&daemon.url("/")).await;
    log_in(&browser).await;
    browser.goto_in_new_tab(&daemon.url("/agents")).await;
    browser.connected().await;
    browser.click(".logged-in button").await;
    browser.find("#token").await;
    browser.to_first_tab().await;
    browser.text_is("#connection-status", "Logged out").await;
    browser.text_has("#logged-out", "Log in").await;
    wait_until("no stream is open", async || {
        let metrics = api.get("/metrics").await.body;
        metrics.lines().any(|line| line == "remora_sessions 0").then_some(())
    })
    .await;
    api.start_agent("late").await;
    assert!(!browser.text("#agent-list").await.contains("late"));
    // Logged in again elsewhere, it goes on by itself.
    browser.goto_in_new_tab(&daemon.url("/login")).await;
    log_in(&browser).await;
    browser.to_first_tab().await;
    browser.connected().await;
    browser.text_has("#agent-list", "late").await;
    browser.count_is("#logged-out[hidden]", 1).await;
}

#[tokio::test]
async fn whoever_logs_in_gets_where_they_wanted_to_go_and_to_no_other_site() {
    let (daemon, _folder) = guarded(Daemon::setup()).await;
    let browser = Browser::open(&daemon.url("/history?q=a+b&agent_id=x%2Fy")).await;
    browser.type_into("[name=token]", "not the token of anybody").await;
    browser.click("[type=submit]").await;
    browser.text_has("body", "no operator's token").await;
    browser.type_into("[name=token]", OPERATOR).await;
    browser.click("[type=submit]").await;
    browser.find("#history").await;
    let place = browser.eval("return location.pathname + location.search", &[]).await;
    assert_eq!(place, "/history?q=a+b&agent_id=x%2Fy");
    let stays = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for to in ["//evil.example", "/%5Cevil.example", "/%09/evil.example", "https://evil.example", "evil", ""] {
        let post = stays.post(daemon.url("/login")).header("content-type", "application/x-www-form-urlencoded");
        let reply = post.body(format!("token={OPERATOR}&to={to}")).send().await.unwrap();
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()["location"]),
            (303, &HeaderValue::from_static("/")),
            "{to}"
        );
    }
}

#[tokio::test]
async fn bad_token_files_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let good = format!("operator {OPERATOR} alice\n");
    for (text, mode, needle) in [
        (good.as_str(), 0o644, "chmod 600"),
        ("", 0o600, "no operator"),
        ("operator short alice\n", 0o600, "line 1"),
        ("# a comment\nroot 0123456789abcdef\n", 0o600, "line 2"),
    ] {
        let file = token_file(&home.path().join("tokens"), text, mode);
        let mut command = Daemon::program(home.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--token-file"]).arg(file);
        command.arg("--data").arg(home.path().join("data"));
        let finished = Process::spawn(command).wait().await;
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        assert!(!finished.stderr.contains(OPERATOR), "a token is in the error");
        finished.complains(&[needle]);
    }
}

/// The ids of what happens to a question can be foreseen.
#[tokio::test]
async fn an_agent_cannot_keep_anothers_answer_from_counting() {
    let (daemon, _tokens) = guarded(Daemon::setup()).await;
    let (agent, operator) = (daemon.api.with_token(Some(AGENT)), daemon.api.with_token(Some(OPERATOR)));
    for step in ["blocked", "resumed", "answer_written", "question_expired"] {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{step}\0victim\0q1").as_bytes());
        let squatter = json!({"id": id.to_string(), "category": "tool", "action": "called", "agent_id": "other"});
        agent.post("/api/v1/events", &squatter).await.expect(200);
    }
    agent.post("/api/v1/questions", &json!({"agent_id": "victim", "msg_id": "q1", "question": "?"})).await.expect(201);
    operator.question_is("q1", "open").await;
    operator.answer("q1", &json!("yes")).await.expect(200);
    let record = agent.get("/api/v1/questions/q1?wait=30").await.expect(200).json();
    assert_eq!((&record["status"], &record["answer"]), (&json!("delivered"), &json!("yes")));
    assert_eq!(agent.value_of("victim", "inbox:response:q1").await["answer"], "yes");
}

//! Input that is small to send and dear to read, or that means to leave its place: it is refused at once, and nothing
//! else suffers.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Api, Daemon, http::event};

const EVENTS: &str = "/api/v1/events";

/// A request as its bytes, which no client library makes right before; the reply.
async fn raw(daemon: &Daemon, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).await.expect("the daemon listens");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn no_path_leaves_its_folder() {
    let daemon = Daemon::start().await;
    for path in [
        "/static/../Cargo.toml",
        "/static/..%2fCargo.toml",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%5c..%5cCargo.toml",
        "/static//etc/passwd",
        "/static/%00",
        "/../../etc/passwd",
        "//etc/passwd",
        "/api/v1/workspaces/..%2f..%2fetc/kv/passwd",
        "/agents/..%2f..%2fetc%2fpasswd",
        "/events?of=..%2f..%2fetc%2fpasswd",
    ] {
        let reply = raw(&daemon, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")).await;
        let status = reply.split(' ').nth(1).unwrap_or_default().to_owned();
        assert!(["400", "404"].contains(&status.as_str()), "{path}: {reply}");
        assert!(!reply.contains("root:") && !reply.contains("[workspace]"), "{path}: {reply}");
    }
}

#[tokio::test]
async fn no_text_becomes_a_header() {
    let daemon = Daemon::start().await;
    for text in ["a\r\nSet-Cookie: stolen=1", "a\nX-Injected: 1", "a\rX-Injected: 1", "%0d%0aX-Injected:%201"] {
        let question = json!({"agent_id": "a", "msg_id": text, "question": "Really?"});
        let replies = [
            daemon.api.post("/api/v1/questions", &question).await,
            daemon.api.get(&format!("{EVENTS}?pattern={}", text.replace(['\r', '\n'], "%0d%0a"))).await,
            daemon.api.get(&format!("/agents/{}", text.replace('\r', "%0d").replace('\n', "%0a"))).await,
        ];
        for reply in replies {
            assert_eq!((reply.header("set-cookie"), reply.header("x-injected")), ("", ""), "{text:?}");
        }
    }
    // Two lengths, or a length beside chunks, are how requests are smuggled past a proxy.
    for lengths in ["Content-Length: 2\r\nContent-Length: 3", "Content-Length: 3\r\nTransfer-Encoding: chunked"] {
        let head = format!(
            "POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n{lengths}"
        );
        let reply = raw(&daemon, &format!("{head}\r\n\r\n{{}}0\r\n\r\n")).await;
        assert!(reply.starts_with("HTTP/1.1 400 ") || reply.is_empty(), "{lengths}: {reply}");
    }
    assert_eq!(daemon.api.journal("*").await.len(), 1, "only the id that is a mere text was taken");
}

/// A gigabyte of nothing in a megabyte.
#[tokio::test]
async fn a_packed_bomb_does_not_go_off() {
    let daemon = Daemon::start().await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..512 {
        bomb.write_all(&chunk).expect("packed");
    }
    let bomb = bomb.finish().expect("packed");
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let before = daemon.resident_mib();
    let request = daemon.api.request(Method::POST, "/v1/traces").header("content-type", "application/json");
    let reply = Api::send(request.header("content-encoding", "gzip").body(bomb)).await;
    assert_eq!(reply.status, 413, "{}", reply.body);
    assert!(daemon.resident_mib() < before + 64, "{} MiB before, {} after", before, daemon.resident_mib());
}

#[tokio::test]
async fn what_is_dear_to_read_is_refused_or_costs_little() {
    let daemon = Daemon::start().await;
    let with = |payload: &str| {
        format!(r#"{{"category":"agent","action":"progress","agent_id":"a","payload":{{"x":{payload}}}}}"#)
    };
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
    let many: String = (0..15_000).map(|n| format!("\"k{n}\":0,")).collect();
    for (what, body) in [
        ("a number beyond all floats", with("1e999999")),
        ("a number of 200,000 digits", with(&"9".repeat(200_000))),
        ("a fraction of 200,000 digits", with(&format!("0.{}", "3".repeat(200_000)))),
        ("arrays in arrays", with(&deep("[", "]"))),
        ("objects in objects", with(&deep("{\"a\":", "}"))),
        ("a great many keys", with(&format!("{{{many}\"end\":0}}"))),
        ("the same key again and again", with(&format!("{{{}\"a\":0}}", "\"a\":0,".repeat(30_000)))),
        ("escapes only", with(&format!("\"{}\"", "\\u0000".repeat(30_000)))),
        ("a lonely surrogate", with("\"\\ud800\"")),
        ("a time that is none", r#"{"category":"agent","action":"x","agent_id":"a","timestamp":1e300}"#.to_owned()),
        ("a time before all times", r#"{"category":"agent","action":"x","agent_id":"a","timestamp":-1e18}"#.to_owned()),
    ] {
        let reply = daemon.api.post_raw(EVENTS, "application/json", body).await;
        assert!([200, 400, 413, 422].contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
    }
    daemon.api.emit(&event("agent", "progress", "after", &json!({}))).await;
    daemon.api.state_with("the picture goes on", |state| state["agentStates"]["after"].is_object()).await;
    daemon.api.get("/").await.expect(200);
}

/// A schema can ask for endless work: a pattern that backtracks, a reference to itself, a foreign address.
#[tokio::test]
async fn a_schema_is_no_program() {
    let daemon = Daemon::start().await;
    let ask = async |name: &str, schema: Value| {
        let question = json!({"agent_id": "a", "msg_id": name, "question": "?", "response_schema": schema});
        daemon.api.post("/api/v1/questions", &question).await
    };
    let backtracks = json!({"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}});
    let asked = ask("backtracks", backtracks).await;
    if asked.status == 201 {
        let answer = json!({"x": format!("{}!", "a".repeat(50_000))});
        daemon.api.answer("backtracks", &answer).await.problem(422, &[]);
    }
    let itself = ask("itself", json!({"$ref": "#"})).await;
    if itself.status == 201 {
        daemon.api.answer("itself", &json!({"x": 1})).await;
    }
    ask("elsewhere", json!({"$ref": "http://127.0.0.1:1/schema.json"})).await.problem(422, &["response_schema"]);
    ask("file", json!({"$ref": "file:///etc/passwd"})).await.problem(422, &["response_schema"]);
    // Each part twice the next one: a few hundred bytes, and more work than any machine can do.
    let part = |n: u32| json!({"allOf": [{"$ref": format!("#/$defs/p{n}")}, {"$ref": format!("#/$defs/p{n}")}]});
    let mut parts: Map<_, _> = (0..50).map(|n| (format!("p{n}"), part(n + 1))).collect();
    parts.insert("p50".to_owned(), json!({"type": "string"}));
    let doubling = json!({"$ref": "#/$defs/p0", "$defs": parts});
    ask("doubling", doubling.clone()).await.problem(422, &["response_schema"]);
    let payload = json!({"question": "?", "response_schema": doubling, "on_deadline": "default", "default": "x"});
    let blocked = event("agent", "blocked", "a", &payload);
    daemon.api.post(EVENTS, &blocked).await.problem(422, &["response_schema"]);
    daemon.api.get("/readyz").await.expect(200);
}

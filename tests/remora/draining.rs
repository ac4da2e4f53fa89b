//! How a daemon stops: what is under way ends well, streams say when to come back, and nothing takes long.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Daemon, Process, Stream, fixture, http::event, wait_until};

/// What whoever stops a daemon can count on.
const PROMISED: Duration = Duration::from_secs(5);

/// A request whose body has come only halfway.
struct Unfinished {
    stream: TcpStream,
    rest: String,
}

impl Unfinished {
    async fn begin(daemon: &Daemon) -> Self {
        let body = event("agent", "started", "late", &json!({})).to_string();
        let (half, rest) = body.split_at(body.len() / 2);
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
        let head = format!(
            "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The daemon says so once it reads the body: then the request is at work.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
        stream.write_all(half.as_bytes()).await.unwrap();
        Self { stream, rest: rest.to_owned() }
    }

    async fn finish(mut self) -> String {
        self.stream.write_all(self.rest.as_bytes()).await.unwrap();
        let mut reply = String::new();
        self.stream.read_to_string(&mut reply).await.unwrap();
        reply
    }
}

async fn begins_to_stop(daemon: &Daemon) {
    wait_until("the daemon stops", async || daemon.log().contains("stopping").then_some(())).await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_and_nothing_new_is_begun() {
    let mut daemon = Daemon::start().await;
    let request = Unfinished::begin(&daemon).await;
    daemon.signal("TERM").await;
    begins_to_stop(&daemon).await;
    wait_until("nobody new is let in", async || {
        TcpStream::connect(("127.0.0.1", daemon.port())).await.is_err().then_some(())
    })
    .await;
    let reply = request.finish().await;
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains(r#""accepted":1"#), "{reply}");
    assert!(daemon.ended().await.success());
    daemon.start_again().await;
    assert_eq!(daemon.api.journal("*").await.len(), 1, "what was acknowledged is there");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let mut daemon = Daemon::start().await;
        // It would wait for the rest of this one.
        let _request = Unfinished::begin(&daemon).await;
        daemon.signal(first).await;
        begins_to_stop(&daemon).await;
        daemon.signal(second).await;
        assert_eq!(daemon.ended().await.code(), Some(1));
        assert!(daemon.log().contains("told twice"), "{}", daemon.log());
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    }
}

#[tokio::test]
async fn every_stream_says_when_to_come_back() {
    let mut daemon = Daemon::start().await;
    let mut readers = Vec::new();
    for path in ["/events", "/api/v1/events/stream"] {
        let mut response = daemon.api.request(Method::GET, path).send().await.unwrap();
        let mut text = response.chunk().await.unwrap().unwrap().to_vec();
        readers.push(tokio::spawn(async move {
            while let Ok(Some(chunk)) = response.chunk().await {
                text.extend_from_slice(&chunk);
            }
            String::from_utf8(text).unwrap()
        }));
    }
    assert!(daemon.terminate().await.success());
    for reader in readers {
        let text = reader.await.unwrap();
        assert!(text.ends_with("retry: 500\n\n"), "{text}");
    }
}

#[tokio::test]
async fn fifty_streams_a_slow_reader_and_a_locked_file_do_not_hold_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.db");
    let root = folder.path().to_str().unwrap();
    let mut daemon = Daemon::setup().args(["--workspace-root", root]).start().await;
    let path = file.to_str().unwrap();
    let mut holder = Process::python(&fixture("workspace.py"), &[path, "hold"]);
    holder.line_with("locked").await;
    daemon.api.emit(&event("agent", "started", "a", &json!({"workspace_id": "w", "workspace": path}))).await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);

    let mut streams = Vec::new();
    for n in 0..50 {
        let path = if n % 2 == 0 { "/events" } else { "/api/v1/events/stream?after=0" };
        streams.push(Stream::open(&daemon.api, path).await);
    }
    // One that reads nothing, while more comes than the system's buffers hold.
    let mut slow = TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
    slow.write_all(b"GET /api/v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    for _ in 0..4 {
        let large: Vec<_> =
            (0..40).map(|n| event("model", "response", "a", &json!({"n": n, "text": "x".repeat(100_000)}))).collect();
        daemon.api.emit(&json!(large)).await;
    }
    let began = Instant::now();
    assert!(daemon.terminate().await.success());
    // The promise is a time: the one thing here that is measured.
    assert!(began.elapsed() < PROMISED, "{:?}", began.elapsed());
    daemon.start_again().await;
    assert_eq!(daemon.api.question(&msg_id).await["answer"], "yes");
    drop(holder);
    daemon.api.question_is(&msg_id, "answered").await;
}

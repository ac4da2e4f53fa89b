//! More than the daemon can take: it says so, stays within its memory, lets people's answers through, and recovers.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Daemon, http::event, sse::Stream, wait_until};

async fn connect(daemon: &Daemon) -> TcpStream {
    TcpStream::connect(("127.0.0.1", daemon.port())).await.expect("the daemon listens")
}

/// A connection that has asked for a page's stream and reads what its holder reads.
async fn silent_browser(daemon: &Daemon) -> TcpStream {
    let mut stream = connect(daemon).await;
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.expect("sent");
    stream
}

/// Reads until the other side closes or a second has passed without a byte; what came.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let daemon = Daemon::setup().var("REMORA_LIMITS__HEAD_S", "1").start().await;
    let slow = (0..50).map(async |_| {
        let mut stream = connect(&daemon).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await.expect("sent");
        rest(&mut stream).await
    });
    join_all(slow).await;
    wait_until("each is counted", async || (daemon.metric("connections_timed_out_total").await >= 50.0).then_some(()))
        .await;
    daemon.api.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused() {
    let daemon = Daemon::setup().var("REMORA_LIMITS__BODY_S", "1").start().await;
    let mut stream = connect(&daemon).await;
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("body_s"), "{said}");
    assert_eq!(daemon.api.state().await["last_seq"], 0);
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_room_comes_back() {
    let daemon = Daemon::setup().var("REMORA_LIMITS__CONNECTIONS", "8").start().await;
    let mut held = Vec::new();
    let refused = wait_until("a connection is refused", async || {
        let mut stream = connect(&daemon).await;
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        held.push(stream);
        (&head == b"HTTP/1.1 503").then_some(())
    });
    refused.await;
    assert!((5..=9).contains(&held.len()), "{} connections", held.len());
    held.clear();
    wait_until("there is room again", async || {
        let request = daemon.api.request(reqwest::Method::GET, "/healthz");
        crate::support::Api::try_send(request).await.filter(|reply| reply.status == 200)
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_let_go() {
    let daemon = Daemon::setup().var("REMORA_LIMITS__STALL_S", "1").start().await;
    let browser = silent_browser(&daemon).await;
    wait_until("the browser is connected", async || (daemon.metric("sessions").await >= 1.0).then_some(())).await;
    // More than the system's buffers on both sides hold.
    wait_until("it is let go", async || {
        let events: Vec<_> = (0..200)
            .map(|n| event("agent", "progress", &format!("a{n}"), &json!({"message": "x".repeat(2_000)})))
            .collect();
        daemon.api.emit(&json!(events)).await;
        (daemon.metric("connections_timed_out_total").await >= 1.0).then_some(())
    })
    .await;
    wait_until("its session has ended", async || (daemon.metric("sessions").await == 0.0).then_some(())).await;
    drop(browser);
}

/// Large bodies from many sides at once; an answer is small and needs none of their room.
#[tokio::test]
async fn large_bodies_together_are_bounded_too() {
    let setup = Daemon::setup()
        .var("REMORA_LIMITS__ARRIVING_BYTES", "100000")
        .var("REMORA_LIMITS__BODY_BYTES", "90000")
        .var("REMORA_LIMITS__EVENT_BYTES", "9000");
    let daemon = setup.start().await;
    let msg_id = daemon.api.ask_text("a", "Go on?").await;
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 80000\r\n\r\n";
    let mut held = connect(&daemon).await;
    held.write_all(format!("{head}{}", " ".repeat(70_000)).as_bytes()).await.expect("sent");
    let batch: Vec<_> = (0..100).map(|n| event("tool", "called", "b", &json!({"name": "x".repeat(400 + n)}))).collect();
    wait_until("there is no room for a second one", async || {
        let reply = daemon.api.post("/api/v1/events", &json!(batch)).await;
        (reply.status == 503 && !reply.header("retry-after").is_empty()).then_some(())
    })
    .await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    drop(held);
    wait_until("its room comes back", async || {
        let reply = daemon.api.post("/api/v1/events", &json!(batch)).await;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// Ten times more than there is room for, from 200 connections that try again as they are told.
#[tokio::test]
async fn answers_get_through_ten_times_too_much_and_nothing_is_lost() {
    let limits = ["batch_events=1000", "publishing_events=1000", "agents=500"];
    let setup = Daemon::setup().args(limits.iter().flat_map(|limit| ["--limit", limit]));
    let daemon = setup.start().await;
    daemon.api.start_agent("asker").await;
    let refused = AtomicUsize::new(0);
    let publishers = (0..200).map(async |publisher: usize| {
        for batch in 0..3 {
            let events: Vec<Value> = (0..50)
                .map(|n| {
                    let mut event =
                        event("tool", "called", &format!("p{publisher}"), &json!({"name": "x".repeat(300)}));
                    event["id"] = json!(format!("{publisher}-{batch}-{n}"));
                    event
                })
                .collect();
            wait_until("the batch is taken", async || {
                let reply = daemon.api.post("/api/v1/events", &json!(events)).await;
                if reply.status == 503 {
                    assert!(!reply.header("retry-after").is_empty(), "says when to try again");
                    refused.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                Some(reply.expect(200))
            })
            .await;
        }
    });
    let people = async {
        for n in 0..20 {
            // An agent is told to try again like any publisher; a person is not.
            let question = json!({"agent_id": "asker", "msg_id": format!("q{n}"), "question": "Go on?"});
            wait_until("the question is taken", async || {
                let reply = daemon.api.post("/api/v1/questions", &question).await;
                (reply.status == 201).then_some(())
            })
            .await;
            daemon.api.answer(&format!("q{n}"), &json!("yes")).await.expect(200);
        }
    };
    tokio::join!(join_all(publishers), people);
    assert!(refused.load(Ordering::Relaxed) > 0, "nothing was refused: this was no overload");
    let journal = daemon.api.journal("tool:called").await;
    assert_eq!(journal.len(), 200 * 3 * 50, "each event is there once");
    assert_eq!(daemon.api.journal("agent:resumed").await.len(), 20, "each answer is there once");
    assert!(daemon.resident_mib() < 400, "{} MiB", daemon.resident_mib());
    daemon.api.emit(&event("agent", "progress", "asker", &json!({}))).await;
}

#[tokio::test]
async fn two_thousand_idle_browsers_cost_little_and_hear_everything() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let before = daemon.resident_mib();
    let mut browsers = join_all((0..2_000).map(|_| silent_browser(&daemon))).await;
    wait_until("all are connected", async || (daemon.metric("sessions").await >= 2_000.0).then_some(())).await;
    let after = daemon.resident_mib();
    assert!(after - before < 200, "{} MiB for 2,000 browsers", after - before);
    daemon.api.ask_text("a", "Does everybody hear this?").await;
    for browser in &mut browsers {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("Does everybody hear this?") {
            let read = tokio::time::timeout(crate::support::DEADLINE, browser.read_buf(&mut heard)).await;
            assert!(read.expect("heard in time").expect("open") > 0, "the stream ended");
        }
    }
}

/// Everything at once, again and again: memory and file handles stay where they are. `REMORA_SOAK_S` says for how many
/// seconds; an hour shows more than the few seconds of a usual run.
#[tokio::test]
async fn a_soak_leaves_memory_and_handles_flat() {
    let seconds = std::env::var("REMORA_SOAK_S").ok().and_then(|s| s.parse().ok()).unwrap_or(10);
    let limits = [("AGENTS", "200"), ("CLOSED_QUESTIONS", "100")];
    let setup = limits.iter().fold(Daemon::setup(), |s, (name, value)| s.var(&format!("REMORA_LIMITS__{name}"), value));
    let daemon = setup.start().await;
    let mut round = 0;
    // What is bounded has to be full before it can stay as it is.
    while round < 20 {
        round = work(&daemon, round).await;
    }
    let (memory, handles) = (daemon.resident_mib(), daemon.handles());
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        round = work(&daemon, round).await;
    }
    wait_until("handles are given back", async || (daemon.handles() <= handles + 8).then_some(())).await;
    let grown = daemon.resident_mib().saturating_sub(memory);
    println!("{round} rounds in {seconds} s: {memory} MiB at first, {grown} MiB more at the end, {handles} handles");
    assert!(grown < 32 + memory / 4, "{grown} MiB more than {memory} MiB after {round} rounds");
}

/// One round: events, a browser that comes and goes, a question and its answer.
async fn work(daemon: &Daemon, round: usize) -> usize {
    let agent = format!("agent-{}", round % 1_000);
    let mut stream = Stream::open(&daemon.api, "/events").await;
    let events: Vec<_> = (0..100).map(|n| event("tool", "called", &agent, &json!({"name": format!("t{n}")}))).collect();
    daemon.api.emit(&json!(events)).await;
    let msg_id = daemon.api.ask_text(&agent, "Go on?").await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    daemon.api.emit(&event("agent", "completed", &agent, &json!({"result": "done"}))).await;
    stream.next().await.expect("a frame");
    round + 1
}

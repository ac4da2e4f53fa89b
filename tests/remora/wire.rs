//! The streams, and the routes that watch over the daemon.

use std::io::{Read as _, Write as _};

use flate2::write::GzDecoder;
use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    guard::{OPERATOR, guarded},
    support::{
        Browser, Daemon, Stream,
        http::{Api, Reply, event},
        wait_until,
    },
};

fn seq(frame: &eventsource_stream::Event) -> u64 {
    frame.id.parse().unwrap_or_else(|_| panic!("an id that is no seq: {frame:?}"))
}

#[tokio::test]
async fn a_new_browser_gets_every_panel_and_the_signals() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("lint-7").await;
    daemon.api.ask_text("lint-7", "Sure?").await;
    let mut stream = Stream::open(&daemon.api, "/events").await;
    assert_eq!(stream.headers["content-type"].to_str().unwrap().split(';').next(), Some("text/event-stream"));
    assert!(stream.headers["cache-control"].to_str().unwrap().contains("no-"), "{:?}", stream.headers);
    let mut missing = vec![
        "id=\"blocked-agents\"",
        "id=\"agent-status\"",
        "id=\"results\"",
        "id=\"execution-progress\"",
        "id=\"events-list\"",
        "lint-7",
        "Sure?",
    ];
    let mut signals = false;
    stream
        .until("every panel came", |frame| {
            missing.retain(|needle| !frame.data.contains(needle));
            signals |= frame.event == "datastar-patch-signals";
            (missing.is_empty() && signals).then_some(())
        })
        .await;
}

/// Tells of a tool that was called.
async fn call(daemon: &Daemon, tool: &str) {
    daemon.api.emit(&event("tool", "called", "a", &json!({"name": tool}))).await;
}

/// A stream that has its first frame, which shows everything; what happens from now on comes in frames of its own.
async fn opened(daemon: &Daemon) -> Stream {
    let mut stream = Stream::open(&daemon.api, "/events").await;
    let is_last = |part: &eventsource_stream::Event| part.event == "datastar-patch-signals";
    stream.until("the first frame came", |part| is_last(part).then_some(())).await;
    stream
}

/// What was sent after the frame of the event `seen` and before its own id, up to the part that shows `last`. A frame's
/// id comes with its end: half a frame does not count as seen.
async fn sent_after(stream: &mut Stream, seen: &str, last: &str) -> String {
    let mut sent = String::new();
    stream
        .until(&format!("{last} is shown"), |part| {
            if part.id == seen {
                sent.push_str(&part.data);
            }
            part.data.contains(last).then_some(())
        })
        .await;
    sent
}

#[tokio::test]
async fn only_what_changed_is_sent() {
    let daemon = Daemon::start().await;
    let mut stream = opened(&daemon).await;
    call(&daemon, "first-tool").await;
    sent_after(&mut stream, "0", "prepend").await;
    call(&daemon, "second-tool").await;
    sent_after(&mut stream, "1", "prepend").await;
    call(&daemon, "third-tool").await;
    let sent = sent_after(&mut stream, "2", "prepend").await;
    assert!(sent.contains("third-tool"), "{sent}");
    for other in ["second-tool", "id=\"results\"", "id=\"blocked-agents\"", "id=\"execution-progress\"", "<h2"] {
        assert!(!sent.contains(other), "{other} did not change: {sent}");
    }
}

#[tokio::test]
async fn a_reconnecting_browser_gets_only_what_it_missed() {
    let daemon = Daemon::start().await;
    // Frames are kept while somebody looks on.
    let (mut other, mut stream) = (opened(&daemon).await, opened(&daemon).await);
    call(&daemon, "seen-tool").await;
    sent_after(&mut stream, "0", "prepend").await;
    drop(stream);
    sent_after(&mut other, "0", "prepend").await;
    call(&daemon, "missed-tool").await;
    sent_after(&mut other, "1", "prepend").await;
    let mut stream = Stream::resume(&daemon.api, "/events", Some("1")).await;
    let sent = sent_after(&mut stream, "", "prepend").await;
    assert!(sent.contains("missed-tool") && !sent.contains("seen-tool"), "{sent}");
}

#[tokio::test]
async fn raw_events_are_streamed_by_pattern_and_resumed() {
    let daemon = Daemon::start().await;
    let batch = |from: u64| -> Value {
        (from..from + 10).map(|n| event(["tool", "model"][n as usize % 2], "called", "a", &json!({"n": n}))).collect()
    };
    daemon.api.emit(&batch(1)).await;
    let mut tools = Stream::resume(&daemon.api, "/api/v1/events/stream?pattern=tool:*", Some("0")).await;
    let mut live = Stream::open(&daemon.api, "/api/v1/events/stream").await;
    daemon.api.emit(&batch(11)).await;
    let mut seen = Vec::new();
    tools
        .until("ten tool events came", |frame| {
            let event: Value = serde_json::from_str(&frame.data).unwrap();
            assert_eq!((event["category"].as_str(), event["seq"].as_u64()), (Some("tool"), Some(seq(frame))));
            seen.push(event["payload"]["n"].as_u64().unwrap());
            (seen.len() == 10).then_some(())
        })
        .await;
    assert_eq!(seen, (1..=20).filter(|n| n % 2 == 0).collect::<Vec<_>>());
    // Without a position a stream begins with now.
    assert_eq!(live.until("an event came", |frame| Some(seq(frame))).await, 11);
    let mut resumed = Stream::resume(&daemon.api, "/api/v1/events/stream", Some("13")).await;
    assert_eq!(resumed.until("an event came", |frame| Some(seq(frame))).await, 14);
    daemon.api.get("/api/v1/events/stream?pattern=robot:*").await.problem(422, &["pattern"]);
}

/// What a client that speaks `version` reads of a raw stream until it has the event `name`.
async fn read_raw(daemon: &Daemon, version: &str, name: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).await.expect("the daemon listens");
    let request = format!("GET /api/v1/events/stream?after=0 HTTP/{version}\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(name) {
        assert!(stream.read_buf(&mut text).await.expect("read") > 0, "{}", String::from_utf8_lossy(&text));
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_stream_is_chunked_for_those_who_know_chunks() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("one").await;
    let (newer, older) = tokio::join!(read_raw(&daemon, "1.1", "\"one\""), read_raw(&daemon, "1.0", "\"one\""));
    let body = |text: &str| text.split_once("\r\n\r\n").expect("a head and a body").1.to_owned();
    let chunked = |text: &str| text.to_lowercase().contains("transfer-encoding: chunked");
    assert!(chunked(&newer) && body(&newer).starts_with("8\r\n: open\n\n\r\n"), "{newer}");
    assert!(!chunked(&older) && body(&older).starts_with(": open\n\nid: 1\n"), "{older}");
    for text in [&newer, &older] {
        assert!(
            text.starts_with("HTTP/1.") && text.to_lowercase().contains("content-type: text/event-stream"),
            "{text}"
        );
    }
}

async fn accepting(api: &Api, codings: &str, path: &str) -> reqwest::Response {
    let request = api.request(Method::GET, path).header("accept-encoding", codings);
    let response = request.send().await.expect("the daemon replies");
    assert_eq!(response.status(), 200, "{path}");
    response
}

/// Whether a response came in gzip.
fn is_packed(response: &reqwest::Response) -> bool {
    response.headers().get("content-encoding").is_some_and(|coding| coding == "gzip")
}

/// What has come of a stream, unpacked as it comes.
struct Coming {
    response: reqwest::Response,
    gzip: Option<GzDecoder<Vec<u8>>>,
    text: Vec<u8>,
}

impl Coming {
    async fn open(daemon: &Daemon, codings: &str) -> Self {
        let response = accepting(&daemon.api, codings, "/events").await;
        assert_eq!(response.headers()["vary"], "accept-encoding");
        let gzip = is_packed(&response).then(|| GzDecoder::new(Vec::new()));
        let mut coming = Self { response, gzip, text: Vec::new() };
        coming.until("\nid: 0\n\n").await;
        coming.text.clear();
        coming
    }

    /// Everything after the first frame, up to `end`.
    async fn until(&mut self, end: &str) -> &str {
        while !self.text.windows(end.len()).any(|part| part == end.as_bytes()) {
            let bytes = self.response.chunk().await.expect("read").expect("a stream has no end");
            match &mut self.gzip {
                Some(gzip) => {
                    gzip.write_all(&bytes).expect("gzip");
                    gzip.flush().expect("gzip");
                    self.text.append(gzip.get_mut());
                }
                None => self.text.extend_from_slice(&bytes),
            }
        }
        std::str::from_utf8(&self.text).expect("whole frames")
    }
}

#[tokio::test]
async fn a_compressed_stream_can_be_read_as_it_comes() {
    let daemon = Daemon::setup().args(["--compression", "gzip"]).start().await;
    let (mut plain, mut packed) =
        (Coming::open(&daemon, "gzip;q=0").await, Coming::open(&daemon, "br, gzip, zstd").await);
    assert!(plain.gzip.is_none() && packed.gzip.is_some());
    for (name, end) in [("first", "\nid: 1\n\n"), ("second", "\nid: 2\n\n"), ("third", "\nid: 3\n\n")] {
        daemon.api.start_agent(name).await;
        let (plain, packed) = (plain.until(end).await, packed.until(end).await);
        assert!(plain.contains(name), "{plain}");
        assert_eq!(plain, packed);
    }
    assert!(!is_packed(&accepting(&daemon.api, "gzip", "/api/v1/events/stream").await), "for programs, one by one");
}

#[tokio::test]
async fn pages_are_compressed_where_browsers_may_be_far_away_or_the_settings_say_so() {
    let with = |compression: &str| Daemon::setup().args(["--compression", compression]);
    let (tokens, _folder) = guarded(Daemon::setup()).await;
    let (near, gzip, off) = (Daemon::start().await, with("gzip").start().await, with("off").start().await);
    let far = tokens.api.with_token(Some(OPERATOR));
    for (api, packs) in [(&far, true), (&near.api, false), (&gzip.api, true), (&off.api, false)] {
        for path in ["/", "/agents", "/events"] {
            let response = accepting(api, "gzip", path).await;
            assert_eq!(
                (is_packed(&response), &response.headers()["vary"]),
                (packs, &HeaderValue::from_static("accept-encoding")),
                "{path}"
            );
        }
    }
    let page = gzip.api.get("/").await.expect(200).body;
    assert_eq!(unpacked(accepting(&gzip.api, "gzip", "/").await).await, page.as_bytes());
}

#[tokio::test]
async fn a_page_lives_by_a_compressed_stream() {
    let daemon = Daemon::setup().args(["--compression", "gzip"]).start().await;
    let browser = Browser::open(&daemon.url("/")).await;
    browser.text_has("#connection-status", "Connected").await;
    daemon.api.start_agent("packed").await;
    browser.text_has("#events-list", "packed").await;
}

#[tokio::test]
async fn a_stream_over_a_restart_has_no_gap_and_no_repeat() {
    let mut daemon = Daemon::start().await;
    let mut last = 0;
    for round in 0..4_u64 {
        let mut stream = Stream::resume(&daemon.api, "/api/v1/events/stream", Some(&last.to_string())).await;
        let batch: Value = (0..25).map(|n| event("tool", "called", "a", &json!({"n": round * 25 + n}))).collect();
        daemon.api.emit(&batch).await;
        while last < (round + 1) * 25 {
            let frame = stream.next().await.expect("the stream goes on");
            assert_eq!(seq(&frame), last + 1);
            last += 1;
        }
        daemon.crash().await;
    }
}

/// Reads until an event is shown; how often the whole log came.
async fn logs_to(stream: &mut Stream, name: &str) -> usize {
    let mut logs = 0;
    stream
        .until(&format!("{name} is shown"), |part| {
            logs += usize::from(part.data.contains("id=\"events-list\""));
            part.data.contains(name).then_some(())
        })
        .await;
    logs
}

#[tokio::test]
async fn a_slow_browser_is_neither_cut_off_nor_served_what_is_stale() {
    let daemon = Daemon::start().await;
    let (mut fast, mut slow) = (opened(&daemon).await, opened(&daemon).await);
    let mut frames = 0;
    // So many events at once are shown by the whole log: far more, in the end, than a queue and two sockets hold.
    for n in 0..150 {
        let name = |k: usize| format!("batch-{n}-{k}-{}", "x".repeat(100));
        let batch: Value = (0..150).map(|k| event("tool", "called", "a", &json!({"name": name(k)}))).collect();
        daemon.api.emit(&batch).await;
        frames += logs_to(&mut fast, &format!("batch-{n}-149-")).await;
    }
    let logs = logs_to(&mut slow, "batch-149-149-").await;
    assert!(logs < frames, "{logs} of {frames} frames were sent to somebody who did not read them");
    daemon.api.emit(&event("tool", "called", "a", &json!({"name": "goes-on"}))).await;
    slow.until("it goes on", |part| part.data.contains("goes-on").then_some(())).await;
}

#[tokio::test]
async fn one_browser_too_many_hears_why() {
    let daemon = Daemon::setup().var("REMORA_LIMITS__SESSIONS", "2").start().await;
    let open = (opened(&daemon).await, opened(&daemon).await);
    let refused = daemon.api.get("/events").await;
    assert!(refused.header("retry-after").parse::<u64>().is_ok(), "{:?}", refused.headers);
    refused.problem(503, &["sessions"]);
    drop(open);
    wait_until("there is room again", async || {
        let request = daemon.api.request(Method::GET, "/events").send().await.ok()?;
        (request.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_end_on_request_is_orderly_in_spite_of_open_streams() {
    let mut daemon = Daemon::start().await;
    let _streams =
        (Stream::open(&daemon.api, "/events").await, Stream::open(&daemon.api, "/api/v1/events/stream").await);
    daemon.api.emit(&event("tool", "called", "a", &json!({}))).await;
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    assert_eq!(daemon.api.journal("*").await.len(), 1);
}

#[tokio::test]
async fn the_daemon_can_be_watched() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&event("tool", "called", "a", &json!({}))).await;
    daemon.api.get("/healthz").await.expect(200);
    daemon.api.get("/readyz").await.expect(200);
    let metrics = daemon.api.get("/metrics").await.expect(200);
    assert!(metrics.body.contains("# TYPE ") && metrics.body.trim_end().ends_with("# EOF"), "{}", metrics.body);
}

/// The body of a response in gzip, which is smaller.
async fn unpacked(response: reqwest::Response) -> Vec<u8> {
    assert!(is_packed(&response), "{response:?}");
    let (packed, mut body) = (response.bytes().await.expect("the whole reply"), Vec::new());
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut body).expect("gzip");
    assert!(packed.len() < body.len(), "{} bytes became {}", body.len(), packed.len());
    body
}

#[tokio::test]
async fn what_is_static_may_be_kept_for_ever() {
    let daemon = Daemon::start().await;
    let page = daemon.api.get("/").await.expect(200).body;
    assert!(page.contains("<title") && page.contains("Remora Dashboard"), "{page}");
    let mut count = 0;
    for address in page.split('"').filter(|text| text.starts_with("/static/")) {
        let file = daemon.api.get(address).await.expect(200);
        assert_eq!(file.header("vary"), "accept-encoding");
        let packed = accepting(&daemon.api, "deflate, gzip", address).await;
        assert_eq!(packed.headers()["vary"], "accept-encoding");
        assert_eq!(packed.headers()["content-type"], file.headers["content-type"]);
        assert_eq!(unpacked(packed).await, file.body.as_bytes());
        assert!(file.header("cache-control").contains("immutable"), "{address}: {:?}", file.headers);
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        count += 1;
    }
    assert!(count >= 2, "a style and a script: {page}");
    for address in ["/static/nothing.css", "/static/../Cargo.toml", "/static/%2e%2e/Cargo.toml", "/static/"] {
        daemon.api.get(address).await.expect(404);
    }
}

#[tokio::test]
async fn a_head_is_that_of_a_get_and_opens_and_takes_nothing() {
    let daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    let msg_id = daemon.api.ask_text("a", "Sure?").await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    let head = async |path: &str| {
        let reply = Api::send(daemon.api.request(Method::HEAD, path)).await;
        assert_eq!(reply.body, "", "{path}");
        reply
    };
    for path in ["/", "/agents", "/agents/a", "/history", "/api", "/healthz", "/metrics", "/static/none", "/none"]
        .into_iter()
        .chain(["/api/v1/state", "/api/v1/events", "/api/v1/events/export", "/api/v1/openapi.json", "/api/v1/none"])
    {
        let (got, headed) = (daemon.api.get(path).await, head(path).await);
        assert_eq!((got.status, got.header("content-type")), (headed.status, headed.header("content-type")), "{path}");
        let length = |reply: &Reply| reply.header("content-length").to_owned();
        assert!(length(&got) == length(&headed) || !path.ends_with(".json"), "{path}: {headed:?}");
    }
    for path in ["/events", "/events?of=/agents", "/api/v1/events/stream"] {
        assert_eq!(head(path).await.expect(200).header("content-type"), "text/event-stream", "{path}");
    }
    head("/api/v1/events/stream?pattern=No!").await.expect(422);
    head("/api/v1/questions").await.expect(200);
    for path in ["/mcp", &format!("/api/v1/questions/{msg_id}/answer"), "/api/v1/cloudevents"] {
        head(path).await.expect(405);
    }
    assert_eq!((daemon.metric("sessions").await, daemon.metric("streams").await), (0.0, 0.0));
    head(&format!("/api/v1/questions/{msg_id}?wait=1")).await.expect(200);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "answered", "who waits for an answer has it, if it came");
}

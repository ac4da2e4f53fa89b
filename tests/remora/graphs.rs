//! The graphs: their pictures follow what the agents do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Browser, Daemon, http::event};

/// An event of an agent in a graph.
fn of(graph: &str, action: &str, agent: &str, payload: &Value) -> Value {
    let mut event = event("agent", action, agent, payload);
    event["graph_id"] = json!(graph);
    event
}

/// A graph in layers, each node after two of the layer before; a believable share of each state.
fn layered(graph: &str, nodes: usize, layers: usize) -> Vec<Value> {
    let roles = ["Parser", "Linter", "Test writer", "Type checker", "Docs", "Reviewer", "Dependency audit"];
    let width = nodes.div_ceil(layers);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64();
    let start = now - (layers * 60) as f64;
    let mut events = Vec::new();
    for n in 0..nodes {
        let (layer, agent) = (n / width, format!("{graph}-{n}"));
        let before = |k: usize| format!("{graph}-{}", (layer - 1) * width + (n * 7 + k * 3) % width);
        let after = if layer == 0 { vec![] } else { vec![before(0), before(1)] };
        let at = |second: usize| json!(start + second as f64);
        let began = layer * 60 + n % 37;
        let payload = json!({"name": format!("{} {n}", roles[n % roles.len()]), "depends_on": after});
        let mut tell = |action: &str, second: usize, payload: &Value| {
            let mut event = of(graph, action, &agent, payload);
            event["timestamp"] = at(second);
            events.push(event);
        };
        let done = layer + 2 < layers;
        if layer + 1 == layers {
            let mut planned = of(graph, "progress", "", &payload);
            planned["category"] = json!("graph");
            planned["node_id"] = json!(agent);
            planned.as_object_mut().expect("an object").remove("agent_id");
            planned["timestamp"] = at(1);
            events.push(planned);
            continue;
        }
        tell("started", began, &payload);
        if n % 9 == 4 {
            tell("blocked", began + 8, &json!({"msg_id": format!("{agent}-q"), "question": "Go on?"}));
            if done {
                tell("resumed", began + 25, &json!({"msg_id": format!("{agent}-q"), "answer": "yes"}));
            }
        }
        let end = if n % 23 == 5 {
            "failed"
        } else if n % 31 == 3 {
            "cancelled"
        } else {
            "completed"
        };
        if done {
            tell(end, began + 40 + n % 11, &json!({}));
        }
    }
    events
}

/// Waits until a part of a picture says something: it has no inner text.
async fn says(browser: &Browser, css: &str, text: &str) {
    let script = "return document.querySelector(arguments[0])?.textContent.includes(arguments[1])";
    browser.until(&format!("{css} says {text:?}"), script, &[css.into(), text.into()]).await;
}

async fn send(daemon: &Daemon, events: &[Value]) {
    for part in events.chunks(2_000) {
        daemon.api.post("/api/v1/events", &json!(part)).await.expect(200);
    }
}

#[tokio::test]
async fn a_graph_grows_waits_and_fails_before_ones_eyes() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&of("g/1", "started", "a", &json!({"name": "Planner"}))).await;
    let browser = Browser::open(&daemon.url("/graphs/g%2F1")).await;
    browser.connected().await;
    says(&browser, "#n0", "Planner").await;
    daemon.api.emit(&of("g/1", "started", "b", &json!({"name": "Coder <b>", "depends_on": "a"}))).await;
    says(&browser, "#n1", "Coder <b>").await;
    browser.count_is("#graph-svg path.edge", 1).await;
    browser.eval("document.querySelector('#n0').dataset.kept = 'yes'", &[]).await;
    let asked = daemon.api.ask_text("b", "Which style?").await;
    browser.find("svg#n1.blocked").await;
    browser.text_has("#graph-table", "waiting").await;
    browser.count_is("#graph-timeline rect.waited", 1).await;
    let namespace = browser.eval("return document.querySelector('#n1 rect').namespaceURI", &[]).await;
    assert_eq!(namespace, "http://www.w3.org/2000/svg");
    assert_eq!(browser.eval("return document.querySelector('#n0').dataset.kept", &[]).await, "yes");
    daemon.api.answer(&asked, &json!("short")).await.expect(200);
    browser.find("svg#n1.answered").await;
    daemon.api.emit(&of("g/1", "failed", "b", &json!({"error": "no"}))).await;
    browser.find("svg#n1.failed").await;
    browser.text_has("#graph-head", "1 failed").await;
    browser.click("#n1 a").await;
    browser.text_has("#agent-title", "Coder").await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_graph_says_of_an_agent_what_the_dashboard_says() {
    let daemon = Daemon::setup().args(["--stalled-after-s", "2"]).start().await;
    let browser = Browser::of(&daemon).await;
    daemon.api.emit(&of("nightly", "started", "a", &json!({"name": "Planner"}))).await;
    daemon.api.emit(&of("nightly", "started", "b", &json!({"name": "Coder", "depends_on": "a"}))).await;
    browser.text_has("#graph-list", "2 running").await;
    // By time alone.
    browser.text_has("#graph-list", "2 stalled").await;
    browser.text_has("#agent-counts", "2 stalled").await;
    browser.goto(&daemon.url("/graphs/nightly")).await;
    browser.connected().await;
    says(&browser, "#n0", "stalled").await;
    browser.text_has("#graph-head", "2 stalled").await;
    browser.text_has("#graph-table", "stalled").await;
    daemon.api.emit(&event("agent", "idle", "a", &json!({}))).await;
    browser.find("svg#n0.idle").await;
    let asked = daemon.api.ask_text("b", "Which style?").await;
    browser.text_has("#graph-head", "1 waiting").await;
    daemon.api.answer(&asked, &json!("short")).await.expect(200);
    says(&browser, "#n1", "answered").await;
    daemon.api.get(&format!("/api/v1/questions/{asked}?wait=1")).await.expect(200);
    daemon.api.emit(&event("tool", "called", "b", &json!({"name": "compile"}))).await;
    browser.find("svg#n1.running").await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn all_graphs_are_listed_found_and_live() {
    let daemon = Daemon::start().await;
    daemon.api.emit(&of("nightly", "started", "a", &json!({}))).await;
    daemon.api.emit(&of("release", "failed", "b", &json!({}))).await;
    let browser = Browser::open(&daemon.url("/graphs")).await;
    browser.connected().await;
    browser.count_is(".multiples > li", 2).await;
    daemon.api.emit(&of("third", "started", "c", &json!({}))).await;
    browser.count_is(".multiples > li", 3).await;
    browser.goto(&daemon.url("/graphs?q=RELE&state=failed")).await;
    browser.connected().await;
    browser.count_is(".multiples > li", 1).await;
    browser.click(".multiples h2 a").await;
    browser.text_is("#graph-title", "release").await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn the_dashboard_leads_to_the_graphs() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    send(&daemon, &layered("nightly", 20, 5)).await;
    browser.text_has("#graph-list", "nightly").await;
    browser.find("#graph-list svg.tiny .completed").await;
    browser.click("#graph-list a.name").await;
    browser.text_is("#graph-title", "nightly").await;
    browser.count_is("#graph-svg > svg", 20).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn programs_read_the_graphs() {
    let daemon = Daemon::start().await;
    send(&daemon, &layered("nightly", 20, 5)).await;
    let list = daemon.api.get("/api/v1/graphs").await.expect(200).json();
    assert_eq!(
        (&list["graphs"][0]["graph_id"], &list["graphs"][0]["progress"]["total"]),
        (&json!("nightly"), &json!(20))
    );
    let graph = daemon.api.get("/api/v1/graphs/nightly").await.expect(200).json();
    assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(20));
    assert_eq!(graph["edges"][0], json!({"from": "nightly-0", "to": "nightly-4"}));
    assert_eq!(graph["nodes"][0]["spans"][0]["activity"], "ran");
    daemon.api.get("/api/v1/graphs/none").await.problem(404, &[]);
    let page = Api::send(daemon.api.request(Method::GET, "/graphs/none").header("accept", "text/html")).await;
    assert!(page.expect(404).body.contains("No graph of this id"));
}

/// The weight of a page is bounded, whatever the graph: 2,000 nodes stay under 600 KB, gzip aside.
#[tokio::test]
async fn large_graphs_are_pages_still() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    for (nodes, layers, most) in [(200, 12, 250_000), (2_000, 40, 600_000)] {
        let name = format!("g{nodes}");
        send(&daemon, &layered(&name, nodes, layers)).await;
        let page = daemon.api.get(&format!("/graphs/{name}")).await.expect(200).body;
        eprintln!("{nodes} nodes: {} bytes", page.len());
        assert!(page.len() < most, "{nodes} nodes weigh {} bytes", page.len());
        browser.goto(&daemon.url(&format!("/graphs/{name}"))).await;
        browser.connected().await;
        browser.count_is("#graph-svg > svg", nodes).await;
        browser.count_is("#graph-timeline li", 100).await;
        daemon.api.emit(&of(&name, "failed", &format!("{name}-{}", nodes * 4 / 5), &json!({}))).await;
        browser.find(&format!("svg#n{}.failed", nodes * 4 / 5)).await;
    }
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn pictures_of_graphs_of_every_size() {
    let daemon = Daemon::start().await;
    send(&daemon, &layered("small", 9, 4)).await;
    send(&daemon, &layered("forty", 40, 7)).await;
    send(&daemon, &layered("two-hundred", 200, 12)).await;
    send(&daemon, &layered("two-thousand", 2_000, 40)).await;
    let alone: Vec<_> = (0..60)
        .map(|n| of("alone", if n % 3 == 0 { "completed" } else { "started" }, &format!("solo-{n}"), &json!({})))
        .collect();
    send(&daemon, &alone).await;
    let browser = Browser::of(&daemon).await;
    let pages = [
        ("graphs", "/graphs"),
        ("graph-9", "/graphs/small"),
        ("graph-40", "/graphs/forty"),
        ("graph-200", "/graphs/two-hundred"),
        ("graph-200-fit", "/graphs/two-hundred?size=fit"),
        ("graph-2000", "/graphs/two-thousand?order=state"),
        ("graph-alone", "/graphs/alone"),
    ];
    for (page, path) in pages {
        for (mode, dark) in [("light", false), ("dark", true)] {
            for (width, height) in [(1280, 800), (390, 844)] {
                browser.prefer_dark(dark).await;
                browser.size(width, height).await;
                browser.goto(&daemon.url(path)).await;
                browser.connected().await;
                let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
                assert_eq!(browser.eval(overflow, &[]).await, 0, "{page} is wider than {width} px");
                browser.screenshot(&format!("{page}-{mode}-{width}"), width, height).await;
            }
        }
    }
    browser.has_no_complaint().await;
}

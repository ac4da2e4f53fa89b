//! The document says what the routes do.

use std::{collections::BTreeSet, fs, iter, path::Path};

use jiff::Timestamp;
use remora_actors::model::{Dashboard, Door, Draft, Limits, Question, QuestionKey, Record, Registration};
use serde_json::json;

use super::*;

/// What only browsers ask for: pages and their parts.
const FOR_BROWSERS: [&str; 17] = [
    "get /events",
    "post /agents/{}/messages",
    "post /agents/{}/stop",
    "get /workspaces/{}",
    "post /agent/{}/undo",
    "get /alike/{}",
    "post /alike/{}",
    "get /static/{}",
    "get /login",
    "post /login",
    "post /logout",
    "get /a/{}",
    "post /a/{}",
    "post /notices/{}",
    "get /history",
    "get /at",
    "get /at/{}",
];

/// `get /api/v1/events`, with the parameters' names left out.
fn documented() -> BTreeSet<String> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let path: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
        let path = path.join("/");
        let methods = item.as_object().expect("a path item").keys();
        methods.map(move |method| format!("{method} {path}")).collect::<Vec<_>>()
    });
    operations.collect()
}

/// Every route as it stands in the sources: `warp::path!(…)`, then its method. Warp's filters cannot be asked. The
/// model context protocol describes itself.
fn routed() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes");
    let files = [fs::read_dir(&folder), fs::read_dir(folder.join("openapi"))];
    let files = files.into_iter().flat_map(|files| files.expect("sources")).map(|file| file.expect("a file").path());
    let sources = files.filter(|file| {
        file.is_file() && !["tests.rs", "faults.rs", "mcp.rs"].iter().any(|other| file.ends_with(other))
    });
    sources.flat_map(|file| routes_of(&file)).collect()
}

fn routes_of(file: &Path) -> Vec<String> {
    let source = fs::read_to_string(file).expect("text");
    let is_under_api = [
        "events",
        "streams",
        "questions",
        "agents",
        "bulk",
        "workspaces",
        "state",
        "graphs",
        "cloud_events",
        "exports",
    ]
    .contains(&file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default());
    let routes = source.split("warp::path!(").skip(1).filter(|rest| !rest.starts_with("\"api\" / \"v1\" / ..)"));
    let route = |rest: &str| {
        let (path, after) = rest.split_once(')')?;
        let first = after.trim_start().strip_prefix(".and(")?.split_once('(')?.0;
        let method = if first == "posted" { "post" } else { first.strip_prefix("warp::")? };
        let path: Vec<_> = path.split('/').map(str::trim).map(|p| p.strip_prefix('"').unwrap_or("{}\"")).collect();
        let path = path.join("/").replace('"', "");
        Some(format!("{method} {}/{path}", if is_under_api { "/api/v1" } else { "" }))
    };
    routes
        .map(|rest| route(rest).unwrap_or_else(|| panic!("a route of another form in {}: {rest}", file.display())))
        .collect()
}

#[test]
fn every_route_is_documented_and_nothing_else() {
    let mut routed = routed();
    assert!(routed.len() > 20, "the sources were not understood: {routed:?}");
    for page in FOR_BROWSERS {
        assert!(routed.remove(page), "{page} is no route any more");
    }
    assert_eq!(documented(), routed);
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    let text = DOCUMENT.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
    for reference in references.collect::<BTreeSet<_>>() {
        assert!(DOCUMENT.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_says_what_it_does() {
    for item in DOCUMENT["paths"].as_object().expect("paths").values() {
        for (method, operation) in item.as_object().expect("a path item") {
            assert!(operation["summary"].is_string(), "{method} {operation}");
        }
    }
}

#[test]
fn the_page_shows_every_operation() {
    let page = std::str::from_utf8(&PAGE).expect("text");
    for path in DOCUMENT["paths"].as_object().expect("paths").keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    assert!(!page.contains("<script>") && !page.contains(" style="), "the page's policy allows neither");
}

/// The picture after one agent's whole story.
fn story() -> Dashboard {
    let limits = Limits::default();
    let mut dashboard = Dashboard::new(&limits);
    let ada = |action: &str, payload: Value| json!({"category": "agent", "action": action, "agent_id": "a", "graph_id": "g", "payload": payload});
    let events = [
        ada("started", json!({"name": "Ada", "workspace_id": "w", "depends_on": ["z"]})),
        ada("blocked", json!({"msg_id": "m", "question": "Sure?", "options": ["yes"], "timeout": 300})),
        ada("resumed", json!({"msg_id": "m", "answer": "yes"})),
        ada("blocked", json!({"msg_id": "n", "question": "Sure?", "context": {"k": 1}})),
        ada("question_cancelled", json!({"msg_id": "n"})),
        ada("blocked", json!({"msg_id": "o", "question": "Sure?", "response_schema": {"type": "object"}})),
        ada("workspace_trouble", json!({"workspace_id": "w", "detail": "locked"})),
        json!({"category": "tool", "action": "called", "agent_id": "b", "session_id": "s", "node_id": "n"}),
        json!({"category": "agent", "action": "completed", "agent_id": "b", "payload": {"result": "done"}}),
    ];
    for (seq, event) in (1..).zip(events) {
        let draft = Draft::parse(event.to_string().as_bytes(), &limits).expect("valid");
        let event = draft.complete(Timestamp::UNIX_EPOCH, || seq.to_string());
        let json = event.to_json();
        dashboard.apply(&Record::new(seq, event, json));
    }
    dashboard
}

#[test]
fn the_described_types_are_the_real_ones() {
    let dashboard = story();
    serde_json::from_value::<schemas::State>(json!(dashboard.signals())).expect("the picture");
    serde_json::from_value::<schemas::GraphList>(dashboard.graphs().to_json()).expect("the graphs");
    for graph in dashboard.graphs().iter() {
        serde_json::from_value::<schemas::Graph>(graph.to_json()).expect("a graph");
    }
    let statuses: BTreeSet<_> = dashboard.inbox().iter().map(|record| record.status.as_str()).collect();
    assert_eq!(statuses.len(), 3, "{statuses:?}");
    for record in dashboard.inbox().iter() {
        serde_json::from_value::<schemas::Question>(json!(record)).expect("a question");
    }
    for answer in [json!("approve"), json!({"decision": "edit", "arguments": {"k": 1}})] {
        let fields = json!({"question": "?", "arguments": {}});
        let key = QuestionKey { msg_id: "m".to_owned(), workspace_id: "w".to_owned() };
        let fields = fields.as_object().expect("an object");
        let question = Question::from_fields(key, "a", Timestamp::UNIX_EPOCH, fields, &Limits::default());
        let decision = question.expect("valid").accept(answer, &Limits::default()).expect("an answer");
        serde_json::from_value::<schemas::Decision>(decision).expect("a decision");
    }
    for path in [None, Some("w.db".into())] {
        let registration = Registration { agent_id: "a".to_owned(), workspace_id: "w".to_owned(), path };
        serde_json::from_value::<schemas::Registration>(json!(registration)).expect("a registration");
    }
}

#[test]
fn every_door_is_described() {
    // Grows with the doors, or does not compile.
    let next = |door: &Door| match door {
        Door::Browser => Some(Door::Cli),
        Door::Cli => Some(Door::Http),
        Door::Http => Some(Door::Mcp),
        Door::Mcp => Some(Door::Link),
        Door::Link => Some(Door::Policy),
        Door::Policy => Some(Door::External),
        Door::External => None,
    };
    let doors: Vec<_> = iter::successors(Some(Door::Browser), next).map(Door::as_str).collect();
    assert_eq!(DOCUMENT["components"]["schemas"]["Door"]["enum"], json!(doors));
}

#[test]
fn a_path_knows_its_methods() {
    assert_eq!(methods_of("/api/v1/questions/x"), ["GET", "DELETE", "HEAD"]);
    assert_eq!(methods_of("/api/v1/workspaces/w/kv"), ["GET", "HEAD"]);
    assert_eq!(methods_of("/api/v1/questions/x/y"), [""; 0]);
    assert_eq!(methods_of("/"), [""; 0]);
}

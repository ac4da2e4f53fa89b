//! The description of the API is true: the daemon answers as it says, whatever it is sent.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Daemon, Packages, Process};

static SCHEMATHESIS: Packages = Packages::new(&["schemathesis==4.32.5"]);

/// What a reply must not be: a server's error, or anything that the document does not name.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";

/// Seconds for all requests together.
const SECONDS: &str = "30";

/// How many operations a path has.
fn methods(item: &Value) -> usize {
    item.as_object().unwrap().len()
}

async fn document(daemon: &Daemon) -> Value {
    daemon.api.get("/api/v1/openapi.json").await.expect(200).json()
}

#[tokio::test]
async fn nothing_that_is_sent_gets_a_reply_that_is_not_documented() {
    // A wait of a second is a wait, and leaves time for others.
    let daemon = Daemon::setup().args(["--limit", "wait_s=1"]).start().await;
    // What it sends first is the shortest text there is: so that something is there.
    daemon.api.ask(&json!({"agent_id": "0", "msg_id": "0", "question": "Sure?"})).await;
    let operations = document(&daemon).await["paths"].as_object().unwrap().values().map(methods).sum::<usize>();
    let url = daemon.url("/api/v1/openapi.json");
    let mut command = SCHEMATHESIS.python();
    command.current_dir(daemon.folder());
    command.args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run", &url, "--checks", CHECKS]);
    // A stream without end is tested where streams are.
    command.args(["--exclude-path", "/api/v1/events/stream", "--max-time", SECONDS, "--max-examples", "20"]);
    command.args(["--continue-on-failure", "--request-timeout", "30", "--suppress-health-check", "all"]);
    command.args(["--generation-database", "none", "--seed", "1", "--no-color"]);
    let finished = Process::spawn(command).wait().await;
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    // It leaves out the document itself as well.
    let tested = format!("Tested: {}\n", operations - 2);
    assert!(finished.stdout.contains(&tested), "{tested}{}", finished.stdout);
    daemon.api.get("/readyz").await.expect(200);
    assert!(!daemon.log().contains("panicked"));
}

#[tokio::test]
async fn every_documented_method_is_there_and_every_other_is_refused() {
    let daemon = Daemon::start().await;
    let document = document(&daemon).await;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    for (path, item) in document["paths"].as_object().unwrap() {
        let asked: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect();
        let asked = asked.join("/");
        for method in &methods {
            let documented = item.get(method.as_str().to_lowercase()).is_some();
            if documented && path.ends_with("/stream") {
                continue;
            }
            let reply = Api::send(daemon.api.request(method.clone(), &asked)).await;
            if documented {
                let missing = reply.status == 405 || reply.body.contains("there is nothing at this path");
                assert!(!missing, "{method} {asked}: {reply:?}");
                continue;
            }
            let allow = reply.header("allow").to_owned();
            reply.problem(405, &["method"]);
            // A HEAD is answered wherever a GET is.
            let name = |method: &str| if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
            let listed = allow.split(", ").all(|method| item.get(name(method)).is_some());
            assert!(listed && !allow.is_empty(), "{method} {asked} allows {allow:?}");
        }
    }
}

#[tokio::test]
async fn people_find_it_from_the_dashboard() {
    let daemon = Daemon::start().await;
    assert!(daemon.api.get("/").await.expect(200).body.contains("href=\"/api\""));
    let page = daemon.api.get("/api").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    for path in document(&daemon).await["paths"].as_object().unwrap().keys() {
        assert!(page.body.contains(path.as_str()), "{path}");
    }
}

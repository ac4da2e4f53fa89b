//! What an answer can be: each kind is asked, answered in a real browser, and read back by a program and from a workspace.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Browser, Daemon, Process, http::text};

/// One field of each kind.
fn release() -> Value {
    json!({"type": "object", "required": ["version", "channel", "days"], "properties": {
        "version": {"type": "string", "title": "Version", "maxLength": 20, "pattern": "^\\d+\\.\\d+$", "examples": ["2.4"]},
        "notes": {"type": "string", "title": "Release notes", "description": "Shown to **nobody** but the team."},
        "replicas": {"type": "integer", "title": "Replicas", "minimum": 1, "maximum": 9, "default": 3},
        "draft": {"type": "boolean", "title": "Only a draft"},
        "channel": {"title": "Channel", "oneOf": [
            {"const": "beta", "title": "Beta", "description": "For those who asked for it."},
            {"const": "stable", "title": "Stable", "description": "For everybody, tonight."}]},
        "region": {"title": "Region", "enum": ["eu", "us", "asia"], "default": "eu"},
        "days": {"title": "Days", "type": "array", "items": {"enum": ["mon", "tue", "wed"]}, "minItems": 1},
        "contact": {"type": "string", "title": "Contact", "format": "email"},
        "at": {"type": "string", "title": "Start", "format": "date"},
    }})
}

fn options() -> Value {
    json!([{"value": "yes", "label": "Yes, now", "effect": "Rewrites 48 files; takes about 2 minutes."},
        {"value": "later", "label": "Tonight", "effect": "Runs at 22:00, nobody is disturbed."}, "no"])
}

async fn asked(daemon: &Daemon, mut fields: Value) -> String {
    fields["agent_id"] = fields.get("agent_id").cloned().unwrap_or_else(|| "a".into());
    text(&daemon.api.ask(&fields).await, "msg_id")
}

fn within(msg_id: &str, css: &str) -> String {
    format!("{} {css}", Browser::card(msg_id))
}

async fn answer_is(daemon: &Daemon, msg_id: &str, answer: &Value) {
    assert_eq!(daemon.api.question_is(msg_id, "answered").await["answer"], *answer);
    assert_eq!(daemon.api.value_of("a", &format!("inbox:response:{msg_id}")).await["answer"], *answer);
}

#[tokio::test]
async fn one_option_or_something_else_is_clicked() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let first = asked(&daemon, json!({"question": "Rewrite?", "options": options()})).await;
    browser.text_has(&Browser::card(&first), "Rewrites 48 files").await;
    browser.click(&within(&first, "input[value=later]")).await;
    browser.submit(&first).await;
    answer_is(&daemon, &first, &json!("later")).await;

    let second = asked(&daemon, json!({"question": "Rewrite?", "options": options()})).await;
    browser.click(&within(&second, ".other")).await;
    browser.type_into(&within(&second, "[name=other]"), "only the tests").await;
    browser.submit(&second).await;
    answer_is(&daemon, &second, &json!("only the tests")).await;

    let several = json!({"question": "Which?", "options": ["x", "y"], "multiple": true});
    let third = asked(&daemon, several).await;
    browser.click(&within(&third, "input[value=y]")).await;
    browser.click(&within(&third, ".other")).await;
    browser.type_into(&within(&third, "[name=other]"), "z").await;
    browser.submit(&third).await;
    answer_is(&daemon, &third, &json!(["y", "z"])).await;

    let closed = asked(&daemon, json!({"question": "Which?", "options": ["x", "y"], "allow_other": false})).await;
    browser.find(&within(&closed, "input[value=x]")).await;
    assert_eq!(browser.count(&within(&closed, "[name=other]")).await, 0);
    daemon.api.answer(&closed, &json!("z")).await.problem(422, &["one of"]);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_confirmation_is_approved_edited_or_rejected() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let ask =
        async || asked(&daemon, json!({"question": "Send?", "reason": "confirmation", "proposal": "Dear all"})).await;
    let approved = ask().await;
    browser.click(&within(&approved, "[value=approve]")).await;
    answer_is(&daemon, &approved, &json!({"decision": "approve"})).await;

    let edited = ask().await;
    browser.type_into(&within(&edited, "[name=proposal]"), "!").await;
    browser.click(&within(&edited, "[value=approve]")).await;
    let record = daemon.api.question_is(&edited, "answered").await;
    assert_eq!(record["answer"]["decision"], "edit");
    let proposal = text(&record["answer"], "proposal");
    assert!(proposal.contains('!') && proposal.len() == 9, "{proposal}");

    let rejected = ask().await;
    browser.type_into(&within(&rejected, "[name=reason]"), "too early").await;
    browser.click(&within(&rejected, "[value=reject]")).await;
    answer_is(&daemon, &rejected, &json!({"decision": "reject", "reason": "too early"})).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn the_arguments_of_a_tool_call_can_be_changed() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let arguments = json!({"command": "rm -rf build\r\nls", "timeout": 5, "force": true, "env": {"A": "b"}});
    let ask = async || {
        let call = json!({"question": "May I?", "reason": "tool_call", "tool_name": "Bash", "arguments": arguments});
        asked(&daemon, call).await
    };
    let unchanged = ask().await;
    browser.text_has(&Browser::card(&unchanged), "Bash").await;
    browser.click(&within(&unchanged, "[value=approve]")).await;
    answer_is(&daemon, &unchanged, &json!({"decision": "approve"})).await;

    let changed = ask().await;
    browser.click(&within(&changed, "[name=f1]")).await;
    browser.find(&within(&changed, "[name=f1]")).await.clear().await.unwrap();
    browser.type_into(&within(&changed, "[name=f1]"), "9").await;
    browser.click(&within(&changed, "[name=f2] option[value=false]")).await;
    browser.click(&within(&changed, "[value=approve]")).await;
    let mut expected = arguments.clone();
    (expected["timeout"], expected["force"]) = (json!(9), json!(false));
    answer_is(&daemon, &changed, &json!({"decision": "edit", "arguments": expected})).await;

    let wrong = ask().await;
    browser.click(&within(&wrong, "[name=f1]")).await;
    browser.find(&within(&wrong, "[name=f1]")).await.clear().await.unwrap();
    browser.type_into(&within(&wrong, "[name=f1]"), "soon").await;
    browser.click(&within(&wrong, "[value=approve]")).await;
    browser.text_has(&within(&wrong, ".field.wrong .problem"), "must be a whole number").await;
    let typed = "return document.querySelector(arguments[0]).value";
    assert_eq!(browser.eval(typed, &[within(&wrong, "[name=f1]").into()]).await, "soon");
    browser.click(&within(&wrong, "[value=reject]")).await;
    answer_is(&daemon, &wrong, &json!({"decision": "reject"})).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_call_with_long_texts_is_read_line_by_line() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let ask = async |tool: &str, arguments: &Value| {
        let call = json!({"question": "May I?", "reason": "tool_call", "tool_name": tool, "arguments": arguments});
        asked(&daemon, call).await
    };
    let module: String = (0..400).map(|line| format!("value_{line} = {line}\n")).collect();
    let written = ask("Write", &json!({"file_path": "values.py", "content": module})).await;
    let names = "return [...document.querySelectorAll(arguments[0])].map((name) => name.textContent).join()";
    browser.find(&within(&written, "dt")).await;
    assert_eq!(browser.eval(names, &[within(&written, "dt").into()]).await, "file_path,content");
    browser.text_has(&within(&written, "dd:last-of-type"), "value_7 = 7\nvalue_8 = 8\n").await;
    browser.text_is(&within(&written, "dd:first-of-type"), "values.py").await;
    browser.text_has(&Browser::card(&written), "More of it, on the agent's page").await;
    browser.click(&within(&written, "[value=approve]")).await;
    answer_is(&daemon, &written, &json!({"decision": "approve"})).await;

    let edits = json!({"edits": [{"new": "if b:\n    c()", "old": "c()"}]});
    let edited = ask("Edit", &edits).await;
    browser.text_is(&within(&edited, "dd:first-of-type"), "if b:\n    c()").await;
    assert_eq!(browser.eval(names, &[within(&edited, "dt").into()]).await, "edits[0].new,edits[0].old");
    browser.click(&within(&edited, "summary")).await;
    let field = browser.find(&within(&edited, "[name=f0]")).await;
    field.clear().await.unwrap();
    browser.type_into(&within(&edited, "[name=f0]"), "[]").await;
    browser.click(&within(&edited, "[value=approve]")).await;
    answer_is(&daemon, &edited, &json!({"decision": "edit", "arguments": {"edits": []}})).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_form_tells_what_is_wrong_at_the_field_and_keeps_what_was_typed() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let msg_id = asked(&daemon, json!({"question": "Release?", "response_schema": release()})).await;
    browser.type_into(&within(&msg_id, "[name=f0]"), "two").await;
    browser.type_into(&within(&msg_id, "[name=f1]"), "Faster.\nSmaller.").await;
    browser.click(&within(&msg_id, "[name=f4][value=stable]")).await;
    // Submitted by key from within a text of several lines.
    let press = "arguments[0] && document.querySelector(arguments[0]).dispatchEvent(new KeyboardEvent('keydown', \
        {key: 'Enter', ctrlKey: true, bubbles: true}))";
    browser.eval(press, &[within(&msg_id, "[name=f1]").into()]).await;
    browser.text_has(&Browser::card(&msg_id), "Version must match the pattern").await;
    browser.text_has(&Browser::card(&msg_id), "Days needs at least 1").await;
    browser.text_has(&within(&msg_id, ".note"), "2 fields to mend").await;

    let state = "const field = document.querySelector(arguments[0]);
        const told = field.getAttribute('aria-describedby')?.split(' ').map(id => document.getElementById(id)?.innerText).join(' ');
        return [field.value, field.getAttribute('aria-invalid'), told ?? '']";
    let version = browser.eval(state, &[within(&msg_id, "[name=f0]").into()]).await;
    assert_eq!((&version[0], &version[1]), (&json!("two"), &json!("true")));
    assert!(text(&json!({"told": version[2]}), "told").contains("pattern"), "{version}");
    let notes = browser.eval(state, &[within(&msg_id, "[name=f1]").into()]).await;
    assert_eq!((&notes[0], &notes[1]), (&json!("Faster.\nSmaller."), &Value::Null));
    assert_eq!(browser.count(&within(&msg_id, "[name=f4][value=stable]:checked")).await, 1);
    assert_eq!(daemon.api.question(&msg_id).await["status"], "open");
    // Another question arrives: the form is left alone again.
    let other = daemon.api.ask_text("b", "And you?").await;
    browser.find(&Browser::card(&other)).await;
    assert_eq!(browser.count(&within(&msg_id, ".field.wrong")).await, 2);

    browser.find(&within(&msg_id, "[name=f0]")).await.clear().await.unwrap();
    browser.type_into(&within(&msg_id, "[name=f0]"), "2.4").await;
    browser.click(&within(&msg_id, "[name=f6][value=tue]")).await;
    browser.click(&within(&msg_id, "[name=f6][value=wed]")).await;
    browser.submit(&msg_id).await;
    let expected = json!({"version": "2.4", "notes": "Faster.\nSmaller.", "replicas": 3, "channel": "stable",
        "region": "eu", "days": ["tue", "wed"]});
    answer_is(&daemon, &msg_id, &expected).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_yes_or_no_that_may_be_left_open_is_left_out_where_nobody_says_it() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let schema = json!({"type": "object", "required": ["sure", "known"], "properties": {
        "sure": {"type": "boolean", "title": "You are sure"},
        "draft": {"type": "boolean", "title": "Only a draft"},
        "known": {"type": ["boolean", "null"]},
        "loud": {"type": "boolean", "default": false}}});
    let ask = async || asked(&daemon, json!({"question": "How?", "response_schema": schema})).await;
    let untouched = ask().await;
    browser.find(&within(&untouched, "[name=f1][value='']:checked")).await;
    browser.submit(&untouched).await;
    answer_is(&daemon, &untouched, &json!({"sure": false, "known": null, "loud": false})).await;
    for (word, value) in [("true", true), ("false", false)] {
        let said = ask().await;
        browser.click(&within(&said, "[name=f0]")).await;
        for field in ["f1", "f2", "f3"] {
            browser.click(&within(&said, &format!("[name={field}][value={word}]"))).await;
        }
        browser.submit(&said).await;
        answer_is(&daemon, &said, &json!({"sure": true, "draft": value, "known": value, "loud": value})).await;
    }
    let taken_back = ask().await;
    browser.click(&within(&taken_back, "[name=f1][value=true]")).await;
    browser.click(&within(&taken_back, "[name=f1][value='']")).await;
    browser.submit(&taken_back).await;
    answer_is(&daemon, &taken_back, &json!({"sure": false, "known": null, "loud": false})).await;
    // Without a script.
    let posted = ask().await;
    let body = format!("msg_id={posted}&f0=true&f1=&f2=&f3=false");
    let request = daemon.api.request(reqwest::Method::POST, "/agent/a/respond").header("accept", "text/html");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    crate::support::Api::send(request).await;
    answer_is(&daemon, &posted, &json!({"sure": true, "known": null, "loud": false})).await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn an_argument_that_is_no_json_is_told_so_where_it_stands() {
    let daemon = Daemon::start().await;
    let browser = Browser::of(&daemon).await;
    let ask = async || {
        let call = json!({"question": "May I?", "reason": "tool_call", "tool_name": "Run",
            "arguments": {"command": "make", "env": {"A": "b"}}});
        asked(&daemon, call).await
    };
    let first = ask().await;
    let (field, problem) = (within(&first, "[name=f1]"), within(&first, ".wrong .problem"));
    browser.click(&field).await;
    browser.find(&field).await.clear().await.unwrap();
    browser.type_into(&field, "{\"A\": }").await;
    browser.click(&within(&first, "[value=approve]")).await;
    browser.text_has(&problem, "not valid JSON").await;
    let focused = "return document.activeElement === document.querySelector(arguments[0])";
    browser.until("the field has the focus", focused, &[field.as_str().into()]).await;
    assert_eq!(daemon.api.question(&first).await["status"], "open");
    let described = "const field = document.querySelector(arguments[0]); \
        return document.getElementById(field.getAttribute('aria-describedby')).innerText";
    assert!(browser.eval(described, &[field.as_str().into()]).await.as_str().unwrap().contains("JSON"));
    browser.find(&field).await.clear().await.unwrap();
    browser.type_into(&field, "{\"A\": \"c\"}").await;
    browser.count_is(&problem, 0).await;
    browser.click(&within(&first, "[value=approve]")).await;
    let edited = json!({"decision": "edit", "arguments": {"command": "make", "env": {"A": "c"}}});
    answer_is(&daemon, &first, &edited).await;

    // Whoever rejects need not mend it first.
    let second = ask().await;
    browser.type_into(&within(&second, "[name=f1]"), "{").await;
    browser.click(&within(&second, "[value=reject]")).await;
    answer_is(&daemon, &second, &json!({"decision": "reject"})).await;
    browser.has_no_complaint().await;

    let third = ask().await;
    let body = format!("msg_id={third}&f0=make&f1=%7B&answer=approve");
    let request = daemon.api.request(reqwest::Method::POST, "/agent/a/respond").header("accept", "text/html");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let page = crate::support::Api::send(request).await.expect(422).body;
    assert!(page.contains("env is not valid JSON") && page.contains("1 field to mend."), "{page}");
}

#[tokio::test]
async fn a_plain_form_post_is_told_the_same_in_a_page() {
    let daemon = Daemon::start().await;
    let msg_id = asked(&daemon, json!({"question": "Release?", "response_schema": release()})).await;
    let post = async |body: String| {
        let request = daemon.api.request(reqwest::Method::POST, "/agent/a/respond").body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("accept", "text/html");
        crate::support::Api::send(request).await
    };
    let page = post(format!("msg_id={msg_id}&f0=%3Cb%3Etwo&f2=3.5&f6=mon&f4=beta")).await.expect(422);
    for part in
        ["value=\"&lt;b&gt;two\"", "Version must match", "Replicas must be a whole number", "value=\"mon\" checked"]
    {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let reply = daemon.api.answer(&msg_id, &json!({"version": "2.4", "channel": "beta", "days": []})).await;
    let problem = reply.problem(422, &["days"]);
    assert_eq!(problem["errors"][0]["pointer"], "#/answer/days");
    let sent = post(format!("msg_id={msg_id}&f0=2.4&f6=mon&f4=beta&f3=true")).await;
    assert!([200, 303].contains(&sent.status), "{sent:?}");
    let expected = json!({"version": "2.4", "draft": true, "channel": "beta", "days": ["mon"]});
    answer_is(&daemon, &msg_id, &expected).await;
}

#[tokio::test]
async fn markdown_is_shown_and_runs_nothing() {
    let daemon = Daemon::start().await;
    let hostile = "**bold** [ok](https://example.org/a) [no](javascript:window.pwned=1) ![x](https://evil.example/x.png)\n\
        <img src=x onerror=\"window.pwned=2\"><script>window.pwned=3</script>\r\revent: x\n\n\
        <div data-init=\"window.pwned=4\" data-on:click=\"window.pwned=5\">hi</div>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n\
        ```\nlong line ".to_owned() + &"x".repeat(400) + "\n```\n";
    let msg_id = asked(&daemon, json!({"question": hostile, "context": hostile, "options": [hostile, "no"]})).await;
    let browser = Browser::of(&daemon).await;
    browser.find(&within(&msg_id, ".question strong")).await;
    browser.click(&within(&msg_id, ".context summary")).await;
    let link = "return [...document.querySelectorAll(arguments[0])].map(a => [a.href, a.rel, a.target].join(' '))";
    let links = browser.eval(link, &[within(&msg_id, ".question a[href]").into()]).await;
    assert_eq!(links, json!(["https://example.org/a noopener noreferrer nofollow _blank"]));
    let found = "return document.querySelectorAll('.markdown :is(img, script, style, [onerror], [style], [data-init], [class], \
        [id])').length";
    assert_eq!(browser.eval(found, &[]).await, 0);
    assert_eq!(browser.eval("return window.pwned ?? null", &[]).await, Value::Null);
    browser.size(360, 740).await;
    let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.eval(overflow, &[]).await, 0, "the page is wider than a phone");
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_python_agent_reads_a_decision_from_its_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let daemon = Daemon::setup().args(["--workspace-root", root.path().to_str().unwrap()]).start().await;
    let script = r#"
import json, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE IF NOT EXISTS kv_store (key TEXT PRIMARY KEY, value TEXT NOT NULL, created_at INTEGER, updated_at INTEGER)")
asked = {"question": "Send?", "options": None, "status": "pending", "reason": "tool_call", "tool_name": "send",
         "arguments": {"to": "all", "copies": 1}}
db.execute("INSERT INTO kv_store VALUES ('outbox:question:m1', ?, 0, 0)", [json.dumps(asked)])
print("asked", flush=True)
while not (row := db.execute("SELECT value FROM kv_store WHERE key = 'inbox:response:m1'").fetchone()):
    time.sleep(0.05)
answer = json.loads(row[0])["answer"]
print("answered:", answer["decision"], answer.get("arguments", asked["arguments"])["copies"], answer.get("reason"), flush=True)
"#;
    let program = root.path().join("agent.py");
    std::fs::write(&program, script).unwrap();
    let mut agent = Process::python(&program, &[file.to_str().unwrap()]);
    agent.line_with("asked").await;
    register(&daemon, &file).await;
    daemon.api.question_is("m1", "open").await;
    let browser = Browser::of(&daemon).await;
    browser.click(&within("m1", "[name=f1]")).await;
    browser.find(&within("m1", "[name=f1]")).await.clear().await.unwrap();
    browser.type_into(&within("m1", "[name=f1]"), "2").await;
    browser.type_into(&within("m1", "[name=reason]"), "two suffice").await;
    browser.click(&within("m1", "[value=approve]")).await;
    assert_eq!(agent.line_with("answered").await, "answered: edit 2 two suffice");
}

async fn register(daemon: &Daemon, file: &Path) {
    let started = json!({"name": "Sender", "workspace_id": "w1", "workspace": file});
    daemon.api.emit(&crate::support::http::event("agent", "started", "a", &started)).await;
}

#[tokio::test]
async fn the_command_line_answers_each_kind() {
    let daemon = Daemon::start().await;
    let call = json!({"question": "May I?", "tool_name": "rm", "arguments": {"path": "x", "depth": 1}});
    let form = json!({"question": "Release?", "response_schema": release()});
    for (fields, words, answer) in [
        (json!({"question": "Which?", "options": options()}), &["none of these"][..], json!("none of these")),
        (call.clone(), &["approve", "depth=2"], json!({"decision": "edit", "arguments": {"path": "x", "depth": 2}})),
        (call, &["reject", "not yet"], json!({"decision": "reject", "reason": "not yet"})),
        (
            form,
            &["version=2.4", "channel=beta", "days=mon"],
            json!({"version": "2.4", "replicas": 3, "channel": "beta", "region": "eu", "days": ["mon"]}),
        ),
    ] {
        let msg_id = asked(&daemon, fields).await;
        let inbox = daemon.remora(["inbox"]).wait().await.expect(0);
        assert!(inbox.stdout.contains(&msg_id), "{inbox:?}");
        daemon.remora([&["answer", &msg_id], words].concat()).wait().await.expect(0);
        answer_is(&daemon, &msg_id, &answer).await;
    }
    let wrong = asked(&daemon, json!({"question": "?", "response_schema": release()})).await;
    daemon.remora(["answer", &wrong, "replicas=many"]).wait().await.expect(2).complains(&["replicas", "whole number"]);
}

#[tokio::test]
async fn one_card_of_each_kind_in_light_and_dark_wide_and_narrow() {
    let daemon = Daemon::start().await;
    let prose = "The staging run is **green** since 3 hours.\n\n| table | rows | lock |\n|---|--:|---|\n| `orders` | 1204331 | 40 s |\n\
        | `users` | 80211 | none |\n\n```sql\nALTER TABLE orders ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR';\n```\n";
    for fields in [
        json!({"agent_id": "migrator", "question": format!("Which default shall `currency` get?\n\n{prose}")}),
        json!({"agent_id": "formatter", "question": "Rewrite 48 files with `cargo fmt`?", "options": options(), "context": prose}),
        json!({"agent_id": "writer", "question": "Which chapters shall be rewritten?", "multiple": true,
            "options": ["Installation", "Configuration", "Upgrading", "Troubleshooting"], "allow_other": false}),
        json!({"agent_id": "mailer", "question": "Send this to all 312 customers?", "reason": "confirmation",
            "proposal": "Dear customers,\n\nversion 2.4 is out.", "timeout": 900, "on_deadline": "deny"}),
        json!({"agent_id": "shell", "question": "May I clean up?", "reason": "tool_call", "tool_name": "Bash", "urgency": "high",
            "arguments": {"command": "rm -rf build/ && cargo build", "timeout": 600, "background": false}}),
        json!({"agent_id": "editor", "question": "May I edit the loader?", "reason": "tool_call", "tool_name": "MultiEdit",
            "arguments": {"file_path": "src/loader.py", "edits": [
                {"old_string": "return load(path)", "new_string": "with open(path) as file:\n    return load(file)"},
                {"old_string": "import os\n", "new_string": ""}]}}),
        json!({"agent_id": "releaser", "question": "With which parameters shall I release?", "response_schema": release()}),
        json!({"agent_id": "odd", "question": "Anything to add?", "response_schema": {"type": "object"}}),
    ] {
        daemon.api.ask(&fields).await;
    }
    let browser = Browser::of(&daemon).await;
    for (mode, dark) in [("light", false), ("dark", true)] {
        for (width, height) in [(1280, 800), (360, 740)] {
            browser.prefer_dark(dark).await;
            browser.size(width, height).await;
            browser.goto(&daemon.url("/")).await;
            browser.count_is(".blocked-agent", 8).await;
            let open = "document.querySelectorAll('.context').forEach(details => details.open = true)";
            browser.eval(open, &[]).await;
            let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.eval(overflow, &[]).await, 0, "wider than {width} px");
            assert!(browser.screenshot(&format!("answers-{mode}-{width}"), width, height).await.is_file());
        }
    }
    browser.has_no_complaint().await;
}

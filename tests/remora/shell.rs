//! A person at the shell: sees whole what is asked, decides it, and hears what became of that.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Daemon, Process, http::text, process::Finished};

async fn shown(daemon: &Daemon, args: &[&str]) -> String {
    daemon.remora([&["inbox"], args].concat()).wait().await.expect(0).stdout
}

/// The commands that a question's page offers.
fn offered(page: &str) -> Vec<String> {
    page.lines().map(str::trim).filter(|line| line.starts_with("remora answer")).map(str::to_owned).collect()
}

/// Runs what was offered as it stands.
async fn run(daemon: &Daemon, line: &str) -> Finished {
    let folder = Path::new(env!("CARGO_BIN_EXE_remora")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().env("PATH", path).env("HOME", daemon.folder());
    command.env("REMORA_URL", daemon.url("")).current_dir(daemon.folder());
    Process::spawn(command).wait().await
}

#[tokio::test]
async fn a_tool_call_is_shown_with_every_argument() {
    let daemon = Daemon::start().await;
    let arguments = json!({"command": "set -e\nrm -rf build\u{1b}[2J\n\tls", "timeout": 5, "env": {"A": ["b"]},
        "path\n    harmless": "/"});
    let call = json!({"agent_id": "coder", "msg_id": "m1", "question": "May I?\nIt is \u{1b}]0;late\u{7}.",
        "tool_name": "Bash", "arguments": arguments, "urgency": "high", "timeout": 300, "on_deadline": "deny",
        "context": "The tests\nare green."});
    daemon.api.ask(&call).await;
    let page = shown(&daemon, &["m1"]).await;
    let has = |lines: &[&str]| {
        let wanted = lines.join("\n");
        let all: Vec<_> = page.lines().map(str::trim_end).collect();
        assert!(all.join("\n").contains(&wanted), "{wanted}\n--- is not in\n{page}");
    };
    for word in ["m1", "coder", "open", "high", "Bash", "The tests", "are green.", "denied"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    has(&["question", "  May I?", "  It is \\u001b]0;late\\u0007."]);
    has(&["  command", "    set -e", "    rm -rf build\\u001b[2J", "    \\tls"]);
    has(&["  timeout", "    5"]);
    has(&["  path\\n    harmless", "    /"]);
    has(&["  env", "    {", "      \"A\": [", "        \"b\"", "      ]", "    }"]);
    assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{page:?}");
    let offered = offered(&page);
    assert_eq!(offered[0], "remora answer m1 approve");
    assert!(offered.iter().any(|line| line.starts_with("remora answer m1 reject")), "{offered:?}");
    assert!(page.contains("remora dismiss m1"), "{page}");

    let json: Value = serde_json::from_str(&shown(&daemon, &["m1", "--json"]).await).unwrap();
    assert_eq!((&json["arguments"], &json["msg_id"]), (&arguments, &json!("m1")));
    run(&daemon, &offered[0]).await.expect(0);
    daemon.api.question_is("m1", "answered").await;
    let page = shown(&daemon, &["m1"]).await;
    assert!(page.contains("approve") && page.contains("answered") && !page.contains("remora answer"), "{page}");
}

#[tokio::test]
async fn what_is_offered_can_be_typed_as_it_stands() {
    let daemon = Daemon::start().await;
    let options = ["yes", "not now, it's late; $HOME `ls`", "-f", "two\nlines", "\u{1b}[2J"];
    for (place, option) in options.iter().enumerate() {
        let msg_id = format!("-m {place}");
        let ask = json!({"agent_id": "a", "msg_id": msg_id, "question": "?", "options": options, "allow_other": false});
        daemon.api.ask(&ask).await;
        let page = daemon.remora(["inbox", "--", &msg_id]).wait().await.expect(0).stdout;
        assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{page:?}");
        let offered = offered(&page);
        assert_eq!(offered.len(), options.len(), "{page}");
        run(&daemon, &offered[place]).await.expect(0);
        let record = daemon.api.question_is(&msg_id.replace(' ', "%20"), "answered").await;
        assert_eq!(record["answer"], *option);
    }
}

#[tokio::test]
async fn each_kind_of_question_says_how_it_is_answered() {
    let daemon = Daemon::start().await;
    let schema = json!({"type": "object", "required": ["count"], "properties": {
        "count": {"type": "integer", "title": "How many", "minimum": 1, "maximum": 9},
        "days": {"type": "array", "items": {"enum": ["mon", "tue"]}}}});
    for (msg_id, mut question, needles) in [
        ("free", json!({}), &["remora answer free 'TEXT'"][..]),
        (
            "many",
            json!({"options": ["a", {"value": "b", "effect": "Rewrites 48 files"}], "multiple": true}),
            &["Rewrites 48 files", "remora answer many a b", "several", "own"],
        ),
        (
            "mail",
            json!({"reason": "confirmation", "proposal": "Dear all,\n\nhello"}),
            &["Dear all,\n", "remora answer mail approve", "proposal='TEXT'", "remora answer mail reject"],
        ),
        (
            "form",
            json!({"response_schema": schema}),
            &["count", "How many", "1", "9", "required", "days", "mon", "tue", "remora answer form count="],
        ),
        ("json", json!({"response_schema": {"type": "object"}}), &["remora answer json '{", "\"type\": \"object\""]),
    ] {
        question["agent_id"] = "a".into();
        question["msg_id"] = msg_id.into();
        question["question"] = "How?".into();
        daemon.api.ask(&question).await;
        let page = shown(&daemon, &[msg_id]).await;
        for needle in needles {
            assert!(page.contains(needle), "{needle} is not in {page}");
        }
    }
    daemon.remora(["inbox", "fre"]).wait().await.expect(1).complains(&["\"fre\"", "did you mean", "\"free\""]);
    daemon.api.ask(&json!({"agent_id": "b", "msg_id": "free", "question": "Whose?"})).await;
    daemon.remora(["inbox", "free"]).wait().await.expect(1).complains(&["several questions", "--agent"]);
    let page = shown(&daemon, &["free", "--agent", "b"]).await;
    run(&daemon, &offered(&page)[0]).await.expect(0);
    daemon
        .api
        .state_with("b's is answered", |state| {
            state["blocked"].as_array().is_some_and(|open| open.iter().all(|one| one["agent_id"] == "a"))
        })
        .await;
    assert!(!shown(&daemon, &["--agent", "b", "--all"]).await.contains("mail"));
}

#[tokio::test]
async fn an_answer_that_is_held_says_until_when() {
    let daemon = Daemon::setup().args(["--undo-s", "60"]).start().await;
    let ask = json!({"agent_id": "a", "msg_id": "m", "question": "Send?", "reason": "confirmation"});
    daemon.api.ask(&ask).await;
    let told = daemon.remora(["answer", "m", "reject", "too early", "--who", "ann"]).wait().await.expect(0).stdout;
    for word in ["rejected", "counts at", "until then", "remora answer --undo m"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let list = shown(&daemon, &[]).await;
    assert!(list.lines().any(|line| line.contains("held")), "{list}");
    let page = shown(&daemon, &["m"]).await;
    assert!(page.contains("held") && page.contains("ann") && page.contains("remora answer --undo m"), "{page}");
    let again = daemon.remora(["answer", "m", "approve"]).wait().await.expect(1);
    again.complains(&["ann answered first"]);
    daemon.remora(["answer", "--undo", "m"]).wait().await.expect(0);
    let told = daemon.remora(["answer", "m", "approve", "--all-equal", "--yes"]).wait().await.expect(0).stdout;
    assert!(told.contains("1 answered") && told.contains("count at") && told.contains("--undo"), "{told}");
    daemon.remora(["answer", "--undo", "m"]).wait().await.expect(0);
    let list = shown(&daemon, &[]).await;
    assert!(list.contains("open") && !list.contains("held"), "{list}");
    assert_eq!(daemon.api.question("m").await["status"], "open");
}

#[tokio::test]
async fn who_answers_all_equal_questions_too_late_hears_who_was_first() {
    let daemon = Daemon::start().await;
    for agent in ["a", "b"] {
        daemon.api.ask(&json!({"agent_id": agent, "msg_id": agent, "question": "Deploy?"})).await;
    }
    daemon.remora(["answer", "a", "yes", "--who", "ann"]).wait().await.expect(0);
    for args in [
        &["answer", "a", "yes", "--all-equal", "--yes"][..],
        &["answer", "a", "yes", "--all-equal"],
        &["dismiss", "a", "--all-equal", "--yes"],
    ] {
        let refused = daemon.remora(args).wait().await.expect(1);
        refused.complains(&["too late", "ann answered first (cli) at 20"]);
    }
    assert_eq!(daemon.api.question("b").await["status"], "open", "nothing was done");
    daemon.api.delete("/api/v1/questions/b").await.expect(200);
    let refused = daemon.remora(["answer", "b", "yes", "--all-equal", "--yes"]).wait().await.expect(1);
    refused.complains(&["too late", "cancelled"]);
}

#[tokio::test]
async fn what_is_nested_as_deep_as_is_taken_hinders_nobody() {
    let daemon = Daemon::start().await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let of =
        |levels| format!(r#"{{"agent_id":"a","msg_id":"deep","question":"?","arguments":{{"x":{}}}}}"#, deep(levels));
    let mut levels = 200;
    while daemon.api.post_raw("/api/v1/questions", "application/json", of(levels)).await.status != 201 {
        levels -= 1;
    }
    let mut levels = 200;
    let event = |levels| {
        format!(r#"{{"category":"agent","action":"started","agent_id":"a","payload":{{"x":{}}}}}"#, deep(levels))
    };
    while daemon.api.post_raw("/api/v1/events", "application/json", event(levels)).await.status != 200 {
        levels -= 1;
    }
    let msg_id = daemon.api.ask_text("b", "Deploy?").await;
    assert!(shown(&daemon, &[]).await.contains(&msg_id));
    assert!(shown(&daemon, &["deep"]).await.contains("[\n"));
    daemon.remora(["message", "b", "hello"]).wait().await.expect(0);
    let data = daemon.folder().join("data").display().to_string();
    daemon.remora(["doctor", "--data", &data]).wait().await.expect(0);
    daemon.remora(["answer", &msg_id, "yes", "--all-equal", "--yes"]).wait().await.expect(0);
    daemon.api.ask(&json!({"agent_id": "c", "msg_id": "deep", "question": "?"})).await;
    daemon.remora(["answer", "deep", "approve"]).wait().await.expect(1).complains(&["several questions", "--agent"]);
    daemon.remora(["answer", "deep", "yes", "--agent", "c"]).wait().await.expect(0);
    daemon.remora(["answer", "deap", "approve"]).wait().await.expect(1).complains(&["\"deep\""]);
}

#[tokio::test]
async fn json_is_printed_or_refused() {
    let daemon = Daemon::start().await;
    for args in [
        &["serve", "--json"][..],
        &["demo", "--json"],
        &["export", "--answers", "--json"],
        &["completions", "bash", "--json"],
        &["man", "man", "--json"],
        &["mcp", "--json"],
    ] {
        daemon.remora(args).wait().await.expect(2).complains(&["--json", args[0]]);
    }
    daemon.remora(["--json", "export", "--answers"]).wait().await.expect(2).complains(&["--json"]);
    daemon.remora(["export", "--json"]).wait().await.expect(0);
    let data = daemon.folder().join("fresh");
    let args = ["serve", "--check-config", "--json", "--data", data.to_str().unwrap(), "--limit", "agents=9"];
    let checked: Value = serde_json::from_str(&daemon.remora(args).wait().await.expect(0).stdout).unwrap();
    assert_eq!(checked["settings"]["limits"]["agents"], json!({"value": 9, "source": "flag"}), "{checked}");
    assert_eq!(checked["settings"]["retain_age_s"], json!({"value": null, "source": "default"}), "{checked}");
    assert_eq!((&checked["ok"], &checked["problems"]), (&json!(true), &json!([])));
    let args = ["serve", "--check-config", "--json", "--workspace-root", "/nowhere/at/all"];
    let finished = daemon.remora(args).wait().await.expect(2);
    let checked: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(checked["ok"], false);
    assert!(checked["problems"].to_string().contains("/nowhere/at/all"), "{checked}");
}

#[tokio::test]
async fn an_address_is_taken_as_people_write_it() {
    let daemon = Daemon::start().await;
    for path in ["/", "/api/v1", "/api/v1/", "/api/"] {
        let mut command = daemon.command(["inbox"]);
        command.env("REMORA_URL", daemon.url(path));
        Process::spawn(command).wait().await.expect(0);
    }
    let mut command = daemon.command(["inbox"]);
    command.env("REMORA_URL", daemon.url("/?x=1"));
    Process::spawn(command).wait().await.expect(2).complains(&["?x=1"]);
    // What is empty is not set: the default, where nobody or another daemon is.
    for (variable, args) in
        [("REMORA_URL", &["doctor"][..]), ("REMORA_TOKEN_FILE", &["inbox"]), ("REMORA_CONFIG", &["doctor"])]
    {
        let mut command = daemon.command(args);
        command.env(variable, "");
        let finished = Process::spawn(command).wait().await;
        assert_ne!(finished.code, Some(2), "{variable}: {}", finished.stderr);
        if variable == "REMORA_URL" {
            assert!(finished.stdout.contains("http://127.0.0.1:8000"), "{finished:?}");
        }
    }
}

#[tokio::test]
async fn an_agents_token_hears_which_one_is_needed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "agent agent-0123456789\noperator operator-0123456 alice\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = Daemon::setup().args(["--token-file", file.to_str().unwrap()]).start().await;
    let asking = daemon.api.with_token(Some("agent-0123456789"));
    let msg_id = text(&asking.ask(&json!({"agent_id": "a", "question": "Deploy?"})).await, "msg_id");
    for args in [&["inbox"][..], &["answer", &msg_id, "yes"], &["message", "a", "hi"], &["stop", "a"], &["search", "x"]]
    {
        let mut command = daemon.command(args);
        command.env("REMORA_TOKEN", "agent-0123456789");
        let refused = Process::spawn(command).wait().await.expect(1);
        refused.complains(&["an operator's token", "`operator TOKEN NAME`", "token file", "--token-file"]);
    }
    let mut command = daemon.command(["inbox", "--agent", "a"]);
    command.env("REMORA_TOKEN", "agent-0123456789");
    assert!(Process::spawn(command).wait().await.expect(0).stdout.contains(&msg_id));
    let mut command = daemon.command(["inbox"]);
    command.env("REMORA_TOKEN", "operator-0123456");
    assert!(Process::spawn(command).wait().await.expect(0).stdout.contains(&msg_id));
}

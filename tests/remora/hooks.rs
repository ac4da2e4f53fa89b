//! Claude Code's hooks: what they report, what a person decides, and that they never stand in the agent's way.

use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};

use crate::support::{Daemon, Process, http::text, process::Finished, repository};

/// A hook's input, as Claude Code writes it.
fn input(hook: &str, more: &Value) -> Value {
    let mut input = json!({"session_id": "s1", "transcript_path": "/tmp/t.jsonl", "cwd": "/home/me/shop",
        "permission_mode": "default", "hook_event_name": hook});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

fn bash(hook: &str) -> Value {
    let mut fields = json!({"tool_name": "Bash", "tool_input": {"command": "rm -rf build", "description": "Clean up"}});
    if hook != "PermissionRequest" {
        fields["tool_use_id"] = json!("toolu_1");
    }
    input(hook, &fields)
}

/// Runs the hook as Claude Code does, with as much time for the event as a busy test machine needs.
async fn hook(daemon: &Daemon, args: &[&str], input: &Value) -> Process {
    let args = [&["hook", "claude-code", "--limit-ms", "60000"], args].concat();
    let mut process = daemon.remora(args);
    process.feed(input.to_string().as_bytes()).await;
    process
}

async fn ended(daemon: &Daemon, input: &Value) -> Finished {
    hook(daemon, &[], input).await.wait().await.expect(0)
}

/// The only open question's record, once there is one.
async fn open_question(daemon: &Daemon) -> Value {
    let state = daemon.api.state_with("a question is open", |state| state["blocked"][0].is_object()).await;
    state["blocked"][0].clone()
}

fn output(finished: &Finished) -> Value {
    let output: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    output["hookSpecificOutput"].clone()
}

#[tokio::test]
async fn a_session_is_an_agent_and_its_tool_calls_are_events() {
    let daemon = Daemon::start().await;
    for input in [
        input("SessionStart", &json!({"source": "startup", "model": "opus"})),
        input("UserPromptSubmit", &json!({"prompt": "Clean up"})),
        bash("PreToolUse"),
        bash("PostToolUse"),
        bash("PostToolUseFailure"),
        input("SubagentStart", &json!({"agent_id": "sub", "agent_type": "Explore"})),
        input("SubagentStop", &json!({"agent_id": "sub", "last_assistant_message": "found it"})),
        input("Notification", &json!({"message": "idle"})),
        input("Stop", &json!({})),
        input("FutureHook", &json!({"anything": [1, 2]})),
        input("SessionEnd", &json!({"reason": "logout"})),
        // Run again: the same tool call is the same event.
        bash("PreToolUse"),
        bash("PostToolUse"),
    ] {
        let finished = ended(&daemon, &input).await;
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", ""), "{input}");
    }
    let journal = daemon.api.journal("*").await;
    let kinds: Vec<_> =
        journal.iter().map(|event| format!("{}:{}", text(event, "category"), text(event, "action"))).collect();
    let expected = [
        "agent:started",
        "agent:progress",
        "tool:called",
        "tool:completed",
        "tool:failed",
        "agent:started",
        "agent:completed",
        "agent:message",
        "agent:idle",
        "agent:hook_future_hook",
        "agent:completed",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(journal[2]["payload"]["tool_input"]["command"], "rm -rf build");
    assert_eq!((&journal[5]["agent_id"], &journal[5]["graph_id"]), (&json!("s1:sub"), &json!("s1")));
    let state = daemon.api.state_at(11).await;
    let session = &state["agentStates"]["s1"];
    assert_eq!((&session["name"], &session["state"]), (&json!("shop (Claude Code)"), &json!("completed")));
    assert_eq!(state["results"][1]["content"], "found it");
}

#[tokio::test]
async fn a_message_reaches_the_session_with_its_next_step() {
    let daemon = Daemon::start().await;
    ended(&daemon, &input("SessionStart", &json!({}))).await;
    daemon.remora(["message", "s1", "mind the changelog", "--who", "alice"]).wait().await.expect(0);
    daemon.api.state_with("the message is written", |state| state.to_string().contains("message_written")).await;
    let told = output(&ended(&daemon, &bash("PostToolUse")).await);
    assert_eq!(told["hookEventName"], "PostToolUse");
    assert_eq!(told["additionalContext"], "Message from alice, sent through Remora: mind the changelog");
    assert_eq!(ended(&daemon, &bash("PostToolUse")).await.stdout, "", "once");
}

#[tokio::test]
async fn a_huge_output_is_reported_in_short() {
    let daemon = Daemon::start().await;
    let mut read = bash("PostToolUse");
    read["tool_response"] = json!({"stdout": "\u{1}".repeat(5 << 20), "stderr": "the end"});
    assert_eq!(ended(&daemon, &read).await.stderr, "");
    let response = &daemon.api.journal("tool:completed").await[0]["payload"]["tool_response"];
    assert!(text(response, "stdout").contains("left out") && response["stderr"] == "the end", "{response}");
}

#[tokio::test]
async fn a_person_approves_edits_and_denies() {
    let daemon = Daemon::start().await;
    let deny = json!({"decision": "reject", "reason": "not on a friday"});
    let edit = json!({"decision": "edit", "arguments": {"command": "ls build", "description": "Clean up"}});
    for (number, answer, expected) in [
        (1, json!("approve"), json!({"permissionDecision": "allow"})),
        (
            2,
            edit,
            json!({"permissionDecision": "allow",
            "updatedInput": {"command": "ls build", "description": "Clean up"}}),
        ),
        (3, deny, json!({"permissionDecision": "deny", "permissionDecisionReason": "not on a friday"})),
    ] {
        let mut call = bash("PreToolUse");
        call["tool_use_id"] = json!(format!("toolu_{number}"));
        let waiting = hook(&daemon, &["--ask", "Bash,Write"], &call).await;
        let question = open_question(&daemon).await;
        assert_eq!((&question["reason"], &question["agent_id"]), (&json!("tool_call"), &json!("s1")));
        assert_eq!((&question["tool_name"], &question["arguments"]), (&json!("Bash"), &call["tool_input"]));
        daemon.api.answer(&text(&question, "msg_id"), &answer).await.expect(200);
        let told = output(&waiting.wait().await.expect(0));
        assert_eq!(told["hookEventName"], "PreToolUse");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&told[field], value, "{told}");
        }
        daemon.api.question_is(&text(&question, "msg_id"), "delivered").await;
    }
    // Run again for the same call: the decision stands, nobody is asked twice.
    let mut denied = bash("PreToolUse");
    denied["tool_use_id"] = json!("toolu_3");
    let again = hook(&daemon, &["--ask-all"], &denied).await.wait().await.expect(0);
    assert_eq!(output(&again)["permissionDecision"], "deny");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 3);
}

#[tokio::test]
async fn a_person_decides_on_the_page_and_at_the_shell() {
    let daemon = Daemon::start().await;
    let waiting = hook(&daemon, &["--ask-prompts"], &bash("PermissionRequest")).await;
    let msg_id = text(&open_question(&daemon).await, "msg_id");
    // What a browser sends: the arguments as they are, and the button that was pressed.
    let form = format!("msg_id={msg_id}&f0=rm+-rf+build&f1=Clean+up&reason=&answer=reject");
    let reply = daemon.api.post_raw("/agent/s1/respond", "application/x-www-form-urlencoded", form).await;
    reply.expect(200);
    let told = output(&waiting.wait().await.expect(0));
    assert_eq!((&told["hookEventName"], &told["decision"]["behavior"]), (&json!("PermissionRequest"), &json!("deny")));

    let waiting = hook(&daemon, &["--ask-prompts"], &bash("PermissionRequest")).await;
    let msg_id = text(&open_question(&daemon).await, "msg_id");
    let mistyped = format!("{}x", &msg_id[..msg_id.len() - 1]);
    daemon.remora(["answer", &mistyped, "approve"]).wait().await.expect(1).complains(&["did you mean", &msg_id]);
    daemon.remora(["answer", &msg_id, "approve", "command=ls"]).wait().await.expect(0);
    let told = output(&waiting.wait().await.expect(0));
    assert_eq!(told["decision"]["updatedInput"], json!({"command": "ls", "description": "Clean up"}));
}

#[tokio::test]
async fn nobody_is_asked_where_it_was_not_wanted() {
    let daemon = Daemon::start().await;
    let mut ask_user = bash("PreToolUse");
    ask_user["tool_name"] = json!("AskUserQuestion");
    for (args, input) in [
        (&[][..], bash("PreToolUse")),
        (&["--ask", "Write"], bash("PreToolUse")),
        (&["--ask", "Bash"], bash("PermissionRequest")),
        (&["--ask-all"], bash("PostToolUse")),
        (&["--ask-all"], ask_user),
    ] {
        assert_eq!(hook(&daemon, args, &input).await.wait().await.expect(0).stdout, "", "{args:?}");
    }
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 0);
}

#[tokio::test]
async fn without_a_decision_claude_code_decides() {
    let mut daemon = Daemon::start().await;
    let expired = hook(&daemon, &["--ask-all", "--wait", "0.3"], &bash("PreToolUse")).await.wait().await.expect(0);
    assert_eq!(expired.stdout, "");

    let waiting = hook(&daemon, &["--ask-prompts"], &bash("PermissionRequest")).await;
    let msg_id = text(&open_question(&daemon).await, "msg_id");
    let stopped = waiting.interrupt().await.expect(0);
    assert_eq!(stopped.stdout, "");
    daemon.api.question_is(&msg_id, "cancelled").await;

    let waiting = hook(&daemon, &["--ask-prompts"], &bash("PermissionRequest")).await;
    open_question(&daemon).await;
    daemon.kill().await;
    let left_alone = waiting.wait().await.expect(0).complains(&["daemon not reachable"]);
    assert_eq!(left_alone.stdout, "");
}

#[tokio::test]
async fn a_restart_does_not_lose_the_decision() {
    let mut daemon = Daemon::start().await;
    let waiting = hook(&daemon, &["--ask-all"], &bash("PreToolUse")).await;
    let msg_id = text(&open_question(&daemon).await, "msg_id");
    daemon.crash().await;
    // The hook may have given up before a slow machine had started the daemon again: then nothing is printed.
    daemon.api.answer(&msg_id, &json!("approve")).await.expect(200);
    let finished = waiting.wait().await.expect(0);
    assert!(finished.stdout.is_empty() || output(&finished)["permissionDecision"] == "allow", "{finished:?}");
}

#[tokio::test]
async fn without_a_daemon_the_agent_goes_on() {
    let home = tempfile::tempdir().unwrap();
    for (args, input, complaint) in [
        (&["--ask-all"][..], bash("PreToolUse").to_string(), "remora serve"),
        (&[], "{broken".to_owned(), "json"),
        (&[], String::new(), "json"),
        (&["--url", "https://127.0.0.1:1"], bash("Stop").to_string(), "http://"),
        (&["--token-file", "/nowhere"], bash("Stop").to_string(), "/nowhere"),
    ] {
        let mut command = Daemon::program(home.path());
        // Port 1 is nobody's.
        command.env("REMORA_URL", "http://127.0.0.1:1").args(["hook", "claude-code"]).args(args);
        let began = Instant::now();
        let mut process = Process::spawn(command);
        process.feed(input.as_bytes()).await;
        let finished = process.wait().await.expect(0).complains(&["remora hook", complaint]);
        println!("{args:?}: {:?}", began.elapsed());
        assert_eq!(finished.stdout, "");
    }
    // Code 2 would forbid the tool call.
    let mut command = Daemon::program(home.path());
    command.args(["hook", "claude-code", "--unheard-of"]);
    Process::spawn(command).wait().await.expect(1).complains(&["--unheard-of"]);
}

#[tokio::test]
async fn a_daemon_that_hangs_does_not_hold_the_agent() {
    // Whoever listens here never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Daemon::program(home.path());
    command.args(["hook", "claude-code", "--ask", "Write", "--url", &url_of(&silent)]);
    let mut process = Process::spawn(command);
    process.feed(bash("PreToolUse").to_string().as_bytes()).await;
    let finished = process.wait().await.expect(0).complains(&["did not answer within 150 ms"]);
    assert_eq!(finished.stdout, "");
}

#[tokio::test]
async fn where_nobody_takes_the_connection_nobody_is_asked() {
    // No more than two connections are taken: the kernel has room for one more than it is told.
    let full = tokio::net::TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let _first = tokio::net::TcpStream::connect(full.local_addr().unwrap()).await.unwrap();
    let _second = tokio::net::TcpStream::connect(full.local_addr().unwrap()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Daemon::program(home.path());
    command.args(["hook", "claude-code", "--ask-all", "--url", &url_of(&full)]);
    let mut process = Process::spawn(command);
    process.feed(bash("PreToolUse").to_string().as_bytes()).await;
    let finished = process.wait().await.expect(0).complains(&["remora hook: daemon not reachable"]);
    assert!(finished.stdout.is_empty() && finished.stderr.lines().count() == 1, "{finished:?}");
}

#[tokio::test]
async fn a_slow_daemon_is_asked_all_the_same() {
    let daemon = Daemon::start().await;
    let front = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_of(&front);
    let port = daemon.port();
    // The first request, which is the event, gets no reply.
    tokio::spawn(async move {
        let _first = front.accept().await.unwrap();
        while let Ok((mut caller, _)) = front.accept().await {
            let mut daemon = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut caller, &mut daemon).await });
        }
    });
    let mut waiting = daemon.remora(["hook", "claude-code", "--ask-all", "--url", &url]);
    waiting.feed(bash("PreToolUse").to_string().as_bytes()).await;
    let msg_id = text(&open_question(&daemon).await, "msg_id");
    daemon.api.answer(&msg_id, &json!("approve")).await.expect(200);
    let told = output(&waiting.wait().await.expect(0).complains(&["did not answer"]));
    assert_eq!(told["permissionDecision"], "allow");
}

#[tokio::test]
async fn an_event_that_is_refused_does_not_let_the_call_pass() {
    let daemon = Daemon::setup().args(["--limit", "event_bytes=2048"]).start().await;
    let mut call = bash("PreToolUse");
    call["cwd"] = json!(format!("/{}", "x".repeat(4_096)));
    let waiting = hook(&daemon, &["--ask-all"], &call).await;
    let msg_id = text(&open_question(&daemon).await, "msg_id");
    daemon.api.answer(&msg_id, &json!("approve")).await.expect(200);
    let told = output(&waiting.wait().await.expect(0).complains(&["event_bytes"]));
    assert_eq!(told["permissionDecision"], "allow");
}

fn url_of(listener: &tokio::net::TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

/// Runs the installer in `home`, which is the user's and the project's.
async fn installer(home: &Path, args: &[&str]) -> Finished {
    let mut command = Daemon::program(home);
    command.args(["hook", "claude-code"]).args(args);
    Process::spawn(command).wait().await
}

#[tokio::test]
async fn installing_and_uninstalling_leaves_the_settings_as_they_were() {
    let home = tempfile::tempdir().unwrap();
    let settings = "{\n    \"zeta\": 1.50,\n    \"hooks\": {\n        \"PreToolUse\": [\n            {\n                \
        \"matcher\": \"Bash\",\n                \"hooks\": [{\"type\": \"command\", \"command\": \"./check.sh\"}]\n            }\n        \
        ]\n    },\n    \"alpha\": [1,  2]\n}";
    for (scope, name) in [("user", "settings.json"), ("local", "settings.local.json")] {
        let file = home.path().join(".claude").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, settings).unwrap();
        let refused = installer(home.path(), &["--install", "--scope", scope]).await.expect(2).complains(&["--yes"]);
        assert!(refused.stdout.contains("+++") && refused.stdout.contains("PostToolUseFailure"), "{refused:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), settings);

        let args = ["--install", "--yes", "--scope", scope, "--ask", "Bash,mcp__*"];
        installer(home.path(), &args).await.expect(0);
        let installed = fs::read_to_string(&file).unwrap();
        let hooks = serde_json::from_str::<Value>(&installed).unwrap()["hooks"].clone();
        assert_eq!(hooks["PreToolUse"][0]["hooks"][0]["command"], "./check.sh");
        let command = text(&hooks["PreToolUse"][1]["hooks"][0], "command");
        assert!(command.ends_with("hook claude-code --ask 'Bash,mcp__*' --wait 600s"), "{command}");
        assert_eq!(hooks["PreToolUse"][1]["hooks"][0]["timeout"], 630);
        let backup = file.with_added_extension("before-remora");
        assert_eq!(fs::read_to_string(&backup).unwrap(), settings);
        assert!(installer(home.path(), &args).await.expect(0).stdout.contains("nothing to do"));
        installer(home.path(), &["--install", "--yes", "--scope", scope, "--ask-all"]).await.expect(0);

        installer(home.path(), &["--uninstall", "--yes", "--scope", scope]).await.expect(0);
        assert_eq!(fs::read_to_string(&file).unwrap(), settings);
        assert_eq!(fs::read_to_string(&backup).unwrap(), settings, "as it was before the first of them");
        assert!(
            installer(home.path(), &["--uninstall", "--scope", scope]).await.expect(0).stdout.contains("nothing to")
        );
    }
}

#[tokio::test]
async fn settings_that_are_no_json_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".claude/settings.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "{\"model\": \"opus\",}").unwrap();
    for action in ["--install", "--uninstall"] {
        installer(home.path(), &[action, "--yes"]).await.expect(1).complains(&["settings.json", "not valid JSON"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"model\": \"opus\",}");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing was written");
    }
}

#[tokio::test]
async fn an_installed_hook_works_as_the_shell_runs_it() {
    let daemon = Daemon::start().await;
    installer(daemon.folder(), &["--install", "--yes", "--scope", "project", "--url", &daemon.url("")]).await.expect(0);
    let settings = fs::read_to_string(daemon.folder().join(".claude/settings.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let command = text(&settings["hooks"]["Stop"][0]["hooks"][0], "command");
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", &command]).env("REMORA_HOOK_LIMIT_MS", "60000");
    let mut hook = Process::spawn(shell);
    hook.feed(input("Stop", &json!({})).to_string().as_bytes()).await;
    assert_eq!(hook.wait().await.expect(0).stderr, "");
    assert_eq!(daemon.api.journal("agent:idle").await.len(), 1);
}

#[tokio::test]
async fn the_example_is_what_the_installer_writes() {
    let home = tempfile::tempdir().unwrap();
    installer(home.path(), &["--install", "--yes", "--ask", "Bash,Write,Edit"]).await.expect(0);
    let written = fs::read_to_string(home.path().join(".claude/settings.json")).unwrap();
    let written = written.replace(env!("CARGO_BIN_EXE_remora"), "remora");
    let example = fs::read_to_string(repository().join("examples/claude-code/settings.json")).unwrap();
    assert_eq!(written, example);
}

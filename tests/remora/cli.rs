//! The command line: what its commands print, and the exit codes that scripts rely on.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Daemon, Process, http::text, wait_until};

/// The only open question's id, once there is one.
async fn open_question(daemon: &Daemon) -> String {
    wait_until("a question is open", async || {
        let state = daemon.api.state().await;
        state["blocked"][0]["msg_id"].as_str().map(str::to_owned)
    })
    .await
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn ask_prints_the_answer_and_nothing_else() {
    let daemon = Daemon::start().await;
    let asker = daemon.remora([
        "ask",
        "Deploy?",
        "--agent",
        "a",
        "--option",
        "yes",
        "--option",
        "no",
        "--no-other",
        "--timeout",
        "5m",
    ]);
    let msg_id = open_question(&daemon).await;
    let record = daemon.api.question(&msg_id).await;
    assert_eq!((&record["options"], &record["agent_id"]), (&json!(["yes", "no"]), &json!("a")));

    let inbox = daemon.remora(["inbox"]).wait().await.expect(0);
    assert!(inbox.stdout.contains(&msg_id) && inbox.stdout.contains("Deploy?"), "{inbox:?}");
    let inbox = json(&daemon.remora(["inbox", "--json"]).wait().await.expect(0).stdout);
    assert!(inbox.to_string().contains(&msg_id), "{inbox}");

    daemon.remora(["answer", &msg_id, "maybe"]).wait().await.expect(1).complains(&["yes", "no"]);
    daemon.remora(["answer", &msg_id, "yes"]).wait().await.expect(0);
    assert_eq!(asker.wait().await.expect(0).stdout, "yes\n");
    let record = daemon.api.question_is(&msg_id, "delivered").await;
    assert_eq!(record["answered_by"]["door"], "cli", "{record}");
    daemon.remora(["answer", &msg_id, "no"]).wait().await.expect(1).complains(&["cli"]);
    daemon.remora(["answer", "nobody", "no"]).wait().await.expect(1).complains(&["nobody"]);
    assert!(!daemon.remora(["inbox"]).wait().await.expect(0).stdout.contains(&msg_id));
}

#[tokio::test]
async fn agents_may_give_their_questions_the_same_id() {
    let daemon = Daemon::start().await;
    let ask = |agent: &str| daemon.remora(["ask", "Deploy?", "--agent", agent, "--msg-id", "q1"]);
    let (first, second, third) = (ask("a"), ask("b"), ask("c"));
    daemon.api.state_with("all are open", |state| state["blocked"].as_array().is_some_and(|all| all.len() == 3)).await;
    for args in [&["answer", "q1", "yes"][..], &["dismiss", "q1"]] {
        let refused = daemon.remora(args.iter().copied()).wait().await.expect(1);
        refused.complains(&["several questions", "a, b, c", "--agent"]);
    }
    daemon.remora(["answer", "q1", "yes", "--agent", "b"]).wait().await.expect(0);
    assert_eq!(second.wait().await.expect(0).stdout, "yes\n");
    daemon.remora(["dismiss", "q1", "--agent", "a"]).wait().await.expect(0);
    first.wait().await.expect(4);
    third.interrupt().await.expect(4);
    daemon.api.state_with("none is open", |state| state["blocked"].as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test]
async fn ask_tells_scripts_how_it_ended() {
    let daemon = Daemon::start().await;
    let expired = daemon.remora(["ask", "Quick?", "--agent", "a", "--timeout", "0.2"]).wait().await.expect(3);
    assert_eq!(expired.stdout, "");

    let asker = daemon.remora(["ask", "Still?", "--agent", "a"]);
    let msg_id = open_question(&daemon).await;
    daemon.api.delete(&format!("/api/v1/questions/{msg_id}")).await.expect(200);
    asker.wait().await.expect(4);

    let asker = daemon.remora(["ask", "Interrupted?", "--agent", "a"]);
    let msg_id = open_question(&daemon).await;
    asker.interrupt().await.expect(4);
    daemon.api.question_is(&msg_id, "cancelled").await;

    let asker = daemon.remora(["ask", "Name?", "--agent", "a", "--json"]);
    let msg_id = open_question(&daemon).await;
    daemon.api.answer(&msg_id, &json!("Ada\nLovelace")).await.expect(200);
    assert_eq!(json(&asker.wait().await.expect(0).stdout)["answer"], "Ada\nLovelace");

    let by_policy = ["ask", "Sure?", "--agent", "a", "--timeout", "0.2", "--on-deadline", "default", "--default", "no"];
    assert_eq!(daemon.remora(by_policy).wait().await.expect(0).stdout, "no\n");
}

#[tokio::test]
async fn ask_outlives_a_restart_of_the_daemon() {
    let mut daemon = Daemon::start().await;
    let mut asker = daemon.remora(["ask", "Still there?", "--agent", "a"]);
    let msg_id = open_question(&daemon).await;
    daemon.kill().await;
    assert!(asker.is_running());
    daemon.start_again().await;
    daemon.remora(["answer", &msg_id, "yes"]).wait().await.expect(0);
    assert_eq!(asker.wait().await.expect(0).stdout, "yes\n");
    assert_eq!(daemon.api.journal("agent:blocked").await.len(), 1);
}

#[tokio::test]
async fn without_a_daemon_every_command_says_so() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["ask", "Sure?"][..],
        &["answer", "m", "yes"],
        &["inbox"],
        &["message", "a", "hello"],
        &["messages"],
        &["emit", "tool:called"],
        &["tail"],
        &["replay", "run.jsonl"],
    ] {
        std::fs::write(home.path().join("run.jsonl"), "{\"category\":\"tool\",\"action\":\"called\"}\n").unwrap();
        let mut command = Daemon::program(home.path());
        // Port 1 is nobody's.
        command.env("REMORA_URL", "http://127.0.0.1:1").args(args);
        Process::spawn(command).wait().await.expect(5).complains(&["http://127.0.0.1:1", "remora serve"]);
    }
}

#[tokio::test]
async fn emit_sends_one_event_or_lines() {
    let daemon = Daemon::start().await;
    daemon.remora(["emit", "agent:started", "--agent", "a1", "name=Linter", "count:=3"]).wait().await.expect(0);
    let event = daemon.api.journal("*").await.remove(0);
    assert_eq!(event["payload"], json!({"name": "Linter", "count": 3}));
    assert_eq!(event["agent_id"], "a1");

    let mut emit = daemon.remora(["emit", "-"]);
    let line = |n: usize| json!({"id": n.to_string(), "category": "tool", "action": "called"}).to_string();
    let lines: Vec<_> = (0..25_000).map(line).collect();
    emit.feed(lines.join("\n").as_bytes()).await;
    let finished = emit.wait().await.expect(0);
    assert!(finished.stdout.contains("25000 accepted"), "{finished:?}");
    assert_eq!(daemon.api.journal("tool:called").await.len(), 25_000);

    let mut emit = daemon.remora(["emit", "-", "--json"]);
    emit.feed(format!("{}\n{{broken\n{}\n", line(1), line(99_999)).as_bytes()).await;
    let report = json(&emit.wait().await.expect(1).stdout);
    assert_eq!((&report["accepted"], &report["duplicates"], &report["refused"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(report["errors"][0]["line"], 2);

    daemon.remora(["emit", "robot:started", "--agent", "a"]).wait().await.expect(1).complains(&["category"]);
    daemon.remora(["emit", "nonsense"]).wait().await.expect(2).complains(&["nonsense"]);
}

#[tokio::test]
async fn tail_prints_what_happens() {
    let mut daemon = Daemon::start().await;
    let mut tail = daemon.remora(["tail", "agent:*", "--json"]);
    // A tail begins with now, and "now" is some moment after its start.
    let first = {
        let mut emitted = 0;
        let line = tail.line();
        tokio::pin!(line);
        loop {
            let agent = format!("early-{emitted}");
            tokio::select! {
                line = &mut line => break line,
                () = daemon.api.start_agent(&agent) => emitted += 1,
            }
        }
    };
    assert_eq!(json(&first)["action"], "started");
    daemon.remora(["emit", "tool:called", "--agent", "not-this"]).wait().await.expect(0);
    daemon.remora(["emit", "agent:completed", "--agent", "this"]).wait().await.expect(0);
    assert_eq!(json(&tail.line_with("\"this\"").await)["action"], "completed");
    // A restart is a pause, not an end.
    daemon.crash().await;
    daemon.remora(["emit", "agent:failed", "--agent", "that"]).wait().await.expect(0);
    let line = loop {
        let line = tail.line().await;
        assert!(!line.contains("not-this"), "{line}");
        if line.contains("\"that\"") {
            break line;
        }
    };
    assert_eq!(json(&line)["action"], "failed");
    tail.kill().await;
}

#[tokio::test]
async fn hostile_text_does_not_steer_the_terminal() {
    let daemon = Daemon::start().await;
    let hostile = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31mred\r\u{8}\u{202e}desrever";
    daemon.api.ask(&json!({"agent_id": "a", "question": hostile})).await;
    for args in [&["inbox"][..], &["inbox", "--json"]] {
        let shown = daemon.remora(args).wait().await.expect(0).stdout;
        assert!(shown.contains("desrever"), "{shown:?}");
        // What is for programs may hold what terminals do not heed.
        let steering = |c: char| c.is_ascii_control() && c != '\n' || args.len() == 1 && "\u{9b}\u{202e}".contains(c);
        assert!(!shown.contains(steering), "{shown:?}");
    }
}

#[tokio::test]
async fn every_command_explains_itself() {
    let home = tempfile::tempdir().unwrap();
    let commands = ["serve", "demo", "emit", "ask", "inbox", "answer", "message", "messages", "tail", "replay", "hook"];
    for command in commands.into_iter().chain(["doctor", "completions", "man"]) {
        let mut program = Daemon::program(home.path());
        program.args([command, "--help"]);
        let help = Process::spawn(program).wait().await.expect(0).stdout;
        assert!(help.contains("Usage: remora ") && help.len() > 200, "{help}");
    }
}

#[tokio::test]
async fn a_shell_script_can_be_an_agent() {
    let daemon = Daemon::start().await;
    let script = r#"
        set -eu
        export REMORA_AGENT_ID=shelly
        "$REMORA" emit agent:started name=Shelly
        if answer=$("$REMORA" ask "Go on?" --option yes --option no); then
            "$REMORA" emit agent:completed result="was told $answer"
        fi"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("REMORA", env!("CARGO_BIN_EXE_remora")).env("REMORA_URL", daemon.url(""));
    let shell = Process::spawn(command);
    let msg_id = open_question(&daemon).await;
    daemon.api.answer(&msg_id, &json!("yes")).await.expect(200);
    shell.wait().await.expect(0);
    let state = daemon.api.state_with("a result is there", |state| state["results"][0].is_object()).await;
    assert!(text(&state["results"][0], "content").contains("was told yes"), "{state}");
}

//! What was: searches, the dashboard of another moment, and exports.

use std::fs;

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    screenshots::busy,
    support::{
        Browser, Daemon, Process, fixture,
        http::{Api, event, rows, text},
        wait_until,
    },
};

/// The positions of everything that a search finds, newest first.
async fn found(api: &Api, query: &str) -> Vec<u64> {
    let (mut seqs, mut before) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/events/search?{query}&limit=70{before}")).await.expect(200).json();
        seqs.extend(rows(page.clone(), "events").iter().map(|event| event["seq"].as_u64().expect("a position")));
        match page["older"].as_u64() {
            Some(older) => before = format!("&before={older}"),
            None => return seqs,
        }
    }
}

#[tokio::test]
async fn what_is_typed_is_found_at_once() {
    let daemon = Daemon::start().await;
    busy(&daemon).await;
    let browser = Browser::open(&daemon.url("/history")).await;
    browser.connected().await;
    browser.text_has("#found", "The latest").await;
    browser.type_into("#q", "glossar").await;
    browser.text_has("#found mark", "glossar").await;
    browser.text_has("#found", "Translator").await;
    browser.count_is("#found .hits li", 2).await;
    browser.until("the search is in the address", "return location.search.includes('q=glossar')", &[]).await;
    // The address is the search.
    browser.eval("location.reload()", &[]).await;
    browser.count_is("#found .hits li", 2).await;
    browser.click("#found .hits li summary").await;
    browser.text_has("#found .hits pre", "\"translator\"").await;
    browser.type_into("#q", " -fetch").await;
    browser.count_is("#found .hits li", 1).await;
    browser.type_into("#q", " nothing at all").await;
    browser.text_has("#found", "Nothing found").await;
    browser.text_has("#found", "side by side").await;
    browser.goto(&daemon.url("/history?q=&agent_id=deployer&pattern=tool%3A*")).await;
    browser.count_is("#found .hits li", 2).await;
    browser.goto(&daemon.url("/history?pattern=robots")).await;
    browser.text_has("#found .trouble", "pattern").await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn what_is_found_runs_nothing() {
    let daemon = Daemon::start().await;
    let hostile = "needle <script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> ${window.hacked = 1} \
        \r\r\nevent: datastar-patch-elements\rdata: elements <b id=hacked>";
    daemon.api.emit(&event("agent", "started", "a <b>needle</b>", &json!({"name": hostile}))).await;
    daemon.api.emit(&event("tool", "called", "a", &json!({"deep": {"er": [hostile]}, "name": "harmless"}))).await;
    let browser = Browser::open(&daemon.url("/history?q=needle+hacked")).await;
    browser.connected().await;
    browser.count_is("#found .hits li", 2).await;
    browser.type_into("#q", " <script> window").await;
    browser
        .until(
            "the script is marked",
            "return [...document.querySelectorAll('#found mark')]\
        .some((mark) => mark.textContent === 'script')",
            &[],
        )
        .await;
    browser.count_is("#found .hits li", 2).await;
    assert_eq!(
        browser
            .eval(
                "return [window.hacked ?? 0, document.querySelectorAll('#found script, #found img, #hacked').length]",
                &[]
            )
            .await,
        json!([0, 0])
    );
    browser.goto(&daemon.url("/at/2")).await;
    browser.text_has("#agent-status", "needle").await;
    assert_eq!(browser.eval("return window.hacked ?? 0", &[]).await, 0);
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn a_search_is_exact_while_events_come_in() {
    let daemon = Daemon::start().await;
    let (api, mut sent) = (daemon.api.clone(), 0);
    for batch in 0..10 {
        let events: Vec<_> = (0..100)
            .map(|n| event("tool", "called", &format!("a{}", n % 3), &json!({"name": format!("needle n{n}b{batch}")})))
            .collect();
        let (events, api) = (json!(events), api.clone());
        let emitting = tokio::spawn(async move { api.emit(&events).await });
        // Whatever else is coming: what was acknowledged is found, each once, the newest first.
        let seqs = found(&daemon.api, "q=needle").await;
        assert!(seqs.len() >= sent && seqs.is_sorted_by(|one, next| one > next), "{} of {sent}", seqs.len());
        emitting.await.expect("emitted");
        sent += 100;
    }
    let mut expected: Vec<u64> = (1..=1_000).rev().collect();
    assert_eq!(found(&daemon.api, "q=needle").await, expected);
    expected.retain(|seq| (seq - 1) % 100 % 3 == 1);
    assert_eq!(found(&daemon.api, "q=needle&agent_id=a1").await, expected);
    assert_eq!(found(&daemon.api, "q=n7b3").await, [308]);
    assert_eq!(found(&daemon.api, "q=needle&until=2020-01-01").await, Vec::<u64>::new());
    daemon.api.get("/api/v1/events/search?from=now").await.problem(422, &["from"]);
}

#[tokio::test]
async fn a_slider_leads_through_every_moment() {
    let daemon = Daemon::start().await;
    daemon.api.get("/at").await.problem(404, &["nothing has happened"]);
    daemon.api.start_agent("deployer").await;
    let msg_id = daemon.api.ask_text("deployer", "Deploy now?").await;
    daemon.api.answer(&msg_id, &json!("yes, do")).await.expect(200);
    daemon.api.get(&format!("/api/v1/questions/{msg_id}?wait=30")).await.expect(200);
    daemon.api.emit(&event("agent", "completed", "deployer", &json!({"result": "deployed"}))).await;
    let journal = wait_until("everything is journaled", async || {
        let journal = daemon.api.journal("*").await;
        let has = |action: &str| journal.iter().any(|event| event["action"] == action);
        ["answer_written", "answer_delivered", "completed"].into_iter().all(has).then_some(journal)
    })
    .await;
    let seq_of = |action: &str| journal.iter().find(|event| event["action"] == action).expect(action)["seq"].as_u64();
    let (asked, last) = (seq_of("blocked").expect("a position"), journal.len() as u64);
    let form = format!("{} form", Browser::card(&msg_id));

    let browser = Browser::open(&daemon.url("/at")).await;
    browser.text_has("#moment-label", &format!("event {last} of {last}")).await;
    browser.text_has("#results", "deployed").await;
    browser.count_is(&form, 0).await;
    browser.find("#slider").await;
    browser.eval("document.querySelector('#slider').focus()", &[]).await;
    for _ in asked..last {
        browser.press(Key::Left).await;
    }
    browser.text_has("#moment-label", &format!("event {asked} of {last}")).await;
    browser.count_is(&form, 1).await;
    browser.text_has("#agent-status", "waiting").await;
    assert!(!browser.text("#results").await.contains("deployed"));
    let shown = "return document.querySelector('#inbox-search').checkVisibility()";
    assert_eq!(browser.eval(shown, &[]).await, false, "nothing is filtered there");
    let disabled = "return document.querySelector(arguments[0]).matches(':disabled')";
    assert_eq!(browser.eval(disabled, &[format!("{form} [name=answer]").into()]).await, true);
    browser
        .until(
            "the address is the moment",
            "return location.pathname === arguments[0]",
            &[format!("/at/{asked}").into()],
        )
        .await;

    browser.click("#later").await;
    browser.text_has("#moment-label", &format!("event {} of {last}", asked + 1)).await;
    browser.count_is(&form, 0).await;
    browser.text_has("#blocked-agents", "yes, do").await;
    browser.eval("document.querySelector('#slider').focus()", &[]).await;
    browser.press(Key::Home).await;
    browser.text_has("#moment-label", &format!("event 1 of {last}")).await;
    browser.press(Key::End).await;
    browser.text_has("#results", "deployed").await;
    browser.click("#moment .now").await;
    browser.connected().await;
    browser.has_no_complaint().await;
}

#[tokio::test]
async fn any_moment_is_the_picture_of_its_events() {
    let daemon = Daemon::start().await;
    busy(&daemon).await;
    let journal = daemon.api.journal("*").await;
    for seq in [1, 7, 20, journal.len()] {
        let at = text(&journal[seq - 1], "timestamp");
        for path in [format!("/at/{seq}"), format!("/at?seq={seq}"), format!("/at/{at}")] {
            let page = daemon.api.get(&path).await.expect(200).body;
            // Several events may have happened at one time: then it is the last of them.
            let shown = page.split_once(", event ").expect("a label").1.split_once(' ').expect("a number").0;
            let shown: usize = shown.parse().expect("a number");
            assert!(
                shown == seq || path.contains('T') && journal[shown - 1]["timestamp"] == at.as_str(),
                "{path}: {shown}"
            );
            let rows = page.matches("<li id=\"e-").count();
            assert_eq!(rows, shown.min(200), "{path}");
        }
    }
    daemon.api.get("/at/yesterday").await.problem(422, &["at"]);
}

#[tokio::test]
async fn what_is_exported_is_taken_in_again() {
    let daemon = Daemon::start().await;
    busy(&daemon).await;
    for msg_id in rows(daemon.api.get("/api/v1/questions?status=answered").await.expect(200).json(), "questions") {
        daemon.api.get(&format!("/api/v1/questions/{}?wait=30", text(&msg_id, "msg_id"))).await.expect(200);
    }
    let file = daemon.folder().join("events.ndjson");
    daemon.remora(["export", "--output", file.to_str().unwrap()]).wait().await.expect(0);
    let journal = daemon.api.journal("*").await;
    let exported = fs::read_to_string(&file).unwrap();
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.len(), journal.len());
    assert!(exported.iter().zip(&journal).all(|(line, event)| line["id"] == event["id"] && line.get("seq").is_none()));

    let other = Daemon::start().await;
    other.remora(["replay", file.to_str().unwrap()]).wait().await.expect(0);
    let (before, after) = (daemon.api.state().await, other.api.state_at(journal.len() as u64).await);
    for part in ["agentStates", "progress", "results"] {
        assert_eq!(before[part], after[part], "{part}");
    }
    let open =
        async |daemon: &Daemon| rows(daemon.api.get("/api/v1/questions").await.expect(200).json(), "questions").len();
    assert_eq!(open(&daemon).await, open(&other).await);

    let some = daemon.api.get("/api/v1/events/export?q=glossary&pattern=agent:*").await.expect(200);
    assert_eq!(some.body.lines().count(), 1);
    assert!(some.header("content-disposition").contains("attachment"));
    let found = daemon.remora(["search", "glossary", "--pattern", "tool:failed"]).wait().await.expect(0);
    assert!(found.stdout.contains("tool:failed") && found.stdout.lines().count() == 1, "{found:?}");
}

#[tokio::test]
async fn the_log_of_answers_is_a_table() {
    let daemon = Daemon::start().await;
    let answers = ["=HYPERLINK(\"http://x\")", "two\r\nlines, \"quoted\"", "plain", "@x"];
    for (number, answer) in answers.iter().enumerate() {
        let asked = daemon.api.ask_text(&format!("agent-{}", number % 2), "What?\nReally, \"what\"?").await;
        daemon.api.answer(&asked, &json!(answer)).await.expect(200);
        daemon.api.get(&format!("/api/v1/questions/{asked}?wait=30")).await.expect(200);
    }
    daemon.api.ask_text("agent-0", "Nobody answers?").await;
    let file = daemon.folder().join("answers.csv");
    let table = async |args: &[&str]| {
        let args = [&["export", "--answers", "-o", file.to_str().unwrap()], args].concat();
        daemon.remora(args).wait().await.expect(0);
        let read = Process::python(&fixture("read_csv.py"), &[file.to_str().unwrap()]).wait().await.expect(0);
        rows(serde_json::from_str(&read.stdout).unwrap(), "")
    };
    let rows = table(&[]).await;
    let texts: Vec<_> = rows.iter().map(|row| text(row, "answer")).collect();
    assert_eq!(texts, ["'=HYPERLINK(\"http://x\")", "two\r\nlines, \"quoted\"", "plain", "'@x"]);
    for row in &rows {
        assert_eq!((&row["question"], &row["door"]), (&json!("What?\nReally, \"what\"?"), &json!("http")));
        assert_eq!(row["status"], "delivered");
        assert!(
            ["answered_at", "asked_at", "written_at", "delivered_at", "waited_s", "answered_by", "msg_id"]
                .iter()
                .all(|column| !text(row, column).is_empty()),
            "{row}"
        );
    }
    assert_eq!(table(&["--agent", "agent-1"]).await.len(), 2);
    assert_eq!(table(&["--until", "2020-01-01"]).await.len(), 0);
}

#[tokio::test]
async fn pictures_of_what_was() {
    let daemon = Daemon::start().await;
    busy(&daemon).await;
    let browser = Browser::of(&daemon).await;
    for (page, path, ready) in [
        ("history", "/history?q=deploy", "#found mark"),
        ("history-empty", "/history?q=zebra&agent_id=deployer", "#found .advice"),
        ("history-latest", "/history", "#found .hits"),
        ("past", "/at/40", "#moment-label"),
    ] {
        for (mode, dark) in [("light", false), ("dark", true)] {
            for (width, height) in [(1280, 800), (360, 780)] {
                browser.prefer_dark(dark).await;
                browser.size(width, height).await;
                browser.goto(&daemon.url(path)).await;
                browser.find(ready).await;
                if page == "history" {
                    browser.click("#found .hits li summary").await;
                }
                let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
                assert_eq!(browser.eval(overflow, &[]).await, 0, "{page} is wider than {width} px");
                assert!(browser.screenshot(&format!("{page}-{mode}-{width}"), width, height).await.is_file());
            }
        }
    }
    browser.has_no_complaint().await;
}

//! Real second processes that use the daemon while it is killed: Remora's own commands, and Python.

use std::path::Path;

use serde_json::{Value, json};

use super::ledger::{Asked, Ledger};
use crate::support::{Process, daemon::Place, fixture, process::Finished};

/// Events that one `remora emit -` sends.
const EMITTED: usize = 150;
/// Events that one careful client sends.
const SENT: usize = 60;
/// The agent with the workspace file.
pub(super) const FILER: &str = "filer";

/// What a driver has to say in the end.
pub(super) type Report = Box<dyn FnOnce(&mut Ledger) + Send>;

/// `remora emit -`: acknowledged when it says so by its exit code.
pub(super) async fn emit(place: &Place, round: usize) -> Report {
    let sender = format!("emit-{round}");
    let ids: Vec<_> = (0..EMITTED).map(|n| format!("{sender}-{n}")).collect();
    let one =
        |id: &String| json!({"id": id, "category": "model", "action": "response", "agent_id": sender}).to_string();
    let lines: String = ids.iter().map(|id| one(id) + "\n").collect();
    patiently(|| place.remora(["emit", "-"]), lines.as_bytes()).await;
    Box::new(move |ledger| {
        ledger.events.insert(sender, ids);
    })
}

/// Runs a command until it has met the daemon: one that never has says so at once, by its exit code 5.
async fn patiently(command: impl Fn() -> Process, input: &[u8]) -> Finished {
    loop {
        let mut process = command();
        process.feed(input).await;
        let finished = process.wait().await;
        if finished.code != Some(5) {
            return finished.expect(0);
        }
    }
}

/// A careful client, which sends some events that have to be refused, too.
pub(super) async fn send(place: &Place, round: usize, seed: u64) -> Report {
    let sender = format!("send-{round}");
    let args = [place.url.clone(), sender.clone(), SENT.to_string(), seed.to_string()];
    let finished =
        Process::python(&fixture("careful_sender.py"), &args.each_ref().map(String::as_str)).wait().await.expect(0);
    Box::new(move |ledger| {
        for line in finished.stdout.lines() {
            let answer: Value = serde_json::from_str(line).unwrap();
            let ids = |name: &str| -> Vec<String> { serde_json::from_value(answer[name].clone()).unwrap() };
            ledger.events.entry(sender.clone()).or_default().extend(ids("taken"));
            ledger.refused.extend(ids("refused"));
        }
    })
}

/// `remora ask`, and two processes that answer at once.
pub(super) async fn ask(place: &Place, msg_id: String) -> Report {
    let agent = format!("agent-{msg_id}");
    let asking = patiently(|| place.remora(["ask", "Go on?", "--agent", &agent, "--msg-id", &msg_id]), b"");
    let (asked, acknowledged) = tokio::join!(asking, both_answer(place, &msg_id));
    let given = asked.stdout.trim().to_owned();
    report(msg_id, agent, acknowledged, given)
}

/// An agent in Python that asks over its workspace file, and two processes that answer at once.
pub(super) async fn ask_in_file(place: &Place, file: &Path, msg_id: String) -> Report {
    let asking = Process::python(&fixture("workspace.py"), &[file.to_str().unwrap(), "ask", &msg_id, "Go on?"]);
    let (asked, acknowledged) = tokio::join!(async { asking.wait().await.expect(0) }, both_answer(place, &msg_id));
    let answer = asked.stdout.lines().find_map(|line| line.strip_prefix("answered: ")).expect("an answer");
    report(msg_id, FILER.to_owned(), acknowledged, serde_json::from_str(answer).unwrap())
}

fn report(msg_id: String, workspace: String, acknowledged: Vec<String>, given: String) -> Report {
    assert!(acknowledged.len() < 2, "both answers to {msg_id} were taken: {acknowledged:?}");
    let acknowledged = acknowledged.into_iter().next();
    let tried = ["left", "right"].map(|side| format!("{side} of {msg_id}")).into();
    Box::new(move |ledger| {
        let asked = Asked { workspace, tried, acknowledged, given: Some(given) };
        ledger.questions.insert(msg_id, asked);
    })
}

async fn both_answer(place: &Place, msg_id: &str) -> Vec<String> {
    let (left, right) = tokio::join!(answer(place, msg_id, "left"), answer(place, msg_id, "right"));
    [left, right].into_iter().flatten().collect()
}

/// `remora answer` until it has a reply; the answer, if it was taken.
async fn answer(place: &Place, msg_id: &str, side: &str) -> Option<String> {
    let answer = format!("{side} of {msg_id}");
    loop {
        let finished = place.remora(["answer", msg_id, &answer, "--who", side]).wait().await;
        match finished.code {
            Some(0) => return Some(answer),
            // Somebody was first: the other one, or this one, whose reply was lost.
            Some(1) if finished.stderr.contains("answered first") => return None,
            // Not asked yet, or the daemon is down.
            Some(1 | 5) => {}
            _ => panic!("{finished:?}"),
        }
    }
}

/// `remora message`: sent once, as a repetition would be another message.
pub(super) async fn message(place: &Place, text: String) -> Report {
    let finished = place.remora(["message", FILER, &text, "--allow-unknown"]).wait().await;
    assert!(matches!(finished.code, Some(0 | 1 | 5)), "{finished:?}");
    let taken = finished.code == Some(0);
    Box::new(move |ledger| {
        ledger.messages.insert(text, taken);
    })
}

/// The agent takes its messages out of its inbox.
pub(super) async fn receive(file: &Path) -> Report {
    let finished = Process::python(&fixture("workspace.py"), &[file.to_str().unwrap(), "drain"]).wait().await.expect(0);
    Box::new(move |ledger| ledger.received.extend(finished.stdout.lines().map(str::to_owned)))
}

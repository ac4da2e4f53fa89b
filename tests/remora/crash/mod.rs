//! The daemon is killed at random moments while other processes use it, and keeps every promise it has made.
//!
//! - `ledger`: what was promised, and the check. `drivers`: the processes. `disk`: disks that are full or fail.
//!   `clock`: a clock that is set.
//!
//! `REMORA_CRASH_ROUNDS=100 tests/run crash` kills it in a hundred rounds; `REMORA_CRASH_SEED` repeats the choices of a
//! run, whose seed is printed. (What the processes and the machine do between two kills no seed can repeat.)

mod clock;
mod disk;
mod drivers;
mod ledger;

use std::{env, path::Path, time::Duration};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use serde_json::json;

use crate::support::{Daemon, Process, fixture};
use drivers::{FILER, Report};
use ledger::Ledger;

/// Rounds where nobody asks for more.
const ROUNDS: usize = 6;
/// Latest moment of a round's first kill: by then its processes have done most of their work.
const LAST_KILL: Duration = Duration::from_millis(1_200);
/// Latest moment, after a start, of a kill within the start itself.
const START: Duration = Duration::from_millis(150);

fn from_environment(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number and is {text:?}")))
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_doubled() {
    let seed = from_environment("REMORA_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = from_environment("REMORA_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.try_into().unwrap());
    println!("crash: {rounds} rounds with REMORA_CRASH_SEED={seed}");
    let mut chance = Rng::with_seed(seed);
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("agent.db");
    let mut daemon = Daemon::setup()
        .args(["--workspace-root", root.path().to_str().unwrap(), "--snapshot-events", "300"])
        .args(["--limit", "closed_questions=100000"])
        .start()
        .await;
    Process::python(&fixture("workspace.py"), &[file.to_str().unwrap(), "keys", ""]).wait().await.expect(0);
    daemon.api.put(&format!("/api/v1/workspaces/{FILER}"), &json!({"agent_id": FILER, "path": file})).await;
    let mut ledger = Ledger::default();
    for round in 0..rounds {
        println!("crash: round {round}, seed {seed}, {} events so far", ledger.events_known());
        for report in one_round(&mut daemon, &mut chance, round, &file).await {
            report(&mut ledger);
        }
        // Once more, after the last acknowledgement: from here on nothing may depend on what was only in memory.
        daemon.crash().await;
        ledger::settled(&daemon.api).await;
        drivers::receive(&file).await(&mut ledger);
        ledger.check(&daemon.api).await;
    }
    ledger.check_past(&daemon.api).await;
    let log = daemon.log();
    assert!(!log.contains("panicked"), "something panicked");
    println!("crash: {rounds} rounds passed, {} events, seed {seed}", ledger.events_known());
}

/// All processes of a round, beside whoever kills the daemon.
async fn one_round(daemon: &mut Daemon, chance: &mut Rng, round: usize, file: &Path) -> Vec<Report> {
    let (sender_seed, kills) = (chance.u64(..), kills(chance));
    let drivers = {
        // The processes need no more of the daemon than where it is, and that stays the same.
        let place = daemon.place();
        let file = file.to_owned();
        async move {
            let drivers: Vec<BoxFuture<'_, Report>> = vec![
                drivers::emit(&place, round).boxed(),
                drivers::send(&place, round, sender_seed).boxed(),
                drivers::ask(&place, format!("a-{round}")).boxed(),
                drivers::ask(&place, format!("b-{round}")).boxed(),
                drivers::ask_in_file(&place, &file, format!("f-{round}")).boxed(),
                drivers::message(&place, format!("message {round}")).boxed(),
                drivers::receive(&file).boxed(),
            ];
            join_all(drivers).await
        }
    };
    let (reports, ()) = tokio::join!(drivers, kill_and_start(daemon, &kills));
    reports
}

/// When to kill: each time after a while of service, or in the middle of a start.
enum Kill {
    InService(Duration),
    InStart(Duration),
}

fn kills(chance: &mut Rng) -> Vec<Kill> {
    let mut within = |limit: Duration| limit.mul_f64(chance.f64());
    let mut kills = vec![Kill::InService(within(LAST_KILL))];
    for _ in 0..2 {
        match within(Duration::from_secs(3)).as_secs() {
            0 => kills.push(Kill::InService(within(LAST_KILL))),
            1 => kills.push(Kill::InStart(within(START))),
            _ => {}
        }
    }
    kills
}

/// These sleeps wait for nothing: they choose the moment.
async fn kill_and_start(daemon: &mut Daemon, kills: &[Kill]) {
    for kill in kills {
        match kill {
            Kill::InService(after) => {
                tokio::time::sleep(*after).await;
                daemon.crash().await;
            }
            Kill::InStart(after) => {
                daemon.kill().await;
                daemon.launch();
                tokio::time::sleep(*after).await;
                daemon.crash().await;
            }
        }
    }
}

#[tokio::test]
async fn a_restart_shows_the_same_picture() {
    let mut daemon = Daemon::setup().args(["--snapshot-events", "50"]).start().await;
    for n in 0..30 {
        let agent = format!("agent-{n}");
        daemon.api.start_agent(&agent).await;
        let event = |action: &str| {
            json!({"category": "agent", "action": action, "agent_id": agent,
            "payload": {"result": format!("result {n}"), "error": "no disk"}})
        };
        match n % 4 {
            0 => drop(daemon.api.emit(&event("completed")).await),
            1 => drop(daemon.api.emit(&event("failed")).await),
            2 => drop(daemon.api.ask_text(&agent, "Sure?").await),
            _ => drop(daemon.api.emit(&event("progress")).await),
        }
    }
    let last = daemon.api.journal("*").await.len() as u64;
    let before = daemon.api.state_at(last).await;
    daemon.crash().await;
    assert_eq!(daemon.api.state_at(last).await, before);
    assert!(daemon.terminate().await.success());
    daemon.start_again().await;
    assert_eq!(daemon.api.state_at(last).await, before);
}

//! Every actor dies over every kind of message, under load: service resumes, streams stay open, nothing is lost.
//!
//! Which actors and messages there are is read from the sources, so that none can be forgotten. `workload`: what the
//! daemon is asked to do meanwhile. `load`: what goes on beside. `poison`: events and requests that kill each time.

mod load;
mod poison;
mod workload;

use std::fs;

use serde_json::{Value, json};

use crate::support::{Daemon, repository};
use load::Load;
use workload::{STEPS, World};

/// Lets an actor die over its next messages of a kind.
async fn arm(daemon: &Daemon, actor: &str, kind: &str, times: usize) {
    daemon.api.post(&format!("/api/v1/faults/{actor}/{kind}/{times}"), &json!({})).await.expect(204);
}

/// How many messages of a kind an actor has had (`passed`), or over how many it has died (`died`).
async fn point(daemon: &Daemon, actor: &str, kind: &str, count: &str) -> u64 {
    let points = daemon.api.get("/api/v1/faults").await.expect(200).json();
    let of_kind = |point: &&Value| point["actor"] == actor && point["kind"] == kind;
    points.as_array().unwrap().iter().find(of_kind).map_or(0, |point| point[count].as_u64().unwrap())
}

/// Every actor and the kinds of its messages, as the sources have them.
fn messages() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join("actors/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for rest in text.split("\npub enum ").skip(1) {
                let (name, body) = rest.split_once(" {\n").unwrap();
                if let Some(actor) = name.strip_suffix("Message") {
                    let body = body.split("\n}").next().unwrap();
                    found.push((kebab(actor), body.lines().filter_map(variant).collect()));
                }
            }
        }
    }
    found.sort();
    found
}

/// `StateAggregator` as it is named in logs: `state-aggregator`.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

fn variant(line: &str) -> Option<String> {
    let line = line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase))?;
    Some(line.chars().take_while(|letter| letter.is_alphanumeric()).collect())
}

/// Messages that no step brings about: a retention asks for the snapshots, and would delete what is checked here; the
/// notifier flushes only if the journal fails in the moment in which a target has answered. And those of a daemon that
/// shares its journal with others, see `cluster`.
fn is_out_of_reach(actor: &str, kind: &str) -> bool {
    let of_many = [("event-bus", "Stands"), ("inbox-coordinator", "Duties"), ("notifier", "Taken")];
    let of_one = [("inbox-coordinator", "Unfinished"), ("notifier", "Flush")];
    kind == "Save" || of_one.contains(&(actor, kind)) || of_many.contains(&(actor, kind))
}

#[test]
fn the_actors_and_their_messages_are_found() {
    let found = messages();
    let tested: Vec<_> =
        found.iter().map(|(actor, _)| actor.as_str()).filter(|actor| *actor != "root-supervisor").collect();
    assert_eq!(tested, ACTORS, "a new actor needs a test beside the others");
    assert!(found.iter().all(|(_, kinds)| kinds.len() > 1), "{found:?}");
}

/// One actor, all its kinds of messages one after the other.
async fn survives(actor: &str) {
    let (_, kinds) = messages().into_iter().find(|(name, _)| name == actor).expect("there is such an actor");
    let mut world = World::start().await;
    let load = Load::start(&world.daemon.api).await;
    let mut step = 0;
    for kind in kinds.iter().filter(|kind| !is_out_of_reach(actor, kind)) {
        arm(&world.daemon, actor, kind, 1).await;
        let last = step + 2 * STEPS;
        while point(&world.daemon, actor, kind, "died").await == 0 {
            assert!(step < last, "no step of the workload makes {actor} handle {kind}");
            // What a coordinator does at its start needs a start.
            if kind == "Recover" || kind == "Announce" {
                arm(&world.daemon, "inbox-coordinator", "List", 1).await;
            }
            world.step(step).await;
            step += 1;
        }
        world.ready().await;
    }
    world.all_steps().await;
    load.check(["session-supervisor", "sse-session"].contains(&actor)).await;
}

macro_rules! actors {
    ($($test:ident: $actor:literal),* $(,)?) => {
        /// Those that have a test, in the order of their names.
        const ACTORS: &[&str] = &[$($actor),*];

        $(#[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            survives($actor).await;
        })*
    };
}

actors! {
    the_event_bus: "event-bus",
    the_historian: "historian",
    the_inbox_coordinator: "inbox-coordinator",
    the_notifier: "notifier",
    the_session_supervisor: "session-supervisor",
    a_session: "sse-session",
    the_state_aggregator: "state-aggregator",
    a_view_watcher: "view-watcher",
    the_workspace_registry: "workspace-registry",
    a_workspace_watcher: "workspace-watcher",
}

/// Whoever restarts the others has nobody to restart it: the service manager does.
#[tokio::test]
async fn the_root_supervisor_takes_the_daemon_along() {
    let mut daemon = Daemon::start().await;
    daemon.api.start_agent("a").await;
    arm(&daemon, "root-supervisor", "Restart", 1).await;
    arm(&daemon, "event-bus", "Ping", 1).await;
    // There may be nobody left to answer.
    let _ = crate::support::Api::try_send(daemon.api.request(reqwest::Method::GET, "/readyz")).await;
    assert!(!daemon.ended().await.success());
    daemon.start_again().await;
    arm(&daemon, "root-supervisor", "Stop", 1).await;
    daemon.terminate().await;
    daemon.start_again().await;
    assert_eq!(daemon.api.journal("*").await.len(), 1);
}

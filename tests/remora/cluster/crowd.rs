//! Agents at work, people who answer them, and readers; and whether what was acknowledged to them holds.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::one_picture;
use crate::support::{Api, DEADLINE, Daemon, Reply, Stream, http::event, wait_until};

/// Agents at work.
const AGENTS: usize = 4;
/// Pause between two tries of somebody who is told to come later.
const RETRY: Duration = Duration::from_millis(50);
/// How long somebody waits for a daemon that says nothing before he asks another one.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    events: Vec<String>,
    /// Questions, and the answers that were taken.
    answers: Vec<(String, Option<String>)>,
}

/// Sends until one of the daemons decides, each time to another one.
async fn insist(doors: &[Api], begin: usize, method: Method, path: &str, body: &Value) -> Reply {
    for door in doors.iter().cycle().skip(begin) {
        let request = door.request(method.clone(), path).timeout(PATIENCE).json(body);
        match Api::try_send(request).await {
            Some(reply) if reply.status < 500 && reply.status != 429 => return reply,
            _ => tokio::time::sleep(RETRY).await,
        }
    }
    unreachable!("the doors are tried for ever")
}

/// An agent that tells and asks, and a person who answers it twice.
async fn work(doors: Vec<Api>, agent: usize, stop: Arc<AtomicBool>) -> Ledger {
    let mut ledger = Ledger::default();
    let agent_id = format!("agent-{agent}");
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{agent_id}/{round}");
        let mut told = event("tool", "called", &agent_id, &json!({"round": round}));
        told["id"] = json!(id);
        insist(&doors, agent + round, Method::POST, "/api/v1/events", &told).await.expect(200);
        ledger.events.push(id);
        if round % 5 == 0 {
            let msg_id = format!("q-{agent}-{round}");
            let question = json!({"agent_id": agent_id, "msg_id": msg_id, "question": "Go on?"});
            let asked = insist(&doors, agent + round, Method::POST, "/api/v1/questions", &question).await;
            // It may have been asked by a request whose reply was lost.
            assert!([200, 201].contains(&asked.status), "{msg_id} is not asked: {asked:?}");
            let path = format!("/api/v1/questions/{msg_id}/answer");
            let answer = async |who: usize| {
                let body = json!({"answer": format!("by {who}")});
                loop {
                    let reply = insist(&doors, agent + who, Method::POST, &path, &body).await;
                    match reply.status {
                        200 => return Some(format!("by {who}")),
                        // This daemon has not heard of the question yet.
                        404 => tokio::time::sleep(RETRY).await,
                        _ => return None,
                    }
                }
            };
            let (first, second) = tokio::join!(answer(1), answer(2));
            assert!(first.is_none() || second.is_none(), "{msg_id} was answered twice");
            ledger.answers.push((msg_id, first.or(second)));
        }
    }
    ledger
}

/// Reads a stream of one daemon as a browser or a program does, wherever it has to come back to, up to a position that
/// is set at the end.
async fn read(doors: Vec<Api>, begin: usize, until: Arc<AtomicU64>) -> Vec<Place> {
    let (mut seen, mut last): (Vec<Place>, Option<String>) = (Vec::new(), Some("0".to_owned()));
    let has_all = |seen: &[Place]| seen.last().is_some_and(|(seq, _)| *seq >= until.load(Ordering::Relaxed));
    for door in doors.iter().cycle().skip(begin) {
        if has_all(&seen) {
            break;
        }
        let Some(mut stream) = Stream::try_resume(door, "/api/v1/events/stream", last.as_deref()).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        while !has_all(&seen) {
            let Ok(next) = tokio::time::timeout(PATIENCE, stream.read()).await else { continue };
            let Some(event) = next else { break };
            let Ok(json) = serde_json::from_str::<Value>(&event.data) else { continue };
            seen.push(place(&json));
            last = Some(event.id);
        }
    }
    seen
}

/// Where an event stands, and which it is.
type Place = (u64, String);

fn place(event: &Value) -> Place {
    (event["seq"].as_u64().unwrap(), event["id"].as_str().unwrap().to_owned())
}

/// Waits until agents have got on by some rounds, whatever was done to the daemons meanwhile.
pub(super) async fn get_on(api: &Api) {
    let last = async || {
        let reply = Api::try_send(api.request(Method::GET, "/api/v1/state").timeout(PATIENCE)).await?;
        (reply.status == 200).then(|| reply.json()["last_seq"].as_u64().unwrap_or(0))
    };
    let from = wait_until("the daemon shows its state", last).await;
    wait_until("the work goes on", async || last().await.filter(|seq| *seq > from + 30)).await;
}

/// All of them.
pub(super) struct Crowd {
    agents: JoinSet<Ledger>,
    readers: JoinSet<Vec<Place>>,
    /// Tells the agents and the people to end.
    stop: Arc<AtomicBool>,
    /// Tells the readers up to where they read.
    until: Arc<AtomicU64>,
}

impl Crowd {
    /// Puts them to work.
    pub(super) fn at_work(daemons: &[Daemon]) -> Self {
        let doors: Vec<_> = daemons.iter().map(|daemon| daemon.api.clone()).collect();
        let (stop, until) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(u64::MAX)));
        let (mut agents, mut readers) = (JoinSet::new(), JoinSet::new());
        for agent in 0..AGENTS {
            agents.spawn(work(doors.clone(), agent, Arc::clone(&stop)));
        }
        for begin in 0..daemons.len() {
            readers.spawn(read(doors.clone(), begin, Arc::clone(&until)));
        }
        Self { agents, readers, stop, until }
    }

    /// Lets them end, and checks what all daemons have kept of it.
    pub(super) async fn check(self, daemons: &[Daemon]) {
        self.stop.store(true, Ordering::Relaxed);
        let ledgers = tokio::time::timeout(DEADLINE, self.agents.join_all()).await.expect("the agents end");
        let stopped = Instant::now();
        let all: Vec<&Daemon> = daemons.iter().collect();
        one_picture(&all, 1).await;
        println!("all daemons showed the same {:?} after the last event", stopped.elapsed());
        let journal = one_journal(daemons).await;
        verify(&journal, &ledgers);
        let places: Vec<_> = journal.iter().map(place).collect();
        self.until.store(places.last().unwrap().0, Ordering::Relaxed);
        let read = tokio::time::timeout(DEADLINE, self.readers.join_all()).await;
        for seen in read.expect("whoever reads a stream comes to its end") {
            let seen = &seen[..places.len().min(seen.len())];
            assert_eq!(seen, places, "a stream has every event once and in order");
        }
    }
}

/// Waits until all daemons have the same journal; that one.
async fn one_journal(daemons: &[Daemon]) -> Vec<Value> {
    wait_until("all daemons have the same journal", async || {
        let first = daemons[0].api.journal("*").await;
        for daemon in &daemons[1..] {
            if daemon.api.journal("*").await != first {
                return None;
            }
        }
        Some(first)
    })
    .await
}

/// Checks a journal against what was acknowledged.
fn verify(journal: &[Value], ledgers: &[Ledger]) {
    let ids: HashSet<_> = journal.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), journal.len(), "an id is journaled once");
    let (mut events, mut answers) = (0, 0);
    for ledger in ledgers {
        for id in &ledger.events {
            assert!(ids.contains(id.as_str()), "{id} was acknowledged and is lost");
        }
        for (msg_id, taken) in &ledger.answers {
            let of = |event: &&Value| event["payload"]["msg_id"] == **msg_id && event["action"] == "resumed";
            let resumed: Vec<_> = journal.iter().filter(of).collect();
            assert_eq!(resumed.len(), 1, "{msg_id} has one answer");
            if let Some(taken) = taken {
                assert_eq!(resumed[0]["payload"]["answer"], **taken, "{msg_id} has the answer that was taken");
            }
        }
        events += ledger.events.len();
        answers += ledger.answers.len();
    }
    println!("{events} events and {answers} answers were acknowledged, {} are journaled", journal.len());
}

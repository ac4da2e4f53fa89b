//! Agents at work, people who answer them, and readers; and whether what was acknowledged to them holds.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::one_picture;
use crate::support::{Api, Daemon, Reply, Stream, http::event, wait_until};

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
            insist(&doors, agent + round, Method::POST, "/api/v1/questions", &question).await;
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

/// Reads a stream of one daemon as a browser or a program does, wherever it has to come back to; the ids in order.
async fn read(doors: Vec<Api>, begin: usize, until: Arc<AtomicBool>) -> Vec<(u64, String)> {
    let (mut seen, mut last): (Vec<(u64, String)>, Option<String>) = (Vec::new(), Some("0".to_owned()));
    for door in doors.iter().cycle().skip(begin) {
        if until.load(Ordering::Relaxed) {
            break;
        }
        let Some(mut stream) = Stream::try_resume(door, "/api/v1/events/stream", last.as_deref()).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        while !until.load(Ordering::Relaxed) {
            let Ok(next) = tokio::time::timeout(PATIENCE, stream.read()).await else { continue };
            let Some(event) = next else { break };
            let Ok(json) = serde_json::from_str::<Value>(&event.data) else { continue };
            seen.push((json["seq"].as_u64().unwrap(), json["id"].as_str().unwrap().to_owned()));
            last = Some(event.id);
        }
    }
    seen
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
    readers: JoinSet<Vec<(u64, String)>>,
    /// Tells the agents and the people to end.
    stop: Arc<AtomicBool>,
    /// Tells the readers.
    end: Arc<AtomicBool>,
}

impl Crowd {
    /// Puts them to work.
    pub(super) fn at_work(daemons: &[Daemon]) -> Self {
        let doors: Vec<_> = daemons.iter().map(|daemon| daemon.api.clone()).collect();
        let mut crowd =
            Self { agents: JoinSet::new(), readers: JoinSet::new(), stop: Arc::default(), end: Arc::default() };
        for agent in 0..AGENTS {
            crowd.agents.spawn(work(doors.clone(), agent, Arc::clone(&crowd.stop)));
        }
        for begin in 0..daemons.len() {
            crowd.readers.spawn(read(doors.clone(), begin, Arc::clone(&crowd.end)));
        }
        crowd
    }

    /// Lets them end, and checks what all daemons have kept of it.
    pub(super) async fn check(self, daemons: &[Daemon]) {
        self.stop.store(true, Ordering::Relaxed);
        let ledgers = self.agents.join_all().await;
        let stopped = Instant::now();
        let all: Vec<&Daemon> = daemons.iter().collect();
        let picture = one_picture(&all, 1).await;
        println!("all daemons showed the same {:?} after the last event", stopped.elapsed());
        verify(daemons, &ledgers).await;
        let last = picture["last_seq"].as_u64().unwrap();
        self.end.store(true, Ordering::Relaxed);
        for seen in self.readers.join_all().await {
            assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0), "a stream has its events in order and once");
            assert!(seen.len() as u64 <= last);
        }
    }
}

async fn verify(daemons: &[Daemon], ledgers: &[Ledger]) {
    let journals =
        [daemons[0].api.journal("*").await, daemons[1].api.journal("*").await, daemons[2].api.journal("*").await];
    assert!(journals[0] == journals[1] && journals[1] == journals[2], "all have the same journal");
    let ids: Vec<_> = journals[0].iter().map(|event| event["id"].as_str().unwrap()).collect();
    let unique: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is journaled once");
    let (mut events, mut answers) = (0, 0);
    for ledger in ledgers {
        for id in &ledger.events {
            assert!(unique.contains(id.as_str()), "{id} was acknowledged and is lost");
        }
        for (msg_id, taken) in &ledger.answers {
            let of = |event: &&Value| event["payload"]["msg_id"] == **msg_id && event["action"] == "resumed";
            let resumed: Vec<_> = journals[0].iter().filter(of).collect();
            assert_eq!(resumed.len(), 1, "{msg_id} has one answer");
            if let Some(taken) = taken {
                assert_eq!(resumed[0]["payload"]["answer"], **taken, "{msg_id} has the answer that was taken");
            }
        }
        events += ledger.events.len();
        answers += ledger.answers.len();
    }
    println!("{events} events and {answers} answers were acknowledged, {} are journaled", ids.len());
}

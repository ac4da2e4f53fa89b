//! What the daemon itself can tell.

use std::collections::BTreeMap;

use jiff::{Timestamp, fmt::rfc2822};
use remora_actors::model::Standing;
use reqwest::{Method, header::DATE};
use serde::{Deserialize, de::IgnoredAny};

use super::Finding;
use crate::cli::{
    client::{Call, Client},
    error::Error,
};

/// Seconds that two clocks may differ before the order of events becomes hard to follow.
const SKEW_S: i64 = 5;

#[derive(Deserialize)]
struct Alive {
    version: String,
}

/// What of the live picture matters here. The rest is passed over, however deep it is nested.
#[derive(Deserialize)]
struct Picture {
    #[serde(rename = "agentStates")]
    agents: BTreeMap<String, Agent>,
    events: Vec<Happened>,
}

#[derive(Deserialize)]
struct Agent {
    standing: String,
    workspace_trouble: Option<String>,
}

#[derive(Deserialize)]
struct Happened {
    timestamp: Timestamp,
}

/// Where a daemon keeps its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Store {
    /// In its own data folder.
    Sqlite,
    /// In a NATS.
    Nats,
}

/// What is known of the daemon.
pub(super) struct Daemon {
    /// `None`: it did not say.
    pub(super) store: Option<Store>,
}

/// Asks the daemon about itself. `None`: it is not there.
pub(super) async fn look(client: &Client, findings: &mut Vec<Finding>) -> Option<Daemon> {
    let (version, date) = match alive(client).await {
        Ok(alive) => alive,
        Err(error) => {
            let cure = match error {
                Error::NotReachable { .. } => "start it with `remora serve`, or name its address with --url",
                _ => "name the daemon's address with --url",
            };
            findings.push(Finding::failed("daemon", format!("none at {}: {error}", client.url()), cure));
            return None;
        }
    };
    findings.push(Finding::ok("daemon", format!("up at {}", client.url())));
    findings.push(compare_versions(&version, env!("CARGO_PKG_VERSION")));
    let (ready, store) = ready(client).await;
    findings.push(ready);
    findings.extend(store.map(journal));
    let (token, is_operator) = token(client).await;
    findings.push(token);
    let picture = if is_operator { picture(client).await } else { None };
    match &picture {
        Some(picture) => {
            findings.push(agents(picture));
            findings.extend(workspaces(picture));
        }
        None => findings.push(Finding::skipped("workspaces", "only an operator's token may look at them")),
    }
    findings.push(clock(Timestamp::now(), date, picture.as_ref().and_then(newest_event)));
    Some(Daemon { store })
}

async fn alive(client: &Client) -> Result<(String, Option<Timestamp>), Error> {
    let response = client.open(&client.call_outside("healthz")).await?;
    let date = response.headers().get(DATE).and_then(|date| rfc2822::parse(date.to_str().ok()?).ok());
    let alive: Alive = response.json().await.map_err(|_| client.stranger("it does not tell its version".to_owned()))?;
    Ok((alive.version, date.map(|date| date.timestamp())))
}

fn compare_versions(daemon: &str, own: &str) -> Finding {
    if daemon == own {
        return Finding::ok("version", format!("{own}, the daemon and this program"));
    }
    let detail = format!("the daemon is {daemon}, this program is {own}");
    Finding::failed("version", detail, "restart the daemon after an update, or call the program that belongs to it")
}

async fn ready(client: &Client) -> (Finding, Option<Store>) {
    #[derive(Deserialize)]
    struct Ready {
        store: Option<Store>,
    }
    match client.json::<Ready>(&client.call_outside("readyz")).await {
        Ok(Ready { store }) => (Finding::ok("readiness", "every part answers"), store),
        Err(_) => {
            let detail =
                format!("a part of it does not answer or cannot write, {}/readyz says which and why", client.url());
            let cure = "mend what it says there, and see the daemon's log; it goes on by itself";
            (Finding::failed("readiness", detail, cure), None)
        }
    }
}

fn journal(store: Store) -> Finding {
    Finding::ok(
        "journal",
        match store {
            Store::Sqlite => "in sqlite, in the daemon's own data folder",
            Store::Nats => "in nats, which other daemons may share",
        },
    )
}

/// Whether the token opens the daemon, and whether it is an operator's.
async fn token(client: &Client) -> (Finding, bool) {
    let reads = async |call: Result<Call, Error>| client.json::<IgnoredAny>(&call?).await.map(|_| ());
    let questions = client.call(Method::GET, &["questions"]).map(|call| call.query("status", "open"));
    let operator = reads(questions).await;
    let finding = match &operator {
        Ok(()) if client.has_token() => Finding::ok("token", "an operator's: may answer"),
        Ok(()) => Finding::ok("token", "none needed: everybody on the daemon's machine is trusted"),
        Err(error) if error.refusal(401).is_some() && client.has_token() => {
            let cure = "name a token of the daemon's token file: --token-file FILE, or the variable REMORA_TOKEN";
            Finding::failed("token", "the daemon does not know it", cure)
        }
        Err(error) if error.refusal(401).is_some() => {
            let cure = "give a token of the daemon's token file: --token-file FILE, or the variable REMORA_TOKEN";
            Finding::failed("token", "the daemon wants one and none was given", cure)
        }
        // An agent's token may read a question, and there is none of this id.
        Err(error) if error.refusal(403).is_some() => {
            match reads(client.call(Method::GET, &["questions", "doctor"])).await {
                Err(error) if error.refusal(404).is_some() => {
                    Finding::ok("token", "an agent's: may emit and ask, not answer")
                }
                _ => Finding::failed("token", format!("refused: {error}"), "name the daemon's address with --url"),
            }
        }
        Err(error) => Finding::failed("token", format!("cannot be tried: {error}"), "try again in a moment"),
    };
    (finding, operator.is_ok())
}

async fn picture(client: &Client) -> Option<Picture> {
    client.json(&client.call(Method::GET, &["state"]).ok()?).await.ok()
}

/// How many agents stand where. That one waits or stalls is no fault of the daemon's.
fn agents(picture: &Picture) -> Finding {
    let counts = Standing::ALL.into_iter().filter_map(|standing| {
        let count = picture.agents.values().filter(|agent| agent.standing == standing.as_str()).count();
        (count > 0).then(|| format!("{count} {}", standing.as_str()))
    });
    let counts: Vec<_> = counts.collect();
    Finding::ok("agents", if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") })
}

fn workspaces(picture: &Picture) -> Vec<Finding> {
    let agents = picture.agents.iter();
    let troubled: Vec<_> = agents
        .filter_map(|(id, agent)| Some((id, agent.workspace_trouble.as_ref()?)))
        .map(|(id, trouble)| {
            let cure = "an answer is kept and delivered as soon as the file is free and readable: end the program that \
                holds it open, or look at its path and permissions";
            Finding::failed("workspace", format!("of agent {id}: {trouble}"), cure)
        })
        .collect();
    if troubled.is_empty() { vec![Finding::ok("workspaces", "none is locked or in trouble")] } else { troubled }
}

fn newest_event(picture: &Picture) -> Option<Timestamp> {
    picture.events.iter().map(|event| event.timestamp).max()
}

fn clock(now: Timestamp, daemon: Option<Timestamp>, newest: Option<Timestamp>) -> Finding {
    let ahead_s = |other: Timestamp| other.duration_since(now).as_secs();
    if let Some(skew) = daemon.map(ahead_s).filter(|skew| skew.abs() > SKEW_S) {
        let detail = format!("this machine's and the daemon's differ by {} s", skew.abs());
        return Finding::failed("clock", detail, "let both machines keep time by NTP");
    }
    if let Some(ahead) = newest.map(ahead_s).filter(|ahead| *ahead > SKEW_S) {
        let detail = format!("an event is {ahead} s in the future: this clock was set back, or an agent's is ahead");
        return Finding::failed("clock", detail, "let all machines keep time by NTP");
    }
    Finding::ok("clock", "agrees with the daemon's and with the events")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::Health, *};

    #[test]
    fn clocks_may_differ_a_little() {
        let at = |second| Timestamp::from_second(second).expect("valid");
        for (daemon, newest, health) in [
            (None, None, Health::Ok),
            (Some(at(1_003)), Some(at(990)), Health::Ok),
            (Some(at(1_010)), None, Health::Failed),
            (Some(at(990)), None, Health::Failed),
            (Some(at(1_000)), Some(at(1_100)), Health::Failed),
        ] {
            assert_eq!(clock(at(1_000), daemon, newest).health, health, "{daemon:?} {newest:?}");
        }
    }

    fn picture(agents: &Value) -> Picture {
        serde_json::from_value(json!({"agentStates": agents, "events": []})).expect("a picture")
    }

    #[test]
    fn each_workspace_in_trouble_is_named() {
        let troubled = json!({"a": {"standing": "idle", "workspace_trouble": null},
            "b": {"standing": "idle", "workspace_trouble": "locked"}});
        let found = workspaces(&picture(&troubled));
        assert_eq!(found.len(), 1);
        assert!(found[0].detail.contains('b') && found[0].detail.contains("locked") && found[0].cure.is_some());
        assert_eq!(workspaces(&picture(&json!({})))[0].health, Health::Ok);
    }

    #[test]
    fn agents_are_counted_by_where_they_stand() {
        let agents_of = |of: Value| agents(&picture(&of)).detail;
        let three = json!({"a": {"standing": "idle"}, "b": {"standing": "stalled"}, "c": {"standing": "idle"}});
        assert_eq!(agents_of(three), "1 stalled, 2 idle");
        assert_eq!(agents_of(json!({})), "none yet");
    }

    #[test]
    fn versions_must_be_the_same() {
        assert_eq!(compare_versions("0.1.0", "0.1.0").health, Health::Ok);
        let found = compare_versions("0.1.0", "0.2.0");
        assert!(found.health == Health::Failed && found.detail.contains("0.1.0") && found.detail.contains("0.2.0"));
    }
}

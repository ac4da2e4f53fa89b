//! Many daemons on one NATS: one picture, one inbox, and each thing done once.
//!
//! - `alone`: one daemon, so busy that it reads nothing back. `loss`: daemons and servers are killed, paused and cut off,
//!   while a `crowd` works. `away`: NATS is gone for a while.

mod alone;
mod away;
mod crowd;
mod loss;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Api, Daemon, NatsCluster, NatsServer, Stream,
    http::{event, rows, text},
    receiver::Receiver,
    wait_until,
};

/// Daemons whose pictures still differ after this time may never show the same: then it is told where.
const TOO_LONG: Duration = Duration::from_secs(55);

/// Daemons that share a NATS.
async fn daemons(url: &str, count: usize, args: &[&str]) -> Vec<Daemon> {
    let mut daemons = Vec::new();
    for _ in 0..count {
        daemons.push(Daemon::setup().args(["--bus", url]).args(args).start().await);
    }
    daemons
}

/// Whether a daemon does something for all of them, as it has said since its last start.
fn has_duty(daemon: &Daemon, duty: &str) -> bool {
    let log = daemon.log_since_start();
    let mut told = log.lines().filter(|line| line.contains(&format!("duty changed hands duty={duty:?}")));
    told.next_back().is_some_and(|line| line.ends_with("has=true"))
}

/// What a daemon shows.
async fn picture(api: &Api) -> Option<Value> {
    let reply = Api::try_send(api.request(reqwest::Method::GET, "/api/v1/state")).await?;
    (reply.status == 200).then(|| reply.json())
}

/// Waits until all daemons show the same; that picture.
async fn one_picture(daemons: &[&Daemon], at_least: u64) -> Value {
    let began = Instant::now();
    wait_until("all daemons show the same picture", async || {
        let first = picture(&daemons[0].api).await.filter(|picture| picture["last_seq"].as_u64() >= Some(at_least))?;
        for daemon in &daemons[1..] {
            let other = picture(&daemon.api).await?;
            if other != first {
                if began.elapsed() > TOO_LONG {
                    println!("{}", difference(&first, &other));
                }
                return None;
            }
        }
        Some(first)
    })
    .await
}

/// Where two pictures differ, field by field.
fn difference(one: &Value, other: &Value) -> String {
    let fields = one.as_object().expect("an object").iter();
    let differ = fields.filter(|(name, value)| other[name.as_str()] != **value);
    differ.map(|(name, value)| format!("{name}: {value}\n  and: {}\n", other[name.as_str()])).collect()
}

async fn times(api: &Api, pattern: &str, msg_id: &str) -> usize {
    api.journal(pattern).await.iter().filter(|event| event["payload"]["msg_id"] == msg_id).count()
}

#[tokio::test]
async fn an_agent_talks_to_any_daemon_and_a_person_answers_on_any() {
    let server = NatsServer::start().await;
    let daemons = daemons(&server.url(), 3, &[]).await;
    let [one, two, three] = &daemons[..] else { panic!("three") };
    let mut stream = Stream::open(&three.api, "/api/v1/events/stream?pattern=agent:*").await;
    one.api.start_agent("lint").await;
    stream.until("the other daemon streams it", |event| event.data.contains("started").then_some(())).await;
    let question = json!({"agent_id": "lint", "msg_id": "q", "question": "Deploy?", "options": ["yes", "no"]});
    two.api.ask(&question).await;
    three.api.question_is("q", "open").await;
    let wait = one.api.get("/api/v1/questions/q?wait=30");
    let answer = async { three.api.answer("q", &json!("yes")).await.expect(200) };
    let (waited, _) = tokio::join!(wait, answer);
    assert_eq!(waited.expect(200).json()["answer"], "yes");
    assert_eq!(two.api.value_of("lint", "inbox:response:q").await["answer"], "yes");
    two.api.answer("q", &json!("no")).await.problem(409, &["answered"]);
    one_picture(&[one, two, three], 3).await;
    for daemon in &daemons {
        assert_eq!(times(&daemon.api, "agent:blocked", "q").await, 1);
        assert_eq!(times(&daemon.api, "agent:resumed", "q").await, 1);
    }
}

#[tokio::test]
async fn of_answers_on_two_daemons_the_first_wins() {
    let server = NatsServer::start().await;
    the_first_wins(&daemons(&server.url(), 2, &[]).await).await;
}

#[tokio::test]
async fn of_answers_on_three_daemons_the_first_wins_also_in_a_cluster() {
    let cluster = NatsCluster::start().await;
    the_first_wins(&daemons(&cluster.url(), 3, &["--bus-replicas", "3"]).await).await;
}

/// Answers questions on all daemons at once.
async fn the_first_wins(daemons: &[Daemon]) {
    for round in 0..20 {
        let msg_id = daemons[0].api.ask_text("a", &format!("question {round}")).await;
        for daemon in daemons {
            daemon.api.question_is(&msg_id, "open").await;
        }
        let answer = |place: usize| {
            let (api, msg_id) = (daemons[place].api.clone(), msg_id.clone());
            async move { api.answer(&msg_id, &json!(format!("by {place}"))).await.status }
        };
        let statuses = futures_util::future::join_all((0..daemons.len()).map(answer)).await;
        let winners: Vec<_> = (0..daemons.len()).filter(|place| statuses[*place] == 200).collect();
        assert!(winners.len() == 1 && statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
        for daemon in daemons {
            wait_until("the answer is known", async || {
                let record = daemon.api.question(&msg_id).await;
                (record["answer"] == format!("by {}", winners[0])).then_some(())
            })
            .await;
        }
        assert_eq!(times(&daemons[0].api, "agent:resumed", &msg_id).await, 1);
    }
}

#[tokio::test]
async fn a_workspace_is_watched_by_whichever_daemon_has_the_duty() {
    let server = NatsServer::start().await;
    let mut daemons = daemons(&server.url(), 2, &[]).await;
    let api = daemons[1].api.clone();
    // On the other one, which alone has it open.
    daemons[0].api.put("/api/v1/workspaces/a", &json!({"agent_id": "a"})).await.expect(200);
    let jetstream = async_nats::jetstream::new(server.client().await);
    // Beside the daemons: none of them hears of it by being asked.
    let ask = async |msg_id: &str| {
        let question = json!({"question": "Which?", "options": [], "status": "pending"}).to_string();
        let subject = format!("$KV.remora-workspaces.a.outbox.question.{msg_id}");
        jetstream.publish(subject, question.into()).await.unwrap().await.unwrap();
    };
    ask("held").await;
    daemons[0].api.question_is("held", "open").await;
    assert!(has_duty(&daemons[0], "workspaces"), "it came first");
    daemons[0].kill().await;
    ask("passed-on").await;
    api.question_is("passed-on", "open").await;
    assert!(has_duty(&daemons[1], "workspaces"));
    for msg_id in ["held", "passed-on"] {
        api.answer(msg_id, &json!("this")).await.expect(200);
        assert_eq!(api.value_of("a", &format!("inbox:response:{msg_id}")).await["answer"], "this");
    }
}

#[tokio::test]
async fn each_question_is_announced_expired_and_told_of_once() {
    let (server, mut receiver) = (NatsServer::start().await, Receiver::start().await);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("remora.toml");
    std::fs::write(
        &config,
        format!("[[notify]]\nname = 'hook'\nkind = 'json'\nurl = '{}'\nnear = '7s'\n", receiver.url()),
    )
    .unwrap();
    let daemons = daemons(&server.url(), 3, &["--config", &config.display().to_string()]).await;
    let told = async |receiver: &mut Receiver| {
        let notice = receiver.next().await["body"].clone();
        (text(&notice, "type"), text(&notice["data"]["questions"][0]["question"], "msg_id"))
    };
    let question = json!({"agent_id": "a", "msg_id": "q", "question": "Now?", "timeout": 8});
    daemons[1].api.ask(&question).await;
    for kind in ["question.opened", "question.near", "question.expired"] {
        assert_eq!(told(&mut receiver).await, (kind.to_owned(), "q".to_owned()));
    }
    daemons[2].api.question_is("q", "expired").await;
    // Whatever was told twice would come before this.
    daemons[0].api.ask(&json!({"agent_id": "a", "msg_id": "last", "question": "And now?"})).await;
    assert_eq!(told(&mut receiver).await, ("question.opened".to_owned(), "last".to_owned()));
    let notified = wait_until("the notices are journaled", async || {
        let notified = daemons[0].api.journal("user:notified").await;
        notified.iter().any(|event| event["payload"].to_string().contains("\"last\"")).then_some(notified)
    })
    .await;
    assert_eq!(notified.len(), 4, "{notified:?}");
    assert_eq!(times(&daemons[0].api, "agent:blocked", "q").await, 1);
    assert_eq!(times(&daemons[0].api, "agent:question_expired", "q").await, 1);
}

#[tokio::test]
async fn a_daemon_that_comes_later_shows_what_the_others_show() {
    let server = NatsServer::start().await;
    let first = daemons(&server.url(), 1, &[]).await.remove(0);
    let events: Vec<_> = (0..500).map(|n| event("tool", "called", &format!("a{}", n % 7), &json!({"n": n}))).collect();
    first.api.emit(&json!(events)).await;
    first.api.ask_text("a1", "Deploy?").await;
    let late = daemons(&server.url(), 1, &[]).await.remove(0);
    let picture = one_picture(&[&first, &late], 501).await;
    assert_eq!(picture["last_seq"], 501);
    let found = late.api.get("/api/v1/events?after=0&limit=1000&agent_id=a1").await.expect(200).json();
    assert!(rows(found, "events").len() > 70);
}

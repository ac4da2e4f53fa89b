//! Daemons and servers are killed, paused and cut off while agents and people work: nothing acknowledged is lost, no
//! question has two answers, and all that are left show the same.

use std::time::Instant;

use serde_json::json;

use super::{
    crowd::{Crowd, get_on},
    daemons, has_duty,
};
use crate::support::{Daemon, NatsCluster, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_answered_twice() {
    let mut cluster = NatsCluster::start().await;
    let mut daemons = daemons(&cluster.url(), 3, &["--bus-replicas", "3"]).await;
    let crowd = Crowd::at_work(&daemons);
    get_on(&daemons[1].api).await;
    daemons[0].kill().await;
    get_on(&daemons[1].api).await;
    daemons[0].start_again().await;

    let leader = cluster.leader_of("remora-events").await;
    cluster.kill(leader).await;
    let began = Instant::now();
    get_on(&daemons[1].api).await;
    println!("work went on {:?} after the stream's leader was killed", began.elapsed());
    cluster.start_again(leader);

    // Whoever has a duty falls silent, and comes back after another one has taken it.
    let holder = async |daemons: &[Daemon]| daemons.iter().position(|daemon| has_duty(daemon, "deadlines"));
    let paused = wait_until("somebody has the duty", async || holder(&daemons).await).await;
    daemons[paused].signal("STOP").await;
    let others: Vec<_> = (0..daemons.len()).filter(|place| *place != paused).collect();
    wait_until("another one has it", async || {
        others.iter().any(|place| has_duty(&daemons[*place], "deadlines")).then_some(())
    })
    .await;
    get_on(&daemons[others[0]].api).await;
    daemons[paused].signal("CONT").await;
    get_on(&daemons[paused].api).await;
    crowd.check(&daemons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_is_left_by_all() {
    let cluster = NatsCluster::start_apart().await;
    let mut daemons = daemons(&cluster.url(), 1, &["--bus-replicas", "3"]).await;
    let leader = cluster.leader_of("remora-events").await;
    // These know the one server, and hear of the others from it.
    daemons.extend(super::daemons(&cluster.url_of(leader), 2, &["--bus-replicas", "3"]).await);
    let crowd = Crowd::at_work(&daemons);
    get_on(&daemons[0].api).await;
    cluster.cut_off(leader);
    let began = Instant::now();
    for daemon in &daemons {
        get_on(&daemon.api).await;
    }
    println!("work went on everywhere {:?} after the stream's leader was cut off", began.elapsed());
    cluster.reconnect(leader);
    cluster.is_whole("remora-events").await;
    get_on(&daemons[0].api).await;
    crowd.check(&daemons).await;
}

/// A server that has lost the others still says that it is there, and tells nothing new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_parted_from_the_others_is_left() {
    let cluster = NatsCluster::start_apart().await;
    let (parted, replicas) = (0, ["--bus-replicas", "3"]);
    let here = daemons(&cluster.url_of(parted), 1, &replicas).await.remove(0);
    // From which server a stream is read, the cluster decides, each time anew.
    for stream in ["remora-events", "KV_remora-workspaces"] {
        wait_until("the stream is read from the server that the daemon is connected to", async || {
            cluster.is_read_only_from(stream, parted).await.then_some(())
        })
        .await;
    }
    let there = daemons(&cluster.url_of(parted + 1), 1, &replicas).await.remove(0);
    cluster.part(parted);
    // What it led has a new leader after some seconds.
    let question = json!({"agent_id": "a", "msg_id": "q", "question": "Deploy?"});
    let asked =
        async || [200, 201].contains(&there.api.post("/api/v1/questions", &question).await.status).then_some(());
    wait_until("the question is taken", asked).await;
    here.api.question_is("q", "open").await;
    let answered = async || (here.api.answer("q", &json!("yes")).await.status == 200).then_some(());
    wait_until("the answer is taken", answered).await;
    there.api.question_is("q", "answered").await;
}

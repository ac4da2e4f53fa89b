//! Daemons and servers are killed, paused and cut off while agents and people work: nothing acknowledged is lost, no
//! question has two answers, and all that are left show the same.

use std::time::Instant;

use serde_json::json;

use super::{
    crowd::{Crowd, get_on},
    daemons, has_duty,
};
use crate::support::{Daemon, NatsCluster, SERVERS, wait_until};

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
    let replicas = ["--bus-replicas", "3"];
    drop(daemons(&cluster.url(), 1, &replicas).await);
    let leader = cluster.leader_of("remora-events").await;
    let there = daemons(&cluster.url_of(leader), 1, &replicas).await.remove(0);
    let parted = (leader + 1) % SERVERS;
    // From which server a stream is read, the cluster decides: one that has both of it from where it is connected.
    let here = wait_until("a daemon hears of everything from the server that it is connected to", async || {
        let before = readers(&cluster).await;
        let daemon = daemons(&cluster.url_of(parted), 1, &replicas).await.remove(0);
        let after = readers(&cluster).await;
        let here = |readers: &[usize]| readers.iter().filter(|place| **place == parted).count();
        after.iter().zip(&before).all(|(after, before)| here(after) == here(before) + 1).then_some(daemon)
    })
    .await;
    cluster.part(parted);
    there.api.start_agent("a").await;
    let msg_id = there.api.ask_text("a", "Deploy?").await;
    here.api.question_is(&msg_id, "open").await;
    let answered = async || (here.api.answer(&msg_id, &json!("yes")).await.status == 200).then_some(());
    wait_until("the answer is taken", answered).await;
    there.api.question_is(&msg_id, "answered").await;
}

/// Where the streams of the daemons are read.
async fn readers(cluster: &NatsCluster) -> [Vec<usize>; 2] {
    [cluster.readers_of("remora-events").await, cluster.readers_of("KV_remora-workspaces").await]
}

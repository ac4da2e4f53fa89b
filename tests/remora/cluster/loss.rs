//! Daemons and servers are killed, paused and cut off while agents and people work: nothing acknowledged is lost, no
//! question has two answers, and all that are left show the same.

use std::time::{Duration, Instant};

use super::{
    crowd::{Crowd, get_on},
    daemons,
};
use crate::support::{NatsCluster, wait_until};

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

    daemons[1].signal("STOP").await;
    get_on(&daemons[0].api).await;
    // Longer than its duties last.
    let paused = Instant::now();
    wait_until("others have its duties", async || (paused.elapsed() > Duration::from_secs(3)).then_some(())).await;
    daemons[1].signal("CONT").await;
    get_on(&daemons[1].api).await;
    crowd.check(&daemons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_is_left_by_all() {
    let cluster = NatsCluster::start_apart().await;
    let daemons = daemons(&cluster.url(), 3, &["--bus-replicas", "3"]).await;
    let crowd = Crowd::at_work(&daemons);
    get_on(&daemons[0].api).await;
    let leader = cluster.leader_of("remora-events").await;
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

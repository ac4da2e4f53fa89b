//! `remora doctor` looks at the message bus as well.

use std::fs;

use serde_json::Value;

use super::on;
use crate::support::{Daemon, NatsServer, wait_until};

/// What the doctor finds of one thing, with this line in the daemon's settings.
async fn found(daemon: &Daemon, settings: &str, check: &str, code: i32) -> Vec<Value> {
    let file = daemon.folder().join("doctor.toml");
    fs::write(&file, settings).unwrap();
    let data = daemon.folder().join("data").display().to_string();
    let args = ["doctor", "--json", "--data", &data, "--config", file.to_str().unwrap()];
    let said = daemon.remora(args).wait().await.expect(code).stdout;
    let report: Value = serde_json::from_str(&said).unwrap();
    report["checks"].as_array().unwrap().iter().filter(|found| found["check"] == check).cloned().collect()
}

#[tokio::test]
async fn the_doctor_finds_the_bus_and_its_copies() {
    let server = NatsServer::start().await;
    let daemon = on(&server).start().await;
    let bus = format!("bus = {:?}\n", server.url());
    let copies = wait_until("all streams are there", async || {
        let copies = found(&daemon, &bus, "copies", 0).await;
        copies.iter().all(|copy| copy["detail"].as_str().unwrap().contains("there are 1")).then_some(copies)
    })
    .await;
    assert_eq!(copies.len(), 3);
    let reached = found(&daemon, &bus, "bus", 0).await;
    assert!(reached[0]["detail"].as_str().unwrap().contains("with jetstream"), "{reached:?}");

    let copies = found(&daemon, &format!("{bus}bus_replicas = 3\n"), "copies", 1).await;
    assert!(copies[0]["cure"].as_str().unwrap().contains("--replicas 3"), "{copies:?}");
    let shut = found(&daemon, "bus = 'nats://127.0.0.1:1'\n", "bus", 1).await;
    assert!(shut[0]["detail"].as_str().unwrap().contains("no nats server can be reached"), "{shut:?}");

    let unnamed = found(&daemon, "", "bus", 0).await;
    assert!(
        unnamed[0]["health"] == "skipped" && unnamed[0]["detail"].to_string().contains("REMORA_BUS"),
        "{unnamed:?}"
    );
    let journal = found(&daemon, "", "journal", 0).await;
    assert!(journal[0]["detail"].as_str().unwrap().contains("in nats"), "{journal:?}");
    let alone = Daemon::start().await;
    let other = found(&alone, &bus, "bus", 1).await;
    assert!(other[0]["detail"].as_str().unwrap().contains("does not run on it"), "{other:?}");
}

//! What NATS shows, where the settings name one, and whether it is what the daemon runs on.

use async_nats::jetstream::{
    self,
    context::GetStreamErrorKind,
    stream::{Config, Info},
};

use super::{Finding, remote::Store};
use crate::{
    bus::{self, BusSettings},
    config::Settings,
};

/// Looks whether NATS can be used, and whether everything there has as many copies as it shall have.
pub(super) async fn look(settings: &Settings, store: Option<Store>, findings: &mut Vec<Finding>) {
    // What is wrong with the settings themselves was found before.
    let Ok(bus) = settings.bus() else { return };
    match (&bus, store) {
        (None, Some(Store::Nats)) => {
            let how = "name it as for the daemon, by REMORA_BUS or by --config FILE, to have it looked at";
            findings.push(Finding::skipped("bus", format!("the daemon runs on a nats that is not named here; {how}")));
        }
        (Some(bus), Some(Store::Sqlite)) => {
            let detail = format!("nats at {} is named here, and the daemon does not run on it", bus.servers);
            let cure = "start the daemon with these settings, or name here those that it was started with";
            findings.push(Finding::failed("bus", detail, cure));
        }
        _ => {}
    }
    let Some(bus) = bus else { return };
    let client = match bus::connect(&bus).await {
        Ok(client) => client,
        Err(error) => {
            let cure = "put it right: without it a daemon keeps what it has and takes in nothing";
            return findings.push(Finding::failed("bus", error.to_string(), cure));
        }
    };
    let version = client.server_info().version;
    let detail = format!("nats-server {version} with jetstream at {}", bus.servers);
    findings.push(if bus.replicas > 1 && lets_two_be_first(&version) {
        let cure = "update it to 2.9.21 or newer: of two answers at the same moment its cluster may let both win";
        Finding::failed("bus", detail, cure)
    } else {
        Finding::ok("bus", detail)
    });
    let names = &bus.names;
    let workspaces = format!("KV_{}", names.bucket("workspaces"));
    for stream in [names.journal_stream(), workspaces, names.inbox_stream()] {
        findings.push(match jetstream::new(client.clone()).get_stream(&stream).await {
            Ok(found) => copies(&bus, found.cached_info()),
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(ref why) if why.code() == 404) => {
                Finding::ok("copies", format!("of {stream} there are none yet, the first daemon makes it"))
            }
            Err(error) => {
                let detail = format!("{stream} cannot be looked at: {error}");
                Finding::failed("copies", detail, "let more than half of the cluster's servers run")
            }
        });
    }
}

/// Servers whose cluster does not always refuse a write that expects what is not there any more; the notes of 2.9.21 say
/// so.
fn lets_two_be_first(version: &str) -> bool {
    let patch = version.strip_prefix("2.9.").and_then(|patch| patch.split('-').next()?.parse::<u32>().ok());
    patch.is_some_and(|patch| (15..=20).contains(&patch))
}

/// How many copies of a stream there are, and whether all of them are up to date.
fn copies(bus: &BusSettings, info: &Info) -> Finding {
    let Config { name, num_replicas, .. } = &info.config;
    let others = info.cluster.iter().flat_map(|cluster| &cluster.replicas);
    let late: Vec<_> = others.filter(|peer| peer.offline || !peer.current).map(|peer| peer.name.as_str()).collect();
    if !late.is_empty() {
        let detail = format!("of {name} {} of {num_replicas} are missing or late: on {}", late.len(), late.join(", "));
        return Finding::failed("copies", detail, "start those nats servers, or wait until they have caught up");
    }
    if *num_replicas != bus.replicas {
        let detail = format!("of {name} there are {num_replicas}, and `bus_replicas` is {}", bus.replicas);
        let cure = format!("change the stream: nats stream edit {name} --replicas {}", bus.replicas);
        return Finding::failed("copies", detail, cure);
    }
    Finding::ok("copies", format!("of {name} there are {num_replicas}, all up to date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_versions_are_known_to_let_two_be_first() {
        assert!(["2.9.15", "2.9.20", "2.9.20-rc.1"].into_iter().all(lets_two_be_first));
        assert!(!["2.9.10", "2.9.21", "2.10.16", "2.90.15", "", "2.9.x"].into_iter().any(lets_two_be_first));
    }
}

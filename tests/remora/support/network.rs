//! Hosts of their own, each in a network namespace, on a wire that can be cut: what is sent over it then is lost, and
//! nobody is told.

use std::{
    path::Path,
    process::{self, Command},
    sync::{Mutex, PoisonError},
};

/// What joins the hosts is the machine itself, at an address that nobody else has: of those that are set aside for such
/// tests (RFC 2544), the first 256 networks.
const PREFIX: &str = "198.18";
/// The machine's own place in a network.
const MACHINE: u8 = 254;

/// How often a host sends again what nobody acknowledges: it gives a connection up after some seconds, and not after a
/// quarter of an hour, so that soon after a wire is mended it has a new one.
const RETRIES: u8 = 4;

/// The hosts. They are gone with the test.
pub(crate) struct Network {
    name: String,
    subnet: u8,
    hosts: usize,
}

impl Network {
    /// Makes so many hosts. Where that is not allowed the test fails: it has not tested what it says.
    pub(crate) fn new(hosts: usize) -> Self {
        static NETWORKS: Mutex<u8> = Mutex::new(0);
        // Until it is made: what is free for one is free for another one at the same time.
        let mut networks = NETWORKS.lock().unwrap_or_else(PoisonError::into_inner);
        *networks += 1;
        let (process, number) = (process::id(), *networks);
        sweep(hosts);
        let free =
            |subnet: &u8| ip(&format!("-o route show {PREFIX}.{subnet}.0/24")).is_ok_and(|routes| routes.is_empty());
        let start = process as u8;
        let subnet = (0..=u8::MAX).map(|step| start.wrapping_add(step)).find(free);
        let subnet =
            subnet.expect("NOT TESTED: a network that is cut, because `ip` (Debian: iproute2) shows none that is free");
        let network = Self { name: format!("rt{process}-{number}"), subnet, hosts };
        if let Err(error) = network.make() {
            panic!(
                "NOT TESTED: a network that is cut, because hosts cannot be made here; run the tests as root, where \
                 network namespaces are allowed: {error}"
            );
        }
        network
    }

    fn make(&self) -> Result<(), String> {
        let name = &self.name;
        ip(&format!("link add {name} type bridge"))?;
        ip(&format!("addr add {PREFIX}.{}.{MACHINE}/24 dev {name}", self.subnet))?;
        ip(&format!("link set {name} up"))?;
        for host in 0..self.hosts {
            let (namespace, wire, address) = (self.namespace(host), self.wire(host), self.address(host));
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("link add {wire} type veth peer name eth0 netns {namespace}"))?;
            ip(&format!("link set {wire} master {name} up"))?;
            ip(&format!("-n {namespace} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
            let set = format!("echo {RETRIES} > /proc/sys/net/ipv4/tcp_retries2");
            run(Command::new("ip").args(["netns", "exec", &namespace, "sh", "-c", &set]))?;
        }
        Ok(())
    }

    /// Where a host is reached.
    pub(crate) fn address(&self, host: usize) -> String {
        format!("{PREFIX}.{}.{}", self.subnet, host + 1)
    }

    /// What a program is started with so that it runs on a host.
    pub(crate) fn run_on(&self, host: usize) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace(host)].map(str::to_owned).into()
    }

    /// Cuts a host's wire.
    pub(crate) fn cut(&self, host: usize) {
        ip(&format!("link set {} down", self.wire(host))).expect("a wire of ours");
    }

    /// Mends it.
    pub(crate) fn mend(&self, host: usize) {
        ip(&format!("link set {} up", self.wire(host))).expect("a wire of ours");
    }

    /// Parts a host from the others: what they send to each other is lost. The machine reaches them all.
    pub(crate) fn part(&self, host: usize) {
        for other in (0..self.hosts).filter(|other| *other != host) {
            for (from, to) in [(host, other), (other, host)] {
                let (namespace, address) = (self.namespace(from), self.address(to));
                ip(&format!("-n {namespace} route add blackhole {address}")).expect("a host of ours");
            }
        }
    }

    fn namespace(&self, host: usize) -> String {
        format!("{}-{host}", self.name)
    }

    fn wire(&self, host: usize) -> String {
        format!("{}w{host}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A namespace takes its end of the wire with it, and so the other one.
        for host in 0..self.hosts {
            let _ = ip(&format!("netns del {}", self.namespace(host)));
        }
        let _ = ip(&format!("link del {}", self.name));
    }
}

/// Takes away what tests have left behind that were killed.
fn sweep(hosts: usize) {
    let links = ip("-o link show type bridge").unwrap_or_default();
    let names = links.lines().filter_map(|line| line.split(": ").nth(1)?.strip_prefix("rt"));
    for name in names {
        let process = name.split('-').next().unwrap_or_default();
        if process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists() {
            drop(Network { name: format!("rt{name}"), subnet: 0, hosts });
        }
    }
}

fn ip(arguments: &str) -> Result<String, String> {
    run(Command::new("ip").args(arguments.split(' ')))
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{command:?}: {}", text(&output.stderr)))
    }
}

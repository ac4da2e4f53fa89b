//! The servers under test: started on a core of their own, weighed, and ended with the benchmark.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};

/// Where servers run, and where the load runs.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Where a program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// On the core of the servers.
    Server,
    /// Beside the load.
    Load,
    /// On both cores.
    Both,
}

impl Place {
    fn cores(self) -> &'static [usize] {
        match self {
            Self::Server => &[SERVER_CORE],
            Self::Load => &[LOAD_CORE],
            Self::Both => &[SERVER_CORE, LOAD_CORE],
        }
    }
}

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(120);
/// How long a server may take until it has done what it does afterwards: a million events are to be indexed for the search.
const SETTLED: Duration = Duration::from_secs(300);
/// How long a server may take to end before it is made to.
const STOP: Duration = Duration::from_secs(6);
/// Clock ticks per second in `/proc`, which Linux has fixed for its users.
const TICKS_PER_SECOND: f64 = 100.0;

/// Keeps this thread, and what it starts, on the load's core.
pub(crate) fn pin_load() -> Result<()> {
    pin(Place::Load).context("cannot keep the load on core 1: the benchmarks need two cores")
}

/// What is started meanwhile runs there.
pub(crate) fn started_at<T>(place: Place, start: impl FnOnce() -> T) -> Result<T> {
    pin(place)?;
    let started = start();
    pin(Place::Load)?;
    Ok(started)
}

fn pin(place: Place) -> Result<()> {
    let mut cores = CpuSet::new();
    place.cores().iter().for_each(|&core| cores.set(core));
    Ok(sched_setaffinity(None, &cores)?)
}

/// Waits. There is no runtime here whose thread could be stopped by it.
#[allow(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until `look` finds something, and returns it.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > limit {
            bail!("waited {limit:?} in vain until {what}");
        }
        pause(Duration::from_millis(1));
    }
}

/// A running server and its children.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Child,
    /// Held open: a server that cannot write any more would end.
    _stdout: Option<BufReader<ChildStdout>>,
    log: PathBuf,
    address: SocketAddr,
}

impl Server {
    /// Starts a server that says `listening on http://ADDRESS` once it serves. Its log goes into `folder`.
    pub(crate) fn start(name: &str, command: &Command, folder: &Path) -> Result<Self> {
        Self::start_in(Place::Server, name, command, folder)
    }

    /// The same elsewhere than on the servers' core.
    pub(crate) fn start_in(place: Place, name: &str, command: &Command, folder: &Path) -> Result<Self> {
        let (mut child, log) = launch(place, name, command, folder, Stdio::piped())?;
        let mut stdout = BufReader::new(child.stdout.take().context("its output is ours")?);
        let mut line = String::new();
        stdout.read_line(&mut line).context("cannot read what the server says")?;
        let said = line.trim().strip_prefix("listening on http://");
        let said: Option<SocketAddr> = said.and_then(|address| address.trim_end_matches('/').parse().ok());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = said.unwrap_or(nowhere);
        let server = Self { name: name.to_owned(), child, _stdout: Some(stdout), log, address };
        if said.is_none() {
            bail!("{name} did not start, it said {:?}; its log: {}", line.trim(), server.log());
        }
        Ok(server)
    }

    /// Starts a server that was told where to listen, and waits until it does.
    pub(crate) fn start_at(
        place: Place,
        name: &str,
        command: &Command,
        folder: &Path,
        address: SocketAddr,
    ) -> Result<Self> {
        let (child, log) = launch(place, name, command, folder, Stdio::null())?;
        let mut server = Self { name: name.to_owned(), child, _stdout: None, log, address };
        wait_for(&format!("{name} listens on {address}"), START, || {
            if let Some(status) = server.child.try_wait()? {
                bail!("{name} ended at its start: {status}; its log: {}", server.log());
            }
            Ok(TcpStream::connect(address).ok())
        })?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The processor time that it and its children have used so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let mut cpu = Cpu::default();
        for pid in self.pids()? {
            cpu.add(pid)?;
        }
        Ok(cpu)
    }

    /// The memory that it and its children hold.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for pid in self.pids()? {
            memory.add(pid)?;
        }
        Ok(memory)
    }

    /// Waits until it has used next to no processor time for `quiet`.
    pub(crate) fn settle(&self, quiet: Duration) -> Result<()> {
        wait_for(&format!("{} is idle", self.name), SETTLED, || {
            let before = self.cpu()?;
            pause(quiet);
            Ok((self.cpu()?.since(&before) < quiet / 50).then_some(()))
        })
    }

    fn pids(&self) -> Result<Vec<u32>> {
        let own = self.child.id();
        let mut pids = vec![own];
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may end while it is looked at.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if field(&stat, 4).is_some_and(|parent| parent as u32 == own) {
                pids.push(pid);
            }
        }
        Ok(pids)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first: one that has children must end them.
        let asked = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = asked.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let ended = || Ok(matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)).then_some(()));
        if !asked || wait_for("it ends", STOP, ended).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Starts a program. However this process ends, the program is told to end as well.
fn launch(place: Place, name: &str, command: &Command, folder: &Path, stdout: Stdio) -> Result<(Child, PathBuf)> {
    let log = folder.join(format!("{}.log", name.replace(' ', "-")));
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args()).current_dir(folder);
    // Away from the settings of whoever runs the benchmarks.
    bound.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
    bound.stdin(Stdio::null()).stdout(stdout).stderr(fs::File::create(&log)?);
    let child = started_at(place, || bound.spawn())?;
    Ok((child.with_context(|| format!("cannot start {name}: setpriv, of the package util-linux, is missing"))?, log))
}

/// Processor time of a server, thread by thread.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    /// Nanoseconds on a core.
    by_thread: HashMap<u32, u64>,
    /// Hundredths of a second, those of threads that have ended as well.
    ticks: f64,
}

impl Cpu {
    fn add(&mut self, pid: u32) -> Result<()> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server has ended")?;
        self.ticks += field(&stat, 14).unwrap_or_default() + field(&stat, 15).unwrap_or_default();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let Some(thread) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let times = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).unwrap_or_default();
            if let Some(on_core) = times.split(' ').next().and_then(|time| time.parse().ok()) {
                self.by_thread.insert(thread, on_core);
            }
        }
        Ok(())
    }

    /// What was used between two looks: to the nanosecond, unless a thread has ended and only the ticks know of it.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        if before.by_thread.keys().any(|thread| !self.by_thread.contains_key(thread)) {
            return Duration::from_secs_f64((self.ticks - before.ticks).max(0.0) / TICKS_PER_SECOND);
        }
        let used = self
            .by_thread
            .iter()
            .map(|(thread, now)| now.saturating_sub(*before.by_thread.get(thread).unwrap_or(&0)))
            .sum();
        Duration::from_nanos(used)
    }
}

/// Memory of a server, in KiB.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Memory {
    /// Everything that it holds, its program's text too.
    pub(crate) resident: f64,
    /// The same, with what is shared divided among those who share it.
    pub(crate) proportional: f64,
    /// Of that what no file stands behind.
    pub(crate) anonymous: f64,
}

impl Memory {
    fn add(&mut self, pid: u32) -> Result<()> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server has ended")?;
        let line = |name: &str| {
            let value = rollup.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().trim_end_matches(" kB").parse::<f64>().ok()
        };
        self.resident += line("Rss:").unwrap_or_default();
        self.proportional += line("Pss:").unwrap_or_default();
        self.anonymous += line("Pss_Anon:").unwrap_or_default();
        Ok(())
    }
}

/// A field of `/proc/PID/stat`, counted from 1. The program's name, in parentheses, may hold spaces.
fn field(stat: &str, number: usize) -> Option<f64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(number - 3)?.parse().ok()
}

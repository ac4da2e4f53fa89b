//! The daemon under test: the real program, on a port and in folders of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Api, DEADLINE, Process, process, wait_until};

/// A daemon that serves until the test ends or stops it. Its logs are printed where the test fails.
pub(crate) struct Daemon {
    command: &'static str,
    child: Option<Child>,
    folder: TempDir,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    under: Vec<String>,
    port: u16,
    /// Bytes of the log from before its last start.
    logged_before: usize,
    /// What the HTTP tests speak through.
    pub(crate) api: Api,
}

/// How a daemon shall be started.
#[derive(Default)]
pub(crate) struct Setup {
    demo: bool,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    data: Option<PathBuf>,
    under: Vec<String>,
}

impl Setup {
    /// With agents of its own, in a folder of its own.
    pub(crate) fn demo(mut self) -> Self {
        self.demo = true;
        self
    }

    /// More arguments of `remora serve`.
    pub(crate) fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// An environment variable.
    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A data folder other than one in the test's temporary folder.
    pub(crate) fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// A program, with its arguments, that runs the daemon in its own place.
    pub(crate) fn under<S: AsRef<str>>(mut self, program: impl IntoIterator<Item = S>) -> Self {
        self.under = program.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        self
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) async fn start(self) -> Daemon {
        let folder = TempDir::new().expect("a temporary folder");
        let mut args = self.args;
        let data = self.data.unwrap_or_else(|| folder.path().join("data"));
        if !self.demo {
            args.extend(["--data".to_owned(), data.display().to_string()]);
        }
        let command = if self.demo { "demo" } else { "serve" };
        let api = Api::new("");
        let (variables, under) = (self.variables, self.under);
        let mut daemon =
            Daemon { command, folder, args, variables, under, port: 0, logged_before: 0, child: None, api };
        daemon.start_again().await;
        daemon
    }
}

impl Daemon {
    /// A daemon with nothing special about it.
    pub(crate) async fn start() -> Self {
        Self::setup().start().await
    }

    /// Begins to describe another one.
    pub(crate) fn setup() -> Setup {
        Setup::default()
    }

    /// The program, away from the settings of whoever runs the tests.
    pub(crate) fn program(home: &Path) -> Command {
        Self::program_under(&[], home)
    }

    fn program_under(under: &[String], home: &Path) -> Command {
        let remora = env!("CARGO_BIN_EXE_remora").to_owned();
        let mut words = under.iter().chain([&remora]);
        let mut command = Command::new(words.next().expect("at least one"));
        command.args(words);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).current_dir(home).kill_on_drop(true);
        command
    }

    /// Where it is, for processes that speak to it while it is killed and started.
    pub(crate) fn place(&self) -> Place {
        Place { home: self.folder.path().to_owned(), url: self.url("") }
    }

    /// One of the program's commands, spoken to this daemon.
    pub(crate) fn remora<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Process {
        Process::spawn(self.command(args))
    }

    /// The same, not yet started.
    pub(crate) fn command<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        self.place().command(args)
    }

    /// An address of the daemon.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The port it listens on, the same after a restart.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A folder that lasts as long as the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged so far, over all its starts.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// What it has logged since it was started last.
    pub(crate) fn log_since_start(&self) -> String {
        self.log().split_off(self.logged_before)
    }

    /// One of its metrics, without the prefix; 0 where it does not stand there.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let metrics = self.api.get("/metrics").await.expect(200);
        let line = metrics.body.lines().find_map(|line| line.strip_prefix(&format!("remora_{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// The memory that it holds, in MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("running");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// How many files and sockets it holds open.
    pub(crate) fn handles(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("running").count()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("running")
    }

    /// Ends it without warning.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("running");
        child.kill().await.expect("a child of ours");
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended().await
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, name: &str) {
        process::signal(name, self.child.as_ref().expect("running")).await;
    }

    /// Waits until it has ended, told to or by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("running");
        let ended = tokio::time::timeout(DEADLINE, child.wait()).await;
        ended.expect("the daemon ends").expect("a child of ours")
    }

    /// Starts it on the same data and the same port as before.
    pub(crate) async fn start_again(&mut self) {
        self.launch();
        self.listening().await;
    }

    /// Starts it and does not wait for it.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let stdout = self.stdout_file();
        let log = fs::File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        self.logged_before = self.log().len();
        let mut command = Self::program_under(&self.under, self.folder.path());
        command.args([self.command, "--listen", &format!("127.0.0.1:{}", self.port)]).args(&self.args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stderr(log).stdout(fs::File::create(&stdout).expect("a file"));
        self.child = Some(command.spawn().expect("the program is built"));
    }

    /// Waits until it serves.
    pub(crate) async fn listening(&mut self) {
        let stdout = self.stdout_file();
        self.port = wait_until("the daemon says where it listens", async || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().expect("a child of ours")) {
                panic!("the daemon ended at its start: {status}");
            }
            listening_port(&fs::read_to_string(&stdout).unwrap_or_default())
        })
        .await;
        self.api.move_to(&self.url(""));
    }

    /// Ends it without warning and starts it again.
    pub(crate) async fn crash(&mut self) {
        self.kill().await;
        self.start_again().await;
    }

    fn stdout_file(&self) -> PathBuf {
        self.folder.path().join("stdout")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Wait for its end: its folder goes next.
            let _ = child.start_kill();
            while let Ok(None) = child.try_wait() {
                std::thread::yield_now();
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}---", self.log());
        }
    }
}

/// Where a daemon is, whether it runs or not.
pub(crate) struct Place {
    home: PathBuf,
    pub(crate) url: String,
}

impl Place {
    /// One of the program's commands.
    pub(crate) fn remora<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Process {
        Process::spawn(self.command(args))
    }

    fn command<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Daemon::program(&self.home);
        command.env("REMORA_URL", &self.url).args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        command
    }
}

fn listening_port(stdout: &str) -> Option<u16> {
    let address = stdout.lines().find_map(|line| line.strip_prefix("listening on http://"))?;
    address.trim_end_matches('/').rsplit(':').next()?.parse().ok()
}

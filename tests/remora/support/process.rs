//! A second process: an agent, or one of Remora's own commands.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use super::DEADLINE;

/// A running program, ended with the test.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<String>,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) name: String,
    /// The exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote and no [`Process::line`] had taken.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts a program. Its input is empty until [`Process::feed`].
    pub(crate) fn spawn(mut command: Command) -> Self {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut errors = child.stderr.take().expect("piped");
        let stderr = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { name, child, stdout, stderr }
    }

    /// Starts a Python program.
    pub(crate) fn python(script: &Path, args: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command.arg("-u").arg(script).args(args);
        Self::spawn(command)
    }

    /// Gives the program its whole input.
    pub(crate) async fn feed(&mut self, input: &[u8]) {
        let mut stdin = self.child.stdin.take().expect("fed only once");
        // A program that has ended need not read on; its exit code tells the rest.
        let _ = stdin.write_all(input).await;
    }

    /// Gives the program one line of its input, and keeps the input open.
    pub(crate) async fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("not fed yet");
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("it reads its input");
        stdin.flush().await.expect("it reads its input");
    }

    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(DEADLINE, self.stdout.read_line(&mut line));
        let read = read.await.unwrap_or_else(|_| panic!("{} wrote no line", self.name)).expect("utf-8");
        assert!(read > 0, "{} ended before it wrote the line", self.name);
        line.trim_end().to_owned()
    }

    /// Lines until one satisfies the condition; that one.
    pub(crate) async fn line_with(&mut self, needle: &str) -> String {
        loop {
            let line = self.line().await;
            if line.contains(needle) {
                return line;
            }
        }
    }

    /// Ends it without warning.
    pub(crate) async fn kill(mut self) -> Finished {
        self.child.start_kill().expect("running");
        self.wait().await
    }

    /// Asks it to end, as Ctrl-C in a terminal does.
    pub(crate) async fn interrupt(self) -> Finished {
        signal("INT", &self.child).await;
        self.wait().await
    }

    /// True while it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Waits until it ends.
    pub(crate) async fn wait(mut self) -> Finished {
        drop(self.child.stdin.take());
        let mut stdout = String::new();
        let ended = tokio::time::timeout(DEADLINE, async {
            self.stdout.read_to_string(&mut stdout).await.expect("utf-8");
            self.child.wait().await.expect("a child of ours")
        });
        let Ok(status) = ended.await else {
            panic!("{} did not end; it wrote: {stdout}", self.name);
        };
        let stderr = self.stderr.await.expect("the reader does not panic");
        Finished { name: self.name, code: status.code(), stdout, stderr }
    }
}

impl Finished {
    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{} ended otherwise than expected: {self:#?}", self.name);
        self
    }

    /// Fails unless every needle is in what it wrote to standard error, whatever the case.
    #[track_caller]
    pub(crate) fn complains(self, needles: &[&str]) -> Self {
        for needle in needles {
            let found = self.stderr.to_lowercase().contains(&needle.to_lowercase());
            assert!(found, "the error of {} does not say {needle:?}: {}", self.name, self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{} panicked: {}", self.name, self.stderr);
        self
    }
}

/// Sends a signal to one child.
pub(super) async fn signal(name: &str, child: &Child) {
    let pid = child.id().expect("running").to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status().await.expect("kill is there");
    assert!(sent.success(), "cannot send {name} to {pid}");
}

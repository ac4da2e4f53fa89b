//! The official MCP client for Python, as a second process.

use std::{env, fs, path::PathBuf, sync::OnceLock};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Daemon, Process, fixture};

/// The release that is tested against.
const PACKAGE: &str = "mcp==2.3.0";

/// How the client reaches the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `remora mcp`, which the client starts.
    Stdio,
    /// The daemon's `/mcp`.
    Http,
}

/// A running client, which follows orders.
pub(crate) struct McpClient {
    process: Process,
    last_id: u64,
    /// Lines about orders that nobody has asked after yet.
    unread: Vec<Value>,
    /// The protocol's version that was agreed on.
    pub(crate) version: String,
}

impl McpClient {
    /// A client that has shaken hands. `mode` is `legacy` or `auto`.
    pub(crate) async fn of(daemon: &Daemon, way: Way, mode: &str, agent_id: &str) -> Self {
        match way {
            Way::Stdio => Self::over_stdio(mode, &["--url", &daemon.url(""), "--agent", agent_id]).await,
            Way::Http => Self::over_http(mode, &[&daemon.url(&format!("/mcp?agent={agent_id}"))]).await,
        }
    }

    /// A client of `remora mcp`, with these arguments.
    pub(crate) async fn over_stdio(mode: &str, args: &[&str]) -> Self {
        Self::start([&[mode, "stdio", env!("CARGO_BIN_EXE_remora"), "mcp"][..], args].concat()).await
    }

    /// A client of an address, perhaps with a token.
    pub(crate) async fn over_http(mode: &str, address: &[&str]) -> Self {
        Self::start([&[mode, "http"][..], address].concat()).await
    }

    async fn start(args: Vec<&str>) -> Self {
        let mut command = python();
        command.arg(fixture("mcp_client.py")).args(args);
        let mut process = Process::spawn(command);
        let ready: Value = serde_json::from_str(&process.line().await).expect("json");
        let version = ready["ready"].as_str().unwrap_or_else(|| panic!("not ready: {ready}")).to_owned();
        Self { process, last_id: 0, unread: Vec::new(), version }
    }

    /// Gives an order and returns its id.
    pub(crate) async fn order(&mut self, mut order: Value) -> u64 {
        self.last_id += 1;
        order["id"] = self.last_id.into();
        self.process.tell(&order.to_string()).await;
        self.last_id
    }

    /// Calls a tool, and does not wait for its end.
    pub(crate) async fn begin(&mut self, tool: &str, args: &Value) -> u64 {
        self.order(json!({"tool": tool, "args": args, "progress": true})).await
    }

    /// Gives a call up.
    pub(crate) async fn cancel(&mut self, id: u64) {
        self.process.tell(&json!({"cancel": id}).to_string()).await;
        self.line_about(id, "cancelled").await;
    }

    /// What a tool returned.
    pub(crate) async fn end(&mut self, id: u64) -> Value {
        self.line_about(id, "result").await
    }

    /// A tool's structured result.
    pub(crate) async fn call(&mut self, tool: &str, args: &Value) -> Value {
        let id = self.begin(tool, args).await;
        structured(&self.end(id).await)
    }

    /// The text of a tool's error.
    pub(crate) async fn refusal(&mut self, tool: &str, args: &Value) -> String {
        let id = self.begin(tool, args).await;
        let result = self.end(id).await;
        assert_eq!(result["is_error"], true, "{result}");
        result["text"].as_str().expect("a text").to_owned()
    }

    /// The JSON of a resource.
    pub(crate) async fn read(&mut self, uri: &str) -> Value {
        let id = self.order(json!({"read": uri})).await;
        self.end(id).await[0].clone()
    }

    /// The value of the next line about an order that has this field.
    pub(crate) async fn line_about(&mut self, id: u64, field: &str) -> Value {
        let wanted = |line: &Value| line["id"] == id && !line[field].is_null();
        if let Some(index) = self.unread.iter().position(wanted) {
            return self.unread.remove(index)[field].clone();
        }
        loop {
            let line: Value = serde_json::from_str(&self.process.line().await).expect("json");
            if wanted(&line) {
                return line[field].clone();
            }
            let is_end = line["id"] == id && ["result", "error", "cancelled"].iter().any(|end| !line[end].is_null());
            assert!(!is_end, "no {field} but {line}");
            self.unread.push(line);
        }
    }

    /// Ends the client, as its user would.
    pub(crate) async fn close(self) {
        self.process.wait().await.expect(0);
    }

    /// Ends the client without warning.
    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }
}

/// The structured content of a result that is no error, which has to stand in its text too.
#[track_caller]
pub(crate) fn structured(result: &Value) -> Value {
    assert_eq!(result["is_error"], false, "{result}");
    let text: Value = serde_json::from_str(result["text"].as_str().expect("a text")).expect("json");
    assert_eq!(text, result["structured"], "older clients read the text");
    text
}

/// Python with the package. It is taken from PyPI, once for all tests; where that is not to be reached, they fail.
pub(crate) fn python() -> Command {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    let packages = PACKAGES.get_or_init(install);
    let mut command = Command::new("python3");
    // The daemon is on this machine, whatever proxy stands between it and the world.
    command.arg("-u").env("PYTHONPATH", packages).env("NO_PROXY", "127.0.0.1");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REMORA_")) {
        command.env_remove(name);
    }
    command
}

fn install() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let packages = folder.join(PACKAGE.replace("==", "-"));
    if packages.is_dir() {
        return packages;
    }
    fs::create_dir_all(&folder).expect("a folder");
    // Renamed once it is whole: another test run may be at it as well.
    let unfinished = tempfile::tempdir_in(&folder).expect("a folder");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"];
    let mut command = std::process::Command::new("python3");
    let output = command.args(pip).arg(unfinished.path()).arg(PACKAGE).output().expect("python3 is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{PACKAGE} cannot be installed from PyPI, which these tests need: {said}");
    let unfinished = unfinished.keep();
    if fs::rename(&unfinished, &packages).is_err() {
        assert!(packages.is_dir(), "{} cannot be written", packages.display());
        fs::remove_dir_all(unfinished).expect("removed");
    }
    packages
}

//! `remora hook`: another program's hooks become events, and its permission requests questions.
//!
//! - [`input`]: what the hook is told, and the event that it becomes. [`shorten`]: so that it fits into one.
//! - [`permission`]: the question about a tool call, and the decision.
//! - [`run`]: the two, against a daemon, within limits. [`install`] and [`settings`]: the entries in Claude Code's
//!   settings.

#[cfg(all(test, feature = "fault-injection"))]
mod fuzz;
mod input;
mod install;
mod permission;
mod run;
mod settings;
mod shorten;

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};

use self::{
    install::Scope,
    permission::{Policy, Tools},
};
use super::{Shared, ask, error::Error};

#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    #[command(subcommand)]
    program: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// Hooks of Claude Code: reads a hook's JSON on standard input, or installs itself
    ///
    /// Every session becomes an agent and every tool call an event. With --ask a person decides about tool calls, on
    /// the dashboard or with `remora answer`: approve, approve with changed arguments, or reject with a reason. Without a
    /// daemon Claude Code goes on as if there were no hook.
    ClaudeCode(ClaudeCodeArgs),
}

#[derive(Debug, Args)]
struct ClaudeCodeArgs {
    /// Ask a person before each call of these tools, such as 'Bash,Write,mcp__github__*'
    #[arg(long, value_name = "TOOLS", env = "REMORA_HOOK_ASK", conflicts_with = "ask_all")]
    ask: Option<Tools>,

    /// Ask a person before each call of any tool
    #[arg(long)]
    ask_all: bool,

    /// Ask a person whenever Claude Code would ask at its own prompt
    #[arg(long)]
    ask_prompts: bool,

    /// How long to wait for the person before Claude Code asks at its own prompt: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = ask::seconds)]
    wait: f64,

    /// How long the daemon may take to take an event in, in milliseconds: the agent stands still meanwhile. Where a person
    /// is asked, how long a connection to it may take
    #[arg(long, value_name = "MS", env = "REMORA_HOOK_LIMIT_MS", default_value_t = 150)]
    limit_ms: u64,

    /// Write the hooks into Claude Code's settings, with the other options given here
    #[arg(long, conflicts_with = "uninstall")]
    install: bool,

    /// Take the hooks out of Claude Code's settings again
    #[arg(long)]
    uninstall: bool,

    /// Whose settings: of this user, of the project in this folder, or of this user in this project
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,

    /// Write without asking
    #[arg(long)]
    yes: bool,
}

impl ClaudeCodeArgs {
    fn policy(&self) -> Policy {
        let before = if self.ask_all { Some(Tools::all()) } else { self.ask.clone() };
        Policy { before, prompts: self.ask_prompts }
    }

    fn asks(&self) -> bool {
        self.policy().before.is_some() || self.ask_prompts
    }

    fn wait(&self) -> Duration {
        Duration::from_secs_f64(self.wait)
    }
}

pub(crate) async fn run(args: &HookArgs, shared: &Shared) -> Result<ExitCode, Error> {
    let Program::ClaudeCode(args) = &args.program;
    if args.install || args.uninstall {
        install::run(args, shared)?;
    } else {
        run::run(args, shared).await?;
    }
    Ok(ExitCode::SUCCESS)
}

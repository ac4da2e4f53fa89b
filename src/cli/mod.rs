//! The command line: one file per command, each a client of the daemon's HTTP interface except `serve`.

mod answer;
mod ask;
mod backup;
mod batches;
pub(crate) mod client;
mod demo;
mod dismiss;
mod doctor;
mod emit;
pub(crate) mod error;
mod generate;
mod hook;
mod inbox;
pub(crate) mod mailbox;
mod mcp;
mod meant;
mod message;
mod migrate;
mod notify;
mod questions;
mod replay;
mod search;
mod serve;
mod tail;
mod terminal;
mod token;
mod typed_answer;
mod upload;
pub(crate) mod wait;

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::error::Error;

/// Heading of the options that every command has.
const SHARED: &str = "Shared options";

/// A daemon beside your AI agents: their events in one live picture, your answers carried back to them
#[derive(Debug, Parser)]
#[command(name = "remora", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    shared: Shared,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Shared {
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = SHARED)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

/// Where the daemon is, and what opens it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Address of the daemon, for the commands that talk to it
    #[arg(long, global = true, help_heading = SHARED, env = "REMORA_URL", default_value = "http://127.0.0.1:8000")]
    url: String,

    /// File of tokens, read again by the daemon on SIGHUP; a client may use the same file or one with a single token, or
    /// $REMORA_TOKEN instead
    #[arg(long, global = true, help_heading = SHARED, value_name = "FILE", env = "REMORA_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    ///
    /// Every setting is a flag, a variable (--heartbeat-s is REMORA_HEARTBEAT_S) and a key of the TOML file
    /// (heartbeat_s); the flag wins, then the variable. A limit is REMORA_LIMITS__NAME and `name` in the table
    /// [limits].
    Serve(Box<serve::ServeArgs>),
    /// See it at work: a daemon with agents of its own, in a temporary folder
    Demo(demo::DemoArgs),
    /// Send events
    Emit(emit::EmitArgs),
    /// Ask a person and wait for the answer
    Ask(Box<ask::AskArgs>),
    /// List the questions that wait for an answer, or show one of them whole
    Inbox(inbox::InboxArgs),
    /// Answer a question
    Answer(answer::AnswerArgs),
    /// Close a question without an answer; its agent learns why
    Dismiss(dismiss::DismissArgs),
    /// Write to an agent that did not ask, or see what became of it
    Message(message::MessageArgs),
    /// Ask an agent to stop: it reads that among its messages, and ends by itself
    Stop(message::StopArgs),
    /// Read an agent's messages: each is printed once
    Messages(message::MessagesArgs),
    /// Print events as they come
    Tail(tail::TailArgs),
    /// Find events in the journal, by words, agents, kinds and times
    Search(search::SearchArgs),
    /// Write events as NDJSON, for `remora replay`, or the log of all answers as CSV
    Export(search::ExportArgs),
    /// Send a recorded log of events; doing it again adds nothing
    Replay(replay::ReplayArgs),
    /// Let another program's hooks report to the daemon and ask people
    Hook(hook::HookArgs),
    /// Try out who is told of questions
    Notify(notify::NotifyArgs),
    /// Find out what is wrong, and how to put it right
    Doctor(doctor::DoctorArgs),
    /// Copy the journal and the embedded workspaces into one file, also while the daemon runs
    ///
    /// The copy is as of one moment. Token files and the agents' own workspace files are not in it. Run it as the
    /// daemon's user, on its machine.
    Backup(backup::BackupArgs),
    /// Put a copy that `remora backup` made into an empty data folder
    Restore(backup::RestoreArgs),
    /// Move the journal and the workspaces from a data folder to a NATS, or back, while no daemon runs
    ///
    /// Nothing is taken away from where it comes from, and both ends are compared afterwards. Doing it again moves what
    /// is missing. Token files, and the agents' own workspace files, stay where they are.
    Migrate(Box<migrate::MigrateArgs>),
    /// Print a shell's completions: remora completions bash > /etc/bash_completion.d/remora
    Completions(generate::CompletionsArgs),
    /// Write the manual pages
    Man(generate::ManArgs),
    /// Serve the model context protocol on standard input and output, for the agent that starts it
    ///
    /// The daemon serves the same tools over HTTP at /mcp.
    Mcp(mcp::McpArgs),
}

impl Command {
    /// Its name, where it prints no JSON.
    fn without_json(&self) -> Option<&'static str> {
        match self {
            Self::Serve(args) if !args.check_config => Some("serve"),
            Self::Export(args) if args.answers => Some("export --answers"),
            Self::Demo(_) => Some("demo"),
            Self::Completions(_) => Some("completions"),
            Self::Man(_) => Some("man"),
            Self::Mcp(_) => Some("mcp"),
            _ => None,
        }
    }
}

/// Runs the command that the process was started with, and reports an error if there is one.
pub async fn run() -> ExitCode {
    let parsed = without_empty_variables(Cli::command()).try_get_matches();
    let Cli { command, shared } = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    Box::pin(dispatch(command, &shared)).await.unwrap_or_else(|error| error.report())
}

/// A variable that is empty is one that is not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| arg.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|v| v.is_empty()));
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg });
    command.mut_subcommands(without_empty_variables)
}

/// Explains a command line that cannot be used. Claude Code takes the usual code 2 of a hook for "forbidden" and would
/// refuse every tool call: there it is 1, which only shows the error.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    let is_hook = std::env::args_os().any(|word| word == "claude-code");
    let code = if is_hook { error.exit_code().min(1) } else { error.exit_code() };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

async fn dispatch(command: Command, shared: &Shared) -> Result<ExitCode, Error> {
    if let Some(what) = command.without_json().filter(|_| shared.json) {
        return Err(Error::Usage(format!("`remora {what}` prints no json; leave --json out")));
    }
    match command {
        Command::Serve(args) => serve::run(&args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::run(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Emit(args) => emit::run(args, shared).await,
        Command::Ask(args) => ask::run(*args, shared).await,
        Command::Inbox(args) => inbox::run(&args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Answer(args) => answer::run(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Dismiss(args) => dismiss::run(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Tail(args) => tail::run(&args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Search(args) => search::search(&args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Export(args) => search::export(&args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Replay(args) => replay::run(&args, shared).await,
        Command::Message(args) => message::send(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Stop(args) => message::stop(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Messages(args) => message::drain(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Hook(args) => hook::run(&args, shared).await,
        Command::Notify(args) => notify::run(&args, shared).await,
        Command::Doctor(args) => doctor::run(&args, shared).await,
        Command::Backup(args) => backup::back_up(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Restore(args) => backup::restore(args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(args) => migrate::run(&args, shared).await.map(|()| ExitCode::SUCCESS),
        Command::Completions(args) => generate::completions(&args, Cli::command()).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => generate::man(&args, Cli::command()).map(|()| ExitCode::SUCCESS),
        Command::Mcp(args) => mcp::run(args, shared).await.map(|()| ExitCode::SUCCESS),
    }
}

/// The name of the person who runs the program, as the system tells it.
fn user_name() -> Option<String> {
    let names = ["USER", "LOGNAME", "USERNAME"];
    names.iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.trim().is_empty())
}

/// Who asks, if nobody says: the same user with the same program on the same machine is the same agent.
fn default_agent(program: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok()));
    let user = user_name().unwrap_or_else(|| "user".to_owned());
    format!("{program}-{user}@{}", host.as_deref().unwrap_or("localhost").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shared_options_stand_before_or_after_the_command() {
        for words in
            [["remora", "--json", "--url", "http://x:1", "inbox"], ["remora", "inbox", "--url", "http://x:1", "--json"]]
        {
            let cli = Cli::try_parse_from(words).expect("valid");
            assert!(cli.shared.json && cli.shared.connection.url == "http://x:1");
        }
    }
}

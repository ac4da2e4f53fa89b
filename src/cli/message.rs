//! `remora message`, `remora stop` and `remora messages`: a person writes to an agent that did not ask, or asks it to
//! stop, and the agent reads it.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use remora_actors::model::{MessageKind, UserMessage};
use reqwest::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    Shared,
    client::{Client, PATIENCE, Scope},
    default_agent,
    error::Error,
    mailbox::{self, Waiting},
    meant::{did_you_mean, meant},
    terminal::{self, Output, escape, shorten},
    user_name,
};

/// Characters of a message that a row shows.
const CONTENT_CHARS: usize = 80;

#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// To whom
    agent: String,

    /// The message; none lists what was sent to the agent and what became of it
    text: Option<String>,

    /// From whom [default: the user's name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,

    #[command(flatten)]
    unknown: Unknown,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Which agent
    agent: String,

    /// Why, for the agent to read
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// From whom [default: the user's name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,

    #[command(flatten)]
    unknown: Unknown,
}

/// Whether an agent that the daemon does not know will do.
#[derive(Debug, Args)]
struct Unknown {
    /// Write also to an agent that the daemon does not know: it finds the message when it comes
    #[arg(long)]
    allow_unknown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MessagesArgs {
    /// Whose messages [default: cli-<user>@<host>]
    #[arg(long, value_name = "ID", env = "REMORA_AGENT_ID")]
    agent: Option<String>,

    /// Its workspace, where that has an id of its own [default: the one it has registered, else the agent's id]
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
}

#[derive(Deserialize)]
struct Sent {
    messages: Vec<UserMessage>,
}

/// Sends a message, or lists those that were sent.
pub(crate) async fn send(args: MessageArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    let path = ["agents", args.agent.as_str(), "messages"];
    let out = Output::new();
    let Some(text) = &args.text else { return list(&client, &args, shared.json).await };
    args.unknown.check(&client, &args.agent).await?;
    let who = args.who.or_else(user_name).unwrap_or_else(|| "operator".to_owned());
    let body = json!({"content": text, "who": who});
    // Sent once: a repeated message would be a second one.
    let sent: Value = client.json(&client.call(Method::POST, &path)?.body(&body)).await?;
    if shared.json {
        return out.json(&sent.to_string());
    }
    out.line(&format!("{} {}", out.paint(terminal::GOOD, "sent to"), escape(&args.agent)))
}

/// Asks an agent to stop.
pub(crate) async fn stop(args: StopArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Operator)?;
    args.unknown.check(&client, &args.agent).await?;
    let who = args.who.or_else(user_name).unwrap_or_else(|| "operator".to_owned());
    let body = json!({"reason": args.reason, "who": who});
    let call = client.call(Method::POST, &["agents", &args.agent, "stop"])?.body(&body);
    // Asking again changes nothing while the agent has not seen the first request.
    let sent: Value = client.json_patiently(&call, Some(PATIENCE)).await?;
    let out = Output::new();
    if shared.json {
        return out.json(&sent.to_string());
    }
    out.line(&format!("{} {} to stop", out.paint(terminal::GOOD, "asked"), escape(&args.agent)))?;
    terminal::hint("it ends by itself once it has read this; `remora message AGENT` shows whether it has");
    Ok(())
}

impl Unknown {
    /// Refuses an agent that the daemon does not know, and names those that were perhaps meant.
    async fn check(&self, client: &Client, agent: &str) -> Result<(), Error> {
        /// The rest of the picture is passed over, however deep it is nested.
        #[derive(Deserialize)]
        struct Picture {
            #[serde(rename = "agentStates")]
            agents: BTreeMap<String, IgnoredAny>,
        }
        if self.allow_unknown || mailbox::registered(client, agent, PATIENCE).await?.is_some() {
            return Ok(());
        }
        let call = client.call(Method::GET, &["agents", agent])?;
        match client.json_patiently::<IgnoredAny>(&call, Some(PATIENCE)).await {
            Err(error) if error.refusal(404).is_some() => {}
            known => return known.map(drop),
        }
        let state = client.call(Method::GET, &["state"])?;
        let Picture { agents } = client.json_patiently(&state, Some(PATIENCE)).await?;
        let meant: Vec<_> =
            meant(agent, agents.keys().map(String::as_str)).iter().map(|id| format!("{id:?}")).collect();
        let way_out = "--allow-unknown writes to one that is still to come";
        Err(Error::Failed(format!("the daemon knows no agent {agent:?} ({way_out}){}", did_you_mean(&meant))))
    }
}

async fn list(client: &Client, args: &MessageArgs, json: bool) -> Result<(), Error> {
    let call = client.call(Method::GET, &["agents", &args.agent, "messages"])?;
    let sent: Value = client.json_patiently(&call, Some(PATIENCE)).await?;
    if sent["messages"].as_array().is_some_and(Vec::is_empty) {
        args.unknown.check(client, &args.agent).await?;
    }
    let out = Output::new();
    if json {
        return out.json(&sent.to_string());
    }
    let Sent { messages } = Sent::deserialize(sent).map_err(|error| client.stranger(error.to_string()))?;
    if messages.is_empty() {
        terminal::hint("nobody has written to this agent");
        return Ok(());
    }
    let now = Timestamp::now();
    let rows: Vec<_> = messages.iter().map(|message| row(message, now)).collect();
    out.table(["STATE", "AGE", "FROM", "MESSAGE"], &rows)
}

fn row(message: &UserMessage, now: Timestamp) -> [String; 4] {
    let text = match message.kind {
        MessageKind::Message => message.content.clone(),
        MessageKind::StopRequest => format!("stop requested: {}", message.content),
    };
    [
        message.state().as_str().to_owned(),
        terminal::span(now.duration_since(message.sent_at).as_secs().max(0)),
        escape(&message.sent_by.who).into_owned(),
        shorten(&escape(&text), CONTENT_CHARS),
    ]
}

/// Takes the messages out of an agent's inbox and prints each, the oldest first. One that cannot be printed goes back.
pub(crate) async fn drain(args: MessagesArgs, shared: &Shared) -> Result<(), Error> {
    let client = Client::new(&shared.connection, Scope::Agent)?;
    let agent = args.agent.filter(|id| !id.is_empty()).unwrap_or_else(|| default_agent("cli"));
    let workspace = match args.workspace {
        Some(workspace) => workspace,
        None => mailbox::workspace_of(&client, &agent, PATIENCE).await?,
    };
    let out = Output::new();
    for waiting in mailbox::waiting(&client, &workspace, PATIENCE).await? {
        if !mailbox::take(&client, &workspace, &waiting, PATIENCE).await? {
            continue;
        }
        if let Err(error) = print(&out, &waiting, shared.json) {
            mailbox::put_back(&client, &workspace, &waiting, PATIENCE).await?;
            return Err(error);
        }
    }
    Ok(())
}

fn print(out: &Output, waiting: &Waiting, json: bool) -> Result<(), Error> {
    if json {
        return out.json(&waiting.message.to_string());
    }
    let text = waiting.message["content"].as_str().unwrap_or_default();
    let text = if waiting.is_stop_request() { format!("stop requested: {text}") } else { text.to_owned() };
    out.line(&if out.is_terminal { terminal::escape_lines(&text) } else { text })
}

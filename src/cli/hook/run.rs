//! One call of a hook. Whatever goes wrong, the agent goes on: it is told on standard error, and the exit code is 0.

use std::{
    io::{self, IsTerminal, Read},
    time::Duration,
};

use remora_actors::model::{QuestionRecord, Status};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ClaudeCodeArgs, input::Input, permission};
use crate::cli::{
    Shared, ask,
    client::{Call, Client, Scope},
    error::Error,
    mailbox::{self, Waiting},
    terminal::{self, Output},
};

/// The hooks after which Claude Code heeds `additionalContext`, at moments that come often.
const LISTENS: [&str; 3] = ["UserPromptSubmit", "PostToolUse", "PostToolUseFailure"];
/// The hooks at which a request to stop is heeded: all of those, before a tool call, and where a turn ends by itself, so
/// that the request does not meet the next prompt.
const STOPS: [&str; 3] = ["PreToolUse", "Stop", "SubagentStop"];
/// Bytes of a hook's input that are read: a tool's whole output stands in it.
const INPUT_BYTES: u64 = 64 << 20;
/// How long the daemon may take to take a question in, and the event before it: a person decides, so the agent stands
/// still anyway. It is there, as there is a connection.
const ACCEPT: Duration = Duration::from_secs(5);
/// How long a daemon that goes away while a person is thinking is waited for: as long as a restart takes.
const GRACE: Duration = Duration::from_secs(5);
/// How long it may take to take a message out of the inbox. The inbox was just read, so the daemon is there.
const TAKE: Duration = Duration::from_secs(1);
/// How long the withdrawal of a question may take.
const GIVE_UP: Duration = Duration::from_secs(1);
/// Seconds of one long poll.
const WAIT_S: &str = "30";
/// Shortest time between two polls, in case something on the way answers at once with "still open".
const POLL_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(args: &ClaudeCodeArgs, shared: &Shared) -> Result<(), Error> {
    if io::stdin().is_terminal() {
        let usage =
            "a hook reads JSON from standard input; to have Claude Code run it: remora hook claude-code --install";
        return Err(Error::Usage(usage.to_owned()));
    }
    if let Err(trouble) = hook(args, shared).await {
        terminal::note(&format!("remora hook: {trouble}"));
    }
    Ok(())
}

async fn hook(args: &ClaudeCodeArgs, shared: &Shared) -> Result<(), String> {
    let input = read_input()?;
    let limit = Duration::from_millis(args.limit_ms);
    let client = Client::connecting_within(limit, &shared.connection, Scope::Agent);
    let client = client.map_err(|error| error.to_string())?;
    let asks = args.policy().asks(&input);
    match report(&client, &input, if asks { limit.max(ACCEPT) } else { limit }).await {
        // The call may still not pass unasked: a daemon that is slow, busy or refuses the event is there.
        Err(error) if asks && !error.is_absence() => terminal::note(&format!("remora hook: {error}")),
        reported => reported.map_err(|error| error.to_string())?,
    }
    let listens = LISTENS.contains(&input.name());
    if listens || STOPS.contains(&input.name()) {
        let said = pass_messages_on(&client, &input, limit, listens).await;
        if listens || matches!(said, Ok(true)) {
            return said.map(drop);
        }
    }
    if !asks {
        return Ok(());
    }
    let question = permission::question(&input, args.wait());
    let decision = tokio::select! {
        record = ask(&client, &question, args.wait()) => permission::decision(&input, &record?),
        // Claude Code has stopped to wait, perhaps because somebody decided at its own prompt.
        () = ask::interrupted() => {
            withdraw(&client, &question).await;
            None
        }
    };
    match decision {
        Some(decision) => Output::new().line(&decision.to_string()).map_err(|error| error.to_string()),
        None => Err("nobody has decided; claude code goes on by its own rules".to_owned()),
    }
}

/// Gives the agent what people wrote to it: messages, where the hook `listens`, as context that it reads with the hook's
/// occasion, and a request to stop as just that. `true`: something was said.
async fn pass_messages_on(client: &Client, input: &Input, limit: Duration, listens: bool) -> Result<bool, String> {
    let agent = input.agent();
    let waiting = tokio::time::timeout(limit, mailbox::waiting(client, &agent, limit)).await;
    let waiting = waiting.map_err(|_| "the messages to this agent were not read in time".to_owned())?;
    let (mut texts, mut stop) = (Vec::new(), None);
    let waiting = waiting.map_err(|error| error.to_string())?.into_iter();
    for waiting in waiting.filter(|waiting| listens || waiting.is_stop_request()) {
        let text = context_of(&waiting);
        if waiting.is_stop_request() {
            stop = Some(text.clone());
        }
        match tokio::time::timeout(TAKE, mailbox::take(client, &agent, &waiting, TAKE)).await {
            Ok(Ok(true)) => texts.push(text),
            // Somebody else heeds it.
            Ok(Ok(false)) => stop = stop.filter(|stop| *stop != text),
            // It may be taken out already: rather twice than never.
            Ok(Err(_)) | Err(_) => {
                texts.push(text);
                break;
            }
        }
    }
    if texts.is_empty() && stop.is_none() {
        return Ok(false);
    }
    let mut output = json!({});
    if listens && !texts.is_empty() {
        let context = json!({"hookEventName": input.name(), "additionalContext": texts.join("\n\n")});
        output["hookSpecificOutput"] = context;
    }
    if let Some(reason) = stop {
        output["continue"] = false.into();
        output["stopReason"] = reason.into();
    }
    Output::new().line(&output.to_string()).map_err(|error| error.to_string())?;
    Ok(true)
}

fn context_of(waiting: &Waiting) -> String {
    let message = &waiting.message;
    let what = if waiting.is_stop_request() { "Request to stop" } else { "Message" };
    let who = message["sent_by"]["who"].as_str().unwrap_or("a person");
    format!("{what} from {who}, sent through Remora: {}", message["content"].as_str().unwrap_or_default())
}

fn read_input() -> Result<Input, String> {
    let mut json = Vec::new();
    // Not the runtime's standard input: its thread would keep the process alive.
    let read = io::stdin().lock().take(INPUT_BYTES + 1).read_to_end(&mut json);
    read.map_err(|error| format!("standard input cannot be read: {error}"))?;
    if json.len() as u64 > INPUT_BYTES {
        return Err(format!("the input is over {INPUT_BYTES} bytes, nothing is reported"));
    }
    Input::parse(&json)
}

async fn report(client: &Client, input: &Input, limit: Duration) -> Result<(), Error> {
    let call = client.call(Method::POST, &["events"])?.body(&input.event());
    let silent = || format!("the daemon at {} did not answer within {} ms", client.url(), limit.as_millis());
    let reported = tokio::time::timeout(limit, client.open(&call)).await;
    reported.map_err(|_| Error::Failed(silent()))?.map(drop)
}

/// Asks, and waits until the question is no longer open.
async fn ask(client: &Client, question: &Value, wait: Duration) -> Result<QuestionRecord, String> {
    let call = client.call(Method::POST, &["questions"]).map_err(|error| error.to_string())?.body(question);
    let asked = tokio::time::timeout(ACCEPT, client.json_patiently::<QuestionRecord>(&call, Some(ACCEPT))).await;
    let asked = asked.map_err(|_| format!("the daemon at {} did not take the question", client.url()))?;
    asked.map_err(|error| error.to_string())?;
    let poll = one(client, Method::GET, question).map_err(|error| error.to_string())?.query("wait", WAIT_S);
    let answered = async {
        loop {
            let pause = tokio::time::sleep(POLL_PAUSE);
            let record: QuestionRecord = client.json_patiently(&poll, Some(GRACE)).await?;
            if record.status != Status::Open {
                return Ok::<_, Error>(record);
            }
            pause.await;
        }
    };
    // The daemon closes the question in time; this is for one that has stopped to answer.
    let answered = tokio::time::timeout(wait + GRACE, answered).await;
    answered.map_err(|_| "nobody answered in time".to_owned())?.map_err(|error| error.to_string())
}

/// Nobody waits for the answer any more.
async fn withdraw(client: &Client, question: &Value) {
    if let Ok(call) = one(client, Method::DELETE, question) {
        let _ = tokio::time::timeout(GIVE_UP, client.json::<Value>(&call)).await;
    }
}

/// A call about the question.
fn one(client: &Client, method: Method, question: &Value) -> Result<Call, Error> {
    let text = |field: &str| question[field].as_str().unwrap_or_default();
    Ok(client.call(method, &["questions", text("msg_id")])?.query("agent_id", text("agent_id")))
}

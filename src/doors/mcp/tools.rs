//! The tools.

use std::time::Duration;

use remora_actors::model::QuestionRecord;
use reqwest::Method;
use rmcp::{
    ErrorData, Json, RoleServer,
    handler::server::{tool::IntoCallToolResult, wrapper::Parameters},
    model::{CallToolResponse, CallToolResult, ContentBlock},
    service::RequestContext,
    tool, tool_router,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Caller, McpServer,
    args::{Check, Notice, Question, Report},
    results::{Asked, Message, Messages, Outcome, Recorded},
};
use crate::cli::{
    error::Error,
    mailbox::{self, Waiting},
};

/// How long a daemon that was there is waited for: a restart takes seconds, and clients have limits of their own.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait of `check_answer`, in seconds: below the shortest limits that clients set on a tool.
const LONGEST_CHECK_S: f64 = 50.0;

#[tool_router(vis = "pub(super)")]
impl McpServer {
    /// Asks a person a question and waits for the answer, however long it takes. The question appears on the
    /// person's dashboard. If your client cuts long calls off, use ask_user_async and check_answer instead.
    /// Cancelling the call withdraws the question.
    #[tool(annotations(title = "Ask a person", read_only_hint = false, destructive_hint = false))]
    async fn ask_user(
        &self,
        Parameters(question): Parameters<Question>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<Outcome>, Error> {
        let caller = self.caller(&context)?;
        let record = caller.ask(question).await?;
        Ok(Json(self.wait(&caller, record, &context).await?.into()))
    }

    /// Asks a person a question and returns at once with its msg_id. Go on with what does not depend on the answer,
    /// then look for it with check_answer.
    #[tool(annotations(title = "Ask a person, do not wait", read_only_hint = false, destructive_hint = false))]
    async fn ask_user_async(
        &self,
        Parameters(question): Parameters<Question>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<Asked>, Error> {
        let record = self.caller(&context)?.ask(question).await?;
        let note = "asked; look for the answer with check_answer and this msg_id".to_owned();
        Ok(Json(Asked { msg_id: record.question.msg_id, note }))
    }

    /// Tells what became of a question: answered, still open, expired, cancelled, or unknown. Waits for an answer if
    /// told to.
    #[tool(annotations(title = "Look for an answer", read_only_hint = false, destructive_hint = false))]
    async fn check_answer(
        &self,
        Parameters(Check { msg_id, wait }): Parameters<Check>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<Outcome>, Error> {
        let Caller { client, agent_id } = self.caller(&context)?;
        let wait = wait.clamp(0.0, LONGEST_CHECK_S).to_string();
        let call = client.call(Method::GET, &["questions", &msg_id])?.query("wait", &wait);
        let mut record = client.json_patiently::<QuestionRecord>(&call, Some(PATIENCE)).await;
        if record.as_ref().is_err_and(|error| error.refusal(409).is_some()) {
            // Other agents have given the id, too.
            record = client.json_patiently(&call.query("agent_id", &agent_id), Some(PATIENCE)).await;
        }
        match record {
            Ok(record) => Ok(Json(record.into())),
            Err(error) if error.refusal(404).is_some() => Ok(Json(Outcome::unknown(msg_id))),
            Err(error) => Err(error),
        }
    }

    /// Tells a person something that needs no answer. It appears in the log of the dashboard.
    #[tool(annotations(title = "Tell a person", read_only_hint = false, destructive_hint = false))]
    async fn notify_user(
        &self,
        Parameters(Notice { message }): Parameters<Notice>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<Recorded>, Error> {
        let payload = Map::from_iter([("message".to_owned(), message.into())]);
        self.caller(&context)?.emit("agent", "message", payload).await.map(Json)
    }

    /// Records an event of yours, so that a person can see how far you are: agent:started when you begin a task,
    /// agent:progress on the way, agent:completed or agent:failed at its end, tool:called for what you use.
    #[tool(annotations(title = "Record an event", read_only_hint = false, destructive_hint = false))]
    async fn report_event(
        &self,
        Parameters(Report { category, action, payload }): Parameters<Report>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<Recorded>, Error> {
        self.caller(&context)?.emit(&category, &action, payload).await.map(Json)
    }

    /// Takes the messages that people have written to you unasked, oldest first. Each is given out once. One of the
    /// kind stop_request asks you to stop.
    #[tool(annotations(title = "Read messages", read_only_hint = false, destructive_hint = false))]
    async fn get_user_messages(&self, context: RequestContext<RoleServer>) -> Result<Json<Messages>, Error> {
        let messages = self.caller(&context)?.take_messages().await?;
        Ok(Json(Messages { messages }))
    }
}

/// What the daemon or the way to it has against a call. The model reads it, and may do better.
impl IntoCallToolResult for Error {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}

#[derive(Deserialize)]
struct Receipt {
    last_seq: u64,
}

impl Caller {
    async fn emit(&self, category: &str, action: &str, payload: Map<String, Value>) -> Result<Recorded, Error> {
        // The id makes it safe to send again.
        let event_id = Uuid::now_v7().to_string();
        let event = json!({"id": event_id, "category": category, "action": action, "agent_id": self.agent_id,
            "payload": payload});
        let call = self.client.call(Method::POST, &["events"])?.body(&event);
        let Receipt { last_seq } = self.client.json_patiently(&call, Some(PATIENCE)).await?;
        Ok(Recorded { event_id, seq: last_seq })
    }

    async fn take_messages(&self) -> Result<Vec<Message>, Error> {
        let client = &self.client;
        let workspace = mailbox::workspace_of(client, &self.agent_id, PATIENCE).await?;
        let mut messages = Vec::new();
        for waiting in mailbox::waiting(client, &workspace, PATIENCE).await? {
            match mailbox::take(client, &workspace, &waiting, PATIENCE).await {
                Ok(true) => messages.push(message(&waiting)),
                Ok(false) => {}
                // What is taken already must not be lost; what is not is given out the next time.
                Err(_) if !messages.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(messages)
    }
}

fn message(waiting: &Waiting) -> Message {
    let value = &waiting.message;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Message {
        message_id: waiting.id().to_owned(),
        kind: value.get("kind").and_then(text),
        content: value.get("content").unwrap_or(value).clone(),
        sent_at: value.get("sent_at").and_then(text),
        sent_by: value.pointer("/sent_by/who").and_then(text),
    }
}

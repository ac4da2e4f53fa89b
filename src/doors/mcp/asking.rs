//! Asking a person, waiting, and giving up.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use remora_actors::model::{self, QuestionRecord};
use reqwest::Method;
use rmcp::{RoleServer, model::ProgressNotificationParam, service::RequestContext};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Caller, McpServer, args::Question, tools::PATIENCE};
use crate::cli::{error::Error, wait::until_closed};

/// Time between two notifications of progress: well below the shortest timeouts that clients have.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How long the withdrawal of a question may take.
const GIVE_UP: Duration = Duration::from_secs(5);

impl Caller {
    /// Puts the question.
    pub(super) async fn ask(&self, mut question: Question) -> Result<QuestionRecord, Error> {
        // Made here: however often the request has to be repeated, it is one question.
        question.msg_id.get_or_insert_with(|| Uuid::now_v7().to_string());
        let mut body = json!(question);
        body["agent_id"] = self.agent_id.as_str().into();
        let call = self.client.call(Method::POST, &["questions"])?.body(&body);
        self.client.json_patiently(&call, Some(PATIENCE)).await
    }

    /// Nobody waits for the answer any more. A question that cannot be withdrawn has been closed already, or the
    /// daemon is away and its deadline has to do.
    async fn withdraw(&self, question: &model::Question) {
        let Ok(call) = self.client.call_about(Method::DELETE, question, &[]) else { return };
        let withdrawn = tokio::time::timeout(GIVE_UP, self.client.json::<IgnoredAny>(&call)).await;
        tracing::debug!(msg_id = question.msg_id, withdrawn = matches!(withdrawn, Ok(Ok(_))), "question given up");
    }
}

impl McpServer {
    /// Waits until the question is no longer open, telling the client that it is still waited for. A client that
    /// cancels its request or goes away withdraws the question.
    pub(super) async fn wait(
        &self,
        caller: &Caller,
        record: QuestionRecord,
        context: &RequestContext<RoleServer>,
    ) -> Result<QuestionRecord, Error> {
        let _asking = Asking::begin(&self.asking);
        let question = record.question.clone();
        let total = question.expires_at.map(|at| at.duration_since(Timestamp::now()).as_secs_f64());
        let waiting = format!("waiting for an answer to question {} at {}/", question.msg_id, caller.client.url());
        tokio::select! {
            closed = Box::pin(until_closed(&caller.client, record)) => closed,
            never = report_progress(context, total, &waiting) => match never {},
            () = context.ct.cancelled() => {
                caller.withdraw(&question).await;
                Err(Error::Usage("the request was cancelled and the question withdrawn".to_owned()))
            }
        }
    }
}

/// Tells a client that wants to know that its request is being worked on.
async fn report_progress(context: &RequestContext<RoleServer>, total: Option<f64>, message: &str) -> Infallible {
    let Some(token) = context.meta.get_progress_token() else { return std::future::pending().await };
    let began = Instant::now();
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        ticks.tick().await;
        let mut progress = ProgressNotificationParam::new(token.clone(), began.elapsed().as_secs_f64());
        progress.total = total;
        // A client that is gone cancels the request.
        let _ = context.peer.notify_progress(progress.with_message(message)).await;
    }
}

/// Counts one question that is waited for, until it is dropped.
struct Asking<'a>(&'a watch::Sender<usize>);

impl<'a> Asking<'a> {
    fn begin(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|asking| *asking += 1);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|asking| *asking -= 1);
    }
}

//! What requests have in common: any daemon may take one, as many wait at once as a limit allows, and each gets a reply.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, HeaderValue, Message, Request, RequestErrorKind, connection::State};
use futures_util::{StreamExt, stream::select_all};
use remora_web::Problem;
use serde_json::Value;
use tokio::{sync::OwnedSemaphorePermit, task::JoinSet};

use super::NatsDoor;

/// How long to wait for word that nobody hears a reply: NATS says so at once.
const HEARD: Duration = Duration::from_millis(250);
/// Headers by which the services of NATS tell that a reply is an error.
const ERROR: &str = "Nats-Service-Error";
const ERROR_CODE: &str = "Nats-Service-Error-Code";

/// A request's place among those that wait.
struct Place {
    door: Arc<NatsDoor>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.handle.metrics().bus_requests.dec();
    }
}

impl NatsDoor {
    /// Answers the requests on some subjects, each in a task of its own.
    pub(super) async fn serve<F, A>(self: Arc<Self>, subjects: Vec<String>, answer: F)
    where
        F: Fn(Arc<Self>, Message) -> A,
        A: Future<Output = ()> + Send + 'static,
    {
        let mut subscriptions = Vec::new();
        for subject in subjects {
            match self.client.queue_subscribe(subject.clone(), self.names.queue_group()).await {
                Ok(subscription) => subscriptions.push(subscription),
                Err(error) => return tracing::error!(subject, %error, "requests on nats cannot be heard"),
            }
        }
        let mut requests = select_all(subscriptions);
        let mut tasks = JoinSet::new();
        while let Some(request) = requests.next().await {
            while tasks.try_join_next().is_some() {}
            match self.place() {
                Some(place) => {
                    let answer = answer(Arc::clone(&self), request);
                    tasks.spawn(async move {
                        let _place = place;
                        answer.await;
                    });
                }
                None => {
                    let max = self.handle.limits().bus_requests;
                    let problem = Problem::unavailable("too many requests wait for an answer; try again in a moment");
                    self.refuse(&request, &problem.over("bus_requests", max)).await;
                }
            }
        }
    }

    fn place(self: &Arc<Self>) -> Option<Place> {
        let metrics = self.handle.metrics();
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            metrics.hit("bus_requests");
            return None;
        };
        metrics.bus_requests.inc();
        Some(Place { door: Arc::clone(self), _room: room })
    }

    /// Replies with what went wrong.
    pub(super) async fn refuse(&self, request: &Message, problem: &Problem) {
        let mut headers = HeaderMap::new();
        headers.insert(ERROR_CODE, HeaderValue::from(u64::from(problem.status().as_u16())));
        if let Ok(detail) = problem.detail().replace(['\r', '\n'], " ").parse::<HeaderValue>() {
            headers.insert(ERROR, detail);
        }
        let Some(reply) = request.reply.clone() else {
            return tracing::warn!(subject = %request.subject, problem = problem.detail(), "request on nats refused");
        };
        let sent = self.client.publish_with_headers(reply, headers, problem.document().to_string().into()).await;
        note(sent);
    }

    /// Replies.
    pub(super) async fn reply(&self, request: &Message, body: &Value) {
        let Some(reply) = request.reply.clone() else { return };
        note(self.client.publish(reply, body.to_string().into()).await);
    }

    /// Replies, and tells whether anybody was there to hear it.
    pub(super) async fn reply_heard(&self, request: &Message, body: &Value) -> bool {
        let Some(reply) = request.reply.clone() else { return false };
        // The reply is itself sent as a request: NATS answers one at once that reaches nobody. A client answers nothing.
        let sent = Request::new().payload(body.to_string().into()).timeout(Some(HEARD));
        match self.client.send_request(reply, sent).await {
            Ok(_) => true,
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {
                self.client.connection_state() == State::Connected
            }
            Err(_) => false,
        }
    }
}

/// A reply that is not sent is asked for again.
fn note(sent: Result<(), async_nats::PublishError>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "reply on nats not sent");
    }
}

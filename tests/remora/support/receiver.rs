//! The other end of a webhook: a second process that can be told to fail.

use serde_json::Value;

use super::{Process, fixture};

/// What stands behind the address in a target's path, which nobody may see.
pub(crate) const TOPIC: &str = "s3cret-topic";

/// A receiver.
pub(crate) struct Receiver {
    process: Process,
    port: u16,
    unread: Vec<Value>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        let mut process = Process::python(&fixture("webhook.py"), &[]);
        let port = process.line().await.parse().expect("a port");
        Self { process, port, unread: Vec::new() }
    }

    /// Its address, with the secret.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{TOPIC}", self.port)
    }

    /// Changes what it does: a status for all further requests, or a status and for how many.
    pub(crate) async fn tell(&mut self, order: &str) {
        self.process.tell(order).await;
        loop {
            let line = self.process.line().await;
            match line.as_str() {
                "taken" => return,
                request => self.unread.push(serde_json::from_str(request).expect("json")),
            }
        }
    }

    /// The next request that it gets.
    pub(crate) async fn next(&mut self) -> Value {
        if self.unread.is_empty() {
            let line = self.process.line().await;
            return serde_json::from_str(&line).expect("json");
        }
        self.unread.remove(0)
    }
}

//! The model context protocol, spoken by its official client: over standard input and output, over HTTP with a
//! session, and over HTTP without one.

mod asking;
mod daemon;
mod examples;
mod tools;

use crate::support::{
    Daemon,
    http::{rows, text},
    mcp::Way,
    wait_until,
};

/// Every way to the tools, with the client's mode.
const WAYS: [(Way, &str); 4] =
    [(Way::Stdio, "legacy"), (Way::Stdio, "auto"), (Way::Http, "legacy"), (Way::Http, "auto")];

/// The id of the one question that is open.
async fn open_question(daemon: &Daemon) -> String {
    wait_until("a question is open", async || {
        let open = rows(daemon.api.get("/api/v1/questions?status=open").await.expect(200).json(), "questions");
        open.first().map(|record| text(record, "msg_id"))
    })
    .await
}

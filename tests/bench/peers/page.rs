//! Stario's design in Rust, where Stario cannot be had: the whole page for each event and each browser.

use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, channel, error::RecvError};
use warp::{Filter, Reply, http::StatusCode};

use super::warp_server::{event_stream, serve};
use crate::{
    daemon::{AGENTS, LOG_ROWS},
    event::agent_id,
};

/// Events that a browser may be behind, as in that design.
const QUEUE: usize = 1000;

type Log = Arc<Mutex<VecDeque<Value>>>;

/// Serves until it is ended.
pub(super) fn run() -> Result<()> {
    let log = Log::default();
    let (sender, _) = channel::<()>(QUEUE);
    let (events, published) = (Arc::clone(&log), sender.clone());
    let publish = warp::path!("pub").and(warp::post()).and(warp::body::bytes()).map(move |body: Bytes| {
        let Ok(event) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST.into_response() };
        let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push_front(event);
        events.truncate(LOG_ROWS as usize);
        let _ = published.send(());
        StatusCode::ACCEPTED.into_response()
    });
    let subscribe =
        warp::path!("sub").and(warp::get()).map(move || {
            let first = stream::iter([Ok(page(&log))]);
            let log = Arc::clone(&log);
            let next = stream::unfold((sender.subscribe(), log), async |(mut receiver, log): (Receiver<()>, Log)| {
                match receiver.recv().await {
                    Ok(()) | Err(RecvError::Lagged(_)) => Some((Ok(page(&log)), (receiver, log))),
                    Err(RecvError::Closed) => None,
                }
            });
            event_stream(stream::StreamExt::chain(first, next))
        });
    serve(publish.or(subscribe).unify().boxed())
}

/// One frame with everything in it.
fn page(log: &Log) -> Bytes {
    let mut page = String::from("event: datastar-patch-elements\ndata: elements <div id=\"dashboard\">");
    page += "<div class=\"header\"><div>Remora Dashboard</div><div id=\"connection-status\">Connected</div></div>";
    page += "<div id=\"blocked-agents\"><p>Nobody waits for you.</p></div><div id=\"agent-status\">";
    for agent in 0..AGENTS {
        let agent = agent_id(agent);
        let _ = write!(
            page,
            "<div class=\"agent-item\"><span class=\"state-indicator running\"></span>\
             <span class=\"agent-name\">{agent}</span><span class=\"agent-state\">running</span></div>"
        );
    }
    page += "</div><div id=\"events-list\">";
    for event in &*log.lock().unwrap_or_else(PoisonError::into_inner) {
        let text = |value: &Value| value.as_str().unwrap_or_default().replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(
            page,
            "<div class=\"event\"><span class=\"event-time\">{}</span><span class=\"event-type\">{}:{}</span>\
             <span class=\"event-agent\">{}</span><span class=\"event-detail\">{} {}</span></div>",
            text(&event["timestamp"]),
            text(&event["category"]),
            text(&event["action"]),
            text(&event["agent_id"]),
            text(&event["payload"]["tool"]),
            text(&event["payload"]["mark"]),
        );
    }
    page += "</div></div>\n\n";
    page.into()
}

//! The daemon's own MCP server, at `/mcp`, over the streamable HTTP transport.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use remora_web::{
    Api, Door, DoorBody,
    http::{Request, Response, StatusCode, header},
};
use reqwest::Body;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde::Deserialize;

use super::{Daemon, McpServer};

/// A session in which nothing was sent for so long ends, and withdraws the questions in it: a person may sleep over
/// a question that reports no progress.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The door. At most `sessions` clients that need one have a session at a time.
pub(crate) fn door(api: Api, sessions: usize) -> Door {
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(IDLE);
    let manager = Arc::new(manager);
    // The guard has looked at the host, and the body is within the limit.
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts().with_max_request_body_bytes(usize::MAX);
    let stopping = config.cancellation_token.clone();
    let server = McpServer::new(Daemon::Here(api.clone()));
    let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::clone(&manager), config);
    tokio::spawn(async move {
        api.closed().await;
        // From here on the API refuses to withdraw a question, so that it outlives the restart.
        stopping.cancel();
    });
    Arc::new(move |request| {
        let (service, manager) = (service.clone(), Arc::clone(&manager));
        Box::pin(async move {
            if opens_session(&request) && manager.sessions.read().await.len() >= sessions {
                return busy();
            }
            service.handle(request.map(Body::from)).await.map(|body| body.into_data_stream().boxed())
        })
    })
}

fn opens_session(request: &Request<Vec<u8>>) -> bool {
    #[derive(Deserialize)]
    struct Message {
        method: String,
    }
    let message = serde_json::from_slice(request.body());
    message.is_ok_and(|Message { method }| method == "initialize")
}

fn busy() -> Response<DoorBody> {
    let text = "too many mcp sessions are open, more are not allowed by `sessions`";
    let mut response = Response::new(Full::from(text).into_data_stream().boxed());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    response
}

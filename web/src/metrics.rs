//! What is counted of requests, beside what the actors count.

use std::borrow::Cow;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use warp::{
    http::{Method, StatusCode},
    reply::Response,
};

use crate::{context::Context, problem, routes};

/// What a request was, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    route: Cow<'static, str>,
    method: &'static str,
    status: u16,
}

/// The requests so far. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Family<RequestLabel, Counter>);

impl Requests {
    pub(crate) fn count(&self, method: &Method, path: &str, status: StatusCode) {
        // Neither a path nor a method of the sender's own makes a count of its own.
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
        let route = if status == StatusCode::NOT_FOUND { "unknown".into() } else { route_of(path) };
        self.0.get_or_create(&RequestLabel { route, method, status: status.as_u16() }).inc();
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests replied to", self.0.clone());
    }
}

/// The path as the API's description has it, else its first part: whatever follows that is an id or a file's name.
fn route_of(path: &str) -> Cow<'static, str> {
    if let Some(template) = routes::template_of(path) {
        return template.into();
    }
    match path.trim_start_matches('/').split_once('/') {
        Some((first, _)) => format!("/{first}/…").into(),
        None => path.to_owned().into(),
    }
}

/// Counts the limits that a response tells of.
pub(crate) fn count_limits(context: &Context, response: Response) -> Response {
    for limit in response.extensions().get::<problem::Limits>().into_iter().flat_map(|limits| &limits.0) {
        context.handle.metrics().hit(limit);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_holds_no_id() {
        for (path, route) in [
            ("/", "/"),
            ("/events", "/events"),
            ("/metrics", "/metrics"),
            ("/api/v1/questions/q1", "/api/v1/questions/{msg_id}"),
            ("/api/v1/workspaces/w/kv/k", "/api/v1/workspaces/{workspace_id}/kv/{key}"),
            ("/static/remora.css", "/static/…"),
            ("/agents/a1", "/agents/…"),
        ] {
            assert_eq!(route_of(path), route);
        }
    }
}

//! The JSON API for a door in the same process, and where that door is mounted.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use tower_service::Service as _;
use warp::{
    filters::BoxedFilter,
    http::{self, Request},
    reply::{Reply, Response},
};

use crate::{context::Context, live_response, problem::Problem, routes};

/// What a door replies to each request that the guard lets pass.
pub type Door = Arc<dyn Fn(Request<Vec<u8>>) -> BoxFuture<'static, http::Response<DoorBody>> + Send + Sync>;

/// The body of a door's reply.
pub type DoorBody = BoxStream<'static, Result<Bytes, Infallible>>;

/// The JSON API without a network between, behind the same guard. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    routes: BoxedFilter<(Response,)>,
    context: Context,
}

impl Api {
    pub(crate) fn new(context: &Context) -> Self {
        Self { routes: routes::json_api(context), context: context.clone() }
    }

    /// The reply to a request to a path below `/api/v1`. Once the daemon stops, each is refused with 503.
    ///
    /// Not to be called from within a route: warp knows one request per task.
    pub async fn call(&self, request: Request<Vec<u8>>) -> Response {
        if *self.context.closing.borrow() {
            return Problem::unavailable("the daemon stops; ask again").into_response();
        }
        let request = request.map(|body| Response::new(body.into()).into_body());
        match warp::service(self.routes.clone()).call(request).await {
            Ok(response) => live_response::with_body(response),
            Err(never) => match never {},
        }
    }

    /// Returns when the daemon stops.
    pub async fn closed(&self) {
        self.context.closed().await;
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

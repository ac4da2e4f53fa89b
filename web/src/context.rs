//! What every route is given.

use std::{
    convert::Infallible,
    ops::Deref,
    sync::{Arc, Mutex as Memory},
    time::Duration,
};

use remora_actors::{Handle, system::Unreachable};
use tokio::sync::{Mutex, Semaphore, watch};
use warp::{
    Filter as _,
    http::{HeaderMap, StatusCode},
};

use crate::{
    doors::otlp::lineage::Lineage,
    gzip::{self, Gzip},
    links::Links,
    metrics::Requests,
    problem::Problem,
};

/// Pause after a token or a link that was made up: a guesser gets one try a second, whoever knows waits for nobody.
const GUESS_PAUSE: Duration = Duration::from_secs(1);

/// Settings of the web front.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Silence after which a stream says that it is alive, so that proxies keep it open.
    pub heartbeat: Duration,
    /// True where pages and their streams are compressed for clients that take that.
    pub gzip: bool,
    /// True where the daemon listens on a loopback address only: then `Host` must be a loopback name.
    pub loopback: bool,
    /// Tokens of the agents and the operators, which may change; `None`: whoever reaches the daemon may do everything.
    pub tokens: Option<watch::Receiver<Tokens>>,
    /// Where the journal is: `sqlite` or `nats`.
    pub store: &'static str,
    /// Makes and reads signed links; `None`: people cannot reach the daemon from elsewhere.
    pub links: Option<Arc<Links>>,
}

/// The texts that open the two scopes.
#[derive(Clone, Default)]
pub struct Tokens {
    /// May emit, ask, and use workspaces.
    pub agent: Vec<String>,
    /// May also answer: the token, and the name that stands beside the answers.
    pub operator: Vec<(String, String)>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("agent", &self.agent.len()).field("operator", &self.operator.len()).finish()
    }
}

/// Shared by all routes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Context(Arc<Shared>);

/// What is shared.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) settings: Settings,
    /// Becomes true when the daemon stops.
    pub(crate) closing: watch::Receiver<bool>,
    /// Room for the bytes of bodies that are arriving.
    pub(crate) arriving: Arc<Semaphore>,
    /// Held while a guess waits for its answer.
    pub(crate) guessing: Mutex<()>,
    /// What is counted of them.
    pub(crate) requests: Requests,
    /// The spans seen last: a hint about whose the next ones are, which nothing is lost without.
    pub(crate) lineage: Memory<Lineage>,
    /// Compresses the streams of all pages.
    pub(crate) gzip: Gzip,
}

impl Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl From<Shared> for Context {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Context {
    /// Gives a route its own handle on everything.
    pub(crate) fn with(&self) -> impl warp::Filter<Extract = (Self,), Error = Infallible> + Clone + use<> {
        let context = self.clone();
        warp::any().map(move || context.clone())
    }

    /// Returns when the daemon stops.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.clone();
        // The sender lives as long as the server; its end is the end as well.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Lets whoever guesses wait, one after the other.
    pub(crate) async fn slow_guesses_down(&self) {
        let _one_at_a_time = self.guessing.lock().await;
        tokio::time::sleep(GUESS_PAUSE).await;
    }

    /// What compresses a page or its stream, where this daemon does so and the client takes it.
    pub(crate) fn gzip(&self, headers: &HeaderMap) -> Option<&Gzip> {
        (self.settings.gzip && gzip::is_accepted(headers)).then_some(&self.gzip)
    }
}

impl From<Unreachable> for Problem {
    fn from(error: Unreachable) -> Self {
        match error {
            Unreachable::Absent(_) => Self::unavailable(error),
            // No 503: a careful client would send it again, and the actor would die again.
            Unreachable::Died(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error),
        }
    }
}

//! The command line's HTTP client: one call at a time, problem documents as errors, patience where it is safe.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Connection,
    error::{Error, Problem},
    terminal,
};
use crate::tokens::{Secret, Tokens, read_private};

/// Longest silence on a connection: well over a long poll's 30 s and the default heartbeat's 15 s.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest wait for a connection: a daemon on the same machine or network answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call that may be repeated is repeated: a restart takes seconds, a full queue less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a command does, which tells the token it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Emits and asks.
    Agent,
    /// Looks on and answers.
    Operator,
}

/// A daemon, as the commands see it.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// The daemon has answered once: from then on it is away rather than absent.
    met: AtomicBool,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// A client for the daemon at the given address. Connects to nothing yet.
    pub(crate) fn new(connection: &Connection, scope: Scope) -> Result<Self, Error> {
        let usage = |problem: &str| Error::Usage(format!("--url {} {problem}", connection.url));
        let base = Url::parse(&connection.url).map_err(|error| usage(&format!("is not a URL: {error}")))?;
        if base.scheme() != "http" {
            return Err(usage("must begin with http://: encryption is left to a tunnel or a proxy"));
        }
        let mut headers =
            HeaderMap::from_iter([(HeaderName::from_static("remora-door"), HeaderValue::from_static("cli"))]);
        if let Some(token) = token(connection, scope)? {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| Error::Usage("the token has characters that cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("remora/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        if is_loopback(&base) {
            // A proxy from the environment could only get in the way of a daemon on this machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|source| Error::NotReachable { url: connection.url.clone(), source })?;
        Ok(Self { http, base, met: AtomicBool::new(false) })
    }

    /// The daemon's address without a path.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A request to `/api/v1/` and these path segments.
    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Result<Call, Error> {
        if let Some(segment) = path.iter().find(|segment| ["", ".", ".."].contains(segment)) {
            return Err(Error::Usage(format!("{segment:?} is no id")));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        Ok(Call { method, url, headers: HeaderMap::new(), body: Vec::new() })
    }

    /// Sends a request once and reads its JSON reply.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let response = self.open(call).await?;
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&body).map_err(|error| self.stranger(format!("its reply cannot be read: {error}")))
    }

    /// As [`Client::json`], again and again while the daemon is busy, or gone after it was there, for up to
    /// `patience` of waiting (`None`: for ever). Only for calls that may arrive twice.
    pub(crate) async fn json_patiently<T: DeserializeOwned>(
        &self,
        call: &Call,
        patience: Option<Duration>,
    ) -> Result<T, Error> {
        let mut told = false;
        (|| self.json(call))
            .retry(backoff().with_total_delay(patience))
            .when(|error| self.is_worth_waiting(error))
            .adjust(politely)
            .notify(|error, _| self.tell_once(error, &mut told))
            .await
    }

    /// Sends a request once; the reply's body is still to be read.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response, Error> {
        let request = self.http.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        let response = request.body(call.body.clone()).send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            self.met.store(true, Ordering::Relaxed);
            return Ok(response);
        }
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let is_problem = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/problem+json"));
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(mut problem) if is_problem => {
                self.met.store(true, Ordering::Relaxed);
                if status == StatusCode::UNAUTHORIZED {
                    problem.detail.push_str("; name it by --token-file FILE or $REMORA_TOKEN");
                }
                Err(Error::Refused(Box::new(Problem { status: status.as_u16(), retry_after, ..problem })))
            }
            // A proxy in front of the daemon says so in its own words.
            _ if matches!(status.as_u16(), 502..=504) => {
                let detail = "the daemon cannot be reached through the proxy at this address".to_owned();
                Err(Error::Refused(Box::new(Problem { status: 503, detail, retry_after, ..Problem::default() })))
            }
            _ => Err(self.stranger(format!("status {status}"))),
        }
    }

    /// True where the daemon is busy, or gone after it was there.
    pub(crate) fn is_worth_waiting(&self, error: &Error) -> bool {
        match error {
            Error::NotReachable { .. } => self.met.load(Ordering::Relaxed),
            _ => error.is_transient(),
        }
    }

    /// Tells the person, once per outage, why nothing happens.
    pub(crate) fn tell_once(&self, error: &Error, told: &mut bool) {
        if matches!(error, Error::NotReachable { .. }) && !std::mem::replace(told, true) {
            terminal::note(&format!("daemon not reachable at {}, trying again", self.url()));
        }
    }

    fn unreachable(&self, source: reqwest::Error) -> Error {
        // A connection that broke was a connection: the daemon was there when the request went out.
        self.met.fetch_or(!source.is_connect() && !source.is_builder(), Ordering::Relaxed);
        Error::NotReachable { url: self.url().to_owned(), source: source.without_url() }
    }

    /// What answers is not a daemon, or not one that this client understands.
    pub(crate) fn stranger(&self, what: String) -> Error {
        Error::NotRemora { url: self.url().to_owned(), what }
    }
}

impl Call {
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    pub(crate) fn body(mut self, json: &Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = json.to_string().into_bytes();
        self
    }

    pub(crate) fn lines(mut self, body: Vec<u8>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        self.body = body;
        self
    }

    /// Asks for a stream of events, from the one after `seq` on.
    pub(crate) fn stream_after(mut self, seq: u64) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.headers.insert("last-event-id", HeaderValue::from(seq));
        self
    }
}

/// Waits between attempts: a busy daemon is asked again soon, one that stays away is not hammered.
pub(crate) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(3))
        .with_jitter()
        .without_max_times()
}

/// For backon: waits at least as long as the daemon asked for.
pub(crate) fn politely(error: &Error, delay: Option<Duration>) -> Option<Duration> {
    delay.map(|delay| delay.max(error.retry_after().unwrap_or_default()))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The token for what the command does: of the named file, else of `REMORA_TOKEN`.
fn token(connection: &Connection, scope: Scope) -> Result<Option<Secret>, Error> {
    let Some(path) = &connection.token_file else {
        let variable = std::env::var("REMORA_TOKEN").ok();
        return Ok(variable.filter(|text| !text.trim().is_empty()).map(|text| Secret::new(text.trim())));
    };
    pick_token(&read_private(path)?, scope).map(Some)
}

/// A file for a client holds one bare token; the daemon's own file serves as well.
fn pick_token(text: &str, scope: Scope) -> Result<Secret, Error> {
    if let [bare] = text.split_whitespace().collect::<Vec<_>>()[..] {
        return Ok(Secret::new(bare));
    }
    let tokens = Tokens::parse(text)?;
    let agent = tokens.agent.into_iter().next();
    let operator = tokens.operator.into_iter().next().map(|(token, _)| token);
    let (first, second) = if scope == Scope::Agent { (agent, operator) } else { (operator, agent) };
    first.or(second).ok_or_else(|| Error::Usage("the token file has no token".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, Error> {
        Client::new(&Connection { url: url.to_owned(), token_file: None }, Scope::Agent)
    }

    #[test]
    fn an_id_stays_one_path_segment() {
        let client = client("http://127.0.0.1:8000/prefix/").expect("valid");
        let call = client.call(Method::GET, &["questions", "a/b?c#d é"]).expect("valid").query("wait", "30");
        let expected = "http://127.0.0.1:8000/prefix/api/v1/questions/a%2Fb%3Fc%23d%20%C3%A9?wait=30";
        assert_eq!(call.url.as_str(), expected);
        assert!(client.call(Method::GET, &["questions", ".."]).is_err());
    }

    #[test]
    fn only_plain_http_is_spoken() {
        for url in ["https://127.0.0.1:8000", "127.0.0.1:8000", "", "localhost:8000"] {
            assert!(matches!(client(url), Err(Error::Usage(_))), "{url}");
        }
    }

    #[test]
    fn a_token_file_gives_the_token_the_command_needs() {
        let both = "operator operator-01234567 alice\nagent agent-0123456789";
        for (text, scope, expected) in [
            (both, Scope::Agent, "agent-0123456789"),
            (both, Scope::Operator, "operator-01234567"),
            ("operator operator-01234567", Scope::Agent, "operator-01234567"),
            ("bare-0123456789\n", Scope::Operator, "bare-0123456789"),
        ] {
            assert_eq!(pick_token(text, scope).expect("valid").expose(), expected);
        }
    }

    #[test]
    fn loopback_is_recognised_by_name_and_number() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:8000", true),
            ("http://192.168.0.1", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).expect("valid")), expected, "{url}");
        }
    }
}

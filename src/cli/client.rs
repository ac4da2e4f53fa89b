//! The command line's HTTP client: one call at a time, problem documents as errors, patience where it is safe.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use remora_actors::model::{Door, Question};
use remora_web::{Api, guarded, http};
use reqwest::{
    Body, Method, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Connection,
    error::{Error, Problem},
    terminal,
    token::token,
};

pub(crate) use super::token::Scope;

/// Longest silence on a connection: well over a long poll's 30 s and the default heartbeat's 15 s.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest wait for a connection: a daemon on the same machine or network answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call that may be repeated is repeated: a restart takes seconds, a full queue less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a token is given to a command.
const NAME_TOKEN: &str = "; name it by --token-file FILE or $REMORA_TOKEN";
/// What is missing where an agent's token does not do, and where it comes from.
const OPERATOR_NEEDED: &str = "this needs an operator's token, and the one given is an agent's: take one from the \
    daemon's token file, or add a line `operator TOKEN NAME` to it and send the daemon a SIGHUP";

/// What may stand behind the daemon's address, as whoever copies it from elsewhere has it.
const API: [&str; 2] = ["/api/v1", "/api"];

/// A daemon, as the commands see it.
pub(crate) struct Client {
    way: Way,
    base: Url,
    /// Sent with every request.
    headers: HeaderMap,
    /// The daemon has answered once: from then on it is away rather than absent.
    met: AtomicBool,
}

/// What lies between the client and the daemon.
enum Way {
    Network(reqwest::Client),
    /// Nothing: the daemon is this process.
    Within(Api),
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
        Self::connecting_within(CONNECT, connection, scope)
    }

    /// The same, for somebody who cannot wait so long for a connection.
    pub(crate) fn connecting_within(connect: Duration, connection: &Connection, scope: Scope) -> Result<Self, Error> {
        let usage = |problem: &str| Error::Usage(format!("--url {} {problem}", connection.url));
        let mut base = Url::parse(&connection.url).map_err(|error| usage(&format!("is not a URL: {error}")))?;
        if base.scheme() != "http" {
            return Err(usage("must begin with http://: encryption is left to a tunnel or a proxy"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(usage("must end before the `?` or `#`: it is where the daemon is, not what is asked of it"));
        }
        let path = base.path().trim_end_matches('/');
        let path = API.iter().find_map(|api| path.strip_suffix(api)).unwrap_or(path).to_owned();
        base.set_path(&path);
        let mut headers = HeaderMap::new();
        if let Some(token) = token(connection, scope)? {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| Error::Usage("the token has characters that cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("remora/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(connect)
            .read_timeout(SILENCE);
        if is_loopback(&base) {
            // A proxy from the environment could only get in the way of a daemon on this machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|source| Error::NotReachable { url: connection.url.clone(), source })?;
        Ok(Self { way: Way::Network(http), base, headers, met: AtomicBool::new(false) }.at(Door::Cli))
    }

    /// A client for the daemon that this process is, with the rights of whoever sent these headers.
    pub(crate) fn within(api: Api, caller: &HeaderMap) -> Result<Self, Error> {
        let host = caller.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let base = Url::parse(&format!("http://{host}/"))
            .map_err(|error| Error::Usage(format!("header `host` is no address: {error}")))?;
        let kept = [AUTHORIZATION, COOKIE, HOST].into_iter();
        let headers = kept.filter_map(|name| Some((name.clone(), caller.get(name)?.clone()))).collect();
        Ok(Self { way: Way::Within(api), base, headers, met: AtomicBool::new(true) })
    }

    /// The same client at another door.
    pub(crate) fn at(mut self, door: Door) -> Self {
        self.headers.insert("remora-door", HeaderValue::from_static(door.as_str()));
        self
    }

    /// The daemon's address without a path.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A request to `/api/v1/` and these path segments.
    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Result<Call, Error> {
        if let Some(segment) = path.iter().find(|segment| segment.is_empty()) {
            return Err(Error::Usage(format!("{segment:?} is no id")));
        }
        Ok(self.call_at(method, ["api", "v1"].iter().chain(path)))
    }

    /// A request about a question and what else the path names of it, whoever has given another one the same id.
    pub(crate) fn call_about(&self, method: Method, question: &Question, of_it: &[&str]) -> Result<Call, Error> {
        let call = self.call(method, &[&["questions", &question.msg_id], of_it].concat())?;
        Ok(call.query("workspace_id", &question.workspace_id))
    }

    /// A request to what lies outside of the API, such as `/healthz`.
    pub(crate) fn call_outside(&self, segment: &str) -> Call {
        self.call_at(Method::GET, [segment])
    }

    fn call_at(&self, method: Method, path: impl IntoIterator<Item = impl AsRef<str>>) -> Call {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.into_iter().map(|segment| guarded(segment.as_ref()).into_owned()));
        }
        Call { method, url, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// True where the daemon's machine is this one.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// True where a token is shown.
    pub(crate) fn has_token(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// Sends a request once and reads its JSON reply; an empty one is null.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let response = self.open(call).await?;
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        let body = if body.is_empty() { b"null" } else { &*body };
        serde_json::from_slice(body).map_err(|error| self.stranger(format!("its reply cannot be read: {error}")))
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
        let response = self.send(call).await?;
        let status = response.status();
        if status.is_success() {
            self.met.store(true, Ordering::Relaxed);
            return Ok(response);
        }
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let is_problem = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/problem+json"));
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        match Problem::read(&body) {
            Ok(mut problem) if is_problem => {
                self.met.store(true, Ordering::Relaxed);
                if status == StatusCode::UNAUTHORIZED {
                    problem.detail.push_str(NAME_TOKEN);
                }
                if problem.extra.get("needed_scope").is_some_and(|scope| scope == "operator") {
                    problem.detail = format!("{OPERATOR_NEEDED}{NAME_TOKEN}");
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

    async fn send(&self, call: &Call) -> Result<Response, Error> {
        let mut headers = self.headers.clone();
        headers.extend(call.headers.clone());
        match &self.way {
            Way::Network(http) => {
                let request = http.request(call.method.clone(), call.url.clone()).headers(headers);
                request.body(call.body.clone()).send().await.map_err(|source| self.unreachable(source))
            }
            Way::Within(api) => {
                let request = http::Request::builder().method(call.method.clone()).uri(call.url.as_str());
                let mut request = request
                    .body(call.body.clone())
                    .map_err(|error| Error::Usage(format!("{} is no address: {error}", call.url)))?;
                *request.headers_mut() = headers;
                Ok(api.call(request).await.map(Body::wrap).into())
            }
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
        let dots = client.call(Method::GET, &["questions", ".."]).expect("valid");
        assert_eq!(dots.url.as_str(), "http://127.0.0.1:8000/prefix/api/v1/questions/~..");
        assert!(client.call(Method::GET, &["questions", ""]).is_err());
    }

    #[test]
    fn an_address_may_name_the_api_as_well() {
        for (url, expected) in [
            ("http://a:1", "http://a:1"),
            ("http://a:1/", "http://a:1"),
            ("http://a:1/api", "http://a:1"),
            ("http://a:1/api/v1/", "http://a:1"),
            ("http://a:1/remora/api/v1", "http://a:1/remora"),
            ("http://a:1/rapid", "http://a:1/rapid"),
        ] {
            let client = client(url).expect("valid");
            assert_eq!(client.url(), expected);
            assert_eq!(client.call_outside("healthz").url.as_str(), format!("{expected}/healthz"));
        }
    }

    #[test]
    fn only_plain_http_is_spoken() {
        for url in ["https://127.0.0.1:8000", "127.0.0.1:8000", "", "localhost:8000", "http://a/?b=c", "http://a/#b"] {
            assert!(matches!(client(url), Err(Error::Usage(_))), "{url}");
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

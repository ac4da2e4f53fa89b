//! The courier: posts notices over HTTP, one try at a time.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use remora_actors::{
    model::notice::Notice,
    ports::{Courier, DeliveryError, Retry},
};
use remora_web::{
    Links,
    http::{HeaderMap, Request, StatusCode, header},
};
use ring::hmac;

use super::{settings::Kind, target::Target, templates};

/// Bytes read of an answer: what a person wants to know of a refusal.
const ANSWER_BYTES: usize = 4 << 10;
/// How long it may take to arrive, once it has begun to.
const BODY: Duration = Duration::from_secs(1);
/// Characters of it that are kept.
const ANSWER_CHARS: usize = 160;

type Body = Full<Bytes>;

/// Posts notices to webhooks.
pub struct Webhooks {
    targets: BTreeMap<String, Target>,
    links: Option<Arc<Links>>,
    /// How long a link in a notice works, at most.
    lifetime: SignedDuration,
    /// How long one try may take.
    limit: Duration,
    plain: Client<HttpConnector, Body>,
    /// Made where a target needs it: reading the machine's certificates takes a while, and some machines have none.
    encrypted: Option<Client<HttpsConnector<HttpConnector>, Body>>,
}

impl Webhooks {
    /// A courier to these targets.
    ///
    /// # Errors
    /// The machine has no certificates by which to know an encrypted target.
    pub fn new(
        targets: impl IntoIterator<Item = Target>,
        links: Option<Arc<Links>>,
        lifetime: SignedDuration,
        limit: Duration,
    ) -> io::Result<Self> {
        let targets: BTreeMap<_, _> = targets.into_iter().map(|target| (target.name().to_owned(), target)).collect();
        let needs_it = targets.values().any(|target| target.uri.0.scheme_str() == Some("https"));
        let encrypted = needs_it.then(encrypted).transpose()?;
        let plain = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { targets, links, lifetime, limit, plain, encrypted })
    }

    async fn post(&self, target: &Target, notice: &Notice) -> Result<(), DeliveryError> {
        let request = self.request(target, notice, Timestamp::now())?;
        let answer = match &self.encrypted {
            Some(client) if request.uri().scheme_str() == Some("https") => client.request(request),
            _ => self.plain.request(request),
        };
        let answer = tokio::time::timeout(self.limit, answer).await;
        let answer = answer.map_err(|_| later(format!("no answer within {} s", self.limit.as_secs_f64())))?;
        let (head, body) = answer.map_err(|error| later(format!("no answer: {}", cause(&error))))?.into_parts();
        // Read whatever it is, so that the connection can be used again; what it says is known from the head.
        let body = tokio::time::timeout(BODY, Limited::new(body, ANSWER_BYTES).collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        judge(head.status, &head.headers, &body)
    }

    fn request(&self, target: &Target, notice: &Notice, now: Timestamp) -> Result<Request<Body>, DeliveryError> {
        let post = templates::render(target, notice, self.links.as_deref(), self.lifetime);
        let body = post.body.to_string();
        let mut request = Request::post(post.uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("remora/", env!("CARGO_PKG_VERSION")))
            .header("idempotency-key", &notice.id);
        if let Some(authorization) = &target.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if target.kind == Kind::Json {
            let time = now.as_second().to_string();
            if let Some(key) = &target.signing {
                request = request.header("webhook-signature", sign(key, &notice.id, &time, &body));
            }
            request = request.header("webhook-id", &notice.id).header("webhook-timestamp", time);
        }
        let never = |error| DeliveryError { reason: format!("cannot be sent: {error}"), retry: Retry::Never };
        request.body(Full::from(body)).map_err(never)
    }
}

#[async_trait]
impl Courier for Webhooks {
    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        let Some(target) = self.targets.get(&notice.target) else {
            return Err(DeliveryError { reason: "there is no such target any more".to_owned(), retry: Retry::Never });
        };
        self.post(target, notice).await
    }
}

/// A client for encrypted targets.
fn encrypted() -> io::Result<Client<HttpsConnector<HttpConnector>, Body>> {
    let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// The signature of a message, as standardwebhooks.com describes it.
fn sign(key: &[u8], id: &str, time: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signature = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(signature))
}

fn later(reason: String) -> DeliveryError {
    DeliveryError { reason, retry: Retry::Later }
}

/// The innermost reason: the outer ones only say that something went wrong.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// What an answer means. Whoever asks for silence gets it; who refuses for good is not asked again.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), DeliveryError> {
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let reason = format!("answered {status}: it has moved; name its new address in the configuration");
        return Err(DeliveryError { reason, retry: Retry::Never });
    }
    let said: String = String::from_utf8_lossy(body)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(ANSWER_CHARS)
        .collect();
    let reason = match said.trim() {
        "" => format!("answered {status}"),
        said => format!("answered {status}: {said}"),
    };
    let worth_it =
        status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let retry = match retry_after(headers, Timestamp::now()) {
        _ if !worth_it => Retry::Never,
        Some(wait) => Retry::After(wait),
        None => Retry::Later,
    };
    Err(DeliveryError { reason, retry })
}

/// `Retry-After`: seconds, which some services write with a fraction, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = rfc2822::parse(text).ok()?;
    Duration::try_from(date.timestamp().duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<(), DeliveryError> {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("a value")));
        judge(StatusCode::from_u16(status).expect("a status"), &headers.collect(), body.as_bytes())
    }

    #[test]
    fn an_answer_tells_whether_to_try_again() {
        assert_eq!(judged(200, &[], "ok"), Ok(()));
        assert_eq!(judged(204, &[], ""), Ok(()));
        for (status, retry) in [
            (301, Retry::Never),
            (400, Retry::Never),
            (401, Retry::Never),
            (404, Retry::Never),
            (408, Retry::Later),
            (410, Retry::Never),
            (429, Retry::Later),
            (500, Retry::Later),
            (503, Retry::Later),
        ] {
            assert_eq!(judged(status, &[], "").expect_err("refused").retry, retry, "{status}");
        }
        let after = |value: &str| judged(429, &[("retry-after", value)], "").expect_err("refused").retry;
        assert_eq!(after("30"), Retry::After(Duration::from_secs(30)));
        assert_eq!(after("0.5"), Retry::After(Duration::from_millis(500)));
        assert_eq!(after("soon"), Retry::Later);
        assert_eq!(after("-1"), Retry::Later);
        assert!(matches!(after("Fri, 31 Dec 2100 23:59:59 GMT"), Retry::After(wait) if wait.as_secs() > 1_000));
        let error = judged(404, &[], "no such\ntopic\u{1b}[31m").expect_err("refused");
        assert_eq!(error.reason, "answered 404 Not Found: no such topic [31m");
        assert!(judged(500, &[], &"x".repeat(4_000)).expect_err("refused").reason.len() < 250);
    }

    #[test]
    fn signatures_are_the_ones_of_the_specification() {
        // The example of <https://www.standardwebhooks.com>'s reference libraries.
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

//! Who may do what: the scopes, and what browsers are made to respect.

use std::{convert::Infallible, fmt};

use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;
use warp::{
    Filter, Rejection,
    http::{HeaderMap, Method, StatusCode, header},
    path::FullPath,
};

use crate::{
    context::{Context, Tokens},
    problem::Problem,
    routes::check_query,
};

/// The cookie in which a browser keeps its operator's token.
pub(crate) const TOKEN_COOKIE: &str = "remora_token";
/// The cookie that tells a page who has logged in.
pub(crate) const NAME_COOKIE: &str = "remora_name";
/// The cookie that tells one browser from another.
pub(crate) const BROWSER_COOKIE: &str = "remora_browser";
/// What is said of a token that is none, or none any more.
const VOID: &str =
    "this token is not known: send one of the daemon's token file, which it reads at its start and on SIGHUP";
/// Where programs read and write.
const API: &str = "/api/v1/";

/// What a caller may do. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Emit, ask, use workspaces.
    Agent,
    /// Everything, answering above all.
    Operator,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) scope: Scope,
    /// The operator's name, where tokens tell it.
    pub(crate) name: Option<String>,
    /// By which token, where it takes one.
    pass: Option<Pass>,
}

/// A token that is good for as long as it is among those of the daemon.
#[derive(Clone)]
struct Pass {
    token: Box<str>,
    tokens: watch::Receiver<Tokens>,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass(…)")
    }
}

impl Caller {
    /// True for a caller who may do what it may until the daemon stops.
    pub(crate) fn needs_no_token(&self) -> bool {
        self.pass.is_none()
    }

    /// Returns once the caller's token has become void, or worth less.
    pub(crate) async fn expelled(&self) {
        let Some(Pass { tokens, .. }) = &self.pass else { return std::future::pending().await };
        // Without anybody who reads the tokens again they stay as they are.
        if tokens.clone().wait_for(|tokens| self.is_void(tokens)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether that has happened.
    pub(crate) fn is_expelled(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| self.is_void(&pass.tokens.borrow()))
    }

    fn is_void(&self, tokens: &Tokens) -> bool {
        let recognised = self.pass.as_ref().and_then(|pass| recognised(tokens, &pass.token));
        recognised.map(|(scope, _)| scope) < Some(self.scope)
    }

    /// What somebody is told who was expelled while he waited.
    pub(crate) fn expulsion() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, VOID)
    }

    /// Whether the caller may look at what belongs to this agent; without an agent, at what belongs to all of them.
    ///
    /// # Errors
    /// An agent names nobody whose things it wants to see.
    pub(crate) fn may_see(&self, agent_id: Option<&str>) -> Result<(), Problem> {
        if self.scope == Scope::Operator || agent_id.is_some() {
            return Ok(());
        }
        Err(operator_needed("an agent's token shows one agent at a time: name it by `agent_id`"))
    }
}

/// Lets a request pass that the scope allows, and that no other page has made a browser send. Of the API only what there
/// is can be asked, which is said to nobody else.
pub(crate) fn guard(
    context: &Context,
    needed: Scope,
) -> impl Filter<Extract = (Caller,), Error = Rejection> + Clone + use<> {
    let context = context.clone();
    let request = warp::method().and(warp::header::headers_cloned()).and(address());
    request.and_then(move |method: Method, headers: HeaderMap, address: String| {
        let admitted = admit(&context, &method, &headers, &address, needed);
        let admitted =
            admitted.map_err(|problem| if address.starts_with(API) { problem } else { problem.shown_to(&headers) });
        let admitted = admitted.and_then(|caller| check_names(&method, &address).map(|()| caller));
        async move { admitted.map_err(warp::reject::custom) }
    })
}

/// A mistyped parameter must not be taken for one that was left out. The pages' addresses are people's, and their own.
fn check_names(method: &Method, address: &str) -> Result<(), Problem> {
    match address.split_once('?') {
        Some((path, query)) if path.starts_with(API) => check_query(method, path, query),
        _ => Ok(()),
    }
}

/// The request's path with its query.
fn address() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    let query = warp::query::raw().map(|query| format!("?{query}")).or(warp::any().map(String::new)).unify();
    warp::path::full().and(query).map(|path: FullPath, query: String| format!("{}{query}", path.as_str()))
}

fn admit(
    context: &Context,
    method: &Method,
    headers: &HeaderMap,
    address: &str,
    needed: Scope,
) -> Result<Caller, Problem> {
    let settings = &context.settings;
    check_origin(context, (method, address), headers)?;
    let Some(_) = &settings.tokens else {
        if settings.loopback {
            check_host(headers)?;
        }
        return Ok(Caller { scope: Scope::Operator, name: None, pass: None });
    };
    let given = bearer(headers).or_else(|| cookie(headers, TOKEN_COOKIE));
    let caller = given.and_then(|token| recognise(context, token)).ok_or_else(|| {
        let wanted = match given {
            Some(_) => VOID,
            None => "a token is needed: send `Authorization: Bearer …` with a token of the daemon's token file",
        };
        let problem = Problem::new(StatusCode::UNAUTHORIZED, wanted);
        let is_page = *method == Method::GET && wants_page(headers);
        if is_page { problem.redirecting(login_url(address)) } else { problem }
    })?;
    if caller.scope < needed {
        return Err(operator_needed("an agent's token does not allow this; it needs an operator's token"));
    }
    Ok(caller)
}

/// A program that reads `needed_scope` can say in its own words where such a token comes from.
fn operator_needed(detail: &str) -> Problem {
    Problem::forbidden(detail).with("needed_scope", "operator".into())
}

/// Where a browser logs in that wanted to see an address.
fn login_url(address: &str) -> String {
    let query = serde_urlencoded::to_string([("to", address)]).unwrap_or_default();
    if address == "/" { "/login".to_owned() } else { format!("/login?{query}") }
}

/// Who has a token.
pub(crate) fn recognise(context: &Context, token: &str) -> Option<Caller> {
    let tokens = context.settings.tokens.as_ref()?;
    let (scope, name) = recognised(&tokens.borrow(), token)?;
    Some(Caller { scope, name, pass: Some(Pass { token: token.into(), tokens: tokens.clone() }) })
}

/// Looks a token up, without telling by the time it takes how much of it was right.
fn recognised(tokens: &Tokens, token: &str) -> Option<(Scope, Option<String>)> {
    let same = |known: &str| known.as_bytes().ct_eq(token.as_bytes());
    let is_agent = tokens.agent.iter().fold(Choice::from(0), |found, known| found | same(known));
    let mut found = bool::from(is_agent).then_some((Scope::Agent, None));
    for (known, name) in &tokens.operator {
        if bool::from(same(known)) {
            found = Some((Scope::Operator, Some(name.clone())));
        }
    }
    found
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|l| l.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// True for a browser that wants a page.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|a| a.contains("text/html"))
}

/// True for whom a page is shown whatever was asked for. A page's own requests take HTML too, and would show it in the
/// place of what they asked for.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    accepts_html(headers) && !is_by_datastar(headers)
}

/// True for what a page of ours asks for by itself.
pub(crate) fn is_by_datastar(headers: &HeaderMap) -> bool {
    headers.contains_key("datastar-request")
}

/// Checks the host for a signed link, which people open at the public address. The link is all that its holder needs: neither
/// a token nor a page of ours has to send it.
pub(crate) fn check_link_host(context: &Context, headers: &HeaderMap) -> Result<(), Problem> {
    let settings = &context.settings;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_public = settings.links.as_ref().is_some_and(|links| links.is_host(host));
    if settings.tokens.is_some() || !settings.loopback || is_public { Ok(()) } else { check_host(headers) }
}

/// Against DNS rebinding: a page of somebody else's that resolves its own name to this machine sends that name.
fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let is_loopback = name.eq_ignore_ascii_case("localhost")
        || name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    if is_loopback {
        return Ok(());
    }
    Err(Problem::forbidden("the host name is none of this machine's own; use http://127.0.0.1 or http://localhost"))
}

/// Against other pages' forms and scripts: what changes something must come from this page or from no page.
pub(crate) fn check_origin(
    context: &Context,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let has_tokens = context.settings.tokens.is_some();
    // A program's reading changes something too: who waits for an answer has it. A page may be led to from anywhere.
    if method.is_safe() && (has_tokens || !path.starts_with(API)) {
        return Ok(());
    }
    // Encryption is done by a proxy, if at all, and a proxy is worth nothing without tokens.
    from_this_page(headers, has_tokens)
}

fn from_this_page(headers: &HeaderMap, may_be_encrypted: bool) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or("?"));
    let foreign_site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let host = text(header::HOST.as_str()).unwrap_or_default();
    let foreign_origin = text("origin").is_some_and(|origin| {
        origin.split_once("://").is_none_or(|(scheme, authority)| {
            !authority.eq_ignore_ascii_case(host) || !(scheme == "http" || may_be_encrypted && scheme == "https")
        })
    });
    if foreign_site || foreign_origin {
        let why = "another site's page may not do this; a proxy must pass the header `Host` on as it came";
        return Err(Problem::forbidden(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_this_machines_names_are_hosts() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "127.8.9.1", "[::1]:8000"] {
            assert!(check_host(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["", "evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.0.1:8000"] {
            assert!(check_host(&headers(&[("host", host)])).is_err(), "{host}");
        }
    }

    #[test]
    fn other_sites_are_told_from_this_one() {
        let host = ("host", "localhost:8000");
        for good in [
            headers(&[host]),
            headers(&[host, ("origin", "http://localhost:8000")]),
            headers(&[host, ("sec-fetch-site", "same-origin")]),
            headers(&[host, ("sec-fetch-site", "none")]),
        ] {
            assert!(from_this_page(&good, false).is_ok(), "{good:?}");
        }
        for bad in [
            headers(&[host, ("origin", "http://evil.example")]),
            headers(&[host, ("origin", "http://localhost:9999")]),
            headers(&[host, ("origin", "https://localhost:8000")]),
            headers(&[host, ("origin", "null")]),
            headers(&[host, ("sec-fetch-site", "cross-site")]),
            headers(&[host, ("sec-fetch-site", "same-site")]),
        ] {
            assert!(from_this_page(&bad, false).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let headers = headers(&[("cookie", "a=1; remora_token=secret; b=2")]);
        assert_eq!(cookie(&headers, TOKEN_COOKIE), Some("secret"));
        assert_eq!(cookie(&headers, "token"), None);
    }
}

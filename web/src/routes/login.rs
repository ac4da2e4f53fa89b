//! How an operator's token gets into a browser, and out of it again.

use serde::Deserialize;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    reply::Response,
};

use super::respond;
use crate::{
    context::Context,
    guard::{NAME_COOKIE, Scope, TOKEN_COOKIE, check_origin, recognise},
    html,
    problem::Problem,
    request::body,
};

/// Seconds for which a browser stays logged in.
const LOGGED_IN_S: u32 = 30 * 24 * 60 * 60;

#[derive(Deserialize)]
struct Login {
    token: String,
    #[serde(default)]
    to: String,
}

/// Where somebody wanted to go who is sent to the page.
#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    to: String,
}

/// An address of ours; for anything else the inbox. Browsers take `//` and `/\` for another site's, and pass over tabs
/// and line ends on the way.
fn ours(to: &str) -> &str {
    let is_ours = to.starts_with('/') && !to[1..].starts_with(['/', '\\']) && !to.contains(char::is_control);
    if is_ours { to } else { "/" }
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let page = warp::path!("login")
        .and(warp::get())
        .and(warp::query::<Wish>())
        .map(|wish: Wish| respond(Ok(warp::reply::html(html::login(ours(&wish.to), None)))));
    let login = warp::path!("login")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(body(context))
        .and(with)
        .then(async |headers: HeaderMap, body: Vec<u8>, context: Context| login(&context, &headers, &body).await)
        .map(respond);
    let logout = warp::path!("logout")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(context.with())
        .map(|headers: HeaderMap, context: Context| respond(logout(&context, &headers)));
    page.or(login).unify().or(logout).unify().and_then(std::future::ready).boxed()
}

async fn login(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    check_origin(context, (&Method::POST, "/login"), headers)?;
    let Login { token, to } =
        serde_urlencoded::from_bytes(body).map_err(|_| Problem::bad_request("the form must have a field `token`"))?;
    let token = token.trim();
    let operator = recognise(context, token).filter(|caller| caller.scope == Scope::Operator);
    let Some(operator) = operator else {
        context.slow_guesses_down().await;
        let page = warp::reply::html(html::login(ours(&to), Some("This is no operator's token.")));
        return Ok(warp::reply::with_status(page, StatusCode::UNAUTHORIZED).into_response());
    };
    Ok(sent_on(ours(&to), token, operator.name.as_deref().unwrap_or_default(), LOGGED_IN_S))
}

/// Forgets the token in this browser; it goes on counting elsewhere.
fn logout(context: &Context, headers: &HeaderMap) -> Result<Response, Problem> {
    check_origin(context, (&Method::POST, "/logout"), headers)?;
    Ok(sent_on("/login", "", "", 0))
}

/// Leads a browser on that keeps a token for so many seconds, and the name that belongs to it.
fn sent_on(location: &str, token: &str, name: &str, max_age: u32) -> Response {
    let name = serde_urlencoded::to_string([(NAME_COOKIE, name)]).unwrap_or_default();
    let mut response = StatusCode::SEE_OTHER.into_response();
    let attributes = format!("Path=/; SameSite=Strict; Max-Age={max_age}");
    for (header, value) in [
        (header::LOCATION, location.to_owned()),
        (header::SET_COOKIE, format!("{TOKEN_COOKIE}={token}; HttpOnly; {attributes}")),
        // For the page to read.
        (header::SET_COOKIE, format!("{name}; {attributes}")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(header, value);
        }
    }
    response
}

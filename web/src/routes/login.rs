//! How an operator's token gets into a browser.

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
    guard::{Scope, TOKEN_COOKIE, check_origin, recognise},
    html,
    problem::Problem,
    request::body,
};

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
    page.or(login).unify().and_then(std::future::ready).boxed()
}

async fn login(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    check_origin(context, (&Method::POST, "/login"), headers)?;
    let Login { token, to } =
        serde_urlencoded::from_bytes(body).map_err(|_| Problem::bad_request("the form must have a field `token`"))?;
    let token = token.trim();
    let is_operator = recognise(context, token).is_some_and(|caller| caller.scope == Scope::Operator);
    let cookie = format!("{TOKEN_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000");
    let to = ours(&to);
    match (HeaderValue::from_str(&cookie), HeaderValue::from_str(to)) {
        (Ok(cookie), Ok(location)) if is_operator => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            response.headers_mut().insert(header::LOCATION, location);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(response)
        }
        _ => {
            context.slow_guesses_down().await;
            let page = warp::reply::html(html::login(to, Some("This is no operator's token.")));
            Ok(warp::reply::with_status(page, StatusCode::UNAUTHORIZED).into_response())
        }
    }
}

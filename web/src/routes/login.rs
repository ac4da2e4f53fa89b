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
}

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let page = warp::path!("login").and(warp::get()).map(|| respond(Ok(warp::reply::html(html::login(None)))));
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
    let Login { token } =
        serde_urlencoded::from_bytes(body).map_err(|_| Problem::bad_request("the form must have a field `token`"))?;
    let token = token.trim();
    let is_operator = recognise(context, token).is_some_and(|caller| caller.scope == Scope::Operator);
    let cookie = format!("{TOKEN_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000");
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) if is_operator => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(response)
        }
        _ => {
            context.slow_guesses_down().await;
            let page = warp::reply::html(html::login(Some("This is no operator's token.")));
            Ok(warp::reply::with_status(page, StatusCode::UNAUTHORIZED).into_response())
        }
    }
}

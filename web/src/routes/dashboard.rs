//! The pages, their stream, and what they are made of.

use bytes::Bytes;
use remora_actors::{model::Pattern, ports::Filter as EventFilter, session_supervisor::Opening, view::View};
use uuid::Uuid;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, header},
    reply::Response,
};

use super::{respond, streams};
use crate::{
    assets,
    context::Context,
    guard::{BROWSER_COOKIE, Caller, Scope, cookie, guard},
    problem::Problem,
    request::Segment,
};

/// Events on an agent's page.
const AGENT_EVENTS: usize = 500;

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let with = context.with();
    let headers = warp::header::headers_cloned();
    let page = warp::path::end()
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(headers)
        .and(with.clone())
        .then(async |_: Caller, headers: HeaderMap, context: Context| page(&context, &headers).await)
        .map(respond);
    let stream = warp::path!("events")
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(headers)
        .and(with.clone())
        .then(async |_: Caller, headers: HeaderMap, context: Context| stream(context, &headers).await)
        .map(respond);
    let agent = warp::path!("agents" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(with)
        .then(async |agent: Segment, _: Caller, context: Context| agent_page(&context, agent.0).await)
        .map(respond);
    let asset = warp::path!("static" / String).and(warp::get()).map(|name: String| respond(asset(&name)));
    let routes = page.or(stream).unify().or(agent).unify().or(asset).unify();
    routes.and_then(std::future::ready).boxed()
}

async fn page(context: &Context, headers: &HeaderMap) -> Result<Response, Problem> {
    let page = context.handle.render(View::Page).await?.unwrap_or_default();
    let mut response = html(&page);
    if cookie(headers, BROWSER_COOKIE).is_none() {
        let cookie = format!("{BROWSER_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", Uuid::now_v7());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

async fn stream(context: Context, headers: &HeaderMap) -> Result<Response, Problem> {
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let browser = cookie(headers, BROWSER_COOKIE).map(str::to_owned);
    match context.handle.open_session(Opening { last_event_id, browser }).await? {
        Ok(session) => Ok(streams::frames(context, session)),
        Err(error) => Err(Problem::unavailable(error)),
    }
}

async fn agent_page(context: &Context, agent_id: String) -> Result<Response, Problem> {
    let filter = EventFilter { pattern: Pattern::ALL, agent_id: Some(agent_id.clone()) };
    let events = context.handle.latest_events(AGENT_EVENTS, &filter).await?;
    let page = context.handle.render(View::Agent { agent_id, events }).await?;
    page.as_ref().map(html).ok_or_else(|| Problem::not_found("no agent of this id is known"))
}

fn asset(name: &str) -> Result<Response, Problem> {
    let asset = assets::find(name).ok_or_else(|| Problem::not_found("there is no such file"))?;
    let mut response = Response::new(Bytes::from_static(asset.body).into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    // The name changes with the content.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

fn html(body: &Bytes) -> Response {
    warp::reply::html(body.to_vec()).into_response()
}

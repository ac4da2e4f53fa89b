//! The pages, their stream, and what they are made of.

use std::collections::HashMap;

use bytes::Bytes;
use remora_actors::{
    session_supervisor::Opening,
    view::{Subject, View},
};
use uuid::Uuid;
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, header},
    path::FullPath,
    reply::Response,
};

use super::{respond, streams};
use crate::{
    address, assets,
    context::Context,
    guard::{BROWSER_COOKIE, Caller, Scope, accepts_html, cookie, guard, is_by_datastar},
    gzip, html,
    problem::Problem,
    request::{Segment, is_head},
};

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
        .and(warp::query::<HashMap<String, String>>())
        .and(headers)
        .and(is_head())
        .and(with.clone())
        .then(
            async |caller: Caller, query: HashMap<String, String>, headers: HeaderMap, head: bool, context: Context| {
                let subject = page_of(query.get("of").map(String::as_str))?;
                if head {
                    return Ok(streams::head_of_frames(&context, &headers));
                }
                stream(context, caller, subject, &headers).await
            },
        )
        .map(respond);
    let beside = subject()
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(headers)
        .and(with)
        .then(async |subject: Subject, _: Caller, headers: HeaderMap, context: Context| {
            beside(&context, subject, &headers).await
        })
        .map(respond);
    let workspace = warp::path!("workspaces" / Segment)
        .and(warp::get())
        .and(guard(context, Scope::Operator))
        .and(headers)
        .and(context.with())
        .then(async |workspace: Segment, _: Caller, headers: HeaderMap, context: Context| {
            workspace_keys(&context, &workspace.0, &headers).await
        })
        .map(respond);
    let asset = warp::path!("static" / String)
        .and(warp::get())
        .and(headers)
        .map(|name: String, headers: HeaderMap| respond(asset(&name, &headers)));
    // The inbox with a filter before the one without.
    let routes = beside.or(page).unify().or(stream).unify().or(workspace).unify().or(asset).unify();
    routes.and_then(std::future::ready).boxed()
}

/// What a browser is shown at an address that is none. All routes come before it.
pub(super) fn nowhere() -> BoxedFilter<(Response,)> {
    let get = warp::get().and(warp::header::headers_cloned());
    get.and_then(async |headers: HeaderMap| {
        if accepts_html(&headers) {
            Ok(Problem::not_found("there is nothing at this address").shown_to(&headers).into_response())
        } else {
            Err(warp::reject::not_found())
        }
    })
    .boxed()
}

/// What the request's path and query are the address of.
fn subject() -> impl Filter<Extract = (Subject,), Error = Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path::full().and(query).and_then(async |path: FullPath, query: String| {
        address::subject(&format!("{}?{query}", path.as_str())).ok_or_else(warp::reject::not_found)
    })
}

async fn page(context: &Context, headers: &HeaderMap) -> Result<Response, Problem> {
    let page = context.handle.render(View::Page).await?.unwrap_or_default();
    Ok(document(context, &page, headers))
}

async fn beside(context: &Context, subject: Subject, headers: &HeaderMap) -> Result<Response, Problem> {
    let unknown = match &subject {
        Subject::Graph(_) => "no graph of this id is known: no event has named it, or it is long forgotten",
        _ => "no agent of this id is known: it has sent no event, or is long forgotten",
    };
    let page = context.handle.document(subject).await?;
    let page = page.ok_or_else(|| Problem::not_found(unknown).shown_to(headers))?;
    Ok(document(context, &page, headers))
}

/// What stands in a workspace: for its place on an agent's page, or as a page of its own.
async fn workspace_keys(context: &Context, workspace_id: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let read = context.handle.page_of_values(workspace_id, "", None).await.map_err(|error| error.to_string());
    let read = read.as_ref().map_err(String::as_str);
    let is_part = is_by_datastar(headers);
    let page =
        if is_part { html::workspace_keys(workspace_id, read) } else { html::workspace_page(workspace_id, read) };
    Ok(warp::reply::html(page).into_response())
}

/// A document, and a name for the browser that has none: its streams are counted together.
pub(super) fn document(context: &Context, page: &Bytes, headers: &HeaderMap) -> Response {
    let packed = context.gzip(headers).and_then(|_| gzip::whole(page, gzip::EFFORT).ok());
    let is_packed = packed.is_some();
    let mut response = warp::reply::html(packed.unwrap_or_else(|| page.to_vec())).into_response();
    gzip::declare(response.headers_mut(), is_packed);
    if cookie(headers, BROWSER_COOKIE).is_none() {
        let cookie = format!("{BROWSER_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", Uuid::now_v7());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// The page that a stream is for; without an address, the inbox.
fn page_of(address: Option<&str>) -> Result<Option<Subject>, Problem> {
    let unknown = || Problem::not_found("`of` is not the address of a page");
    address.map(|address| address::subject(address).ok_or_else(unknown)).transpose()
}

async fn stream(
    context: Context,
    caller: Caller,
    subject: Option<Subject>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let browser = cookie(headers, BROWSER_COOKIE).map(str::to_owned);
    match context.handle.open_session(Opening { last_event_id, browser, subject }).await? {
        Ok(session) => Ok(streams::frames(context, caller, session, headers)),
        Err(error) => Err(Problem::unavailable(error)),
    }
}

/// Files are compressed whatever the settings say of pages: it is done once.
fn asset(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = assets::find(name).ok_or_else(|| Problem::not_found("there is no such file"))?;
    let (asset, packed) = (file.asset, gzip::is_accepted(headers).then(|| file.packed()).flatten());
    let mut response = Response::new(Bytes::from_static(packed.unwrap_or(asset.body)).into());
    let headers = response.headers_mut();
    gzip::declare(headers, packed.is_some());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    // The name changes with the content.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

//! The API described: an OpenAPI 3.1 document, made from the handlers and the types, and a page of the same for people.

pub(super) mod replies;
pub(super) mod schemas;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use warp::{
    Filter, Reply,
    filters::{BoxedFilter, path::FullPath},
    http::{HeaderValue, Method, StatusCode, header},
    reply::Response,
};

use super::respond;
use crate::{
    context::Context,
    guard::{Caller, Scope, guard},
    html,
    problem::Problem,
    request::unknown_name,
};

/// What programs of others post to in formats of their own, at an address that may have parameters of their own.
const OPEN: [&str; 2] = ["/api/v1/events", "/api/v1/cloudevents"];

/// What the document is made from. A handler that is missing here is found by the tests.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Remora",
        description = "Events of AI agents in, one live picture of them, and a person's answers back to the agents.",
    ),
    paths(
        super::events::take_in,
        super::events::list,
        super::streams::open_raw,
        super::exports::search,
        super::exports::events,
        super::exports::answers,
        super::state::state,
        super::graphs::list,
        super::graphs::read,
        super::cloud_events::take_in,
        super::traces::export,
        super::questions::ask,
        super::questions::list,
        super::questions::read,
        super::questions::answer,
        super::questions::withdraw,
        super::questions::undo,
        super::bulk::answer,
        super::bulk::dismiss,
        super::respond::answer,
        super::agents::read,
        super::agents::list,
        super::agents::message,
        super::agents::stop,
        super::workspaces::list,
        super::workspaces::register,
        super::workspaces::unregister,
        super::workspaces::list_keys,
        super::workspaces::get,
        super::workspaces::set,
        super::workspaces::delete,
        super::health::alive,
        super::health::ready,
        super::health::metrics,
        openapi_json,
        page,
    ),
    components(schemas(replies::ProblemDocument, super::questions::ListedStatus, schemas::Decision)),
    modifiers(&Bearer),
    security((), ("token" = [])),
    tags(
        (name = "events", description = "What agents, tools and models do: taken in, read back, followed."),
        (name = "questions", description = "What agents ask and people answer."),
        (name = "agents", description = "What people tell agents without being asked."),
        (name = "workspaces", description = "Keys and values through which agents and people write to each other."),
        (name = "operation", description = "For whoever watches the daemon, and this description."),
    ),
)]
struct Document;

/// Tokens, where the daemon has some.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer = bearer.description(Some("A token of the daemon's token file, where it has one."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
}

/// The document; it never changes while the daemon runs.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(Document::openapi()).expect("a document has only string keys"));
static JSON: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.to_string().into());
static PAGE: LazyLock<Bytes> = LazyLock::new(|| html::api_page(&DOCUMENT).into());

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let document = warp::path!("api" / "v1" / "openapi.json")
        .and(warp::get())
        .and(guard(context, Scope::Agent))
        .map(|_: Caller| respond(Ok(openapi_json())));
    let page =
        warp::path!("api").and(warp::get()).and(guard(context, Scope::Agent)).map(|_: Caller| respond(Ok(page())));
    document.or(page).unify().and_then(std::future::ready).boxed()
}

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "operation", operation_id = "read_openapi",
    responses(
        (status = 200, description = "An OpenAPI 3.1 document.", body = Value),
        replies::Guarded,
    ),
)]
fn openapi_json() -> Response {
    super::events::state_json(JSON.clone())
}

/// This description, to read.
#[utoipa::path(
    get, path = "/api", tag = "operation", operation_id = "read_api_page",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"), replies::Guarded),
)]
fn page() -> Response {
    warp::reply::html(PAGE.to_vec()).into_response()
}

/// The last route: says by `Allow` which methods a path takes, where the one that was asked for is none of them.
pub(super) fn other_methods() -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and(warp::method())
        .and_then(async |path: FullPath, method: Method| {
            let allowed = methods_of(path.as_str());
            if allowed.is_empty() || allowed.contains(&method.as_str().to_owned()) {
                return Err(warp::reject());
            }
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method");
            let mut response = problem.into_response();
            if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
                response.headers_mut().insert(header::ALLOW, allowed);
            }
            Ok(response)
        })
        .boxed()
}

/// Refuses a query of names that the operation, as it is described, does not have.
pub(crate) fn check_query(method: &Method, path: &str, query: &str) -> Result<(), Problem> {
    unknown_parameter(method, path, query).map_or(Ok(()), Err)
}

fn unknown_parameter(method: &Method, path: &str, query: &str) -> Option<Problem> {
    if query.is_empty() || *method == Method::POST && OPEN.contains(&path) {
        return None;
    }
    let template = fitting(path).min_by_key(|template| template.gaps)?;
    let operation = template.item.get(method.as_str().to_lowercase())?;
    let all = operation["parameters"].as_array().into_iter().flatten();
    let known: Vec<_> = all.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
    let given: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    let (name, _) = given.iter().find(|(name, _)| !known.contains(&name.as_str()))?;
    Some(unknown_name("query parameter", name, &known))
}

/// Refuses names that a described type does not have, unless they are among some more.
pub(crate) fn check_properties<'a>(
    schema: &str,
    more: &[&str],
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Problem> {
    let Some(properties) = DOCUMENT["components"]["schemas"][schema]["properties"].as_object() else { return Ok(()) };
    let known: Vec<_> = properties.keys().map(String::as_str).chain(more.iter().copied()).collect();
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown_name("field", name, &known)),
        None => Ok(()),
    }
}

/// A documented path.
struct Template {
    text: &'static str,
    parts: Vec<&'static str>,
    /// How many of its parts stand for any text.
    gaps: usize,
    /// What there is at it.
    item: &'static Value,
}

impl Template {
    fn new(text: &'static str, item: &'static Value) -> Self {
        let parts: Vec<_> = text.split('/').collect();
        Self { text, gaps: parts.iter().filter(|part| part.starts_with('{')).count(), parts, item }
    }

    fn fits(&self, path: &[&str]) -> bool {
        let fits = |(part, given): (&&str, &&str)| part == given || part.starts_with('{');
        self.parts.len() == path.len() && self.parts.iter().zip(path).all(fits)
    }
}

/// Taken apart once: every request is counted under its template.
static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let paths = DOCUMENT["paths"].as_object().into_iter().flatten();
    paths.map(|(text, item)| Template::new(text, item)).collect()
});

/// The documented templates that a path fits.
fn fitting(path: &str) -> impl Iterator<Item = &'static Template> {
    let parts: Vec<_> = path.split('/').collect();
    TEMPLATES.iter().filter(move |template| template.fits(&parts))
}

/// The documented template of a path, `/api/v1/questions/{msg_id}`.
pub(crate) fn template_of(path: &str) -> Option<&'static str> {
    // The one without a gap where there is a choice.
    fitting(path).min_by_key(|template| template.gaps).map(|template| template.text)
}

/// The documented methods of a path, and HEAD beside GET.
fn methods_of(path: &str) -> Vec<String> {
    let items = fitting(path).filter_map(|template| template.item.as_object());
    let mut methods: Vec<_> = items.flat_map(|item| item.keys().map(|method| method.to_uppercase())).collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    methods
}

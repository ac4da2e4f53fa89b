//! Errors on the wire: RFC 9457 problem documents that say what to do.

use std::fmt::Display;

use remora_actors::{
    handle::{DocumentError, WorkspaceAccessError},
    inbox_coordinator::{AskError, FindError, RespondError, SendError},
    model::{FieldError, Invalid, QuestionRecord},
    ports::{JournalError, WorkspaceError},
    publish::PublishError,
};
use serde_json::{Map, Value, json};
use warp::{
    http::{HeaderMap, StatusCode, header},
    reply::{Reply, Response},
};

use crate::{guard::wants_page, html};

/// Seconds after which a refused request may be tried again: a commit takes milliseconds.
const RETRY_AFTER_S: u64 = 1;

/// An error for the client.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: Box<str>,
    more: Map<String, Value>,
    /// Where a browser finds the way out.
    redirect: Option<Box<str>>,
    /// True where a person reads it.
    is_page: bool,
    /// Boxed, as most problems have none.
    limits: Option<Box<Limits>>,
}

/// The limits that a response was refused for, beside the response for whoever counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits(pub(crate) Vec<&'static str>);

impl warp::reject::Reject for Problem {}

impl Problem {
    /// With a detail that says what is wrong and what to do.
    pub fn new(status: StatusCode, detail: impl Display) -> Self {
        Self {
            status,
            detail: detail.to_string().into(),
            more: Map::new(),
            redirect: None,
            is_page: false,
            limits: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request is understood, and cannot be.
    pub fn unprocessable(detail: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(crate) fn not_found(detail: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn conflict(detail: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(crate) fn forbidden(detail: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// The same may succeed a moment later.
    pub fn unavailable(detail: impl Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// Names the limit that was passed.
    pub fn over(self, limit: &'static str, max: usize) -> Self {
        self.counting([limit]).with("limit", limit.into()).with("max", max.into())
    }

    /// Notes the limits that parts of the request have passed.
    pub(crate) fn counting(mut self, limits: impl IntoIterator<Item = &'static str>) -> Self {
        self.limits.get_or_insert_default().0.extend(limits);
        self
    }

    /// Sends browsers elsewhere.
    pub(crate) fn redirecting(mut self, location: String) -> Self {
        self.redirect = Some(location.into());
        self
    }

    /// As a page for whoever asked for one.
    pub(crate) fn shown_to(mut self, headers: &HeaderMap) -> Self {
        self.is_page = wants_page(headers);
        self
    }

    /// The kind of problem, as HTTP counts them.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem as a JSON document.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(members) = document.as_object_mut() {
            members.extend(self.more.clone());
        }
        document
    }
}

impl Problem {
    fn page(&self) -> String {
        let title = match self.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::SERVICE_UNAVAILABLE => "Not at the moment",
            _ => "Not done",
        };
        html::problem_page(title, &self.detail)
    }
}

impl Reply for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        let headers = response.headers_mut();
        if let Some(location) = self.redirect.as_deref().and_then(|location| location.parse().ok()) {
            headers.insert(header::LOCATION, location);
            *response.status_mut() = StatusCode::SEE_OTHER;
            return response;
        }
        let content_type = if self.is_page { "text/html; charset=utf-8" } else { "application/problem+json" };
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        let body = if self.is_page { self.page() } else { self.document().to_string() };
        if let Some(limits) = self.limits {
            response.extensions_mut().insert(*limits);
        }
        *response.status_mut() = self.status;
        *response.body_mut() = body.into();
        response
    }
}

impl From<Invalid> for Problem {
    fn from(error: Invalid) -> Self {
        match error {
            Invalid::Json(_) => Self::bad_request(error),
            Invalid::Field { .. } => Self::unprocessable(error),
            Invalid::Answer(ref errors) => {
                let errors = errors.iter().map(field_error).collect();
                Self::unprocessable(error).with("errors", errors)
            }
            Invalid::TooLarge { limit, max, .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error).over(limit, max),
        }
    }
}

/// In the form of RFC 9457's example: where, as a JSON pointer into the body, and what.
fn field_error(error: &FieldError) -> Value {
    let field = error.field.as_ref().map(|field| format!("/{}", field.replace('~', "~0").replace('/', "~1")));
    json!({"pointer": format!("#/answer{}", field.unwrap_or_default()), "detail": error.problem})
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable(_) => Self::unavailable(error),
            JournalError::Damaged(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error),
        }
    }
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Journal(error) => error.into(),
            DocumentError::Unreachable(error) => error.into(),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Journal(error) => error.into(),
            PublishError::Busy { .. } => Self::unavailable(error),
            PublishError::Unreachable(error) => error.into(),
        }
    }
}

impl From<WorkspaceError> for Problem {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::Locked { .. } | WorkspaceError::Unavailable { .. } => Self::unavailable(error),
            WorkspaceError::Missing { .. } => Self::not_found(error),
            WorkspaceError::Refused { .. } => Self::forbidden(error),
            WorkspaceError::Broken { .. } => Self::unprocessable(error),
        }
    }
}

impl From<WorkspaceAccessError> for Problem {
    fn from(error: WorkspaceAccessError) -> Self {
        match error {
            WorkspaceAccessError::Invalid(error) => error.into(),
            WorkspaceAccessError::Workspace(error) => error.into(),
            WorkspaceAccessError::Publish(error) => error.into(),
            WorkspaceAccessError::Unreachable(error) => error.into(),
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Invalid(error) => error.into(),
            AskError::Conflict(_) => Self::conflict(error),
            AskError::TooMany(max) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, error).over("open_questions_per_agent", max)
            }
            AskError::Publish(error) => error.into(),
        }
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::TooMany(max) => Self::new(StatusCode::TOO_MANY_REQUESTS, error).over("messages_per_agent", max),
            SendError::Publish(error) => error.into(),
            SendError::Unreachable(error) => error.into(),
        }
    }
}

impl From<FindError> for Problem {
    fn from(error: FindError) -> Self {
        match &error {
            FindError::Unknown(_) => Self::not_found(error),
            FindError::Ambiguous(questions) => {
                let questions = json!(questions);
                Self::conflict(error).with("questions", questions)
            }
        }
    }
}

impl From<RespondError> for Problem {
    fn from(error: RespondError) -> Self {
        match error {
            RespondError::Find(error) => error.into(),
            RespondError::Invalid(error) => error.into(),
            RespondError::Store(error) => error.into(),
            RespondError::Closed(record) => closed(&record),
            RespondError::NotHeld(record) => {
                let status = json!(record.status);
                Self::conflict(RespondError::NotHeld(record)).with("question_status", status)
            }
        }
    }
}

/// Says who was first.
fn closed(record: &QuestionRecord) -> Problem {
    let status = json!(record.status);
    let answered = record.answer.as_ref().map(|answer| (&answer.answered_by, answer.responded_at));
    let held = record.held.as_ref().map(|held| (&held.answered_by, held.responded_at));
    let Some((by, at)) = answered.or(held) else {
        let reason = record.closed_reason.as_deref().unwrap_or("it was closed");
        return Problem::conflict(format_args!("the question is {} already: {reason}", record.status.as_str()))
            .with("question_status", status);
    };
    Problem::conflict(format_args!(
        "{} answered first, by {}, at {}",
        by.who,
        by.door.as_str(),
        at.strftime("%Y-%m-%d %H:%M:%S UTC")
    ))
    .with("question_status", status)
    .with("answered_by", json!(by))
    .with("responded_at", json!(at))
}

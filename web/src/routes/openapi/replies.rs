//! The replies that many operations share.

#![allow(dead_code, reason = "these are descriptions; `Problem` writes what they describe")]

use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

/// An [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem: what is wrong and what to do. It may have members of
/// its own, such as the `limit` that was exceeded.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    title: String,
    status: u16,
    detail: String,
}

/// One line or item of a batch that was refused.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Refused {
    /// From 1: the line, or the place in the array.
    line: u64,
    detail: String,
}

/// Some events were refused; the others were taken in.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct BatchProblem {
    title: String,
    status: u16,
    detail: String,
    accepted: Option<u64>,
    duplicates: Option<u64>,
    last_seq: Option<u64>,
    errors: Option<Vec<Refused>>,
}

/// Another answer was first, or several questions fit.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ConflictProblem {
    title: String,
    status: u16,
    detail: String,
    question_status: Option<super::schemas::Status>,
    answered_by: Option<super::schemas::AnsweredBy>,
    #[schema(format = DateTime)]
    responded_at: Option<String>,
    /// The questions that fit.
    questions: Option<Vec<Value>>,
}

/// What any operation may reply that asks who calls.
#[derive(IntoResponses)]
pub(crate) enum Guarded {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDocument),
    /// A token is needed, or this one is none.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemDocument),
    /// The token's scope does not suffice, or another site's page has sent the request.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemDocument),
    /// The daemon is busy or stops: try again after `Retry-After` seconds.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDocument),
}

/// What any operation may reply that reads a body.
#[derive(IntoResponses)]
pub(crate) enum Reading {
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(ProblemDocument),
    /// A limit is exceeded: `limit` names it and `max` is its value.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// A field is wrong: `detail` names it. Where an answer does not fit its schema, `errors` lists its fields, each with
    /// a `pointer` such as `#/answer/count` and a `detail`.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(ProblemDocument),
}

/// What any operation may reply that looks for something.
#[derive(IntoResponses)]
#[response(status = 404, description = "There is no such thing.", content_type = "application/problem+json")]
pub(crate) struct NotFound(ProblemDocument);

/// What reading a workspace may reply.
#[derive(IntoResponses)]
pub(crate) enum Unusable {
    /// An id is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// An id is none, or the file is no workspace.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(ProblemDocument),
}

/// The protocol's own error: `google.rpc.Status`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RpcStatus {
    code: i32,
    message: String,
}

//! Requests and replies of OTLP/HTTP.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use remora_actors::model::Invalid;
use serde_json::json;
use warp::http::StatusCode;

use super::Converted;
use crate::problem::Problem;

/// How a request is written; its reply is written the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// The error of the protocol: `google.rpc.Status` without its details.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Encoding {
    /// By the essence of the request's media type.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// The body is no `ExportTraceServiceRequest`.
    pub(crate) fn read(self, body: &[u8]) -> Result<ExportTraceServiceRequest, Problem> {
        match self {
            Self::Protobuf => ExportTraceServiceRequest::decode(body)
                .map_err(|error| Problem::bad_request(format_args!("the body is no export of traces: {error}"))),
            Self::Json => serde_json::from_slice(body)
                .map_err(|error| Problem::bad_request(format_args!("the body is no export of traces: {error}"))),
        }
    }

    /// The reply to a request that was read: what was not taken, if anything.
    pub(crate) fn success(self, converted: &Converted) -> Vec<u8> {
        let partial = converted.first_error.as_ref().map(|error| ExportTracePartialSuccess {
            rejected_spans: i64::try_from(converted.rejected).unwrap_or(i64::MAX),
            error_message: error.clone(),
        });
        match (self, partial) {
            (Self::Protobuf, partial_success) => ExportTraceServiceResponse { partial_success }.encode_to_vec(),
            (Self::Json, None) => b"{}".to_vec(),
            (Self::Json, Some(partial)) => {
                // JSON of protobuf writes 64-bit numbers as text.
                let rejected = partial.rejected_spans.to_string();
                let partial = json!({"rejectedSpans": rejected, "errorMessage": partial.error_message});
                json!({"partialSuccess": partial}).to_string().into_bytes()
            }
        }
    }

    /// The reply to a request that failed.
    pub(crate) fn failure(self, code: StatusCode, message: &str) -> Vec<u8> {
        // The protocol leaves the code to the server; gRPC's is the closest to each.
        let code = match code {
            StatusCode::SERVICE_UNAVAILABLE => 14,
            StatusCode::INTERNAL_SERVER_ERROR => 13,
            _ => 3,
        };
        match self {
            Self::Protobuf => Status { code, message: message.to_owned() }.encode_to_vec(),
            Self::Json => json!({"code": code, "message": message}).to_string().into_bytes(),
        }
    }
}

/// Unpacks a gzipped body, up to `max` bytes.
///
/// # Errors
/// It is no gzip, or larger.
pub(crate) fn unpacked(packed: &[u8], max: usize) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    // One byte more than the limit is enough to know that it is exceeded.
    let mut bounded = MultiGzDecoder::new(packed).take(max as u64 + 1);
    bounded
        .read_to_end(&mut body)
        .map_err(|error| Problem::bad_request(format_args!("the body cannot be unpacked: {error}")))?;
    Invalid::over(body.len(), max, "the unpacked body", "body_bytes")?;
    Ok(body)
}

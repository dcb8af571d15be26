//! What the façade refuses, in the `ErrorModel` of the standard.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::access::AccessRefusal;
use crate::error::SandboxError;
use crate::stet::hal;

/// A refused call.
#[derive(Debug)]
pub(crate) enum Refusal {
    BadRequest(&'static str),
    Unauthorized(&'static str),
    Forbidden(&'static str),
    NotFound,
    TooManyRequests,
    Unavailable,
    Internal,
}

impl From<AccessRefusal> for Refusal {
    fn from(refusal: AccessRefusal) -> Self {
        match refusal {
            AccessRefusal::TokenMissing => Self::Unauthorized("no bearer token"),
            AccessRefusal::TokenUnknown => Self::Unauthorized("unknown access token"),
            AccessRefusal::TokenExpired => Self::Unauthorized("expired access token"),
            AccessRefusal::TokenOfAnother | AccessRefusal::ConsentOfAnother => {
                Self::Forbidden("the token was given to another third party")
            }
            AccessRefusal::ConsentUnknown
            | AccessRefusal::ConsentInvalid
            | AccessRefusal::ConsentExpired => Self::Forbidden("the consent is over"),
            AccessRefusal::ResourceUnknown => Self::NotFound,
            AccessRefusal::AddressUnreadable => {
                Self::BadRequest("PSU-IP-Address is not an address")
            }
            AccessRefusal::Exceeded => Self::TooManyRequests,
            AccessRefusal::State(error) => error.into(),
        }
    }
}

impl From<SandboxError> for Refusal {
    fn from(error: SandboxError) -> Self {
        tracing::error!(%error, "the sandbox bank could not write its state");
        Self::Internal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, message),
            Self::Unauthorized(message) => (StatusCode::UNAUTHORIZED, message),
            Self::Forbidden(message) => (StatusCode::FORBIDDEN, message),
            Self::NotFound => (StatusCode::NOT_FOUND, "no such resource"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "quota exceeded"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "the bank cannot serve now"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "the bank failed"),
        };
        let body = json!({
            "status": status.as_u16(),
            "error": status.canonical_reason(),
            "message": message,
        });
        (status, hal(&body)).into_response()
    }
}

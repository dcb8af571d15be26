//! What the façade refuses: `code` of a closed vocabulary, `description` for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::SandboxError;
use crate::oauth::TokenRefusal;

/// A refused call.
#[derive(Debug)]
pub(crate) enum Refusal {
    BadRequest(&'static str),
    InvalidCode,
    UnknownClient,
    Unauthorized,
    NotFound,
    TooManySync,
    Failure,
}

impl From<SandboxError> for Refusal {
    fn from(error: SandboxError) -> Self {
        tracing::error!(%error, "the sandbox bank could not write its state");
        Self::Failure
    }
}

impl From<TokenRefusal> for Refusal {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::State(error) => error.into(),
            TokenRefusal::Failure => Self::Failure,
            _ => Self::InvalidCode,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, description) = match self {
            Self::BadRequest(description) => (StatusCode::BAD_REQUEST, "invalidValue", description),
            Self::InvalidCode => (
                StatusCode::BAD_REQUEST,
                "invalidValue",
                "the code is used up, too old or not for this application",
            ),
            Self::UnknownClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "unknown application or wrong secret",
            ),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "unknown token"),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound", "no such resource"),
            Self::TooManySync => (
                StatusCode::CONFLICT,
                "tooManySync",
                "the bank is being read too often",
            ),
            Self::Failure => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internalServerError",
                "the aggregator failed",
            ),
        };
        let body = json!({"code": code, "description": description});
        (status, Json(body)).into_response()
    }
}

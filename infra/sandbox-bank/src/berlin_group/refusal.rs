//! What the façade refuses, with the codes of the standard (1.3.11, section on return codes).

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use crate::access::AccessRefusal;
use crate::berlin_group::refuse;
use crate::error::SandboxError;

/// A refused call.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request is not well formed.
    Format(&'static str),
    /// An optional feature this bank does not have.
    NotSupported(&'static str),
    /// A kind of consent this bank does not offer.
    ServiceInvalid(&'static str),
    /// Older than what is served after the first minutes.
    PeriodInvalid,
    /// The person's address is demanded with every read (Q51).
    PsuHeaderMissing,
    /// No token.
    TokenMissing,
    /// A token nobody gave.
    TokenUnknown,
    /// A token another third party was given.
    TokenInvalid,
    /// A token that is too old.
    TokenExpired,
    /// A consent nobody made, named in a header or a path.
    ConsentUnknown,
    /// A consent that is not valid, or not the token's.
    ConsentInvalid,
    /// A consent whose time is up.
    ConsentExpired,
    /// Not at this moment of the consent.
    StatusInvalid,
    /// No such resource in this consent.
    ResourceUnknown,
    /// Too many unattended accesses.
    AccessExceeded,
    /// The same, for so many seconds.
    Busy(i64),
    /// The same, with the delay in a sentence only (Q29).
    ComeBackLater,
    /// The bank cannot serve now.
    Unavailable,
    /// The bank failed.
    Internal,
}

impl From<AccessRefusal> for Refusal {
    fn from(refusal: AccessRefusal) -> Self {
        match refusal {
            AccessRefusal::TokenMissing => Self::TokenMissing,
            AccessRefusal::TokenUnknown => Self::TokenUnknown,
            AccessRefusal::TokenExpired => Self::TokenExpired,
            // What is another's is not there.
            AccessRefusal::ConsentUnknown | AccessRefusal::ConsentOfAnother => Self::ConsentUnknown,
            AccessRefusal::TokenOfAnother => Self::TokenInvalid,
            AccessRefusal::ConsentInvalid => Self::ConsentInvalid,
            AccessRefusal::ConsentExpired => Self::ConsentExpired,
            AccessRefusal::ResourceUnknown => Self::ResourceUnknown,
            AccessRefusal::AddressUnreadable => Self::Format("PSU-IP-Address is not an address"),
            AccessRefusal::Exceeded => Self::AccessExceeded,
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
        let bad = StatusCode::BAD_REQUEST;
        let unauthorised = StatusCode::UNAUTHORIZED;
        match self {
            Self::Format(text) => refuse(bad, "FORMAT_ERROR", text),
            Self::NotSupported(text) => refuse(bad, "PARAMETER_NOT_SUPPORTED", text),
            Self::ServiceInvalid(text) => refuse(bad, "SERVICE_INVALID", text),
            Self::PeriodInvalid => refuse(
                bad,
                "PERIOD_INVALID",
                "more than 90 days back is served in the first 15 minutes only",
            ),
            Self::PsuHeaderMissing => refuse(
                bad,
                "PSU_HEADER_NOT_PROVIDED",
                "PSU-IP-Address is demanded with every read",
            ),
            Self::TokenMissing => refuse(unauthorised, "TOKEN_UNKNOWN", "no bearer token"),
            Self::TokenUnknown => refuse(unauthorised, "TOKEN_UNKNOWN", "unknown access token"),
            Self::TokenInvalid => refuse(
                unauthorised,
                "TOKEN_INVALID",
                "the token was given to another third party",
            ),
            Self::TokenExpired => refuse(unauthorised, "TOKEN_EXPIRED", "expired access token"),
            Self::ConsentUnknown => {
                refuse(StatusCode::FORBIDDEN, "CONSENT_UNKNOWN", "unknown consent")
            }
            Self::ConsentInvalid => {
                refuse(unauthorised, "CONSENT_INVALID", "the consent is not valid")
            }
            Self::ConsentExpired => {
                refuse(unauthorised, "CONSENT_EXPIRED", "the consent has expired")
            }
            Self::StatusInvalid => refuse(
                StatusCode::CONFLICT,
                "STATUS_INVALID",
                "not at this moment of the consent",
            ),
            Self::ResourceUnknown => refuse(
                StatusCode::NOT_FOUND,
                "RESOURCE_UNKNOWN",
                "unknown resource",
            ),
            Self::AccessExceeded => refuse(
                StatusCode::TOO_MANY_REQUESTS,
                "ACCESS_EXCEEDED",
                "the unattended accesses of this consent are spent for now",
            ),
            Self::Busy(seconds) => {
                let too_many = StatusCode::TOO_MANY_REQUESTS;
                let refused = refuse(too_many, "ACCESS_EXCEEDED", "the bank is busy");
                ([(RETRY_AFTER, seconds.to_string())], refused).into_response()
            }
            Self::ComeBackLater => refuse(
                StatusCode::TOO_MANY_REQUESTS,
                "ACCESS_EXCEEDED",
                "Rate limit exceeded, please try again in 85092 seconds",
            ),
            Self::Unavailable => refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "SERVICE_UNAVAILABLE",
                "the bank cannot serve now",
            ),
            Self::Internal => refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_SERVER_ERROR",
                "the bank failed",
            ),
        }
    }
}

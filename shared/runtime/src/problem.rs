//! Every refusal, as an RFC 9457 problem.
//!
//! A problem says what happened, what to do and whether to try again. What went wrong inside stays
//! in the log: [`Problem::caused_by`] keeps it for there and nothing of it is ever sent.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use passerelle_domain::ids::CorrelationId;
use serde::Serialize;

use crate::work::chain;

/// The kinds of refusal. Codes are stable: a client may decide on them.
///
/// | code | status | retry | when |
/// | --- | --- | --- | --- |
/// | `invalid-request` | 400 | no | the request line, a header or the encoding cannot be read |
/// | `invalid-body` | 400 | no | the body does not fit: `errors` names each field |
/// | `invalid-query` | 400 | no | a query parameter is unknown or does not fit |
/// | `invalid-callback` | 400 | no | the return from the bank cannot be what a bank sends |
/// | `unauthenticated` | 401 | no | no token, or one without the client's claim |
/// | `scope-missing` | 403 | no | the token does not carry the scope of this operation |
/// | `tenant-unknown` | 403 | no | nobody registered this client here |
/// | `tenant-suspended` | 403 | no | the operator suspended this client |
/// | `purpose-not-granted` | 403 | no | no live consent covers the purpose that was named |
/// | `not-found` | 404 | no | nothing here, for this client |
/// | `method-not-allowed` | 405 | no | the address exists, the method does not |
/// | `conflict` | 409 | no | the step does not fit where the thing stands |
/// | `in-progress` | 409 | yes | the same request is being worked on |
/// | `link-expired` | 410 | no | the link's time is up |
/// | `body-too-large` | 413 | no | the body exceeds 64 KiB |
/// | `unsupported-media-type` | 415 | no | the body is of another type than asked for |
/// | `idempotency-key-reused` | 422 | no | the key came before with another request |
/// | `rate-limited` | 429 | yes | too many calls, `Retry-After` says when |
/// | `internal` | 500 | yes | our fault, logged under the request id |
/// | `bank-unavailable` | 503 | yes | the bank does not answer or answers nonsense |
/// | `unavailable` | 503 | yes | a part of ours is throttled or out for a moment |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request line, a header or the encoding cannot be read.
    InvalidRequest,
    /// The body does not fit.
    InvalidBody,
    /// A query parameter is unknown or does not fit.
    InvalidQuery,
    /// The return from the bank cannot be what a bank sends.
    InvalidCallback,
    /// No token, or one without the client's claim.
    Unauthenticated,
    /// The token does not carry the scope of this operation.
    ScopeMissing,
    /// Nobody registered this client here.
    TenantUnknown,
    /// The operator suspended this client.
    TenantSuspended,
    /// No live consent covers the purpose that was named.
    PurposeNotGranted,
    /// Nothing here, for this client.
    NotFound,
    /// The address exists, the method does not.
    MethodNotAllowed,
    /// The step does not fit where the thing stands.
    Conflict,
    /// The same request is being worked on.
    InProgress,
    /// The link's time is up.
    LinkExpired,
    /// The body exceeds the limit.
    BodyTooLarge,
    /// The body is of another type than asked for.
    UnsupportedMediaType,
    /// The idempotency key came before with another request.
    IdempotencyKeyReused,
    /// Too many calls.
    RateLimited,
    /// Our fault.
    Internal,
    /// The bank does not answer or answers nonsense.
    BankUnavailable,
    /// A part of ours is throttled or out for a moment.
    Unavailable,
}

impl Code {
    /// Every code, for the documentation and its test.
    pub const ALL: [Self; 21] = [
        Self::InvalidRequest,
        Self::InvalidBody,
        Self::InvalidQuery,
        Self::InvalidCallback,
        Self::Unauthenticated,
        Self::ScopeMissing,
        Self::TenantUnknown,
        Self::TenantSuspended,
        Self::PurposeNotGranted,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::InProgress,
        Self::LinkExpired,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::Internal,
        Self::BankUnavailable,
        Self::Unavailable,
    ];

    /// The stable text of the code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::InvalidBody => "invalid-body",
            Self::InvalidQuery => "invalid-query",
            Self::InvalidCallback => "invalid-callback",
            Self::Unauthenticated => "unauthenticated",
            Self::ScopeMissing => "scope-missing",
            Self::TenantUnknown => "tenant-unknown",
            Self::TenantSuspended => "tenant-suspended",
            Self::PurposeNotGranted => "purpose-not-granted",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::InProgress => "in-progress",
            Self::LinkExpired => "link-expired",
            Self::BodyTooLarge => "body-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::RateLimited => "rate-limited",
            Self::Internal => "internal",
            Self::BankUnavailable => "bank-unavailable",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status the code is sent with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::InvalidBody
            | Self::InvalidQuery
            | Self::InvalidCallback => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::ScopeMissing
            | Self::TenantUnknown
            | Self::TenantSuspended
            | Self::PurposeNotGranted => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::InProgress => StatusCode::CONFLICT,
            Self::LinkExpired => StatusCode::GONE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BankUnavailable | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The title: the same words whenever the code is the same.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request cannot be read",
            Self::InvalidBody => "The body does not fit",
            Self::InvalidQuery => "A query parameter does not fit",
            Self::InvalidCallback => "This is not a return from a bank",
            Self::Unauthenticated => "Who is asking is not known",
            Self::ScopeMissing => "The token does not allow this",
            Self::TenantUnknown => "This client is not registered here",
            Self::TenantSuspended => "This client is suspended",
            Self::PurposeNotGranted => "No consent covers this purpose",
            Self::NotFound => "Nothing is here",
            Self::MethodNotAllowed => "This method is not possible here",
            Self::Conflict => "This does not fit the present state",
            Self::InProgress => "The same request is being worked on",
            Self::LinkExpired => "The link has expired",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body is of another type",
            Self::IdempotencyKeyReused => "The idempotency key was used for another request",
            Self::RateLimited => "Too many requests",
            Self::Internal => "Something went wrong on our side",
            Self::BankUnavailable => "The bank cannot be reached",
            Self::Unavailable => "This is not available at the moment",
        }
    }

    /// What to do, unless the place that refuses knows better.
    fn default_detail(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Check the address, the headers and their encoding.",
            Self::InvalidBody => "Correct the fields listed in `errors`.",
            Self::InvalidQuery => "Correct the parameters listed in `errors`.",
            Self::InvalidCallback => "Start again from the link the insurer gave.",
            Self::Unauthenticated => "Send a bearer token of a known client.",
            Self::ScopeMissing => "Ask for a token that carries the scope of this operation.",
            Self::TenantUnknown => {
                "Ask the operator of this deployment to register the client of your token."
            }
            Self::TenantSuspended => "Ask the operator of this deployment to resume it.",
            Self::PurposeNotGranted => {
                "Name a purpose the person has granted, or start a consent that asks for it."
            }
            Self::NotFound => "Check the id. What belongs to another client is not shown either.",
            Self::MethodNotAllowed => "Use one of the methods in the `Allow` header.",
            Self::Conflict => "Read the present state and decide again.",
            Self::InProgress => "Wait a moment and send the same request again.",
            Self::LinkExpired => "Start a new consent to get a new link.",
            Self::BodyTooLarge => "Send at most 64 KiB.",
            Self::UnsupportedMediaType => "Send the body as `application/json`.",
            Self::IdempotencyKeyReused => "Use a new key for a new request.",
            Self::RateLimited => "Wait as long as `Retry-After` says.",
            Self::Internal => "Try again; if it stays, quote the request id.",
            Self::BankUnavailable => "Try again later; nothing was lost.",
            Self::Unavailable => "Try again in a moment; nothing was lost.",
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::InProgress
            | Self::RateLimited
            | Self::Internal
            | Self::BankUnavailable
            | Self::Unavailable => true,
            Self::InvalidRequest
            | Self::InvalidBody
            | Self::InvalidQuery
            | Self::InvalidCallback
            | Self::Unauthenticated
            | Self::ScopeMissing
            | Self::TenantUnknown
            | Self::TenantSuspended
            | Self::PurposeNotGranted
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::LinkExpired
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType
            | Self::IdempotencyKeyReused => false,
        }
    }
}

/// Where in a request something does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A field of the body, as a JSON pointer in URI fragment form: `#/purposes/0/code`.
    Pointer(String),
    /// A query parameter or form field.
    Parameter(String),
    /// A header.
    Header(String),
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What was expected there. Never repeats what was sent.
    pub detail: String,
}

impl FieldError {
    /// A field of the body that does not fit: `#/purposes`.
    pub fn pointer(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            place: Place::Pointer(pointer.into()),
            detail: detail.into(),
        }
    }

    /// A query parameter or form field that does not fit.
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            place: Place::Parameter(name.into()),
            detail: detail.into(),
        }
    }
}

/// A refusal: what the caller reads, and (for the log alone) what was behind it.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    cause: Option<Arc<str>>,
}

impl Problem {
    /// A problem with the code's own detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            errors: Vec::new(),
            retry_after_seconds: None,
            cause: None,
        }
    }

    /// Replaces the detail: one or two sentences for the caller's developer, free of personal data.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// Adds a field that does not fit.
    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    /// Keeps what was behind it, for the log alone.
    #[must_use]
    pub fn caused_by(self, cause: &(dyn Error + 'static)) -> Self {
        Self {
            cause: Some(chain(cause).into()),
            ..self
        }
    }

    /// Our fault. The cause is logged, never sent.
    #[must_use]
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        Self::new(Code::Internal).caused_by(cause)
    }

    /// A part of ours is throttled or out for a moment. The cause is logged, never sent.
    #[must_use]
    pub fn unavailable(cause: &(dyn Error + 'static)) -> Self {
        Self::new(Code::Unavailable)
            .with_retry_after(1)
            .caused_by(cause)
    }

    /// The bank does not answer or answers nonsense. The cause is logged, never sent.
    #[must_use]
    pub fn bank_unavailable(cause: &(dyn Error + 'static)) -> Self {
        Self::new(Code::BankUnavailable).caused_by(cause)
    }

    /// Nothing here, for this client.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// One field of the body does not fit: `invalid_body("#/return_url", "expected an https address")`.
    #[must_use]
    pub fn invalid_body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidBody).with_error(FieldError::pointer(pointer, detail))
    }

    /// One query parameter does not fit.
    #[must_use]
    pub fn invalid_query(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidQuery).with_error(FieldError::parameter(name, detail))
    }

    /// The step does not fit where the thing stands.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Code::Conflict).with_detail(detail)
    }

    /// No live consent covers the purpose that was named.
    #[must_use]
    pub fn purpose_not_granted() -> Self {
        Self::new(Code::PurposeNotGranted)
    }

    /// Who is asking is not known.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated)
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What was behind it, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The bytes of the problem document.
    pub(crate) fn document(&self, request_id: Option<&CorrelationId>) -> Vec<u8> {
        // A struct of texts and numbers always has a JSON form.
        serde_json::to_vec(&self.told(request_id)).unwrap_or_default()
    }

    /// The problem document as a value, for an answer that is no HTTP.
    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::to_value(self.told(None)).unwrap_or_default()
    }

    fn told<'a>(&'a self, request_id: Option<&'a CorrelationId>) -> Document<'a> {
        Document {
            kind: format!("urn:passerelle:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self
                .detail
                .as_deref()
                .unwrap_or_else(|| self.code.default_detail()),
            retryable: self.code.is_retryable(),
            request_id,
            errors: &self.errors,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a CorrelationId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl IntoResponse for Problem {
    /// The document without a request id. The edge of the function, which knows the request, puts it
    /// in and logs the cause; for that the problem travels along as an extension.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document(None)));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.code == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_documented() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        let source = include_str!("problem.rs");
        for code in Code::ALL {
            let retry = if code.is_retryable() { "yes" } else { "no" };
            let row = format!(
                "/// | `{}` | {} | {retry} |",
                code.as_str(),
                code.status().as_u16()
            );
            assert!(source.contains(&row), "no row {row}");
        }
    }

    #[test]
    fn nothing_of_the_cause_is_sent() {
        let cause = std::io::Error::other("password is hunter2");
        let problem = Problem::internal(&cause);
        assert_eq!(problem.cause(), Some("password is hunter2"));
        let document = String::from_utf8(problem.document(None)).unwrap();
        assert!(!document.contains("hunter2"));
    }

    #[test]
    fn every_code_has_a_document_that_does_not_change_unseen() {
        let documents: Vec<serde_json::Value> = Code::ALL
            .iter()
            .map(|code| serde_json::from_slice(&Problem::new(*code).document(None)).unwrap())
            .collect();
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(documents) });
    }
}

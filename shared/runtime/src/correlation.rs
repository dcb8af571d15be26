//! The id that follows one piece of work across functions, queues and banks.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use passerelle_domain::ids::CorrelationId;

use crate::entropy::entropy;

/// The header that carries the id both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The correlation id of a request: the caller's `X-Request-Id` when it is one of ours, else fresh.
/// A value of any other shape is dropped and never repeated, in no header, body or log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlation(pub CorrelationId);

impl Correlation {
    /// An id nobody has seen before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(CorrelationId::from_entropy(entropy()))
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map_or_else(Self::fresh, Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Correlation {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let correlation = Self::of(&parts.headers);
        parts.extensions.insert(correlation.clone());
        Ok(correlation)
    }
}

//! Who calls. A bank that demands certificates knows by them; any other takes everybody for the third
//! party that opened the consent.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::consent::{BankConsent, ThirdParty};

/// The head of a call, and who makes it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) headers: HeaderMap,
    /// From the certificate: only a strict bank knows.
    pub(crate) third_party: Option<ThirdParty>,
}

impl Caller {
    /// Whether a consent is the caller's. Asked where the consent was found, whatever the address it was
    /// found by looked like.
    pub(crate) fn owns(&self, consent: &BankConsent) -> bool {
        self.third_party
            .as_ref()
            .is_none_or(|ThirdParty(name)| consent.third_party() == Some(name))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            headers: parts.headers.clone(),
            third_party: parts.extensions.get().cloned(),
        })
    }
}

//! The browser a journey runs in, told by one cookie.
//!
//! The cookie binds an attempt at the bank to the browser that left for it, so that a stolen link
//! never binds somebody else's bank.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use passerelle_domain::private::Private;

use crate::host_cookie::{HostCookie, SameSite};

/// Lax, so that the bank's redirect, a top-level navigation, brings it back.
const JOURNEY: HostCookie = HostCookie {
    secure_name: "__Host-journey",
    plain_name: "journey",
    same_site: SameSite::Lax,
    max_age_seconds: 24 * 60 * 60,
};

/// The browser that asks: its journey cookies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Browser {
    secure: Option<Private>,
    plain: Option<Private>,
}

impl Browser {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            secure: JOURNEY.of(headers, "https://"),
            plain: JOURNEY.of(headers, "http://"),
        }
    }

    /// The journey cookie, where the browser has the one that pages at this address are given.
    #[must_use]
    pub fn cookie(&self, own_address: &str) -> Option<&Private> {
        if own_address.starts_with("https://") {
            self.secure.as_ref()
        } else {
            self.plain.as_ref()
        }
    }

    /// A new journey cookie and the header that sets it. `own_address` tells whether pages are
    /// served over TLS.
    #[must_use]
    pub fn fresh(own_address: &str) -> (Private, HeaderValue) {
        JOURNEY.fresh(own_address)
    }
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::COOKIE;

    #[test]
    fn a_browser_shows_the_journey_cookie_it_was_given_to_pages_at_the_same_address() {
        for (address, elsewhere) in [
            ("http://127.0.0.1:8787", "https://passerelle.example"),
            ("https://passerelle.example", "http://127.0.0.1:8787"),
        ] {
            let (value, header) = Browser::fresh(address);
            let text = header.to_str().unwrap();
            assert!(text.contains("SameSite=Lax"), "{text}");
            let pair = text.split(';').next().unwrap();
            let browser = Browser::of(&HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())]));
            assert_eq!(browser.cookie(address), Some(&value));
            assert_eq!(browser.cookie(elsewhere), None);
        }
    }
}

//! The browser a journey runs in, told by one cookie for each journey.
//!
//! The cookie binds an attempt at the bank to the browser that left for it, so that a stolen link
//! never binds somebody else's bank. Each journey has its own, so that one never takes another's place.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use passerelle_domain::ids::ConsentId;
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
    headers: HeaderMap,
}

impl Browser {
    /// The cookie of a journey, where the browser has the one that pages at this address are given.
    #[must_use]
    pub fn cookie(&self, own_address: &str, journey: &ConsentId) -> Option<Private> {
        JOURNEY
            .named(journey.as_str())
            .of(&self.headers, own_address)
    }

    /// A new cookie for a journey and the header that sets it. `own_address` tells whether pages are
    /// served over TLS.
    #[must_use]
    pub fn fresh(own_address: &str, journey: &ConsentId) -> (Private, HeaderValue) {
        JOURNEY.named(journey.as_str()).fresh(own_address)
    }
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let cookies = parts.headers.get_all(COOKIE).iter();
        Ok(Self {
            headers: cookies.map(|line| (COOKIE, line.clone())).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_shows_the_cookie_of_a_journey_to_pages_at_the_same_address() {
        let journey = ConsentId::from_entropy([1; 16]);
        let another = ConsentId::from_entropy([2; 16]);
        for (address, elsewhere) in [
            ("http://127.0.0.1:8787", "https://passerelle.example"),
            ("https://passerelle.example", "http://127.0.0.1:8787"),
        ] {
            let (value, header) = Browser::fresh(address, &journey);
            let text = header.to_str().unwrap();
            assert!(text.contains("SameSite=Lax"), "{text}");
            let pair = text.split(';').next().unwrap();
            let browser = Browser {
                headers: HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())]),
            };
            assert_eq!(browser.cookie(address, &journey), Some(value));
            assert_eq!(browser.cookie(elsewhere, &journey), None);
            assert_eq!(browser.cookie(address, &another), None);
        }
    }
}

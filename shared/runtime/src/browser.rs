//! The browser a journey runs in, told by one cookie.
//!
//! The cookie binds an attempt at the bank to the browser that left for it, so that a stolen link
//! never binds somebody else's bank. It carries nothing but randomness and is compared by its digest.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use passerelle_domain::private::Private;

use crate::entropy::entropy;

/// With the `__Host-` prefix a browser takes the cookie only over TLS, for this host alone.
const SECURE_NAME: &str = "__Host-journey";
/// On loopback there is no TLS.
const PLAIN_NAME: &str = "journey";
const DAY_SECONDS: u32 = 24 * 60 * 60;

/// The browser that asks: its journey cookie, where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser(pub Option<Private>);

impl Browser {
    /// A new journey cookie and the header that sets it. `own_address` tells whether pages are
    /// served over TLS.
    #[must_use]
    pub fn fresh(own_address: &str) -> (Private, HeaderValue) {
        let value: String = entropy::<32>()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (name, secure) = if own_address.starts_with("https://") {
            (SECURE_NAME, "; Secure")
        } else {
            (PLAIN_NAME, "")
        };
        // Lax, so that the bank's redirect, a top-level navigation, brings it back.
        let cookie = format!(
            "{name}={value}; Path=/; Max-Age={DAY_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        );
        // Hexadecimal digits always fit a header.
        let header = HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""));
        (Private::new(value), header)
    }
}

fn journey_cookie(headers: &HeaderMap) -> Option<Private> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let found = cookies.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        [SECURE_NAME, PLAIN_NAME].contains(&name).then_some(value)
    })?;
    let ours = found.len() == 64 && found.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then(|| Private::new(found))
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(journey_cookie(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_is_set_is_read_back_among_others() {
        let (value, header) = Browser::fresh("http://127.0.0.1:8787");
        let pair = header
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let headers = HeaderMap::from_iter([(COOKIE, format!("a=b; {pair}; c").parse().unwrap())]);
        assert_eq!(journey_cookie(&headers), Some(value));
    }

    #[test]
    fn a_cookie_that_is_not_ours_is_no_browser() {
        let headers = HeaderMap::from_iter([(COOKIE, "journey=<script>".parse().unwrap())]);
        assert_eq!(journey_cookie(&headers), None);
    }

    #[test]
    fn over_tls_the_cookie_is_secure_and_for_this_host_alone() {
        let (_, header) = Browser::fresh("https://passerelle.example");
        let text = header.to_str().unwrap();
        assert!(
            text.starts_with("__Host-journey=") && text.ends_with("; Secure"),
            "{text}"
        );
    }
}

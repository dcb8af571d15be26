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

use crate::entropy::fresh_secret;

/// With the `__Host-` prefix a browser takes the cookie only over TLS, for this host alone.
const SECURE_NAME: &str = "__Host-journey";
/// On loopback there is no TLS.
const PLAIN_NAME: &str = "journey";
const DAY_SECONDS: u32 = 24 * 60 * 60;

/// The browser that asks: its journey cookies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Browser {
    secure: Option<Private>,
    plain: Option<Private>,
}

impl Browser {
    /// The journey cookie, where the browser has the one that pages at this address are given. Over
    /// TLS a plain one is not taken: a neighbour of our domain could have set it.
    #[must_use]
    pub fn cookie(&self, own_address: &str) -> Option<&Private> {
        if is_secure(own_address) {
            self.secure.as_ref()
        } else {
            self.plain.as_ref()
        }
    }

    /// A new journey cookie and the header that sets it. `own_address` tells whether pages are
    /// served over TLS.
    #[must_use]
    pub fn fresh(own_address: &str) -> (Private, HeaderValue) {
        let value = fresh_secret();
        let (name, secure) = if is_secure(own_address) {
            (SECURE_NAME, "; Secure")
        } else {
            (PLAIN_NAME, "")
        };
        // Lax, so that the bank's redirect, a top-level navigation, brings it back.
        let cookie = format!(
            "{name}={}; Path=/; Max-Age={DAY_SECONDS}; HttpOnly; SameSite=Lax{secure}",
            value.expose()
        );
        // Hexadecimal digits always fit a header.
        let header = HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""));
        (value, header)
    }
}

fn is_secure(own_address: &str) -> bool {
    own_address.starts_with("https://")
}

fn cookie_named(headers: &HeaderMap, name: &str) -> Option<Private> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let found = cookies.flat_map(|line| line.split(';')).find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })?;
    let ours = found.len() == 64 && found.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then(|| Private::new(found))
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            secure: cookie_named(&parts.headers, SECURE_NAME),
            plain: cookie_named(&parts.headers, PLAIN_NAME),
        })
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
        assert_eq!(cookie_named(&headers, PLAIN_NAME), Some(value));
    }

    #[test]
    fn a_cookie_that_is_not_ours_is_no_browser() {
        let headers = HeaderMap::from_iter([(COOKIE, "journey=<script>".parse().unwrap())]);
        assert_eq!(cookie_named(&headers, PLAIN_NAME), None);
    }

    #[test]
    fn over_tls_a_plain_cookie_is_not_taken() {
        let browser = Browser {
            secure: None,
            plain: Some("a".repeat(64).into()),
        };
        assert_eq!(browser.cookie("https://passerelle.example"), None);
        assert!(browser.cookie("http://127.0.0.1:8787").is_some());
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

//! A cookie of ours: randomness and nothing else, out of reach of scripts, for this host alone.
//!
//! It is compared by its digest and stored nowhere. On loopback there is no TLS, so there it goes
//! under a plain name; over TLS a plain one is never taken, because a neighbour of our domain could
//! have set it.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use passerelle_domain::private::Private;

use crate::entropy::fresh_secret;

/// Which navigations bring a cookie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Links and redirects from elsewhere too: a return from the bank.
    Lax,
    /// Only what starts on our own pages.
    Strict,
}

/// One cookie of ours, by its names and its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCookie {
    /// With the `__Host-` prefix a browser takes it only over TLS, for this host, on every path.
    pub secure_name: &'static str,
    /// The name on loopback.
    pub plain_name: &'static str,
    /// Which navigations bring it along.
    pub same_site: SameSite,
    /// How long a browser keeps it, in seconds.
    pub max_age_seconds: u32,
}

/// One of several cookies that follow the same rules, told apart by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedCookie<'a> {
    rules: HostCookie,
    ending: &'a str,
}

impl NamedCookie<'_> {
    /// The cookie in a request to pages at this address.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap, own_address: &str) -> Option<Private> {
        named(headers, &self.name(own_address))
    }

    /// A new cookie and the header that sets it. The address tells whether pages are served over TLS.
    #[must_use]
    pub fn fresh(&self, own_address: &str) -> (Private, HeaderValue) {
        let value = fresh_secret();
        let name = self.name(own_address);
        let lives = self.rules.max_age_seconds;
        let header = self.rules.header(&name, own_address, value.expose(), lives);
        (value, header)
    }

    fn name(&self, own_address: &str) -> String {
        format!("{}-{}", self.rules.name(own_address), self.ending)
    }
}

impl HostCookie {
    /// The cookie of these rules whose name ends so: letters, digits and underscores.
    #[must_use]
    pub fn named(self, ending: &str) -> NamedCookie<'_> {
        NamedCookie {
            rules: self,
            ending,
        }
    }

    /// The cookie in a request to pages at this address.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap, own_address: &str) -> Option<Private> {
        named(headers, self.name(own_address))
    }

    /// A new cookie and the header that sets it. The address tells whether pages are served over TLS.
    #[must_use]
    pub fn fresh(&self, own_address: &str) -> (Private, HeaderValue) {
        let value = fresh_secret();
        let (name, lives) = (self.name(own_address), self.max_age_seconds);
        let header = self.header(name, own_address, value.expose(), lives);
        (value, header)
    }

    /// The header that makes a browser forget it.
    #[must_use]
    pub fn forgotten(&self, own_address: &str) -> HeaderValue {
        self.header(self.name(own_address), own_address, "", 0)
    }

    fn name(&self, own_address: &str) -> &'static str {
        match is_secure(own_address) {
            true => self.secure_name,
            false => self.plain_name,
        }
    }

    fn header(
        &self,
        name: &str,
        own_address: &str,
        value: &str,
        max_age_seconds: u32,
    ) -> HeaderValue {
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        let secure = if is_secure(own_address) {
            "; Secure"
        } else {
            ""
        };
        let cookie = format!(
            "{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite={same_site}{secure}"
        );
        // Hexadecimal digits always fit a header.
        HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
    }
}

fn is_secure(own_address: &str) -> bool {
    own_address.starts_with("https://")
}

fn named(headers: &HeaderMap, name: &str) -> Option<Private> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: HostCookie = HostCookie {
        secure_name: "__Host-example",
        plain_name: "example",
        same_site: SameSite::Strict,
        max_age_seconds: 60,
    };
    const HERE: &str = "http://127.0.0.1:8787";
    const ABROAD: &str = "https://passerelle.example";

    fn carrying(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())])
    }

    #[test]
    fn a_cookie_that_is_set_is_read_back_among_others() {
        let (value, header) = EXAMPLE.fresh(HERE);
        let pair = header.to_str().unwrap().split(';').next().unwrap();
        let headers = carrying(&format!("a=b; {pair}; c"));
        assert_eq!(EXAMPLE.of(&headers, HERE), Some(value));
    }

    #[test]
    fn a_value_that_is_not_ours_is_no_cookie() {
        assert_eq!(EXAMPLE.of(&carrying("example=<script>"), HERE), None);
    }

    #[test]
    fn over_tls_a_plain_cookie_is_not_taken() {
        let headers = carrying(&format!("example={}", "a".repeat(64)));
        assert_eq!(EXAMPLE.of(&headers, ABROAD), None);
        assert!(EXAMPLE.of(&headers, HERE).is_some());
    }

    #[test]
    fn over_tls_it_is_secure_and_for_this_host_alone() {
        let (_, header) = EXAMPLE.fresh(ABROAD);
        let text = header.to_str().unwrap();
        assert!(text.starts_with("__Host-example="), "{text}");
        assert!(
            text.ends_with("; HttpOnly; SameSite=Strict; Secure"),
            "{text}"
        );
        assert!(!text.contains("Domain"), "{text}");
    }
}

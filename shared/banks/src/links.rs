//! Addresses of one bank: its own are followed as they are, foreign ones are refused.

use std::collections::BTreeSet;

use passerelle_domain::private::Private;
use ring::digest;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::error::BankError;

/// More pages than any history of two years has.
const MAX_PAGES: usize = 500;

/// Where one bank's interface lives.
#[derive(Debug, Clone)]
pub(crate) struct BankAddress {
    base: Url,
}

impl BankAddress {
    /// Takes `https`, and plain `http` on a loopback address only.
    pub(crate) fn new(base: &Url) -> Result<Self, BankError> {
        let loopback = match base.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match base.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => {
                return Err(BankError::Settings(
                    "a bank's address must be https (http on a loopback address only)",
                ));
            }
        }
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self { base })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The address one step above, where links that name the version themselves begin.
    pub(crate) fn parent(&self) -> Result<Self, BankError> {
        let above = self.base.join("../");
        let above = above.map_err(|_| BankError::Settings("a bank's address has no parent"))?;
        Self::new(&above)
    }

    /// An address below the base; each segment is escaped.
    pub(crate) fn path(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Where a link of the bank's points: absolute, from the root of the host, from the interface's
    /// base (`v1/…`), or a bare query.
    pub(crate) fn resolve(&self, current: &Url, href: &str) -> Result<Url, BankError> {
        let unreadable = |_| BankError::Nonsense {
            what: "a link cannot be read",
        };
        let from = if href.starts_with('?') {
            current
        } else {
            &self.base
        };
        let url = from.join(href).map_err(unreadable)?;
        self.own(&url)?;
        Ok(url)
    }

    /// An address that was kept: it must still be the bank's.
    pub(crate) fn kept(&self, address: &Private) -> Result<Url, BankError> {
        let url = Url::parse(address.expose()).map_err(|_| BankError::DamagedSecrets)?;
        self.own(&url)?;
        Ok(url)
    }

    /// Refuses an address that is not the bank's: a token must not be sent there.
    pub(crate) fn own(&self, url: &Url) -> Result<(), BankError> {
        let plain = url.username().is_empty() && url.password().is_none();
        if url.origin() == self.base.origin() && plain {
            Ok(())
        } else {
            Err(BankError::ForeignLink)
        }
    }
}

/// The pages read so far, each by a digest of its address: a bank that leads in a circle is stopped.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Trail {
    visited: BTreeSet<u64>,
}

/// The first bytes of a SHA-256: enough to tell some hundred pages apart.
fn digest_of(url: &Url) -> u64 {
    let hash = digest::digest(&digest::SHA256, url.as_str().as_bytes());
    let bytes = hash.as_ref().iter().take(8);
    bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Trail {
    /// Notes a page before it is read.
    pub(crate) fn step(&mut self, url: &Url) -> Result<(), BankError> {
        if !self.visited.insert(digest_of(url)) {
            return Err(BankError::Nonsense {
                what: "the pages lead in a circle",
            });
        }
        if self.visited.len() > MAX_PAGES {
            return Err(BankError::Nonsense {
                what: "the pages never end",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(base: &str) -> BankAddress {
        BankAddress::new(&Url::parse(base).unwrap()).unwrap()
    }

    fn resolved(href: &str) -> Result<String, BankError> {
        let bank = address("https://bank.example/psd2");
        let current = bank.path(&["v1", "accounts", "a1", "transactions"]);
        bank.resolve(&current, href).map(|url| url.to_string())
    }

    #[test]
    fn relative_and_absolute_links_find_the_bank() {
        let expected = "https://bank.example/psd2/v1/x?page=2";
        for href in [
            "https://bank.example/psd2/v1/x?page=2",
            "/psd2/v1/x?page=2",
            "v1/x?page=2",
        ] {
            assert_eq!(resolved(href).unwrap(), expected, "{href}");
        }
        assert_eq!(
            resolved("?page=2").unwrap(),
            "https://bank.example/psd2/v1/accounts/a1/transactions?page=2"
        );
    }

    #[test]
    fn a_link_is_replayed_to_the_letter() {
        let href = "/psd2/v1/x?dateTo2022-07-04&continuationKey=a%2Fb==&empty=";
        assert_eq!(
            resolved(href).unwrap(),
            format!("https://bank.example{href}")
        );
    }

    #[test]
    fn a_foreign_link_is_refused() {
        for href in [
            "https://evil.example/v1",
            "http://bank.example/v1",
            "https://bank.example:8443/v1",
            "//evil.example/v1",
            "https://bank.example@evil.example/",
            "https://user@bank.example/v1",
            "javascript:alert(1)",
        ] {
            assert!(
                matches!(resolved(href), Err(BankError::ForeignLink)),
                "{href}"
            );
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for (base, taken) in [
            ("http://127.0.0.1:8080/bank", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://bank.example", false),
            ("ftp://bank.example", false),
        ] {
            let url = Url::parse(base).unwrap();
            assert_eq!(BankAddress::new(&url).is_ok(), taken, "{base}");
        }
    }

    #[test]
    fn an_account_id_cannot_leave_its_place_in_the_path() {
        let url = address("https://bank.example/psd2").path(&["v1", "accounts", "../../x?y#z"]);
        assert_eq!(
            url.as_str(),
            "https://bank.example/psd2/v1/accounts/..%2F..%2Fx%3Fy%23z"
        );
    }

    #[test]
    fn a_circle_of_pages_is_stopped() {
        let mut trail = Trail::default();
        let url = Url::parse("https://bank.example/1").unwrap();
        assert!(trail.step(&url).is_ok());
        assert!(trail.step(&url).is_err());
    }

    proptest! {
        #[test]
        fn no_link_makes_it_panic_or_leave_the_bank(href in ".{0,60}") {
            if let Ok(url) = resolved(&href) {
                prop_assert!(url.starts_with("https://bank.example/"));
            }
        }
    }
}

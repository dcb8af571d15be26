//! The address a deployment gives its pages (`PUBLIC_URL`).

use std::str::FromStr;

use http::Uri;

/// Where people's browsers reach the suite: `https://…` without a slash at the end, whatever was
/// written. The one form there is, so that every function builds the same addresses from it: a bank
/// compares the return address it was sent with the one a code is exchanged for, letter by letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress(String);

impl PublicAddress {
    /// The address, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no address of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an http or https address without query")]
pub struct InvalidAddress;

impl FromStr for PublicAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let uri: Uri = text.parse().map_err(|_| InvalidAddress)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_web || uri.authority().is_none() || uri.query().is_some() || text.contains('#') {
            return Err(InvalidAddress);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_is_one_address() {
        for (written, read) in [
            ("https://pages.example", "https://pages.example"),
            ("https://pages.example/", "https://pages.example"),
            ("https://pages.example/bank//", "https://pages.example/bank"),
            ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        ] {
            let address: PublicAddress = written.parse().unwrap();
            assert_eq!(address.as_str(), read);
        }
    }

    #[test]
    fn what_no_page_can_live_at_is_refused() {
        for text in [
            "pages.example",
            "/pages",
            "ftp://pages.example",
            "https://pages.example/?a=1",
            "https://pages.example/#top",
            "https://",
            "",
        ] {
            assert_eq!(text.parse::<PublicAddress>(), Err(InvalidAddress), "{text}");
        }
    }
}
